//! Layers: parameters from a [`ParameterStore`](crate::ParameterStore), values from [`op`](crate::op).

mod conv;
mod cosine;
mod curvature;
mod dense;
mod mlr;
mod to_ball;

pub use conv::Conv2d;
pub use cosine::{Cosine, normalise};
pub use curvature::{BallCurvature, CURVATURE_RANGE};
pub use dense::Linear;
pub use mlr::HyperbolicMlr;
pub use to_ball::{ToPoincare, ToPoincareConfig};

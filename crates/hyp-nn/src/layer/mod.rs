//! Layers: parameters from a [`ParameterStore`](crate::ParameterStore), values from [`op`](crate::op).

mod batch_norm;
mod concat;
mod conv;
mod cosine;
mod curvature;
mod dense;
mod distance;
mod from_ball;
mod linear;
mod mlr;
mod point;
mod to_ball;

pub use batch_norm::{BatchNorm, BatchNormOptions, FusedConv};
pub use concat::MobiusConcat;
pub use conv::Conv2d;
pub use cosine::{Cosine, normalise};
pub use curvature::{BallCurvature, CURVATURE_RANGE};
pub use dense::Linear;
pub use distance::Distance;
pub use from_ball::FromPoincare;
pub use linear::MobiusLinear;
pub use mlr::{HyperbolicMlr, UnidirectionalMlr};
pub use to_ball::{ToPoincare, ToPoincareConfig, clip_rows};

//! Layers: parameters from a [`ParameterStore`](crate::ParameterStore), values from [`op`](crate::op).

mod conv;
mod cosine;
mod dense;

pub use conv::Conv2d;
pub use cosine::{Cosine, normalise};
pub use dense::Linear;

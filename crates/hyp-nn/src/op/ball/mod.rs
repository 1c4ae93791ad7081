//! Operations of the Poincaré ball, with the kernels and gradients of [`hyp_math::batch`].
//!
//! The formulas, their domains and their accuracy are documented there; here they meet tensors. Points are the rows
//! along the last axis. The curvature is a number, or a trained scalar that receives a gradient: see
//! [`BallParameter`].

#[cfg(feature = "cuda")]
mod composed;
mod distance_loss;
mod kept;
mod lorentz;
mod midpoint;
mod mlr;
mod mlr_loss;
mod pairs;
mod row_kernels;
mod rows;

pub use distance_loss::distance_cross_entropy;
pub use lorentz::{lorentz_distance, lorentz_exp_map_zero, lorentz_from_ball, lorentz_to_ball};
pub use midpoint::{einstein_midpoint, lorentz_centroid};
pub use mlr::{mlr_layer_logits, mlr_logits, mlr_logits_unidirectional};
pub use mlr_loss::{mlr_cross_entropy, mlr_layer_cross_entropy};
pub use pairs::{distance_matrix, lorentz_distance_matrix};
pub use rows::{
    distance, distance_to_origin, exp_map_at, exp_map_zero, from_ball, log_map_at, mobius_add, mobius_linear,
    mobius_scalar_mul, mobius_sub, project, riemannian_gradient, to_ball,
};

use candle_core::Tensor;
use hyp_math::Curvature;

use super::kernel::{Element, Gradients};

/// The curvature of one operation: its value in `f64` and, if it is trained, the tensor that takes its gradient.
#[derive(Clone, Debug)]
pub struct BallParameter {
    value: Curvature,
    tensor: Option<Tensor>,
}

impl BallParameter {
    /// `tensor`, a scalar of the element type of the other operands, receives the gradient; its value is not read.
    pub fn new(value: Curvature, tensor: Option<Tensor>) -> Self {
        Self { value, tensor }
    }

    /// The value.
    pub fn value(&self) -> Curvature {
        self.value
    }
}

impl From<Curvature> for BallParameter {
    fn from(value: Curvature) -> Self {
        Self { value, tensor: None }
    }
}

/// Which coordinates points are given in.
#[derive(Clone, Copy)]
enum Model {
    /// Those of the ball.
    Ball,
    /// Space parts of the hyperboloid.
    Lorentz,
}

/// Appends the gradient by the curvature if that is among the inputs.
fn with_curvature<T: Element>(mut gradients: Gradients<T>, inputs: usize, by_c: f64) -> Gradients<T> {
    if inputs > gradients.len() {
        gradients.push(Some(vec![T::from_f64(by_c)]));
    }
    gradients
}

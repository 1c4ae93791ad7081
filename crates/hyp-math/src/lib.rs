//! Hyperbolic geometry on slices: formulas, their gradients, statistics.
//!
//! Points of the Poincaré ball are slices `&[T]` of `f32` or `f64`; matrices are row-major. Every formula runs
//! in `f64` and is rounded once to `T`. A gradient function is named after its operation with `_vjp`: it takes
//! the inputs and the gradient of a loss with respect to the output, and overwrites the gradients with respect
//! to the inputs. The space has curvature −c ([`Curvature`]); c = 0 is Euclidean space, exactly.
//!
//! What is absent: tensors, files, randomness, and epsilons in formulas
//! (outside `reference`). [`maps::project`] is the only function that moves a point.

pub mod curvature;
pub mod eps;
pub mod real;
pub mod reference;

pub mod batch;
pub mod distance;
pub(crate) mod elementary;
pub mod gyro;
pub mod klein;
pub mod linear;
pub mod lorentz;
pub mod maps;
pub mod midpoint;
pub mod mlr;
pub mod scalar;
pub mod stats;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod vector;

pub use curvature::{Curvature, InvalidCurvature};
pub use real::Real;

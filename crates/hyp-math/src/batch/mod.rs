//! The operations over the rows of matrices, shared out among threads, and the all-pairs operations.
//!
//! Matrices are row-major slices with an explicit number of columns `dim`. A function has the name of the operation on
//! one point; those of the Lorentz model are in [`lorentz`]. Results do not depend on the number of threads: every output
//! is written by one task, and what is summed over rows is summed in their order. The caller gives the output, and no
//! memory is allocated per row; only Fréchet means, Lorentz centroids and the gradient of all Lorentz distances take some.

mod concat;
mod distance;
mod distance_gradient;
mod distance_loss;
mod distance_matrix;
mod groups;
mod gyro;
mod isa;
mod klein;
mod lanes;
mod linear;
pub mod lorentz;
mod maps;
mod midpoint;
mod mlr;
mod mlr_gradient;
mod mlr_layer;
mod mlr_loss;
mod mlr_unidirectional;
mod panels;
mod parallel;
mod products;
mod riemannian;
mod row_wise;
mod rows;
mod shared;
mod side;
mod softmax;
mod tile;
mod to_ball;
mod weighted;

pub use concat::{concat, concat_vjp};
pub use distance::{distance, distance_to_origin, distance_to_origin_vjp, distance_vjp};
pub use distance_gradient::{distance_matrix_vjp, distance_matrix_vjp_of_points};
pub use distance_loss::{distance_cross_entropy, distance_cross_entropy_of_points};
pub use distance_matrix::distance_matrix;
pub use gyro::{
    conformal_factor, conformal_factor_vjp, gyration, gyration_vjp, mobius_add, mobius_add_vjp,
    mobius_scalar_mul, mobius_scalar_mul_vjp, mobius_sub, mobius_sub_vjp, riemannian_factor,
    riemannian_factor_vjp,
};
pub use klein::{klein_to_poincare, klein_to_poincare_vjp, poincare_to_klein, poincare_to_klein_vjp};
pub use linear::{mobius_linear, mobius_linear_vjp, mobius_matvec, mobius_matvec_vjp};
pub use maps::{
    clip_norm, clip_norm_vjp, exp_map_at, exp_map_at_vjp, exp_map_zero, exp_map_zero_vjp, geodesic,
    geodesic_vjp, log_map_at, log_map_at_vjp, log_map_zero, log_map_zero_vjp, parallel_transport,
    parallel_transport_vjp, project, project_vjp,
};
pub use midpoint::{einstein_midpoint, einstein_midpoint_vjp, frechet_mean, frechet_mean_vjp};
pub use mlr::{mlr_logits, mlr_logits_vjp};
pub use mlr_layer::{mlr_layer_cross_entropy, mlr_layer_logits, mlr_layer_logits_vjp};
pub use mlr_loss::{LossAndCurvature, mlr_cross_entropy};
pub use mlr_unidirectional::{mlr_logits_unidirectional, mlr_logits_unidirectional_vjp};
pub use riemannian::riemannian_scale;
pub use shared::{
    exp_map_shared, exp_map_shared_vjp, log_map_shared, log_map_shared_vjp, mobius_add_shared,
    mobius_add_shared_vjp,
};
pub use to_ball::{to_ball, to_ball_vjp};

use crate::Real;

/// The number of rows of a matrix with `dim` columns.
///
/// # Panics
/// If `dim` is zero or does not divide the length.
fn check_rows<T: Real>(matrix: &[T], dim: usize) -> usize {
    assert!(dim > 0, "a matrix of points needs at least one column");
    assert_eq!(matrix.len() % dim, 0, "the length of a matrix is a multiple of its number of columns");
    matrix.len() / dim
}

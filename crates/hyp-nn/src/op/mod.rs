//! Differentiable operations with kernels and gradients of our own, where Candle's are wrong, slow or absent.
//!
//! Every operation takes `f32` or `f64` tensors, works on any layout (a strided input is copied first),
//! gives the same bits for any number of threads, and refuses a device for which it has no kernel.

mod activation;
mod ball;
mod batch_norm;
mod conv;
mod conv_norm;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(not(feature = "cuda"))]
#[path = "no_cuda.rs"]
mod cuda;
mod depthwise;
mod direct;
mod elementary;
mod elementwise;
mod fresh;
mod gemm;
mod im2col;
mod kernel;
mod linear;
mod loss;
mod pool;
mod reduce;
mod scratch;
mod stored;
mod sums;
mod vector;
mod wide;
mod winograd;

pub(crate) use activation::add_then;
pub use activation::{leaky_relu, relu, relu6};
pub use ball::{
    BallParameter, distance, distance_cross_entropy, distance_matrix, distance_to_origin, einstein_midpoint,
    exp_map_at, exp_map_zero, from_ball, log_map_at, lorentz_centroid, lorentz_distance,
    lorentz_distance_matrix, lorentz_exp_map_zero, lorentz_from_ball, lorentz_to_ball, mlr_cross_entropy,
    mlr_layer_cross_entropy, mlr_layer_logits, mlr_logits, mlr_logits_unidirectional, mobius_add,
    mobius_linear, mobius_scalar_mul, mobius_sub, project, riemannian_gradient, to_ball,
};
pub use batch_norm::{BatchStatistics, batch_norm, batch_norm_fixed};
pub use conv::{Epilogue, conv2d, conv2d_relu, conv2d_relu_max_pool};
pub use conv_norm::{conv2d_batch_norm, conv2d_batch_norm_add, conv2d_batch_norm_fixed};
pub use elementary::{acosh, asinh, atanh, expm1, log1p};
pub use im2col::{ConvOptions, Padding};
pub use kernel::Element;
pub use linear::{linear, linear_exact, linear_relu};
pub use loss::cross_entropy;
pub use pool::{PoolOptions, adaptive_avg_pool2d, avg_pool2d, max_pool2d};
pub use reduce::{mean, norm, sum};
pub(crate) use wide::wide;

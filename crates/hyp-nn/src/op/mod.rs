//! Differentiable operations with kernels and gradients of our own, where Candle's are wrong, slow or absent.
//!
//! Every operation takes `f32` or `f64` tensors on the CPU, works on any layout (a strided input is copied first),
//! gives the same bits for any number of threads, and refuses a device for which it has no kernel.

mod activation;
mod ball;
mod conv;
mod gemm;
mod im2col;
mod kernel;
mod linear;
mod loss;
mod pool;
mod wide;

pub use activation::relu;
pub use ball::{BallParameter, mlr_layer_logits, riemannian_gradient, to_ball};
pub use conv::{conv2d, conv2d_relu, conv2d_relu_max_pool};
pub use im2col::{ConvOptions, Padding};
pub use kernel::Element;
pub use linear::{linear, linear_relu};
pub use loss::cross_entropy;
pub use pool::{PoolOptions, adaptive_avg_pool2d, avg_pool2d, max_pool2d};

//! The Lorentz model, for points too far out for the ball: stored by their space parts, as in [`hyp_math::lorentz`].

use candle_core::{Result, Tensor};
#[cfg(doc)]
use hyp_math::lorentz;
use hyp_math::{Curvature, Real, batch::lorentz as rows};

use super::BallParameter;
#[cfg(feature = "cuda")]
use super::row_kernels::cuda::{OnCuda, OnPairs, Radial};
use super::row_kernels::{BinaryOp, UnaryOp, binary, binary_op, unary, unary_op};

/// Space parts of points of the ball; see [`lorentz::from_poincare`].
///
/// **Shapes.** `[…, dim]` to the same.
///
/// # Errors
/// If the element type or device has no kernel.
///
/// # Examples
/// ```
/// use hyp_math::Curvature;
/// use hyp_nn::{candle_core::{Device, Tensor}, op};
/// let c = Curvature::new(1.0).unwrap().into();
/// let x = Tensor::new(&[[0.5_f64, 0.0]], &Device::Cpu)?;
/// let s = op::lorentz_from_ball(&x, &c)?;
/// assert!((s.to_vec2::<f64>()?[0][0] - 4.0 / 3.0).abs() < 1e-15); // 2x/(1 − ‖x‖²)
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn lorentz_from_ball(x: &Tensor, c: &BallParameter) -> Result<Tensor> {
    unary(FromBall, x, c)
}

/// Points of the ball from space parts; see [`lorentz::to_poincare`].
///
/// **Shapes.** `[…, dim]` to the same.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn lorentz_to_ball(s: &Tensor, c: &BallParameter) -> Result<Tensor> {
    unary(ToBall, s, c)
}

/// Exponential map at the origin into space parts; see [`lorentz::exp_map_zero`].
///
/// Half the tangent vector's length lands where the ball's map lands: `lorentz_exp_map_zero(2v)` and `exp_map_zero(v)`
/// are the same point.
///
/// **Shapes.** `[…, dim]` to the same.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn lorentz_exp_map_zero(u: &Tensor, c: &BallParameter) -> Result<Tensor> {
    unary(ExpMapZero, u, c)
}

/// Distance of each pair of rows, given by their space parts; see [`lorentz::distance`].
///
/// **Shapes.** `x`: `[…, dim]`; `y`: the same or `[dim]`; result: `[…]`.
///
/// # Errors
/// If the shapes differ, or the element type or device has no kernel.
pub fn lorentz_distance(x: &Tensor, y: &Tensor, c: &BallParameter) -> Result<Tensor> {
    binary(Distance, x, y, c)
}

unary_op!(
    FromBall, "lorentz_from_ball", rows::from_poincare, rows::from_poincare_vjp,
    scalar: false, cuda: Radial::FromBallLorentz.plain()
);
unary_op!(
    ToBall, "lorentz_to_ball", rows::to_poincare, rows::to_poincare_vjp,
    scalar: false, cuda: Radial::ToBallLorentz.plain()
);
unary_op!(
    ExpMapZero, "lorentz_exp_map_zero", rows::exp_map_zero, rows::exp_map_zero_vjp,
    scalar: false, cuda: Radial::ExpZeroLorentz.plain()
);
binary_op!(
    Distance, "lorentz_distance", rows::distance, rows::distance_vjp,
    scalar: true, cuda: OnPairs::LorentzDistance
);

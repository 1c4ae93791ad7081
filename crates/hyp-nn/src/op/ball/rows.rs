//! Operations that treat one row of each operand at a time.

use candle_core::{Result, Tensor};
use hyp_math::Curvature;
#[cfg(doc)]
use hyp_math::batch;

use super::BallParameter;
use super::row_kernels::{
    Distance, DistanceToOrigin, ExpMapAt, ExpMapZero, LogMapAt, LogMapZero, MobiusAdd, MobiusScalarMul,
    MobiusSub, Project, RiemannianGradient, ToBall, binary, unary,
};
use crate::op::linear_exact;

/// Rows clipped, mapped by the exponential map at 0 and projected behind the margin; see [`batch::to_ball`].
///
/// **Shapes.** `x` and result: `[…, dim]`.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn to_ball(x: &Tensor, c: &BallParameter, clip: Option<f64>, margin: f64) -> Result<Tensor> {
    unary(ToBall { clip, margin }, x, c)
}

/// The logarithmic map at 0, which undoes [`exp_map_zero`]; see [`batch::log_map_zero`].
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
/// let v = op::from_ball(&x, &c)?.to_vec2::<f64>()?;
/// assert!((v[0][0] - 0.5_f64.atanh()).abs() < 1e-15 && v[0][1] == 0.0);
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn from_ball(x: &Tensor, c: &BallParameter) -> Result<Tensor> {
    unary(LogMapZero, x, c)
}

/// The exponential map at 0, without clipping or margin; see [`batch::exp_map_zero`].
///
/// **Shapes.** `[…, dim]` to the same.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn exp_map_zero(v: &Tensor, c: &BallParameter) -> Result<Tensor> {
    unary(ExpMapZero, v, c)
}

/// Points moved back to the radius (1 − margin)/√c where they are beyond it; see [`batch::project`].
///
/// **Shapes.** `[…, dim]` to the same.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn project(x: &Tensor, c: &BallParameter, margin: f64) -> Result<Tensor> {
    unary(Project { margin }, x, c)
}

/// Möbius multiplication of each point by the number `r`; see [`batch::mobius_scalar_mul`].
///
/// **Shapes.** `[…, dim]` to the same.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn mobius_scalar_mul(r: f64, x: &Tensor, c: &BallParameter) -> Result<Tensor> {
    unary(MobiusScalarMul { r }, x, c)
}

/// Distance of each point to 0; see [`batch::distance_to_origin`].
///
/// **Shapes.** `[…, dim]` to `[…]`.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn distance_to_origin(x: &Tensor, c: &BallParameter) -> Result<Tensor> {
    unary(DistanceToOrigin, x, c)
}

/// The points themselves, with a gradient scaled by `(1 − c‖x‖²)²/4`; see [`batch::riemannian_scale`].
///
/// **Shapes.** `[…, dim]` to the same.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn riemannian_gradient(points: &Tensor, c: Curvature) -> Result<Tensor> {
    unary(RiemannianGradient, points, &c.into())
}

/// Möbius addition, row by row; see [`batch::mobius_add`].
///
/// **Shapes.** `x`, `y`, result: `[…, dim]`; `y` may also be one point, `[dim]`.
///
/// # Errors
/// If the shapes differ, or the element type or device has no kernel.
pub fn mobius_add(x: &Tensor, y: &Tensor, c: &BallParameter) -> Result<Tensor> {
    binary(MobiusAdd, x, y, c)
}

/// Möbius subtraction, (−x) ⊕ y without cancellation; see [`batch::mobius_sub`].
///
/// **Shapes.** As [`mobius_add`].
///
/// # Errors
/// If the shapes differ, or the element type or device has no kernel.
pub fn mobius_sub(x: &Tensor, y: &Tensor, c: &BallParameter) -> Result<Tensor> {
    binary(MobiusSub, x, y, c)
}

/// The exponential map at `x` of the tangent vector `v`; see [`batch::exp_map_at`].
///
/// **Shapes.** As [`mobius_add`].
///
/// # Errors
/// If the shapes differ, or the element type or device has no kernel.
pub fn exp_map_at(x: &Tensor, v: &Tensor, c: &BallParameter) -> Result<Tensor> {
    binary(ExpMapAt, x, v, c)
}

/// The logarithmic map at `x` of the point `y`; see [`batch::log_map_at`].
///
/// **Shapes.** As [`mobius_add`].
///
/// # Errors
/// If the shapes differ, or the element type or device has no kernel.
pub fn log_map_at(x: &Tensor, y: &Tensor, c: &BallParameter) -> Result<Tensor> {
    binary(LogMapAt, x, y, c)
}

/// Distance of each pair of rows; see [`batch::distance`].
///
/// **Shapes.** `x`: `[…, dim]`; `y`: the same or `[dim]`; result: `[…]`.
///
/// # Errors
/// If the shapes differ, or the element type or device has no kernel.
pub fn distance(x: &Tensor, y: &Tensor, c: &BallParameter) -> Result<Tensor> {
    binary(Distance, x, y, c)
}

/// The Möbius linear map $(M \otimes x) \oplus b$, computed as $\exp_0(M \log_0 x) \oplus b$.
///
/// **Shapes.** `x`: `[…, in]`; `weight`: `[out, in]`; `bias`, a point of the ball: `[out]`; result: `[…, out]`.
///
/// # Errors
/// If the shapes do not fit, or the element type or device has no kernel.
pub fn mobius_linear(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    c: &BallParameter,
) -> Result<Tensor> {
    let y = exp_map_zero(&linear_exact(&from_ball(x, c)?, weight, None)?, c)?;
    match bias {
        Some(bias) => mobius_add(&y, bias, c),
        None => Ok(y),
    }
}

//! The conformal factor of the metric, and the factor that turns a Euclidean gradient into the Riemannian one.

use crate::scalar::gap;
use crate::vector::{map1, square};
use crate::{Curvature, Real};

/// The gap 1 − c‖x‖² between a point and the boundary, in `f64`.
///
/// **Shapes.** `x`: `[dim]`.
/// **Domain.** Positive inside the ball, 1 if c = 0.
/// **Numerics.** The squared norm is summed in `f64`.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, gyro::gap_at};
/// assert_eq!(gap_at(&[0.5, 0.5], Curvature::ONE), 0.5);
/// ```
#[inline]
pub fn gap_at<T: Real>(x: &[T], c: Curvature) -> f64 {
    gap(c, square(x))
}

/// Conformal factor $\lambda_x^c$: the metric at x is its square times the Euclidean metric.
///
/// $$ \lambda_x^c = \frac{2}{1 - c\|x\|^2} $$
///
/// **Source.** \[HIE\] Sec. 3, the Riemannian metric of the ball. (The released code documents 1/(1 − c‖x‖²) and
/// computes 2/(1 − c‖x‖²); the latter is right.)
///
/// **Shapes.** `x`: `[dim]`.
/// **Domain.** `c‖x‖² < 1`; 2 everywhere if c = 0.
/// **Numerics.** The squared norm is summed in `f64`. On the boundary the factor is infinite.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, gyro::conformal_factor};
/// assert_eq!(conformal_factor(&[0.5, 0.5], Curvature::ONE), 4.0); // 2 / (1 − 1/2)
/// assert_eq!(conformal_factor(&[0.5, 0.5], Curvature::FLAT), 2.0);
/// ```
#[inline(always)]
pub fn conformal_factor<T: Real>(x: &[T], c: Curvature) -> T {
    T::from_f64(2.0 / gap_at(x, c))
}

/// Gradient of [`conformal_factor`]: c·λ²·x. Returns the gradient with respect to c.
#[inline(always)]
pub fn conformal_factor_vjp<T: Real>(x: &[T], grad_out: T, c: Curvature, grad_x: &mut [T]) -> f64 {
    let sum = square(x);
    let lambda = 2.0 / gap(c, sum);
    let g = grad_out.to_f64() * lambda * lambda;
    map1(grad_x, x, |x| g * c.get() * x);
    0.5 * g * sum
}

/// The factor 1/λ² = (1 − c‖x‖²)²/4 that turns a Euclidean gradient at x into the Riemannian one.
///
/// **Source.** \[HIE\] Sec. 4; the inverse of the metric tensor. The released code applies it in the backward pass of
/// its exponential map.
///
/// **Shapes.** `x`: `[dim]`.
/// **Domain.** `c‖x‖² < 1`; 1/4 everywhere if c = 0.
/// **Numerics.** The squared norm is summed in `f64`; 0 on the boundary.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, gyro::riemannian_factor};
/// assert_eq!(riemannian_factor(&[0.5, 0.5], Curvature::ONE), 0.0625); // (1/2)² / 4
/// ```
#[inline(always)]
pub fn riemannian_factor<T: Real>(x: &[T], c: Curvature) -> T {
    let gap = gap_at(x, c);
    T::from_f64(0.25 * gap * gap)
}

/// Gradient of [`riemannian_factor`]: −c(1 − c‖x‖²)·x. Returns the gradient with respect to c.
#[inline(always)]
pub fn riemannian_factor_vjp<T: Real>(x: &[T], grad_out: T, c: Curvature, grad_x: &mut [T]) -> f64 {
    let sum = square(x);
    let g = -grad_out.to_f64() * gap(c, sum);
    map1(grad_x, x, |x| g * c.get() * x);
    0.5 * g * sum
}

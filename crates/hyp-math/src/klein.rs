//! The Klein model, in which geodesics are straight segments, and the way to and from the Poincaré ball.
//!
//! Averages are taken in it, see [`crate::midpoint`]. A point of the Klein ball has `c‖k‖² < 1`, as in the Poincaré ball.

use crate::scalar::{gap, times};
use crate::vector::{dot, map1, map2, square};
use crate::{Curvature, Real};

/// From the Poincaré ball to the Klein ball.
///
/// $$ k = \frac{2x}{1 + c\|x\|^2} $$
///
/// **Source.** \[HIE\] equation (12), `poincare-to-klein` of `docs/paper/equations.md`.
/// **Shapes.** `x`, `out`: `[dim]`.
/// **Domain.** `c‖x‖² < 1`; `c = 0` doubles the point.
/// **Numerics.** A Poincaré gap 1 − √c‖x‖ of g becomes one of about g²/2: below g = 1e-4 the result rounds to the
/// boundary in `f32`. Averages are therefore computed without this step.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, klein::poincare_to_klein};
/// let mut out = [0.0_f64; 2];
/// poincare_to_klein(&[0.5, 0.0], Curvature::ONE, &mut out);
/// assert_eq!(out, [0.8, 0.0]); // 1 / 1.25
/// ```
#[inline(always)]
pub fn poincare_to_klein<T: Real>(x: &[T], c: Curvature, out: &mut [T]) {
    let scale = 2.0 / (1.0 + times(c, square(x)));
    map1(out, x, |x| scale * x);
}

/// Gradient of [`poincare_to_klein`] with respect to x, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn poincare_to_klein_vjp<T: Real>(x: &[T], grad_out: &[T], c: Curvature, grad_x: &mut [T]) -> f64 {
    let sum = square(x);
    let scale = 2.0 / (1.0 + times(c, sum));
    let along = -0.5 * scale * scale * dot(x, grad_out);
    map2(grad_x, grad_out, x, |g, x| scale * g + 2.0 * c.get() * along * x);
    along * sum
}

/// From the Klein ball to the Poincaré ball, the inverse of [`poincare_to_klein`].
///
/// $$ x = \frac{k}{1 + \sqrt{1 - c\|k\|^2}} $$
///
/// **Source.** \[HIE\] equation (11), `klein-to-poincare` of `docs/paper/equations.md`.
/// **Shapes.** `k`, `out`: `[dim]`.
/// **Domain.** `c‖k‖² < 1`; `c = 0` halves the point.
/// **Numerics.** The root of the gap is taken of an `f64` sum; near the boundary it halves the digits lost in the gap.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, klein::klein_to_poincare};
/// let mut out = [0.0_f64; 1];
/// klein_to_poincare(&[0.8], Curvature::ONE, &mut out);
/// assert!((out[0] - 0.5).abs() < 1e-15); // 0.8 / (1 + √(1 − 0.64))
/// ```
#[inline(always)]
pub fn klein_to_poincare<T: Real>(k: &[T], c: Curvature, out: &mut [T]) {
    let scale = 1.0 / (1.0 + gap(c, square(k)).sqrt());
    map1(out, k, |k| scale * k);
}

/// Gradient of [`klein_to_poincare`] with respect to k, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn klein_to_poincare_vjp<T: Real>(k: &[T], grad_out: &[T], c: Curvature, grad_k: &mut [T]) -> f64 {
    let sum = square(k);
    let root = gap(c, sum).sqrt();
    let scale = 1.0 / (1.0 + root);
    let along = 0.5 * scale * scale / root * dot(k, grad_out);
    map2(grad_k, grad_out, k, |g, k| scale * g + 2.0 * c.get() * along * k);
    along * sum
}

//! The exponential and logarithmic maps at the origin.

use crate::scalar::{artanhc, artanhc_slope, gap, tanhc, tanhc_slope};
use crate::vector::{dot, map1, map2, norm, root, square};
use crate::{Curvature, Real};

/// Exponential map at the origin: from the tangent space, which is all of Euclidean space, into the ball.
///
/// $$ \exp_0^c(v) = \tanh(\sqrt c\,\|v\|)\,\frac{v}{\sqrt c\,\|v\|} $$
///
/// **Source.** \[HIE\] equation (8) at x = 0.
///
/// **Shapes.** `v`, `out`: `[dim]`.
/// **Domain.** Any finite v. `c = 0` gives v; `v = 0` gives 0. d(exp₀(v), 0) = 2‖v‖.
/// **Numerics.** tanhc(√c‖v‖)·v: smooth at 0. The result rounds to the boundary itself for √c‖v‖ above 8.7 (`f32`) or
/// 18.7 (`f64`): call [`super::project`] if distances follow.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, maps::exp_map_zero};
/// let mut out = [0.0_f64; 2];
/// exp_map_zero(&[0.0, 0.5 * 4.0_f64.ln()], Curvature::ONE, &mut out);
/// assert_eq!(out[0], 0.0);
/// assert!((out[1] - 0.6).abs() < 1e-15); // artanh(0.6) = ln(4)/2
/// ```
#[inline(always)]
pub fn exp_map_zero<T: Real>(v: &[T], c: Curvature, out: &mut [T]) {
    let scale = tanhc(c.sqrt() * norm(v));
    map1(out, v, |v| scale * v);
}

/// Gradient of [`exp_map_zero`] with respect to v, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn exp_map_zero_vjp<T: Real>(v: &[T], grad_out: &[T], c: Curvature, grad_v: &mut [T]) -> f64 {
    let norm = norm(v);
    let t = c.sqrt() * norm;
    let (value, slope, g_v) = (tanhc(t), tanhc_slope(t), dot(grad_out, v));
    let along_v = 2.0 * c.get() * slope * g_v;
    map2(grad_v, grad_out, v, |g, v| value * g + along_v * v);
    g_v * slope * norm * norm
}

/// Logarithmic map at the origin, the inverse of [`exp_map_zero`].
///
/// $$ \log_0^c(y) = \mathrm{artanh}(\sqrt c\,\|y\|)\,\frac{y}{\sqrt c\,\|y\|} $$
///
/// **Source.** \[HIE\] equation (9) at x = 0.
///
/// **Shapes.** `y`, `out`: `[dim]`.
/// **Domain.** `c‖y‖² < 1`. `c = 0` gives y; `y = 0` gives 0. Infinite on the boundary.
/// **Numerics.** artanh from the gap 1 − c‖y‖², summed in `f64`.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, maps::log_map_zero};
/// let mut out = [0.0_f64; 2];
/// log_map_zero(&[0.0, 0.6], Curvature::ONE, &mut out);
/// assert!((out[1] - 0.5 * 4.0_f64.ln()).abs() < 1e-15);
/// ```
#[inline(always)]
pub fn log_map_zero<T: Real>(y: &[T], c: Curvature, out: &mut [T]) {
    let sum = square(y);
    let r = c.sqrt() * root(sum, || y.iter().map(|y| y.to_f64()));
    let scale = artanhc(r, gap(c, sum));
    map1(out, y, |y| scale * y);
}

/// Gradient of [`log_map_zero`] with respect to y, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn log_map_zero_vjp<T: Real>(y: &[T], grad_out: &[T], c: Curvature, grad_y: &mut [T]) -> f64 {
    let sum = square(y);
    let gap = gap(c, sum);
    let r = c.sqrt() * root(sum, || y.iter().map(|y| y.to_f64()));
    let (value, slope, g_y) = (artanhc(r, gap), artanhc_slope(r, gap), dot(grad_out, y));
    let along_y = 2.0 * c.get() * slope * g_y;
    map2(grad_y, grad_out, y, |g, y| value * g + along_y * y);
    g_y * slope * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_at_the_origin_are_those_of_the_identity() {
        let g = [1.0_f32, -2.0];
        let mut grad = [0.0; 2];
        assert_eq!(exp_map_zero_vjp(&[0.0; 2], &g, Curvature::ONE, &mut grad), 0.0);
        assert_eq!(grad, g);
        assert_eq!(log_map_zero_vjp(&[0.0; 2], &g, Curvature::ONE, &mut grad), 0.0);
        assert_eq!(grad, g);
    }

    /// tanh(20) is 1 to the last bit: the point is on the boundary, and the gradient along v is 0 and not NaN.
    #[test]
    fn saturation_gives_a_finite_gradient() {
        let (mut out, mut grad) = ([0.0_f64; 1], [0.0_f64; 1]);
        exp_map_zero(&[1e200], Curvature::ONE, &mut out);
        assert_eq!(out, [1.0]);
        let grad_c = exp_map_zero_vjp(&[20.0], &[1.0], Curvature::ONE, &mut grad);
        // 1/cosh²(20) = 1.7e-17, behind the rounding of two terms of size 1/20.
        assert!(grad[0].abs() < 1e-16 && grad_c.is_finite());
    }

    #[test]
    fn flat_space_is_the_identity() {
        let mut out = [0.0_f64; 2];
        exp_map_zero(&[3.0, -1e9], Curvature::FLAT, &mut out);
        assert_eq!(out, [3.0, -1e9]);
        log_map_zero(&[3.0, -1e9], Curvature::FLAT, &mut out);
        assert_eq!(out, [3.0, -1e9]);
    }
}

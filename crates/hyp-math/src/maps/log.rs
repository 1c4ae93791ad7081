//! The logarithmic map at any point of the ball.

use crate::distance::Pair;
use crate::scalar::{asinhc_over_root, asinhc_over_root_slope, times};
use crate::vector::{map2, map3, sums3};
use crate::{Curvature, Real};

/// Logarithmic map at x, the inverse of [`super::exp_map_at`]: the velocity that leads from x to y in unit time.
///
/// $$ \log_x^c(y) = \frac{2}{\sqrt c\,\lambda_x^c}\,\mathrm{artanh}(\sqrt c\,\|u\|)\,\frac{u}{\|u\|},
///    \qquad u = (-x) \oplus_c y $$
///
/// **Source.** \[HIE\] equation (9), whose printed text is garbled: both norms, and the direction, are those of u.
///
/// **Shapes.** `x`, `y`, `out`: `[dim]`.
/// **Domain.** `c‖x‖² < 1`, `c‖y‖² < 1`. `c = 0` gives `y − x`; exactly 0 for y = x.
/// **Numerics.** h·((1 − c‖x‖²)w − c‖w‖²x) with w = y − x and h = asinh(z)/(z√(1 + z²)(1 − c‖y‖²)), where
/// z = sinh(√c·d(x, y)/2): no artanh near 1, and no division by a norm.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, maps::log_map_at};
/// let mut out = [0.0_f64];
/// // (−0.5) ⊕ 0.8 = 0.5, artanh(0.5) = ln(3)/2, and 2/λ = 3/4 at 0.5.
/// log_map_at(&[0.5], &[0.8], Curvature::ONE, &mut out);
/// assert!((out[0] - 0.75 * 0.5 * 3.0_f64.ln()).abs() < 1e-15);
/// ```
#[inline(always)]
pub fn log_map_at<T: Real>(x: &[T], y: &[T], c: Curvature, out: &mut [T]) {
    let pair = Pair::new(x, y, c);
    let h = asinhc_over_root(pair.z) / pair.gap_y;
    let (along_w, along_x) = (h * pair.gap_x, h * times(c, pair.squares[2]));
    map2(out, x, y, |x, y| along_w * (y - x) - along_x * x);
}

/// Gradients of [`log_map_at`] with respect to x and y, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn log_map_at_vjp<T: Real>(
    x: &[T],
    y: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
) -> f64 {
    let pair = Pair::new(x, y, c);
    let ([xx, yy, ww], gap_x, gap_y, z) = (pair.squares, pair.gap_x, pair.gap_y, pair.z);
    let [g_w, g_x] = sums3(x, y, grad_out, |x, y, g| [g * (y - x), g * x]);
    let value = asinhc_over_root(z);
    let (h, c_square, z_square) = (value / gap_y, times(c, ww), z * z);
    let g_h = gap_x * g_w - c_square * g_x;
    // h = B(z²)/gap_y with z² = c‖w‖²/(gap_x·gap_y).
    let g_z_square = g_h * asinhc_over_root_slope(z) / gap_y;
    let g_gap_x = h * g_w - g_z_square * z_square / gap_x;
    let g_gap_y = -g_h * h / gap_y - g_z_square * z_square / gap_y;
    let g_c_square = g_z_square / (gap_x * gap_y) - h * g_x;

    let along_w = 2.0 * c.get() * g_c_square;
    let (direct_w, direct_x) = (h * gap_x, h * c_square);
    let (along_x, along_y) = (-2.0 * c.get() * g_gap_x, -2.0 * c.get() * g_gap_y);
    map3(grad_x, x, y, grad_out, |x, y, g| -(direct_w + direct_x) * g - along_w * (y - x) + along_x * x);
    map3(grad_y, x, y, grad_out, |x, y, g| direct_w * g + along_w * (y - x) + along_y * y);
    g_c_square * ww - g_gap_x * xx - g_gap_y * yy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_at_coincidence_with_the_gradient_of_a_difference() {
        let x = [0.3_f64, -0.4];
        let mut out = [1.0; 2];
        log_map_at(&x, &x, Curvature::ONE, &mut out);
        assert_eq!(out, [0.0, 0.0]);
        let (mut gx, mut gy) = ([0.0; 2], [0.0; 2]);
        log_map_at_vjp(&x, &x, &[1.0, 2.0], Curvature::ONE, &mut gx, &mut gy);
        for (got, want) in gx.iter().chain(&gy).zip([-1.0, -2.0, 1.0, 2.0]) {
            assert!((got - want).abs() < 1e-15, "{gx:?} {gy:?}");
        }
    }

    #[test]
    fn flat_space_subtracts() {
        let mut out = [0.0_f64; 2];
        log_map_at(&[1.0, 2.0], &[-3.0, 0.5], Curvature::FLAT, &mut out);
        assert_eq!(out, [-4.0, -1.5]);
    }
}

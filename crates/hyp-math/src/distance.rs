//! Distances of the Poincaré ball.
//!
//! d(x, y) = (2/√c)·asinh(√c·q) with q = ‖x − y‖/√((1 − c‖x‖²)(1 − c‖y‖²)): the difference of the points is exact to
//! one rounding, so near-coincident pairs keep all their digits, and asinh has no clamp, so far pairs do too. The form
//! acosh(1 + 2cq²) loses every pair closer than 1e-8, and (2/√c)·artanh(√c‖(−x) ⊕ y‖) every pair further than 17/√c.

use crate::scalar::{artanhc, artanhc_slope, asinhc, asinhc_slope, gap};
use crate::vector::{map1, map2_twice, norm_of_sum, root, square, sums2};
use crate::{Curvature, Real};

/// What the distance of two points, and all that is built on it, needs.
pub(crate) struct Pair {
    /// ‖x‖², ‖y‖², ‖y − x‖².
    pub(crate) squares: [f64; 3],
    pub(crate) gap_x: f64,
    pub(crate) gap_y: f64,
    /// ‖y − x‖.
    pub(crate) norm: f64,
    /// ‖y − x‖/√(gap_x·gap_y), which is sinh(√c·d/2)/√c.
    pub(crate) q: f64,
    /// √c·q.
    pub(crate) z: f64,
}

impl Pair {
    #[inline(always)]
    pub(crate) fn new<T: Real>(x: &[T], y: &[T], c: Curvature) -> Self {
        let [xx, yy, ww] = sums2(x, y, |x, y| {
            let w = y - x;
            [x * x, y * y, w * w]
        });
        let (gap_x, gap_y) = (gap(c, xx), gap(c, yy));
        let norm = norm_of_sum(ww, -1.0, x, y);
        let q = norm / (gap_x * gap_y).sqrt();
        Self { squares: [xx, yy, ww], gap_x, gap_y, norm, q, z: c.sqrt() * q }
    }

    #[inline(always)]
    pub(crate) fn distance(&self) -> f64 {
        distance_of(self.q, self.z)
    }
}

#[inline(always)]
fn distance_of(q: f64, z: f64) -> f64 {
    2.0 * asinhc(z) * q
}

/// Hyperbolic distance between two points of the ball.
///
/// $$ d_c(x, y) = \frac{2}{\sqrt c}\,\mathrm{artanh}\bigl(\sqrt c\,\|(-x) \oplus_c y\|\bigr)
///    = \frac{2}{\sqrt c}\,\mathrm{asinh}\frac{\sqrt c\,\|x - y\|}{\sqrt{(1 - c\|x\|^2)(1 - c\|y\|^2)}} $$
///
/// **Source.** \[HIE\] equation (7), whose printed text has lost the minus; also (1). The released code clamps artanh at
/// 1 − 1e-5, so that no distance exceeds 12.2/√c; we do not.
///
/// **Shapes.** `x`, `y`: `[dim]`.
/// **Domain.** `c‖x‖² < 1`, `c‖y‖² < 1`. `c = 0` gives `2‖x − y‖`. Infinite if a point lies on the boundary.
/// **Numerics.** The second form; exactly 0 for x = y, exactly symmetric.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, distance::distance};
/// let d: f64 = distance(&[0.0, 0.0], &[0.6, 0.0], Curvature::ONE);
/// assert!((d - 4.0_f64.ln()).abs() < 1e-15); // 2 artanh(0.6) = ln(1.6/0.4)
/// assert_eq!(distance(&[0.0], &[3.0], Curvature::FLAT), 6.0);
/// ```
#[inline(always)]
pub fn distance<T: Real>(x: &[T], y: &[T], c: Curvature) -> T {
    T::from_f64(Pair::new(x, y, c).distance())
}

/// [`distance`] of two points from ‖x − y‖ and the gaps of both, `[1 − c‖x‖², 1 − c‖y‖²]`: what many pairs of the same
/// points have in common is computed once.
///
/// **Domain.** Gaps above 0, as [`crate::scalar::gap`] gives them.
/// **Numerics.** As [`distance`]; exactly symmetric.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, distance::distance_by_gaps};
/// // From the origin to (0.6, 0).
/// assert!((distance_by_gaps(0.6, [1.0, 1.0 - 0.36], Curvature::ONE) - 4.0_f64.ln()).abs() < 1e-15);
/// ```
pub fn distance_by_gaps(norm: f64, gaps: [f64; 2], c: Curvature) -> f64 {
    let q = norm / (gaps[0] * gaps[1]).sqrt();
    distance_of(q, c.sqrt() * q)
}

/// Gradients of [`distance`] with respect to x and y, overwritten; returns the gradient with respect to c.
///
/// **Domain.** The subgradient 0 is taken at x = y, where the distance has a kink.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn distance_vjp<T: Real>(
    x: &[T],
    y: &[T],
    grad_out: T,
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
) -> f64 {
    let pair = Pair::new(x, y, c);
    if pair.norm == 0.0 {
        assert_eq!(grad_x.len(), x.len(), "the gradient must have the length of the input");
        assert_eq!(grad_y.len(), y.len(), "the gradient must have the length of the input");
        grad_x.fill(T::ZERO);
        grad_y.fill(T::ZERO);
        return 0.0;
    }
    let (q, z, g) = (pair.q, pair.z, grad_out.to_f64());
    // d as a function of q has the slope 2/√(1 + cq²).
    let g_q = 2.0 * g / (1.0 + z * z).sqrt();
    let along_w = g_q * (q / pair.norm) / pair.norm;
    let (along_x, along_y) = (g_q * q * c.get() / pair.gap_x, g_q * q * c.get() / pair.gap_y);
    map2_twice(grad_x, grad_y, x, y, |x, y| {
        let by_difference = along_w * (y - x);
        (along_x * x - by_difference, along_y * y + by_difference)
    });
    let [xx, yy, _] = pair.squares;
    2.0 * g * asinhc_slope(z) * q * q * q + g_q * q * 0.5 * (xx / pair.gap_x + yy / pair.gap_y)
}

/// Hyperbolic distance from the origin.
///
/// $$ d_c(x, 0) = \frac{2}{\sqrt c}\,\mathrm{artanh}(\sqrt c\,\|x\|) $$
///
/// **Source.** \[HIE\] equation (7) at y = 0, the paper's measure of certainty (Sec. 3).
///
/// **Shapes.** `x`: `[dim]`.
/// **Domain.** `c‖x‖² < 1`. `c = 0` gives `2‖x‖`.
/// **Numerics.** ½·log1p(2r(1 + r)/(1 − c‖x‖²)) with r = √c‖x‖. A point projected with margin 1e-3 is at 7.60/√c at
/// most: read certainty from the norm before the exponential map where that matters.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, distance::distance_to_origin};
/// let d: f64 = distance_to_origin(&[0.36, 0.48], Curvature::ONE);
/// assert!((d - 4.0_f64.ln()).abs() < 1e-15); // norm 0.6
/// ```
#[inline(always)]
pub fn distance_to_origin<T: Real>(x: &[T], c: Curvature) -> T {
    let sum = square(x);
    let norm = root(sum, || x.iter().map(|x| x.to_f64()));
    T::from_f64(2.0 * artanhc(c.sqrt() * norm, gap(c, sum)) * norm)
}

/// Gradient of [`distance_to_origin`] with respect to x, overwritten; returns the gradient with respect to c.
///
/// **Domain.** The subgradient 0 is taken at x = 0.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn distance_to_origin_vjp<T: Real>(x: &[T], grad_out: T, c: Curvature, grad_x: &mut [T]) -> f64 {
    let sum = square(x);
    let norm = root(sum, || x.iter().map(|x| x.to_f64()));
    let (gap, g) = (gap(c, sum), 2.0 * grad_out.to_f64());
    let along_x = if norm == 0.0 { 0.0 } else { g / gap / norm };
    map1(grad_x, x, |x| along_x * x);
    g * norm * artanhc_slope(c.sqrt() * norm, gap) * norm * norm
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two points on one line, 1e-12 apart and 1e-3 from the boundary: d ≈ 2·1e-12/(1 − r²), to the precision that the
    /// gap of the stored x allows (1e-13) and of the second order (1e-9).
    #[test]
    fn near_coincident_pairs_keep_their_digits() {
        let (x, y) = (0.999_f64, 0.999 + 1e-12);
        let d = distance(&[x], &[y], Curvature::ONE);
        assert!((d / (2.0 * (y - x) / (1.0 - x * x)) - 1.0).abs() < 2e-9, "{d}");
    }

    #[test]
    fn far_pairs_are_not_clamped() {
        let r = 1.0 - 1e-12_f64;
        let d = distance(&[r], &[-r], Curvature::ONE);
        // Twice the distance from the origin, 2 ln((1 + r)/(1 − r)), where 1 − r is exact.
        assert!((d - 2.0 * ((1.0 + r) / (1.0 - r)).ln()).abs() < 1e-3, "{d}");
        assert!(d > 56.0);
    }

    #[test]
    fn zero_at_coincidence_with_zero_gradient() {
        let x = [0.3_f32, 0.4];
        let (mut gx, mut gy) = ([1.0; 2], [1.0; 2]);
        assert_eq!(distance(&x, &x, Curvature::ONE), 0.0);
        assert_eq!(distance_vjp(&x, &x, 1.0, Curvature::ONE, &mut gx, &mut gy), 0.0);
        assert_eq!((gx, gy), ([0.0; 2], [0.0; 2]));
        assert_eq!(distance_to_origin_vjp(&[0.0; 2], 1.0, Curvature::ONE, &mut gx), 0.0);
        assert_eq!(gx, [0.0; 2]);
    }
}

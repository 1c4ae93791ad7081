//! Möbius scalar multiplication.

use crate::eps::SERIES_BELOW;
use crate::scalar::{artanhc, artanhc_slope, gap, sech_squared, tanhc, tanhc_slope};
use crate::vector::{dot, map1, map2, root, square};
use crate::{Curvature, Real};

/// Möbius scalar multiple $r \otimes_c x$: the point at r times the distance of x from the origin.
///
/// $$ r \otimes_c x = \frac{1}{\sqrt c}\tanh\bigl(r\,\mathrm{artanh}(\sqrt c\|x\|)\bigr)\frac{x}{\|x\|} $$
///
/// **Source.** \[HIE\] Sec. 3 by way of the exponential and logarithmic maps at 0 (8, 9): exp₀(r·log₀(x)).
///
/// **Shapes.** `x`, `out`: `[dim]`.
/// **Domain.** `c‖x‖² < 1`, any finite `r`. `c = 0` gives `r·x`; `x = 0` gives 0.
/// **Numerics.** r·tanhc(rθ)·artanhc(√c‖x‖)·x, with no division by a norm. A large multiple rounds to the boundary.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, gyro::mobius_scalar_mul};
/// let mut out = [0.0_f64];
/// mobius_scalar_mul(2.0, &[0.5], Curvature::ONE, &mut out);
/// assert!((out[0] - 0.8).abs() < 1e-15); // 2 ⊗ x = x ⊕ x
/// ```
#[inline(always)]
pub fn mobius_scalar_mul<T: Real>(r: T, x: &[T], c: Curvature, out: &mut [T]) {
    let r = r.to_f64();
    let sum = square(x);
    let rho = c.sqrt() * root(sum, || x.iter().map(|x| x.to_f64()));
    let ratio = artanhc(rho, gap(c, sum));
    let scale = r * tanhc(r * rho * ratio) * ratio;
    map1(out, x, |x| scale * x);
}

/// Gradient of [`mobius_scalar_mul`] with respect to x, overwritten; returns those with respect to r and c.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn mobius_scalar_mul_vjp<T: Real>(
    r: T,
    x: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_x: &mut [T],
) -> (f64, f64) {
    let r = r.to_f64();
    let sum = square(x);
    let gap = gap(c, sum);
    let rho = c.sqrt() * root(sum, || x.iter().map(|x| x.to_f64()));
    let ratio = artanhc(rho, gap);
    let t = r * rho * ratio;
    let value = tanhc(t);
    // The scale is tanh(t)/ρ = r·F(t²)·G(ρ²) with t² = r²ρ²G², whose derivative with respect to ρ² is r²G/(1 − ρ²).
    // The second form is for small ρ; for large t its two terms cancel.
    let slope = if rho * rho > SERIES_BELOW {
        (r * sech_squared(t) / gap - r * value * ratio) / (2.0 * rho * rho)
    } else {
        r * (tanhc_slope(t) * r * r * ratio * ratio / gap + value * artanhc_slope(rho, gap))
    };
    let g_x = dot(grad_out, x);
    let along_x = 2.0 * c.get() * slope * g_x;
    map2(grad_x, grad_out, x, |g, x| r * value * ratio * g + along_x * x);
    (g_x * ratio * sech_squared(t), g_x * slope * sum)
}

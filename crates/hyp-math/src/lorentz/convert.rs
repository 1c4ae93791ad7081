//! To and from the Poincaré ball, the time part, and the maps at the origin.

use super::time_of;
use crate::scalar::{asinhc, asinhc_slope, gap, sinhc, sinhc_slope};
use crate::vector::{dot, map1, map2, norm, square};
use crate::{Curvature, Real};

/// The space part of a point of the Poincaré ball.
///
/// $$ s = \frac{2x}{1 - c\|x\|^2} $$
///
/// **Source.** The standard isometry; `lorentz-from-poincare` of `docs/paper/equations.md`.
/// **Shapes.** `x`, `out`: `[dim]`.
/// **Domain.** `c‖x‖² < 1`; `c = 0` gives `2x`.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, lorentz};
/// let mut s = [0.0_f64; 1];
/// lorentz::from_poincare(&[0.5], Curvature::ONE, &mut s);
/// assert!((s[0] - 4.0 / 3.0).abs() < 1e-15); // sinh(ln 3)
/// assert!((lorentz::time(&s, Curvature::ONE) - 5.0 / 3.0).abs() < 1e-15); // cosh(ln 3)
/// ```
#[inline(always)]
pub fn from_poincare<T: Real>(x: &[T], c: Curvature, out: &mut [T]) {
    let scale = 2.0 / gap(c, square(x));
    map1(out, x, |x| scale * x);
}

/// Gradient of [`from_poincare`] with respect to x, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn from_poincare_vjp<T: Real>(x: &[T], grad_out: &[T], c: Curvature, grad_x: &mut [T]) -> f64 {
    let sum = square(x);
    let scale = 2.0 / gap(c, sum);
    let along = 0.5 * scale * scale * dot(x, grad_out);
    map2(grad_x, grad_out, x, |g, x| scale * g + 2.0 * c.get() * along * x);
    along * sum
}

/// The point of the Poincaré ball with space part `s`, the inverse of [`from_poincare`].
///
/// $$ x = \frac{s}{1 + \sqrt{1 + c\|s\|^2}} $$
///
/// **Source.** `lorentz-to-poincare` of `docs/paper/equations.md`.
/// **Shapes.** `s`, `out`: `[dim]`.
/// **Domain.** Any `s`; far out (√c‖s‖ above 1e8 in `f32`) the result rounds to the boundary. `c = 0` gives `s/2`.
/// **Numerics.** Nothing cancels and nothing overflows: the root is a `hypot`.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, lorentz};
/// let mut x = [0.0_f64; 1];
/// lorentz::to_poincare(&[0.75], Curvature::ONE, &mut x);
/// assert!((x[0] - 1.0 / 3.0).abs() < 1e-15); // 0.75 / (1 + √(1 + 0.5625))
/// ```
#[inline(always)]
pub fn to_poincare<T: Real>(s: &[T], c: Curvature, out: &mut [T]) {
    let scale = 1.0 / (1.0 + (c.sqrt() * norm(s)).hypot(1.0));
    map1(out, s, |s| scale * s);
}

/// Gradient of [`to_poincare`] with respect to s, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn to_poincare_vjp<T: Real>(s: &[T], grad_out: &[T], c: Curvature, grad_s: &mut [T]) -> f64 {
    let length = norm(s);
    let root = (c.sqrt() * length).hypot(1.0);
    let scale = 1.0 / (1.0 + root);
    let along = -0.5 * scale * scale / root * dot(s, grad_out);
    map2(grad_s, grad_out, s, |g, s| scale * g + 2.0 * c.get() * along * s);
    along * length * length
}

/// The time part √(1/c + ‖s‖²) of the point with space part `s`; infinite for c = 0.
///
/// **Source.** The hyperboloid −X₀² + ‖s‖² = −1/c (Nickel and Kiela 2018).
/// **Shapes.** `s`: `[dim]`.
/// **Domain.** Any `s`.
/// **Numerics.** A `hypot`: neither a large nor a tiny `s` loses its square.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, lorentz};
/// assert_eq!(lorentz::time(&[0.75_f64], Curvature::ONE), 1.25); // √(1 + 0.5625)
/// ```
#[inline(always)]
pub fn time<T: Real>(s: &[T], c: Curvature) -> T {
    T::from_f64((1.0 / c.sqrt()).hypot(norm(s)))
}

/// Gradient of [`time`] with respect to s, overwritten; returns the gradient with respect to c (0 for c = 0).
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn time_vjp<T: Real>(s: &[T], grad_out: T, c: Curvature, grad_s: &mut [T]) -> f64 {
    let inverse = grad_out.to_f64() / time_of(c, square(s));
    map1(grad_s, s, |s| inverse * s);
    if c.is_flat() { 0.0 } else { -0.5 * inverse / (c.get() * c.get()) }
}

/// Exponential map at the origin: the point at distance ‖u‖ in the direction of `u`.
///
/// $$ s = \frac{\sinh(\sqrt c\,\|u\|)}{\sqrt c\,\|u\|}\, u $$
///
/// The tangent vector `u` has its own length here; in the ball, whose metric has the factor 2 at the origin, the same
/// point is exp₀(u/2).
///
/// **Source.** Nickel and Kiela 2018, at the origin.
/// **Shapes.** `u`, `out`: `[dim]`.
/// **Domain.** `c = 0` gives `u`; overflows for √c‖u‖ above 89 (`f32`) or 710 (`f64`).
/// **Numerics.** sinh(t)/t is 1 at t = 0, without a division by the norm.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, lorentz};
/// let mut s = [0.0_f64; 1];
/// lorentz::exp_map_zero(&[2.0_f64.ln()], Curvature::ONE, &mut s);
/// assert!((s[0] - 0.75).abs() < 1e-15); // sinh(ln 2)
/// ```
#[inline(always)]
pub fn exp_map_zero<T: Real>(u: &[T], c: Curvature, out: &mut [T]) {
    let scale = sinhc(c.sqrt() * norm(u));
    map1(out, u, |u| scale * u);
}

/// Gradient of [`exp_map_zero`] with respect to u, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn exp_map_zero_vjp<T: Real>(u: &[T], grad_out: &[T], c: Curvature, grad_u: &mut [T]) -> f64 {
    let length = norm(u);
    let t = c.sqrt() * length;
    let (scale, along) = (sinhc(t), sinhc_slope(t) * dot(u, grad_out));
    map2(grad_u, grad_out, u, |g, u| scale * g + 2.0 * c.get() * along * u);
    along * length * length
}

/// Logarithmic map at the origin, the inverse of [`exp_map_zero`]; its length is the distance to the origin.
///
/// $$ u = \frac{\operatorname{asinh}(\sqrt c\,\|s\|)}{\sqrt c\,\|s\|}\, s $$
///
/// **Source.** Nickel and Kiela 2018, at the origin.
/// **Shapes.** `s`, `out`: `[dim]`.
/// **Domain.** Any `s`; `c = 0` gives `s`.
/// **Numerics.** asinh(t)/t is 1 at t = 0, without a division by the norm.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, lorentz};
/// let mut u = [0.0_f64; 1];
/// lorentz::log_map_zero(&[0.75], Curvature::ONE, &mut u);
/// assert!((u[0] - 2.0_f64.ln()).abs() < 1e-15); // asinh(¾)
/// ```
#[inline(always)]
pub fn log_map_zero<T: Real>(s: &[T], c: Curvature, out: &mut [T]) {
    let scale = asinhc(c.sqrt() * norm(s));
    map1(out, s, |s| scale * s);
}

/// Gradient of [`log_map_zero`] with respect to s, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn log_map_zero_vjp<T: Real>(s: &[T], grad_out: &[T], c: Curvature, grad_s: &mut [T]) -> f64 {
    let length = norm(s);
    let t = c.sqrt() * length;
    let (scale, along) = (asinhc(t), asinhc_slope(t) * dot(s, grad_out));
    map2(grad_s, grad_out, s, |g, s| scale * g + 2.0 * c.get() * along * s);
    along * length * length
}

//! The two functions that limit norms: projection of points into the ball, and clipping of features before the map.

use crate::vector::{dot, map1, map2, norm};
use crate::{Curvature, Real};

/// The factor that brings a vector of this norm down to `limit`; `None` if it is there already.
///
/// It aims a little inside: by a rounding to `T`, and by the rounding errors of the two norms, so that the result,
/// measured again, is within the limit.
#[inline(always)]
fn shrink<T: Real>(norm: f64, dim: usize, limit: f64) -> Option<f64> {
    // A norm of n terms in eight lanes is off by (n/8 + 3)/4 units at most, and the scaling by three halves.
    let slack = T::EPS + (4.0 + dim as f64 / 16.0) * f64::EPSILON;
    (norm > limit).then(|| limit * (1.0 - slack) / norm)
}

#[inline(always)]
fn limit<T: Real>(x: &[T], limit: f64, out: &mut [T]) -> bool {
    assert_eq!(out.len(), x.len(), "the output must have the length of the input");
    let scale = shrink::<T>(norm(x), x.len(), limit);
    match scale {
        Some(scale) => map1(out, x, |x| scale * x),
        None => out.copy_from_slice(x),
    }
    scale.is_some()
}

/// The gradient of [`limit`] with respect to x; returns ⟨g, out⟩ if the point moves, and 0 if it does not.
#[inline(always)]
fn limit_vjp<T: Real>(x: &[T], grad_out: &[T], limit: f64, grad_x: &mut [T]) -> f64 {
    assert_eq!(grad_x.len(), x.len(), "the gradient must have the length of the input");
    let norm = norm(x);
    let g_x = dot(grad_out, x);
    if let Some(scale) = shrink::<T>(norm, x.len(), limit) {
        let along_x = g_x / norm / norm;
        map2(grad_x, grad_out, x, |g, x| scale * (g - along_x * x));
        scale * g_x
    } else {
        grad_x.copy_from_slice(grad_out);
        0.0
    }
}

/// Projection into the ball of radius (1 − margin)/√c; returns true if the point moved.
///
/// $$ \mathrm{project}(x) = x\,\min\Bigl(1, \frac{1 - \mathrm{margin}}{\sqrt c\,\|x\|}\Bigr) $$
///
/// **Source.** \[HIE\] Sec. 4, "clipping by norm", with margin [`crate::eps::BALL_MARGIN`] = 1e-3.
///
/// **Shapes.** `x`, `out`: `[dim]`.
/// **Domain.** Any finite x; `0 ≤ margin < 1`. `c = 0` moves nothing.
/// **Numerics.** A point inside keeps its bits. A point that moves is put a few roundings further in, so that a
/// second projection does not move it. No other function of the crate moves a point.
///
/// # Panics
/// If the slices differ in length, or the margin is outside \[0, 1).
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, maps::project};
/// let mut out = [0.0_f64; 2];
/// assert!(project(&[3.0, 4.0], Curvature::ONE, 0.5, &mut out));
/// assert!((out[0] - 0.3).abs() < 1e-15 && (out[1] - 0.4).abs() < 1e-15);
/// assert!(!project(&[0.3, 0.0], Curvature::ONE, 0.5, &mut out));
/// assert_eq!(out, [0.3, 0.0]);
/// ```
#[inline(always)]
pub fn project<T: Real>(x: &[T], c: Curvature, margin: f64, out: &mut [T]) -> bool {
    assert!((0.0..1.0).contains(&margin), "the margin must be in [0, 1)");
    limit(x, c.max_norm(margin), out)
}

/// Gradient of [`project`] with respect to x, overwritten; returns the gradient with respect to c.
///
/// **Domain.** At the kink, a point exactly on the sphere, the gradient is that of a point inside.
///
/// # Panics
/// As [`project`].
#[inline(always)]
pub fn project_vjp<T: Real>(x: &[T], grad_out: &[T], c: Curvature, margin: f64, grad_x: &mut [T]) -> f64 {
    assert!((0.0..1.0).contains(&margin), "the margin must be in [0, 1)");
    let g_out = limit_vjp(x, grad_out, c.max_norm(margin), grad_x);
    // The moved point is proportional to 1/√c.
    if c.is_flat() { 0.0 } else { -0.5 * g_out / c.get() }
}

/// Feature clipping: shortens v to the length `max_norm`; returns true if it did.
///
/// **Source.** Guo et al. 2022, Clipped Hyperbolic Classifiers Are Super-Hyperbolic Classifiers, with norms of 1 to 2.3.
/// It acts on tangent vectors before the exponential map, and keeps the gradient of the map alive.
/// **Shapes.** `v`, `out`: `[dim]`.
/// **Domain.** Any `v`; a limit of 0 gives 0.
/// **Numerics.** A vector within the limit is copied bit by bit.
///
/// # Panics
/// If the slices differ in length, or `max_norm` is negative or NaN.
///
/// # Examples
/// ```
/// use hyp_math::maps::clip_norm;
/// let mut out = [0.0_f64; 2];
/// assert!(clip_norm(&[6.0, 8.0], 1.0, &mut out));
/// assert!((out[0] - 0.6).abs() < 1e-15 && (out[1] - 0.8).abs() < 1e-15);
/// ```
#[inline(always)]
pub fn clip_norm<T: Real>(v: &[T], max_norm: f64, out: &mut [T]) -> bool {
    assert!(max_norm >= 0.0, "the largest norm must not be negative");
    limit(v, max_norm, out)
}

/// Gradient of [`clip_norm`] with respect to v, overwritten.
///
/// # Panics
/// As [`clip_norm`].
#[inline(always)]
pub fn clip_norm_vjp<T: Real>(v: &[T], grad_out: &[T], max_norm: f64, grad_v: &mut [T]) {
    assert!(max_norm >= 0.0, "the largest norm must not be negative");
    limit_vjp(v, grad_out, max_norm, grad_v);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_space_has_no_boundary() {
        let mut out = [0.0_f32; 2];
        assert!(!project(&[1e30, 1.0], Curvature::FLAT, 1e-3, &mut out));
        assert_eq!(out, [1e30, 1.0]);
    }

    /// The gradient along x dies outside, the one across shrinks by the factor of the point.
    #[test]
    fn gradient_outside_is_tangential() {
        let (mut grad, g) = ([0.0_f64; 2], [5.0, 7.0]);
        let grad_c = project_vjp(&[2.0, 0.0], &g, Curvature::ONE, 0.0, &mut grad);
        assert_eq!(grad[0], 0.0);
        assert!((grad[1] - 3.5).abs() < 1e-14);
        // out = (1/√c, 0): the derivative with respect to c is −1/2 at c = 1.
        assert!((grad_c + 2.5).abs() < 1e-14);
        assert_eq!(project_vjp(&[0.5, 0.0], &g, Curvature::ONE, 0.0, &mut grad), 0.0);
        assert_eq!(grad, g);
    }
}

//! Parallel transport along a geodesic.

use crate::gyro::gyration::Gyration;
use crate::{Curvature, Real};

/// Parallel transport of the tangent vector v from x to y along their geodesic.
///
/// $$ P_{x \to y}(v) = \frac{\lambda_x^c}{\lambda_y^c}\,\mathrm{gyr}[y, -x]\,v $$
///
/// **Source.** Ganea et al. 2018, Hyperbolic Neural Networks, Theorem 4 and equation (7); \[HIE\] Sec. 3 rests on it.
///
/// **Shapes.** `x`, `y`, `v`, `out`: `[dim]`.
/// **Domain.** `c‖x‖² < 1`, `c‖y‖² < 1`; any v. `c = 0` gives v. Inner products in the metrics of x and of y agree.
/// **Numerics.** The gyration that does not cancel for close points.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, maps::parallel_transport};
/// let mut out = [0.0_f64; 2];
/// // From the origin the direction stays; lengths shrink by (1 − c‖y‖²) = 0.64.
/// parallel_transport(&[0.0, 0.0], &[0.6, 0.0], &[1.0, 2.0], Curvature::ONE, &mut out);
/// assert!((out[0] - 0.64).abs() < 1e-15 && (out[1] - 1.28).abs() < 1e-15);
/// ```
#[inline(always)]
pub fn parallel_transport<T: Real>(x: &[T], y: &[T], v: &[T], c: Curvature, out: &mut [T]) {
    let gyration = Gyration::new(-1.0, y, x, v, c);
    gyration.apply(gyration.gap_ratio(), y, x, v, out);
}

/// Gradients of [`parallel_transport`] with respect to x, y and v, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn parallel_transport_vjp<T: Real>(
    x: &[T],
    y: &[T],
    v: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
    grad_v: &mut [T],
) -> f64 {
    let gyration = Gyration::new(-1.0, y, x, v, c);
    gyration.vjp(gyration.gap_ratio(), true, [y, x, v, grad_out], [grad_y, grad_x, grad_v])
}

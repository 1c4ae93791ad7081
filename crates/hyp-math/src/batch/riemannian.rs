//! The Riemannian factor of gradients, row by row.

use super::{check_rows, rows::for_rows};
use crate::{Curvature, Real, scalar::gap, vector::square};

/// Multiplies every row of `grad` by the inverse metric at the same row of `points`, into `out`.
///
/// $$ \Big(\frac{1 - c\|y\|^2}{2}\Big)^2 \nabla $$
///
/// **Source.** The released layers scale the gradient that reaches a point of the ball so; equation
/// `riemannian-factor` of `docs/paper/equations.md`. `c = 0` divides by 4.
/// **Shapes.** `points`, `grad`, `out`: `[rows, dim]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, batch::riemannian_scale};
/// let mut out = [0.0_f64; 2];
/// riemannian_scale(&[0.0, 0.0], &[8.0, 4.0], 2, Curvature::new(1.0)?, &mut out);
/// assert_eq!(out, [2.0, 1.0]);
/// # Ok::<(), hyp_math::InvalidCurvature>(())
/// ```
pub fn riemannian_scale<T: Real>(points: &[T], grad: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    for_rows(check_rows(points, dim), [(points, dim), (grad, dim)], [(out, dim)], |[point, grad], [out]| {
        let half = 0.5 * gap(c, square(point));
        for (slot, grad) in out.iter_mut().zip(grad) {
            *slot = T::from_f64(half * half * grad.to_f64());
        }
    });
}

//! Distances, row by row.

use super::{check_rows, rows::for_rows};
use crate::{Curvature, Real, distance as scalar};

/// [`crate::distance::distance`] of every row of `x` to the same row of `y`.
///
/// All pairs: [`super::distance_matrix`].
/// **Shapes.** `x`, `y`: `[rows, dim]`, `out`: `[rows]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn distance<T: Real>(x: &[T], y: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    for_rows(check_rows(x, dim), [(x, dim), (y, dim)], [(out, 1)], |[x, y], [out]| {
        out[0] = scalar::distance(x, y, c);
    });
}

/// The gradient of [`distance`]: overwrites `grad_x` and `grad_y`, returns the derivative by c, summed over the rows.
///
/// **Shapes.** As [`distance`]; `grad_out`: `[rows]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn distance_vjp<T: Real>(
    x: &[T],
    y: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
) -> f64 {
    for_rows(
        check_rows(x, dim),
        [(x, dim), (y, dim), (grad_out, 1)],
        [(grad_x, dim), (grad_y, dim)],
        |[x, y, grad_out], [grad_x, grad_y]| scalar::distance_vjp(x, y, grad_out[0], c, grad_x, grad_y),
    )
    .one()
}

/// [`crate::distance::distance_to_origin`] of every row of `x`.
///
/// **Shapes.** `x`: `[rows, dim]`, `out`: `[rows]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn distance_to_origin<T: Real>(x: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    for_rows(check_rows(x, dim), [(x, dim)], [(out, 1)], |[x], [out]| {
        out[0] = scalar::distance_to_origin(x, c);
    });
}

/// The gradient of [`distance_to_origin`]: overwrites `grad_x`, returns the derivative by c, summed over the rows.
///
/// **Shapes.** As [`distance_to_origin`]; `grad_out`: `[rows]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn distance_to_origin_vjp<T: Real>(
    x: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    grad_x: &mut [T],
) -> f64 {
    for_rows(check_rows(x, dim), [(x, dim), (grad_out, 1)], [(grad_x, dim)], |[x, grad_out], [grad_x]| {
        scalar::distance_to_origin_vjp(x, grad_out[0], c, grad_x)
    })
    .one()
}

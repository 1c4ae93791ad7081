//! Exponential and logarithmic maps and the projection, row by row.

use super::{check_rows, rows::for_rows};
use crate::{Curvature, Real, maps};

/// [`maps::exp_map_zero`] of every row of `v`.
///
/// The exponential map at the origin; [`super::to_ball`] clips and projects in the same pass.
/// **Shapes.** `v`, `out`: `[rows, dim]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn exp_map_zero<T: Real>(v: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    for_rows(check_rows(v, dim), [(v, dim)], [(out, dim)], |[v], [out]| {
        maps::exp_map_zero(v, c, out);
    });
}

/// The gradient of [`exp_map_zero`]: overwrites `grad_v`, returns the derivative by c, summed over the rows.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn exp_map_zero_vjp<T: Real>(v: &[T], grad_out: &[T], dim: usize, c: Curvature, grad_v: &mut [T]) -> f64 {
    for_rows(check_rows(v, dim), [(v, dim), (grad_out, dim)], [(grad_v, dim)], |[v, grad_out], [grad_v]| {
        maps::exp_map_zero_vjp(v, grad_out, c, grad_v)
    })
    .one()
}

/// [`maps::log_map_zero`] of every row of `y`.
///
/// The logarithmic map at the origin.
/// **Shapes.** `y`, `out`: `[rows, dim]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn log_map_zero<T: Real>(y: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    for_rows(check_rows(y, dim), [(y, dim)], [(out, dim)], |[y], [out]| {
        maps::log_map_zero(y, c, out);
    });
}

/// The gradient of [`log_map_zero`]: overwrites `grad_y`, returns the derivative by c, summed over the rows.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn log_map_zero_vjp<T: Real>(y: &[T], grad_out: &[T], dim: usize, c: Curvature, grad_y: &mut [T]) -> f64 {
    for_rows(check_rows(y, dim), [(y, dim), (grad_out, dim)], [(grad_y, dim)], |[y, grad_out], [grad_y]| {
        maps::log_map_zero_vjp(y, grad_out, c, grad_y)
    })
    .one()
}

/// [`maps::project`] of every row of `x`.
///
/// Rows outside the margin are moved onto it.
/// **Shapes.** `x`, `out`: `[rows, dim]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn project<T: Real>(x: &[T], dim: usize, c: Curvature, margin: f64, out: &mut [T]) {
    for_rows(check_rows(x, dim), [(x, dim)], [(out, dim)], |[x], [out]| {
        maps::project(x, c, margin, out);
    });
}

/// The gradient of [`project`]: overwrites `grad_x`, returns the derivative by c, summed over the rows.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn project_vjp<T: Real>(
    x: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    margin: f64,
    grad_x: &mut [T],
) -> f64 {
    for_rows(check_rows(x, dim), [(x, dim), (grad_out, dim)], [(grad_x, dim)], |[x, grad_out], [grad_x]| {
        maps::project_vjp(x, grad_out, c, margin, grad_x)
    })
    .one()
}

/// [`maps::exp_map_at`] of every row of `x` and the same row of `v`.
///
/// Every row of `v` is a tangent vector at the same row of `x`.
/// **Shapes.** `x`, `v`, `out`: `[rows, dim]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn exp_map_at<T: Real>(x: &[T], v: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    for_rows(check_rows(x, dim), [(x, dim), (v, dim)], [(out, dim)], |[x, v], [out]| {
        maps::exp_map_at(x, v, c, out);
    });
}

/// The gradient of [`exp_map_at`]: overwrites `grad_x` and `grad_v`, returns the derivative by c, summed over the rows.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn exp_map_at_vjp<T: Real>(
    x: &[T],
    v: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    grad_x: &mut [T],
    grad_v: &mut [T],
) -> f64 {
    for_rows(
        check_rows(x, dim),
        [(x, dim), (v, dim), (grad_out, dim)],
        [(grad_x, dim), (grad_v, dim)],
        |[x, v, grad_out], [grad_x, grad_v]| maps::exp_map_at_vjp(x, v, grad_out, c, grad_x, grad_v),
    )
    .one()
}

/// [`maps::log_map_at`] of every row of `x` and the same row of `y`.
///
/// The tangent vector at a row of `x` that points to the same row of `y`.
/// **Shapes.** `x`, `y`, `out`: `[rows, dim]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn log_map_at<T: Real>(x: &[T], y: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    for_rows(check_rows(x, dim), [(x, dim), (y, dim)], [(out, dim)], |[x, y], [out]| {
        maps::log_map_at(x, y, c, out);
    });
}

/// The gradient of [`log_map_at`]: overwrites `grad_x` and `grad_y`, returns the derivative by c, summed over the rows.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn log_map_at_vjp<T: Real>(
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
        [(x, dim), (y, dim), (grad_out, dim)],
        [(grad_x, dim), (grad_y, dim)],
        |[x, y, grad_out], [grad_x, grad_y]| maps::log_map_at_vjp(x, y, grad_out, c, grad_x, grad_y),
    )
    .one()
}

//! Exponential and logarithmic maps, geodesics and transport, and the two limits of norms, row by row.

use super::{
    check_rows,
    row_wise::{row_op, row_wise},
    rows::for_rows,
};
use crate::{Curvature, Real, maps};

row_wise! {
    /// [`maps::exp_map_zero`] of every row of `v`.
    ///
    /// The exponential map at the origin; [`super::to_ball`] clips and projects in the same pass.
    maps::[exp_map_zero, exp_map_zero_vjp](v grad_v) -> point
}

row_wise! {
    /// [`maps::log_map_zero`] of every row of `y`.
    ///
    /// The logarithmic map at the origin.
    maps::[log_map_zero, log_map_zero_vjp](y grad_y) -> point
}

row_wise! {
    /// [`maps::exp_map_at`] of every row of `x` and the same row of `v`.
    ///
    /// Every row of `v` is a tangent vector at the same row of `x`.
    maps::[exp_map_at, exp_map_at_vjp](x grad_x, v grad_v) -> point
}

row_wise! {
    /// [`maps::log_map_at`] of every row of `x` and the same row of `y`.
    ///
    /// The tangent vector at a row of `x` that points to the same row of `y`.
    maps::[log_map_at, log_map_at_vjp](x grad_x, y grad_y) -> point
}

row_wise! {
    /// [`maps::parallel_transport`] of every row of `v` from the same row of `x` to that of `y`.
    maps::[parallel_transport, parallel_transport_vjp](x grad_x, y grad_y, v grad_v) -> point
}

/// [`maps::geodesic`] from every row of `x` to the same row of `y`, each at a time of its own.
///
/// **Shapes.** `x`, `y`, `out`: `[rows, dim]`, `t`: `[rows]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn geodesic<T: Real>(x: &[T], y: &[T], t: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    for_rows(check_rows(x, dim), [(x, dim), (y, dim), (t, 1)], [(out, dim)], |[x, y, t], [out]| {
        maps::geodesic(x, y, t[0].to_f64(), c, out);
    });
}

/// The gradient of [`geodesic`]: overwrites `grad_x`, `grad_y` and `grad_t`, returns the derivative by c, summed over
/// the rows.
///
/// **Shapes.** As [`geodesic`]; `grad_out`: `[rows, dim]`. **Domain.** As [`maps::geodesic_vjp`].
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn geodesic_vjp<T: Real>(
    x: &[T],
    y: &[T],
    t: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
    grad_t: &mut [T],
) -> f64 {
    for_rows(
        check_rows(x, dim),
        [(x, dim), (y, dim), (t, 1), (grad_out, dim)],
        [(grad_x, dim), (grad_y, dim), (grad_t, 1)],
        |[x, y, t, grad_out], [grad_x, grad_y, grad_t]| {
            let (by_t, by_c) = maps::geodesic_vjp(x, y, t[0].to_f64(), grad_out, c, grad_x, grad_y);
            grad_t[0] = T::from_f64(by_t);
            by_c
        },
    )
    .one()
}

/// [`maps::project`] of every row of `x`.
///
/// Rows outside the margin are moved onto it.
/// **Shapes.** `x`, `out`: `[rows, dim]`.
///
/// # Panics
/// If `dim` is zero, a length does not fit, or the margin is outside \[0, 1).
pub fn project<T: Real>(x: &[T], dim: usize, c: Curvature, margin: f64, out: &mut [T]) {
    for_rows(check_rows(x, dim), [(x, dim)], [(out, dim)], |[x], [out]| {
        maps::project(x, c, margin, out);
    });
}

/// The gradient of [`project`]: overwrites `grad_x`, returns the derivative by c, summed over the rows.
///
/// # Panics
/// As [`project`].
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

/// [`maps::clip_norm`] of every row of `v`: feature clipping.
///
/// **Shapes.** `v`, `out`: `[rows, dim]`.
///
/// # Panics
/// If `dim` is zero, a length does not fit, or `max_norm` is negative or NaN.
pub fn clip_norm<T: Real>(v: &[T], dim: usize, max_norm: f64, out: &mut [T]) {
    for_rows(check_rows(v, dim), [(v, dim)], [(out, dim)], |[v], [out]| {
        maps::clip_norm(v, max_norm, out);
    });
}

/// The gradient of [`clip_norm`]: overwrites `grad_v`.
///
/// # Panics
/// As [`clip_norm`].
pub fn clip_norm_vjp<T: Real>(v: &[T], grad_out: &[T], dim: usize, max_norm: f64, grad_v: &mut [T]) {
    for_rows(check_rows(v, dim), [(v, dim), (grad_out, dim)], [(grad_v, dim)], |[v, grad_out], [grad_v]| {
        maps::clip_norm_vjp(v, grad_out, max_norm, grad_v);
    });
}

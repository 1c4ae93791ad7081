//! Möbius addition, subtraction and scalar multiplication, row by row.

use super::{check_rows, rows::for_rows};
use crate::{Curvature, Real, gyro};

/// [`gyro::mobius_add`] of every row of `x` and the same row of `y`.
///
/// A row of `x` is the left operand.
/// **Shapes.** `x`, `y`, `out`: `[rows, dim]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn mobius_add<T: Real>(x: &[T], y: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    for_rows(check_rows(x, dim), [(x, dim), (y, dim)], [(out, dim)], |[x, y], [out]| {
        gyro::mobius_add(x, y, c, out);
    });
}

/// The gradient of [`mobius_add`]: overwrites `grad_x` and `grad_y`, returns the derivative by c, summed over the rows.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn mobius_add_vjp<T: Real>(
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
        |[x, y, grad_out], [grad_x, grad_y]| gyro::mobius_add_vjp(x, y, grad_out, c, grad_x, grad_y),
    )
    .one()
}

/// [`gyro::mobius_sub`] of every row of `x` and the same row of `y`.
///
/// `(−x) ⊕ y`, without cancellation.
/// **Shapes.** `x`, `y`, `out`: `[rows, dim]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn mobius_sub<T: Real>(x: &[T], y: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    for_rows(check_rows(x, dim), [(x, dim), (y, dim)], [(out, dim)], |[x, y], [out]| {
        gyro::mobius_sub(x, y, c, out);
    });
}

/// The gradient of [`mobius_sub`]: overwrites `grad_x` and `grad_y`, returns the derivative by c, summed over the rows.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn mobius_sub_vjp<T: Real>(
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
        |[x, y, grad_out], [grad_x, grad_y]| gyro::mobius_sub_vjp(x, y, grad_out, c, grad_x, grad_y),
    )
    .one()
}

/// [`gyro::mobius_scalar_mul`] of every row of `x` by the same number.
///
/// **Shapes.** `x`, `out`: `[rows, dim]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn mobius_scalar_mul<T: Real>(r: T, x: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    for_rows(check_rows(x, dim), [(x, dim)], [(out, dim)], |[x], [out]| {
        gyro::mobius_scalar_mul(r, x, c, out);
    });
}

/// The gradient of [`mobius_scalar_mul`]: overwrites `grad_x`, returns the derivatives by r and by c.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn mobius_scalar_mul_vjp<T: Real>(
    r: T,
    x: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    grad_x: &mut [T],
) -> (f64, f64) {
    for_rows(check_rows(x, dim), [(x, dim), (grad_out, dim)], [(grad_x, dim)], |[x, grad_out], [grad_x]| {
        gyro::mobius_scalar_mul_vjp(r, x, grad_out, c, grad_x)
    })
    .both()
}

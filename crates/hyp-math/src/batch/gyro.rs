//! The gyrovector operations, row by row.

use super::{
    check_rows,
    row_wise::{row_op, row_wise},
    rows::for_rows,
};
use crate::{Curvature, Real, gyro};

row_wise! {
    /// [`gyro::conformal_factor`] of every row of `x`.
    gyro::[conformal_factor, conformal_factor_vjp](x grad_x) -> number
}

row_wise! {
    /// [`gyro::riemannian_factor`] of every row of `x`.
    ///
    /// What a layer does with it is [`super::riemannian_scale`].
    gyro::[riemannian_factor, riemannian_factor_vjp](x grad_x) -> number
}

row_wise! {
    /// [`gyro::mobius_add`] of every row of `x` and the same row of `y`.
    ///
    /// A row of `x` is the left operand.
    gyro::[mobius_add, mobius_add_vjp](x grad_x, y grad_y) -> point
}

row_wise! {
    /// [`gyro::mobius_sub`] of every row of `x` and the same row of `y`.
    ///
    /// `(−x) ⊕ y`, without cancellation.
    gyro::[mobius_sub, mobius_sub_vjp](x grad_x, y grad_y) -> point
}

row_wise! {
    /// [`gyro::gyration`] of every row of `w` by the same rows of `u` and `v`.
    gyro::[gyration, gyration_vjp](u grad_u, v grad_v, w grad_w) -> point
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

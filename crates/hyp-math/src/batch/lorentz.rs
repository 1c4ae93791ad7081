//! The Lorentz model over the rows of matrices of space parts; see [`crate::lorentz`].

use super::{
    check_rows,
    groups::group_wise,
    linear::round,
    row_wise::{row_op, row_wise},
    rows::for_rows,
};
use crate::{Curvature, Real, lorentz};

row_wise! {
    /// [`lorentz::from_poincare`] of every row of `x`.
    lorentz::[from_poincare, from_poincare_vjp](x grad_x) -> point
}

row_wise! {
    /// [`lorentz::to_poincare`] of every row of `s`.
    lorentz::[to_poincare, to_poincare_vjp](s grad_s) -> point
}

row_wise! {
    /// [`lorentz::exp_map_zero`] of every row of `u`.
    lorentz::[exp_map_zero, exp_map_zero_vjp](u grad_u) -> point
}

row_wise! {
    /// [`lorentz::log_map_zero`] of every row of `s`.
    lorentz::[log_map_zero, log_map_zero_vjp](s grad_s) -> point
}

row_wise! {
    /// [`lorentz::time`] of every row of `s`.
    lorentz::[time, time_vjp](s grad_s) -> number
}

row_wise! {
    /// [`lorentz::inner`] of every row of `x` and the same row of `y`.
    lorentz::[inner, inner_vjp](x grad_x, y grad_y) -> number
}

row_wise! {
    /// [`lorentz::distance`] of every row of `x` to the same row of `y`.
    lorentz::[distance, distance_vjp](x grad_x, y grad_y) -> number
}

group_wise! {
    /// [`lorentz::centroid`] of every group of `shots` consecutive points.
    lorentz::[centroid, centroid_vjp]
}

/// [`lorentz::distance`] of every row of `x` to every row of `y`.
///
/// **Shapes.** `x`: `[batch, dim]`, `y`: `[points, dim]`, `out`: `[batch, points]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn distance_matrix<T: Real>(x: &[T], y: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    let columns = check_rows(y, dim);
    for_rows(check_rows(x, dim), [(x, dim)], [(out, columns)], |[x], [out]| {
        for (slot, y) in out.iter_mut().zip(y.chunks_exact(dim)) {
            *slot = lorentz::distance(x, y, c);
        }
    });
}

/// The gradient of [`distance_matrix`]: overwrites `grad_x` and `grad_y`, returns the derivative by c.
///
/// **Shapes.** As [`distance_matrix`]; `grad_out`: `[batch, points]`.
/// **Numerics.** Everything is summed in `f64`; each side in its own pass, so that every sum belongs to one task.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn distance_matrix_vjp<T: Real>(
    x: &[T],
    y: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
) -> f64 {
    let (rows, columns) = (check_rows(x, dim), check_rows(y, dim));
    assert_eq!(grad_out.len(), rows * columns, "grad_out has one entry per pair");
    let wide = |values: &[T]| values.iter().map(|value| value.to_f64()).collect::<Vec<f64>>();
    let (x, y, by_rows) = (wide(x), wide(y), wide(grad_out));
    let by_columns: Vec<f64> =
        (0..columns).flat_map(|k| by_rows.iter().skip(k).step_by(columns).copied()).collect();
    let side = |own: &[f64], others: &[f64], grads: &[f64], out: &mut [T]| {
        let mut sums = vec![0.0; own.len()];
        let by_c = for_rows(
            own.len() / dim,
            [(own, dim), (grads, others.len() / dim)],
            [(&mut sums[..], dim)],
            |[own, grads], [sum]| pull_one(own, others, grads, c, sum),
        );
        round(&sums, out);
        by_c.one()
    };
    let by_c = side(&x, &y, &by_rows, grad_x);
    side(&y, &x, &by_columns, grad_y);
    by_c
}

/// Adds the gradient of Σ gⱼ d(x, yⱼ) by x to `sum`; returns that by c.
fn pull_one(x: &[f64], others: &[f64], grads: &[f64], c: Curvature, sum: &mut [f64]) -> f64 {
    let (mut by_x, mut by_other) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    let mut by_c = 0.0;
    for (other, grad) in others.chunks_exact(x.len()).zip(grads) {
        by_c += lorentz::distance_vjp(x, other, *grad, c, &mut by_x, &mut by_other);
        for (sum, by_x) in sum.iter_mut().zip(&by_x) {
            *sum += by_x;
        }
    }
    by_c
}

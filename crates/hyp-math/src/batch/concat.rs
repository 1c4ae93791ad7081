//! The concatenation of points of two balls over a batch.

use super::{
    linear::{Images, round},
    rows::for_rows,
};
use crate::{Curvature, Real, gyro};

/// [`crate::linear::concat()`] of every row of `x1` and the same row of `x2`, with one matrix for each side.
///
/// **Shapes.** `m1`: `[out, dim1]` row-major, `x1`: `[rows, dim1]`, `m2`: `[out, dim2]`, `x2`: `[rows, dim2]`,
/// `out`: `[rows, out]`.
/// **Numerics.** Both products in `f64`, in arrays of the size of `out`.
///
/// # Panics
/// If `dim1` or `dim2` is zero or a length does not fit.
pub fn concat<T: Real>(
    m1: &[T],
    x1: &[T],
    dim1: usize,
    m2: &[T],
    x2: &[T],
    dim2: usize,
    c: Curvature,
    out: &mut [T],
) {
    let (first, second) = (Images::new(m1, x1, dim1), Images::new(m2, x2, dim2));
    let (rows, width) = (first.rows, first.width);
    assert_eq!(
        (second.rows, second.width),
        (rows, width),
        "both sides have as many rows, of the width of out"
    );
    let (left, right) = (first.scaled(c), second.scaled(c));
    let mut sum = vec![0.0; rows * width];
    for_rows(
        rows,
        [(&left[..], width), (&right[..], width)],
        [(&mut sum[..], width)],
        |[left, right], [out]| gyro::mobius_add(left, right, c, out),
    );
    round(&sum, out);
}

/// The gradient of [`concat()`]: overwrites the gradients by both matrices, summed over the rows, and by both points;
/// returns the derivative by c.
///
/// **Shapes.** As [`concat()`]; `grad_out`: `[rows, out]`.
///
/// # Panics
/// If `dim1` or `dim2` is zero or a length does not fit.
pub fn concat_vjp<T: Real>(
    m1: &[T],
    x1: &[T],
    dim1: usize,
    m2: &[T],
    x2: &[T],
    dim2: usize,
    grad_out: &[T],
    c: Curvature,
    grad_m1: &mut [T],
    grad_x1: &mut [T],
    grad_m2: &mut [T],
    grad_x2: &mut [T],
) -> f64 {
    let (first, second) = (Images::new(m1, x1, dim1), Images::new(m2, x2, dim2));
    let (rows, width) = (first.rows, first.width);
    assert_eq!(
        (second.rows, second.width),
        (rows, width),
        "both sides have as many rows, of the width of out"
    );
    let (left, right) = (first.scaled(c), second.scaled(c));
    let grads: Vec<f64> = grad_out.iter().map(|g| g.to_f64()).collect();
    let (mut by_left, mut by_right) = (vec![0.0; grads.len()], vec![0.0; grads.len()]);
    let by_c = for_rows(
        rows,
        [(&left[..], width), (&right[..], width), (&grads[..], width)],
        [(&mut by_left[..], width), (&mut by_right[..], width)],
        |[left, right, grad], [by_left, by_right]| {
            gyro::mobius_add_vjp(left, right, grad, c, by_left, by_right)
        },
    )
    .one();
    by_c + first.vjp(m1, x1, &mut by_left, c, grad_m1, grad_x1)
        + second.vjp(m2, x2, &mut by_right, c, grad_m2, grad_x2)
}

//! Operations of one point with every row of a matrix: translations by a bias, maps at a trainable base point.

use super::{check_rows, rows::for_rows};
use crate::{Curvature, Real, gyro, maps, vector::map1};

/// `x ⊕ b` for every row of `x` and one bias `b`.
///
/// **Shapes.** `b`: `[dim]`, `x`, `out`: `[rows, dim]`.
///
/// # Panics
/// If a length does not fit.
pub fn mobius_add_shared<T: Real>(b: &[T], x: &[T], c: Curvature, out: &mut [T]) {
    let dim = b.len();
    for_rows(check_rows(x, dim), [(x, dim)], [(out, dim)], |[x], [out]| gyro::mobius_add(x, b, c, out));
}

/// The gradient of [`mobius_add_shared`]: overwrites `grad_b`, summed over the rows, and `grad_x`; returns the
/// derivative by c.
///
/// # Panics
/// If a length does not fit.
pub fn mobius_add_shared_vjp<T: Real>(
    b: &[T],
    x: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_b: &mut [T],
    grad_x: &mut [T],
) -> f64 {
    let dim = b.len();
    let mut by_b = vec![T::ZERO; x.len()];
    let by_c = for_rows(
        check_rows(x, dim),
        [(x, dim), (grad_out, dim)],
        [(&mut by_b[..], dim), (grad_x, dim)],
        |[x, grad_out], [by_b, grad_x]| gyro::mobius_add_vjp(x, b, grad_out, c, grad_x, by_b),
    );
    sum_rows(&by_b, grad_b);
    by_c.one()
}

/// [`maps::exp_map_at`] of every row of `v`, a tangent vector at one `base`.
///
/// **Shapes.** `base`: `[dim]`, `v`, `out`: `[rows, dim]`.
///
/// # Panics
/// If a length does not fit.
pub fn exp_map_shared<T: Real>(base: &[T], v: &[T], c: Curvature, out: &mut [T]) {
    let dim = base.len();
    for_rows(check_rows(v, dim), [(v, dim)], [(out, dim)], |[v], [out]| maps::exp_map_at(base, v, c, out));
}

/// The gradient of [`exp_map_shared`]: overwrites `grad_base`, summed over the rows, and `grad_v`; returns the
/// derivative by c.
///
/// # Panics
/// If a length does not fit.
pub fn exp_map_shared_vjp<T: Real>(
    base: &[T],
    v: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_base: &mut [T],
    grad_v: &mut [T],
) -> f64 {
    let dim = base.len();
    let mut by_base = vec![T::ZERO; v.len()];
    let by_c = for_rows(
        check_rows(v, dim),
        [(v, dim), (grad_out, dim)],
        [(&mut by_base[..], dim), (grad_v, dim)],
        |[v, grad_out], [by_base, grad_v]| maps::exp_map_at_vjp(base, v, grad_out, c, by_base, grad_v),
    );
    sum_rows(&by_base, grad_base);
    by_c.one()
}

/// [`maps::log_map_at`] of every row of `y`, seen from one `base`.
///
/// **Shapes.** `base`: `[dim]`, `y`, `out`: `[rows, dim]`.
///
/// # Panics
/// If a length does not fit.
pub fn log_map_shared<T: Real>(base: &[T], y: &[T], c: Curvature, out: &mut [T]) {
    let dim = base.len();
    for_rows(check_rows(y, dim), [(y, dim)], [(out, dim)], |[y], [out]| maps::log_map_at(base, y, c, out));
}

/// The gradient of [`log_map_shared`]: overwrites `grad_base`, summed over the rows, and `grad_y`; returns the
/// derivative by c.
///
/// # Panics
/// If a length does not fit.
pub fn log_map_shared_vjp<T: Real>(
    base: &[T],
    y: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_base: &mut [T],
    grad_y: &mut [T],
) -> f64 {
    let dim = base.len();
    let mut by_base = vec![T::ZERO; y.len()];
    let by_c = for_rows(
        check_rows(y, dim),
        [(y, dim), (grad_out, dim)],
        [(&mut by_base[..], dim), (grad_y, dim)],
        |[y, grad_out], [by_base, grad_y]| maps::log_map_at_vjp(base, y, grad_out, c, by_base, grad_y),
    );
    sum_rows(&by_base, grad_base);
    by_c.one()
}

/// The sum of all rows, in `f64` and in their order.
fn sum_rows<T: Real>(rows: &[T], out: &mut [T]) {
    let mut sums = vec![0.0; out.len()];
    for row in rows.chunks_exact(out.len().max(1)) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value.to_f64();
        }
    }
    map1(out, &sums, |sum| sum);
}

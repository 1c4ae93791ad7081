//! The Möbius linear layer and the concatenation of \[HIE\]'s appendix, for one point.
//!
//! Batches: [`crate::batch::mobius_linear`].

use crate::gyro::{mobius_add, mobius_add_vjp, mobius_matvec, mobius_matvec_vjp};
use crate::{Curvature, Real};

/// Möbius linear layer: the matrix–vector product, then a translation by the bias.
///
/// $$ y = (M \otimes_c x) \oplus_c b $$
///
/// **Source.** \[HIE\] appendix A, `mobius-linear` of `docs/paper/equations.md`.
/// **Shapes.** `m`: `[out, in]` row-major, `b`, `out`: `[out]`, `x`: `[in]`.
/// **Domain.** `x` and `b` in their balls, any matrix; `c = 0` gives `Mx + b`.
/// **Numerics.** M ⊗ x stays in `f64` until the bias is added.
///
/// # Panics
/// If the lengths do not fit.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, linear::mobius_linear};
/// let mut out = [0.0_f64; 1];
/// // 2 ⊗ ½ = 0.8, and 0.8 ⊕ −½ = 0.3/0.6.
/// mobius_linear(&[2.0], &[-0.5], &[0.5], Curvature::ONE, &mut out);
/// assert!((out[0] - 0.5).abs() < 1e-15);
/// ```
pub fn mobius_linear<T: Real>(m: &[T], b: &[T], x: &[T], c: Curvature, out: &mut [T]) {
    let b = widened(b);
    let image = image(m, x, c, b.len());
    let mut sum = vec![0.0; b.len()];
    mobius_add(&image, &b, c, &mut sum);
    round(&sum, out);
}

/// Gradients of [`mobius_linear`] with respect to M, b and x, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the lengths do not fit.
pub fn mobius_linear_vjp<T: Real>(
    m: &[T],
    b: &[T],
    x: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_m: &mut [T],
    grad_b: &mut [T],
    grad_x: &mut [T],
) -> f64 {
    let (wide_m, wide_b, wide_x) = (widened(m), widened(b), widened(x));
    let image = image(m, x, c, b.len());
    let (mut by_image, mut by_b) = (vec![0.0; b.len()], vec![0.0; b.len()]);
    let by_c = mobius_add_vjp(&image, &wide_b, &widened(grad_out), c, &mut by_image, &mut by_b);
    round(&by_b, grad_b);
    by_c + matvec_vjp(&wide_m, &wide_x, &by_image, c, grad_m, grad_x)
}

/// Möbius concatenation of two points of different balls: a matrix for each, and the Möbius sum.
///
/// $$ M_1 \otimes_c x_1 \;\oplus_c\; M_2 \otimes_c x_2 $$
///
/// **Source.** \[HIE\] appendix A, `concat` of `docs/paper/equations.md`.
/// **Shapes.** `m1`: `[out, in1]`, `x1`: `[in1]`, `m2`: `[out, in2]`, `x2`: `[in2]`, `out`: `[out]`.
/// **Domain.** Points of their balls, any matrices; `c = 0` gives `M₁x₁ + M₂x₂`. Not symmetric.
/// **Numerics.** Both images stay in `f64` until their sum is rounded.
///
/// # Panics
/// If the lengths do not fit.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, linear::concat};
/// let mut out = [0.0_f64; 1];
/// concat(&[1.0], &[0.5], &[1.0], &[0.5], Curvature::ONE, &mut out);
/// assert!((out[0] - 0.8).abs() < 1e-15); // ½ ⊕ ½ = (½ + ½) / (1 + ¼)
/// ```
pub fn concat<T: Real>(m1: &[T], x1: &[T], m2: &[T], x2: &[T], c: Curvature, out: &mut [T]) {
    let (first, second) = (image(m1, x1, c, out.len()), image(m2, x2, c, out.len()));
    let mut sum = vec![0.0; out.len()];
    mobius_add(&first, &second, c, &mut sum);
    round(&sum, out);
}

/// Gradients of [`concat()`] with respect to both matrices and both points, overwritten; returns the gradient with respect
/// to c.
///
/// # Panics
/// If the lengths do not fit.
pub fn concat_vjp<T: Real>(
    m1: &[T],
    x1: &[T],
    m2: &[T],
    x2: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_m1: &mut [T],
    grad_x1: &mut [T],
    grad_m2: &mut [T],
    grad_x2: &mut [T],
) -> f64 {
    let len = grad_out.len();
    let (first, second) = (image(m1, x1, c, len), image(m2, x2, c, len));
    let (mut by_first, mut by_second) = (vec![0.0; len], vec![0.0; len]);
    let by_c = mobius_add_vjp(&first, &second, &widened(grad_out), c, &mut by_first, &mut by_second);
    by_c + matvec_vjp(&widened(m1), &widened(x1), &by_first, c, grad_m1, grad_x1)
        + matvec_vjp(&widened(m2), &widened(x2), &by_second, c, grad_m2, grad_x2)
}

/// M ⊗ x in `f64`.
fn image<T: Real>(m: &[T], x: &[T], c: Curvature, len: usize) -> Vec<f64> {
    let mut out = vec![0.0; len];
    mobius_matvec(&widened(m), &widened(x), c, &mut out);
    out
}

fn matvec_vjp<T: Real>(
    m: &[f64],
    x: &[f64],
    grad_out: &[f64],
    c: Curvature,
    grad_m: &mut [T],
    grad_x: &mut [T],
) -> f64 {
    let (mut by_m, mut by_x) = (vec![0.0; m.len()], vec![0.0; x.len()]);
    let by_c = mobius_matvec_vjp(m, x, grad_out, c, &mut by_m, &mut by_x);
    round(&by_m, grad_m);
    round(&by_x, grad_x);
    by_c
}

fn widened<T: Real>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}

fn round<T: Real>(values: &[f64], out: &mut [T]) {
    assert_eq!(out.len(), values.len(), "the output must have the length of the result");
    for (slot, value) in out.iter_mut().zip(values) {
        *slot = T::from_f64(*value);
    }
}

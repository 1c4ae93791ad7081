//! Möbius addition and subtraction in one form that does not cancel.
//!
//! With s = x + y, the gaps a = 1 − c‖x‖² and b = 1 − c‖y‖², and D = ab + c‖s‖², the sum is
//! x ⊕ y = (a·s + c‖s‖²·x)/D. The two terms of D are positive; the second term of the numerator is never longer than
//! the whole, so the two vectors cannot cancel either. The textbook form cancels in both when y is close to −x near
//! the boundary, which is the usual case in (−x) ⊕ y for close points.

use crate::scalar::{gap, times};
use crate::vector::{map2, map3_twice, sums2, sums3};
use crate::{Curvature, Real};

/// The numbers that x ⊕ y needs: gaps of x and of y, ‖x + y‖², and the denominator D.
struct Sum {
    squares: [f64; 2],
    gap_x: f64,
    gap_y: f64,
    square: f64,
    c_square: f64,
    denominator: f64,
}

impl Sum {
    /// For (`s`·x) ⊕ y, s = ±1.
    #[inline(always)]
    fn new<T: Real>(s: f64, x: &[T], y: &[T], c: Curvature) -> Self {
        let [xx, yy, square] = sums2(x, y, |x, y| {
            let sum = s * x + y;
            [x * x, y * y, sum * sum]
        });
        let (gap_x, gap_y, c_square) = (gap(c, xx), gap(c, yy), times(c, square));
        Self { squares: [xx, yy], gap_x, gap_y, square, c_square, denominator: gap_x * gap_y + c_square }
    }
}

#[inline(always)]
fn add<T: Real>(s: f64, x: &[T], y: &[T], c: Curvature, out: &mut [T]) {
    let sum = Sum::new(s, x, y, c);
    let (along_sum, along_x) = (sum.gap_x / sum.denominator, sum.c_square / sum.denominator);
    map2(out, x, y, |x, y| {
        let x = s * x;
        along_sum * (x + y) + along_x * x
    });
}

#[inline(always)]
fn add_vjp<T: Real>(
    s: f64,
    x: &[T],
    y: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
) -> f64 {
    let sum = Sum::new(s, x, y, c);
    let d = sum.denominator;
    // ⟨g, s·x + y⟩/D and ⟨g, s·x⟩/D: g with respect to the numerator is g/D.
    let [g_sum, g_x] = sums3(x, y, grad_out, |x, y, g| [g * (s * x + y), g * s * x]);
    let (g_sum, g_x) = (g_sum / d, g_x / d);
    let g_denominator = -(sum.gap_x * g_sum + sum.c_square * g_x) / d;
    let g_gap_x = g_sum + g_denominator * sum.gap_y;
    let g_gap_y = g_denominator * sum.gap_x;
    let g_c_square = g_x + g_denominator;

    let direct_sum = sum.gap_x / d;
    let direct_x = sum.c_square / d;
    let along_sum = 2.0 * c.get() * g_c_square;
    let (along_x, along_y) = (-2.0 * c.get() * g_gap_x, -2.0 * c.get() * g_gap_y);
    map3_twice(grad_x, grad_y, x, y, grad_out, |x, y, g| {
        let x = s * x;
        let by_sum = along_sum * (x + y);
        (s * ((direct_sum + direct_x) * g + by_sum + along_x * x), direct_sum * g + by_sum + along_y * y)
    });
    g_c_square * sum.square - g_gap_x * sum.squares[0] - g_gap_y * sum.squares[1]
}

/// Möbius addition $x \oplus_c y$ of two points of the ball, written to `out`.
///
/// $$ x \oplus_c y = \frac{(1 + 2c\langle x,y\rangle + c\|y\|^2)\,x + (1 - c\|x\|^2)\,y}
///                        {1 + 2c\langle x,y\rangle + c^2\|x\|^2\|y\|^2} $$
///
/// **Source.** \[HIE\] equation (6). The released code adds 1e-5 to the denominator; we do not.
///
/// **Shapes.** `x`, `y`, `out`: `[dim]`.
/// **Domain.** `c‖x‖² < 1`, `c‖y‖² < 1`. Neither commutative nor associative. `c = 0` gives `x + y`.
/// **Numerics.** Evaluated as (a(x + y) + c‖x + y‖²x)/(ab + c‖x + y‖²), a and b the gaps of x and y, where nothing
/// cancels. NaN in, NaN out.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, gyro::mobius_add};
/// let mut out = [0.0; 2];
/// mobius_add(&[0.5, 0.0], &[0.5, 0.0], Curvature::ONE, &mut out);
/// assert!((out[0] - 0.8_f64).abs() < 1e-15); // along one line: (a + b) / (1 + ab)
/// ```
#[inline(always)]
pub fn mobius_add<T: Real>(x: &[T], y: &[T], c: Curvature, out: &mut [T]) {
    add(1.0, x, y, c, out);
}

/// Gradients of [`mobius_add`] with respect to x and y, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn mobius_add_vjp<T: Real>(
    x: &[T],
    y: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
) -> f64 {
    add_vjp(1.0, x, y, grad_out, c, grad_x, grad_y)
}

/// The difference $(-x) \oplus_c y$: where y is, seen from x.
///
/// $$ (-x) \oplus_c y = \frac{(1 - c\|x\|^2)(y - x) - c\|y - x\|^2 x}
///                           {(1 - c\|x\|^2)(1 - c\|y\|^2) + c\|y - x\|^2} $$
///
/// **Source.** \[HIE\] equation (7), argument of the norm; the minus is missing in the printed text.
///
/// **Shapes.** `x`, `y`, `out`: `[dim]`.
/// **Domain.** `c‖x‖² < 1`, `c‖y‖² < 1`; exactly 0 for y = x. `c = 0` gives `y − x`.
/// **Numerics.** The form above: nothing cancels, however close the points and however near the boundary.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, gyro::mobius_sub};
/// let mut out = [0.0; 1];
/// mobius_sub(&[0.5], &[0.8], Curvature::ONE, &mut out);
/// assert!((out[0] - 0.5_f64).abs() < 1e-15); // (0.8 − 0.5) / (1 − 0.4)
/// ```
#[inline(always)]
pub fn mobius_sub<T: Real>(x: &[T], y: &[T], c: Curvature, out: &mut [T]) {
    add(-1.0, x, y, c, out);
}

/// Gradients of [`mobius_sub`] with respect to x and y, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn mobius_sub_vjp<T: Real>(
    x: &[T],
    y: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
) -> f64 {
    add_vjp(-1.0, x, y, grad_out, c, grad_x, grad_y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_neutral() {
        let x = [0.3_f64, -0.4];
        let mut out = [0.0; 2];
        mobius_add(&x, &[0.0; 2], Curvature::ONE, &mut out);
        // a·x + c‖x‖²·x with a = 1 − c‖x‖²: two roundings.
        assert!((out[0] - 0.3).abs() < 1e-16 && (out[1] + 0.4).abs() < 1e-16, "{out:?}");
        mobius_add(&[0.0; 2], &x, Curvature::ONE, &mut out);
        assert!((out[0] - 0.3).abs() < 1e-16 && (out[1] + 0.4).abs() < 1e-16, "{out:?}");
    }

    /// On a line the sum is (a + b)/(1 + ab) for c = 1; here 1e-7 from the boundary, 1e-9 apart in f64.
    #[test]
    fn close_points_near_the_boundary() {
        let (a, b) = (1.0 - 1e-7, 1.0 - 1.01e-7_f64);
        let want = (b - a) / ((1.0 - a) + a * (1.0 - b));
        let mut out = [0.0];
        mobius_sub(&[a], &[b], Curvature::ONE, &mut out);
        assert!((out[0] / want - 1.0).abs() < 1e-8, "{} vs {want}", out[0]);
    }

    #[test]
    fn flat_space_adds() {
        let mut out = [0.0; 2];
        mobius_add(&[1.5, 1e200], &[2.0, 3.0], Curvature::FLAT, &mut out);
        assert_eq!(out, [3.5, 1e200]);
        mobius_sub(&[1.5, -4.0], &[2.0, 3.0], Curvature::FLAT, &mut out);
        assert_eq!(out, [0.5, 7.0]);
    }
}

//! Geodesics.

use crate::distance::Pair;
use crate::scalar::{asinh, asinhc_over_root, sinh_ratio, sinhc, sinhc_slope};
use crate::vector::{map2, map3, sums3};
use crate::{Curvature, Real};

/// The weights of x and of y in a point of their geodesic, and what they are divided by.
struct Weights {
    x: f64,
    y: f64,
    total: f64,
}

fn weights(pair: &Pair, t: f64) -> Weights {
    if pair.z == 0.0 {
        let (x, y) = ((1.0 - t) / pair.gap_x, t / pair.gap_y);
        return Weights { x, y, total: x + y };
    }
    let d = 2.0 * asinh(pair.z);
    // Beyond the ends the weights grow like exp(shift·d): all three are scaled down by that.
    let shift = (t.abs().max((1.0 - t).abs()) - 1.0).max(0.0);
    let (a, b) = (sinh_ratio(1.0 - t, d, shift), sinh_ratio(t, d, shift));
    let (x, y) = (a / pair.gap_x, b / pair.gap_y);
    Weights { x, y, total: x + y + rest(t, d) }
}

/// (1 − a − b)/2 = sinh(td/2)·sinh((1 − t)d/2)/cosh(d/2), scaled as the weights are.
fn rest(t: f64, d: f64) -> f64 {
    let factor = |u: f64| if u < 0.0 { -(u * d).exp_m1() } else { (-u * d).exp_m1() };
    factor(t) * factor(1.0 - t) / (2.0 * (1.0 + (-d).exp()))
}

/// The point at time t of the geodesic from x (t = 0) to y (t = 1), with constant speed d(x, y).
///
/// $$ \gamma_{x \to y}(t) = x \oplus_c \bigl(t \otimes_c ((-x) \oplus_c y)\bigr) $$
///
/// **Source.** \[HIE\] Sec. 3 by way of (6) to (9); Ganea et al. 2018.
///
/// **Shapes.** `x`, `y`, `out`: `[dim]`.
/// **Domain.** `c‖x‖² < 1`, `c‖y‖² < 1`; t outside \[0, 1\] extends the geodesic. `c = 0` gives `(1 − t)x + ty`.
/// **Numerics.** From the hyperboloid: (αx + βy)/(α + β + (1 − a − b)/2), a = sinh((1 − t)δ)/sinh δ and
/// b = sinh(tδ)/sinh δ with δ = √c·d(x, y), α = a/(1 − c‖x‖²), β = b/(1 − c‖y‖²). Between the ends every term is
/// positive and (1 − a − b)/2 is a product, so that both ends are met exactly; the definition above loses all digits at t = 1 for far pairs.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, maps::geodesic};
/// let mut out = [0.0_f64];
/// geodesic(&[0.0], &[0.8], 0.5, Curvature::ONE, &mut out);
/// assert!((out[0] - 0.5).abs() < 1e-15); // 0.5 ⊕ 0.5 = 0.8
/// ```
pub fn geodesic<T: Real>(x: &[T], y: &[T], t: f64, c: Curvature, out: &mut [T]) {
    let pair = Pair::new(x, y, c);
    if pair.norm == 0.0 {
        assert_eq!(out.len(), x.len(), "the output must have the length of the input");
        return out.copy_from_slice(x);
    }
    let Weights { x: along_x, y: along_y, total } = weights(&pair, t);
    map2(out, x, y, |x, y| (along_x * x + along_y * y) / total);
}

/// Gradients of [`geodesic`] with respect to x and y, overwritten; returns those with respect to t and c.
///
/// **Domain.** 0 ≤ t ≤ 1, and δ = √c·d(x, y) below 700.
///
/// # Panics
/// If the slices differ in length.
pub fn geodesic_vjp<T: Real>(
    x: &[T],
    y: &[T],
    t: f64,
    grad_out: &[T],
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
) -> (f64, f64) {
    let pair = Pair::new(x, y, c);
    let ([xx, yy, ww], gap_x, gap_y, z) = (pair.squares, pair.gap_x, pair.gap_y, pair.z);
    let d = 2.0 * asinh(z);
    let (whole, whole_slope) = (sinhc(d), sinhc_slope(d));
    // a = u·sinhc(ud)/sinhc(d), its derivatives with respect to d² and to u.
    let weight = |u: f64| {
        let (part, part_slope) = (sinhc(u * d), sinhc_slope(u * d));
        let by_square = u * (u * u * part_slope / whole - part / whole * (whole_slope / whole));
        (u * part / whole, by_square, (u * d).cosh() / whole)
    };
    let (a, a_by_square, a_by_u) = weight(1.0 - t);
    let (b, b_by_square, b_by_u) = weight(t);
    let (alpha, beta) = (a / gap_x, b / gap_y);
    let rest = rest(t, d);
    let total = alpha + beta + rest;

    let [g_x, g_y, g_w] = sums3(x, y, grad_out, |x, y, g| [g * x, g * y, g * (y - x)]);
    let square = total * total;
    let g_total = -(alpha * g_x + beta * g_y) / square;
    // ⟨g, x − out⟩/total and ⟨g, y − out⟩/total, exactly 0 at the end concerned.
    let (g_alpha, g_beta) = ((rest * g_x - beta * g_w) / square, (rest * g_y + alpha * g_w) / square);
    let (g_a, g_b) = (g_alpha / gap_x - 0.5 * g_total, g_beta / gap_y - 0.5 * g_total);
    // d² as a function of z² has the slope 4·asinh(z)/(z√(1 + z²)).
    let g_z_square = (g_a * a_by_square + g_b * b_by_square) * 4.0 * asinhc_over_root(z);
    let z_square = z * z;
    let g_gap_x = -g_alpha * alpha / gap_x - g_z_square * z_square / gap_x;
    let g_gap_y = -g_beta * beta / gap_y - g_z_square * z_square / gap_y;
    let g_c_square = g_z_square / (gap_x * gap_y);

    let along_w = 2.0 * c.get() * g_c_square;
    let (along_x, along_y) = (-2.0 * c.get() * g_gap_x, -2.0 * c.get() * g_gap_y);
    let (direct_x, direct_y) = (alpha / total, beta / total);
    map3(grad_x, x, y, grad_out, |x, y, g| direct_x * g - along_w * (y - x) + along_x * x);
    map3(grad_y, x, y, grad_out, |x, y, g| direct_y * g + along_w * (y - x) + along_y * y);
    (g_b * b_by_u - g_a * a_by_u, g_c_square * ww - g_gap_x * xx - g_gap_y * yy)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition x ⊕ (t ⊗ ((−x) ⊕ y)) would have lost every digit at the far end of this one.
    #[test]
    fn meets_both_ends_of_a_far_pair_exactly() {
        let (x, y) = ([1.0 - 1e-7_f64, 0.0], [-0.6, 0.8 - 1e-9]);
        let mut out = [0.0; 2];
        geodesic(&x, &y, 0.0, Curvature::ONE, &mut out);
        // One quotient and one product: two roundings.
        assert!((out[0] - x[0]).abs() < 3e-16 && out[1].abs() < 3e-16, "{out:?}");
        geodesic(&x, &y, 1.0, Curvature::ONE, &mut out);
        assert!((out[0] - y[0]).abs() < 3e-16 && (out[1] - y[1]).abs() < 3e-16, "{out:?}");
    }

    #[test]
    fn flat_space_is_a_straight_line() {
        let mut out = [0.0_f64; 2];
        geodesic(&[1.0, 2.0], &[3.0, -2.0], 0.25, Curvature::FLAT, &mut out);
        assert_eq!(out, [1.5, 1.0]);
        geodesic(&[1.0, 2.0], &[3.0, -2.0], 2.0, Curvature::FLAT, &mut out);
        assert_eq!(out, [5.0, -6.0]);
    }

    #[test]
    fn extension_beyond_an_end() {
        // On a line through the origin with c = 1: artanh(0.5)·2 is at 0.8.
        let mut out = [0.0_f64];
        geodesic(&[0.0], &[0.5], 2.0, Curvature::ONE, &mut out);
        assert!((out[0] - 0.8).abs() < 1e-15, "{out:?}");
        geodesic(&[0.0], &[0.5], -1.0, Curvature::ONE, &mut out);
        assert!((out[0] + 0.5).abs() < 1e-15, "{out:?}");
    }
}

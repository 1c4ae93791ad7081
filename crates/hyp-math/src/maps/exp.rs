//! The exponential map at any point of the ball.
//!
//! Written as x ⊕ y with y = tanh(τ)v/(√c‖v‖), the map loses digits when v points from near the boundary through the
//! centre: y is then within one rounding of the boundary, yet where it lies there decides the result. So the value is
//! computed from the hyperboloid, with the unit vectors x̂ and v̂, r = √c‖x‖, τ = √c‖v‖/(1 − r²), E = exp(−2τ),
//! S = (1 − E)/2, C = (1 + E)/2, h = E + (1 − r)S and m = 1 + ⟨x̂, v̂⟩:
//!
//! - denominator h² + 2rmSC, a sum of positive terms;
//! - numerator (E² + 2SC(1 − r + rm))·x + (1 − r²)CS/√c·v̂ if v points outwards, and
//! - numerator ((r·E − (1 − r)S)h + 2r²mSC)/√c·x̂ + (1 − r²)CS/√c·(x̂ + v̂) if it points inwards,
//!
//! in which m = ‖x̂ + v̂‖²/2, so that nothing cancels that is not small in truth.

use crate::scalar::{gap, sech_squared, tanhc, tanhc_slope};
use crate::vector::{map2, root, sums2, sums3};
use crate::{Curvature, Real};

/// Exponential map at x: where the geodesic that leaves x with velocity v is at time 1.
///
/// $$ \exp_x^c(v) = x \oplus_c \Bigl(\tanh\Bigl(\sqrt c\,\frac{\lambda_x^c\|v\|}{2}\Bigr)\frac{v}{\sqrt c\,\|v\|}\Bigr) $$
///
/// **Source.** \[HIE\] equation (8).
///
/// **Shapes.** `x`, `v`, `out`: `[dim]`.
/// **Domain.** `c‖x‖² < 1`, any finite v. `c = 0` gives `x + v`; `v = 0` gives x.
/// **Numerics.** The hyperboloid form at the head of this file. Far along, the result rounds to the boundary itself.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, maps::exp_map_at};
/// let mut out = [0.0_f64];
/// // λ/2 = 4/3 at 0.5; tanh(ln(3)/2) = 0.5, and 0.5 ⊕ 0.5 = 0.8.
/// exp_map_at(&[0.5], &[0.75 * 0.5 * 3.0_f64.ln()], Curvature::ONE, &mut out);
/// assert!((out[0] - 0.8).abs() < 1e-15);
/// ```
pub fn exp_map_at<T: Real>(x: &[T], v: &[T], c: Curvature, out: &mut [T]) {
    let [xx, vv, xv] = sums2(x, v, |x, v| [x * x, v * v, x * v]);
    let norm_x = root(xx, || x.iter().map(|x| x.to_f64()));
    let norm_v = root(vv, || v.iter().map(|v| v.to_f64()));
    if c.is_flat() || norm_v == 0.0 {
        return map2(out, x, v, |x, v| x + v);
    }
    let gap = gap(c, xx);
    let r = c.sqrt() * norm_x;
    let one_minus_r = gap / (1.0 + r);
    let tau = c.sqrt() * norm_v / gap;
    let e = (-2.0 * tau).exp();
    let (sinh, cosh) = (-0.5 * (-2.0 * tau).exp_m1(), 0.5 * (1.0 + e));
    let reach = sinh / c.sqrt();
    let h = e + one_minus_r * sinh;

    let inwards = xv < 0.0;
    let inv_v = 1.0 / norm_v;
    let inv_x = if norm_x == 0.0 { 0.0 } else { 1.0 / norm_x };
    let m = if inwards {
        let [sum] = sums2(x, v, |x, v| {
            let sum = x * inv_x + v * inv_v;
            [sum * sum]
        });
        0.5 * sum
    } else {
        1.0 + xv * inv_x * inv_v
    };
    let denominator = h * h + 2.0 * r * m * sinh * cosh;
    let along_v = gap * cosh * reach / denominator;
    if inwards {
        let along_x =
            ((norm_x * e - one_minus_r * reach) * h + 2.0 * r * norm_x * m * sinh * cosh) / denominator;
        map2(out, x, v, |x, v| {
            let unit_x = x * inv_x;
            along_x * unit_x + along_v * (unit_x + v * inv_v)
        });
    } else {
        let along_x = (e * e + 2.0 * sinh * cosh * (one_minus_r + r * m)) / denominator;
        map2(out, x, v, |x, v| along_x * x + along_v * (v * inv_v));
    }
}

/// Gradients of [`exp_map_at`] with respect to x and v, overwritten; returns the gradient with respect to c.
///
/// **Numerics.** Through x ⊕ y; where v points through the centre to the far boundary, it has the precision of y.
///
/// # Panics
/// If the slices differ in length.
pub fn exp_map_at_vjp<T: Real>(
    x: &[T],
    v: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_x: &mut [T],
    grad_v: &mut [T],
) -> f64 {
    assert_eq!(grad_x.len(), x.len(), "the gradient must have the length of the input");
    assert_eq!(grad_v.len(), v.len(), "the gradient must have the length of the input");
    let [xx, vv] = sums2(x, v, |x, v| [x * x, v * v]);
    let norm_v = root(vv, || v.iter().map(|v| v.to_f64()));
    let gap_x = gap(c, xx);
    let tau = c.sqrt() * norm_v / gap_x;
    let (value, slope, gap_y) = (tanhc(tau), tanhc_slope(tau), sech_squared(tau));
    // y = f·v, s = x + y; the rest as in Möbius addition.
    let f = value / gap_x;
    let [ww, wv] = sums2(x, v, |x, v| {
        let w = x + f * v;
        [w * w, w * v]
    });
    let [g_w, g_x, g_v] = sums3(x, v, grad_out, |x, v, g| [g * (x + f * v), g * x, g * v]);
    let c_square = c.get() * ww;
    let d = gap_x * gap_y + c_square;
    let g_d = -(gap_x * g_w + c_square * g_x) / (d * d);
    let mut g_gap_x = g_w / d + g_d * gap_y;
    let g_gap_y = g_d * gap_x;
    let g_c_square = g_x / d + g_d;

    let direct_w = gap_x / d;
    let along_w = 2.0 * c.get() * g_c_square;
    // With y as a function of f alone: gap_y = 1 − c·f²‖v‖².
    let y_along_v = -2.0 * c.get() * g_gap_y * f;
    let gy_v = direct_w * g_v + along_w * wv + y_along_v * vv;
    // f = F(c‖v‖²/gap²)/gap, whose derivative with respect to the gap is −1/(gap·cosh τ)².
    g_gap_x -= gy_v * gap_y / (gap_x * gap_x);
    let inv_cube = 1.0 / (gap_x * gap_x * gap_x);
    let v_from_f = 2.0 * c.get() * slope * inv_cube * gy_v;
    let (direct_x, along_x) = (c_square / d, -2.0 * c.get() * g_gap_x);
    for (((grad, x), v), g) in grad_x.iter_mut().zip(x).zip(v).zip(grad_out) {
        let (x, v, g) = (x.to_f64(), v.to_f64(), g.to_f64());
        *grad = T::from_f64((direct_w + direct_x) * g + along_w * (x + f * v) + along_x * x);
    }
    for (((grad, x), v), g) in grad_v.iter_mut().zip(x).zip(v).zip(grad_out) {
        let (x, v, g) = (x.to_f64(), v.to_f64(), g.to_f64());
        let gy = direct_w * g + along_w * (x + f * v) + y_along_v * v;
        *grad = T::from_f64(f * gy + v_from_f * v);
    }
    g_c_square * ww - g_gap_x * xx - g_gap_y * f * f * vv + gy_v * slope * inv_cube * vv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_velocity_no_motion_and_the_gradient_of_a_translation() {
        let x = [0.3_f64, -0.4];
        let mut out = [0.0; 2];
        exp_map_at(&x, &[0.0; 2], Curvature::ONE, &mut out);
        assert_eq!(out, x);
        let (mut gx, mut gv) = ([0.0; 2], [0.0; 2]);
        exp_map_at_vjp(&x, &[0.0; 2], &[1.0, 2.0], Curvature::ONE, &mut gx, &mut gv);
        // d exp_x(0) is the identity in v; and exp_x(0) = x.
        for (got, want) in gx.iter().chain(&gv).zip([1.0, 2.0, 1.0, 2.0]) {
            assert!((got - want).abs() < 1e-15, "{gx:?} {gv:?}");
        }
    }

    /// From 1 − 1e-7 through the centre to the far side, on a line: the hyperbolic coordinate artanh(x) moves by τ.
    #[test]
    fn through_the_centre_to_the_far_boundary() {
        let x = 1.0 - 1e-7_f64;
        let start = 0.5 * ((1.0 + x) / (1.0 - x)).ln();
        let v = -(2.0 * start) * (1.0 - x) * (1.0 + x);
        let mut out = [0.0; 1];
        exp_map_at(&[x], &[v], Curvature::ONE, &mut out);
        // It arrives at −x; a rounding of x moves τ = 16.8 by 2e-8, and the gap 1e-7 by as much.
        assert!((out[0] + x).abs() < 1e-14, "{}", out[0] + x);
    }

    #[test]
    fn flat_space_adds() {
        let mut out = [0.0_f64; 2];
        exp_map_at(&[1.0, 2.0], &[-3.0, 0.5], Curvature::FLAT, &mut out);
        assert_eq!(out, [-2.0, 2.5]);
    }
}

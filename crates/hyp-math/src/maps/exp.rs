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

use super::exp_vjp;
use crate::eps::EXP_NEAR;
use crate::scalar::gap;
use crate::vector::{map2, root, sums2};
use crate::{Curvature, Real};

/// Where a geodesic lands: at `along_x`·x + `along_e`·(`unit_x`·x + `unit_v`·v), and what its differential needs.
pub(super) struct Landing {
    pub(super) xx: f64,
    pub(super) norm_v: f64,
    pub(super) gap: f64,
    pub(super) tau: f64,
    along_x: f64,
    along_e: f64,
    unit_x: f64,
    pub(super) unit_v: f64,
    /// The quotient of the gaps, landing over start.
    pub(super) ratio: f64,
    /// `ratio`·sinh(2τ)/(2τ).
    pub(super) across: f64,
    /// `ratio`·(cosh(2τ) + √c⟨x, v̂⟩sinh(2τ)).
    pub(super) across_x: f64,
}

impl Landing {
    /// For c > 0 and v ≠ 0.
    #[inline(always)]
    fn new<T: Real>(x: &[T], v: &[T], c: Curvature, [xx, vv, xv]: [f64; 3]) -> Self {
        let norm_x = root(xx, || x.iter().map(|x| x.to_f64()));
        let norm_v = root(vv, || v.iter().map(|v| v.to_f64()));
        let gap = gap(c, xx);
        let r = c.sqrt() * norm_x;
        let one_minus_r = gap / (1.0 + r);
        let tau = c.sqrt() * norm_v / gap;
        let e = (-2.0 * tau).exp();
        let (sinh, cosh) = (-0.5 * (-2.0 * tau).exp_m1(), 0.5 * (1.0 + e));
        let reach = sinh / c.sqrt();
        let h = e + one_minus_r * sinh;

        let inwards = xv < 0.0;
        let unit_v = 1.0 / norm_v;
        let inv_x = if norm_x == 0.0 { 0.0 } else { 1.0 / norm_x };
        let m = if inwards {
            let [sum] = sums2(x, v, |x, v| {
                let sum = x * inv_x + v * unit_v;
                [sum * sum]
            });
            0.5 * sum
        } else {
            1.0 + xv * inv_x * unit_v
        };
        let denominator = h * h + 2.0 * r * m * sinh * cosh;
        let across_x = (e * e + 2.0 * sinh * cosh * (one_minus_r + r * m)) / denominator;
        let (along_x, unit_x) = if inwards {
            let along_unit = (norm_x * e - one_minus_r * reach) * h + 2.0 * r * norm_x * m * sinh * cosh;
            (along_unit * inv_x / denominator, inv_x)
        } else {
            (across_x, 0.0)
        };
        Self {
            xx,
            norm_v,
            gap,
            tau,
            along_x,
            along_e: gap * cosh * reach / denominator,
            unit_x,
            unit_v,
            ratio: e / denominator,
            across: sinh * cosh / tau / denominator,
            across_x,
        }
    }

    /// A component of the landing point.
    #[inline(always)]
    pub(super) fn at(&self, x: f64, v: f64) -> f64 {
        self.along_x * x + self.along_e * (self.unit_x * x + self.unit_v * v)
    }
}

#[inline(always)]
fn squares<T: Real>(x: &[T], v: &[T]) -> [f64; 3] {
    sums2(x, v, |x, v| [x * x, v * v, x * v])
}

#[inline(always)]
fn is_zero<T: Real>(v: &[T], square: f64) -> bool {
    square == 0.0 && v.iter().all(|v| *v == T::ZERO)
}

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
#[inline(always)]
pub fn exp_map_at<T: Real>(x: &[T], v: &[T], c: Curvature, out: &mut [T]) {
    let sums = squares(x, v);
    if c.is_flat() || is_zero(v, sums[1]) {
        return map2(out, x, v, |x, v| x + v);
    }
    let landing = Landing::new(x, v, c, sums);
    map2(out, x, v, |x, v| landing.at(x, v));
}

/// Gradients of [`exp_map_at`] with respect to x and v, overwritten; returns the gradient with respect to c.
///
/// **Numerics.** For small c‖x‖² and τ, through x ⊕ y, which is smooth at v = 0 and c = 0; beyond, by the Jacobi
/// fields along the geodesic, which do not cancel wherever it ends.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
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
    let sums = squares(x, v);
    if !c.is_flat() && !is_zero(v, sums[1]) {
        let landing = Landing::new(x, v, c, sums);
        if c.get() * sums[0] + landing.tau * landing.tau > EXP_NEAR {
            return exp_vjp::far(&landing, x, v, grad_out, c, grad_x, grad_v);
        }
    }
    exp_vjp::near(x, v, grad_out, c, grad_x, grad_v)
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

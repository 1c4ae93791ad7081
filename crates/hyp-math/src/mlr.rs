//! Logits of hyperbolic multinomial logistic regression for one point and one class.
//!
//! Batches of points and classes: [`crate::batch::mlr_logits`], [`crate::batch::mlr_logits_unidirectional`].

use crate::scalar::{asinh, asinhc_slope, gap, times};
use crate::vector::{dot, map3, norm, square, sums3};
use crate::{Curvature, Real};

/// The logit of Ganea et al., the form that \[HIE\] uses.
///
/// $$ \ell(x) = \frac{2\|a\|}{\sqrt c}\,\operatorname{asinh}\Bigl(\sqrt c\,\tau\Bigr), \qquad
///    \tau = \frac{2\langle N, a\rangle}{(1-c\|p\|^2)(1-c\|x\|^2)\,\|a\|}, \quad
///    N = (1-c\|p\|^2)(x-p) - c\|x-p\|^2 p $$
///
/// It is 2‖a‖ times the signed distance of `x` to the geodesic hyperplane through `p` orthogonal to `a`. The normal `a`
/// is taken at the origin; its parallel transport to `p` is `(1 − c‖p‖²) a`, and with that normal the formula is
/// (λ_p‖a′‖/√c)·asinh(2√c⟨z, a′⟩/((1−c‖z‖²)‖a′‖)), z = (−p) ⊕ x.
///
/// **Source.** \[HIE\] appendix A, `mlr-logits` of `docs/paper/equations.md`.
/// **Shapes.** `x`, `p`, `a`: `[dim]`.
/// **Domain.** `x`, `p` in the ball, any `a`; `a = 0` gives 0; `c = 0` gives `4⟨a, x − p⟩`.
/// **Numerics.** The denominator of the Möbius subtraction cancels against 1 − c‖z‖² and is never formed.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, mlr::mlr_logit};
/// // Twice the distance 2 artanh ½ = ln 3 from the hyperplane through the origin.
/// let logit = mlr_logit(&[0.5_f64, 0.0], &[0.0, 0.0], &[1.0, 0.0], Curvature::ONE);
/// assert!((logit - 2.0 * 3.0_f64.ln()).abs() < 1e-15);
/// ```
pub fn mlr_logit<T: Real>(x: &[T], p: &[T], a: &[T], c: Curvature) -> T {
    let pair = Pair::new(x, p, a, c);
    T::from_f64(2.0 * pair.normal * arc(c, pair.tau))
}

/// Gradients of [`mlr_logit`] with respect to x, p and a, overwritten; returns the gradient with respect to c.
///
/// At `a = 0`, where the logit has a kink, the gradient by `a` is that of the limit c → 0.
///
/// # Panics
/// If the slices differ in length.
pub fn mlr_logit_vjp<T: Real>(
    x: &[T],
    p: &[T],
    a: &[T],
    grad_out: T,
    c: Curvature,
    grad_x: &mut [T],
    grad_p: &mut [T],
    grad_a: &mut [T],
) -> f64 {
    let grad = grad_out.to_f64();
    let pair = Pair::new(x, p, a, c);
    let curvature = c.get();
    // The gradient by the numerator m = ⟨N, a⟩.
    let weight = 4.0 * grad * slope(c, pair.tau) / (pair.gap_p * pair.gap_x);
    let moment = weight * pair.numerator;
    let along_x = 2.0 * curvature * moment / pair.gap_x;
    let bend = 2.0 * curvature * pair.along * weight;
    map3(grad_x, x, p, a, |x, p, a| weight * pair.gap_p * a - bend * (x - p) + along_x * x);
    let along_p = 2.0 * curvature * (moment / pair.gap_p - weight * pair.product);
    let lift = weight * (pair.gap_p + curvature * pair.chord);
    map3(grad_p, x, p, a, |x, p, a| along_p * p + bend * (x - p) - lift * a);
    let excess = grad * pair.tau * pair.tau * pair.tau * excess(c, pair.tau);
    let own = if pair.normal > 0.0 { 2.0 * curvature * excess / pair.normal } else { 0.0 };
    let push = curvature * weight * pair.chord;
    map3(grad_a, x, p, a, |x, p, a| weight * pair.gap_p * (x - p) - push * p + own * a);
    pair.square_p * (moment / pair.gap_p - weight * pair.product)
        - pair.along * weight * pair.chord
        - pair.normal * excess
        + moment * pair.square_x / pair.gap_x
}

/// The sums that one logit needs.
struct Pair {
    square_x: f64,
    square_p: f64,
    gap_x: f64,
    gap_p: f64,
    /// ‖a‖.
    normal: f64,
    /// ⟨p, a⟩.
    along: f64,
    /// ⟨x − p, a⟩.
    product: f64,
    /// ‖x − p‖².
    chord: f64,
    /// ⟨N, a⟩.
    numerator: f64,
    /// The argument of asinh over √c; 0 if a = 0.
    tau: f64,
}

impl Pair {
    fn new<T: Real>(x: &[T], p: &[T], a: &[T], c: Curvature) -> Self {
        let [square_x, square_p, along, product, chord] =
            sums3(x, p, a, |x, p, a| [x * x, p * p, p * a, (x - p) * a, (x - p) * (x - p)]);
        let (gap_x, gap_p, normal) = (gap(c, square_x), gap(c, square_p), norm(a));
        let numerator = gap_p * product - times(c, chord) * along;
        let tau = if normal > 0.0 { 2.0 * numerator / (gap_p * gap_x * normal) } else { 0.0 };
        Self { square_x, square_p, gap_x, gap_p, normal, along, product, chord, numerator, tau }
    }
}

/// asinh(√c τ)/√c.
fn arc(c: Curvature, tau: f64) -> f64 {
    if c.is_flat() { tau } else { asinh(c.sqrt() * tau) / c.sqrt() }
}

/// The derivative of [`arc`] by τ.
fn slope(c: Curvature, tau: f64) -> f64 {
    1.0 / (c.sqrt() * tau).hypot(1.0)
}

/// (asinh t − t/√(1+t²))/t³ at t = √c τ: minus twice the slope of asinh(t)/t by t².
fn excess(c: Curvature, tau: f64) -> f64 {
    -2.0 * asinhc_slope(c.sqrt() * tau)
}

/// The unidirectional logit of Hyperbolic Neural Networks++: a direction `z` and one number `r` in place of a point.
///
/// $$ v(x) = \frac{2\|z\|}{\sqrt c}\operatorname{asinh}\Bigl(
///    \lambda_x \sqrt c\,\frac{\langle x, z\rangle}{\|z\|}\cosh(2\sqrt c\,r) - (\lambda_x - 1)\sinh(2\sqrt c\,r)\Bigr) $$
///
/// It is the logit of [`mlr_logit`] with the hyperplane's point on the ray along `z`, at signed distance `2r` from the
/// origin, without the redundancy of the point.
///
/// **Source.** Shimizu et al. 2021, Hyperbolic Neural Networks++; `mlr-unidirectional` of `docs/paper/equations.md`.
/// **Shapes.** `x`, `z`: `[dim]`, `r` one number.
/// **Domain.** `x` in the ball, any `z` and `r`; `z = 0` gives 0; `c = 0` gives `4(⟨x, z⟩ − ‖z‖ r)`.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, mlr::mlr_logit_unidirectional};
/// // d(x, 0) = ln 3 along z and 2r = ln 3: the point lies on the hyperplane.
/// let r = 0.5 * 3.0_f64.ln();
/// let logit = mlr_logit_unidirectional(&[0.5, 0.0], &[7.0, 0.0], r, Curvature::ONE);
/// assert!(logit.abs() < 1e-14);
/// ```
pub fn mlr_logit_unidirectional<T: Real>(x: &[T], z: &[T], r: T, c: Curvature) -> T {
    let ray = Ray::new(x, z, r.to_f64(), c);
    T::from_f64(2.0 * ray.norm * arc(c, ray.tau))
}

/// Gradients of [`mlr_logit_unidirectional`] with respect to x and z, overwritten; returns the gradients with respect
/// to r and to c.
///
/// At `z = 0`, where the logit has a kink, the gradient by `z` is that of ‖z‖-linear terms alone, along `x`.
///
/// # Panics
/// If the slices differ in length.
pub fn mlr_logit_unidirectional_vjp<T: Real>(
    x: &[T],
    z: &[T],
    r: T,
    grad_out: T,
    c: Curvature,
    grad_x: &mut [T],
    grad_z: &mut [T],
) -> (f64, f64) {
    let (grad, r) = (grad_out.to_f64(), r.to_f64());
    let ray = Ray::new(x, z, r, c);
    let by_tau = 2.0 * grad * slope(c, ray.tau);
    // τ = (2u cosh h − (1 + c‖x‖²) sinh(h)/√c)/gap with u = ⟨x, z⟩/‖z‖ and h = 2√c r; ‖z‖ is multiplied in.
    let across = 2.0 * by_tau * ray.cosh / ray.gap;
    let along_x = 2.0 * c.get() * by_tau * ray.norm * (ray.tau - ray.sinh) / ray.gap;
    for ((slot, x), z) in grad_x.iter_mut().zip(x).zip(z) {
        *slot = T::from_f64(across * z.to_f64() + along_x * x.to_f64());
    }
    let excess = grad * ray.tau * ray.tau * ray.tau * excess(c, ray.tau);
    // ∂/∂‖z‖ at fixed direction, less what the projection of x on z already holds.
    let own = if ray.norm > 0.0 {
        (2.0 * (c.get() * excess + by_tau * 0.5 * ray.tau) - across * ray.along) / ray.norm
    } else {
        0.0
    };
    for ((slot, x), z) in grad_z.iter_mut().zip(x).zip(z) {
        *slot = T::from_f64(across * x.to_f64() + own * z.to_f64());
    }
    let lambda = (1.0 + times(c, ray.square)) / ray.gap;
    let by_r = by_tau * ray.norm * 2.0 * (2.0 * ray.along * times(c, ray.sinh) / ray.gap - lambda * ray.cosh);
    // h' = r/√c: ∂cosh/∂c = r·sinh(h)/√c, ∂(sinh(h)/√c)/∂c = (r cosh h − sinh(h)/(2√c))/c, by series near 0.
    let by_c_tau = 2.0 * ray.along * r * ray.sinh / ray.gap
        - lambda * sinh_by_curvature(c, r)
        - ray.square * ray.sinh / ray.gap
        + ray.square * ray.tau / ray.gap;
    (by_r, by_tau * ray.norm * by_c_tau - ray.norm * excess)
}

/// The numbers of one unidirectional logit.
struct Ray {
    /// ‖x‖² and 1 − c‖x‖².
    square: f64,
    gap: f64,
    /// ‖z‖ and ⟨x, z⟩/‖z‖.
    norm: f64,
    along: f64,
    /// cosh(2√c r) and sinh(2√c r)/√c.
    cosh: f64,
    sinh: f64,
    tau: f64,
}

impl Ray {
    fn new<T: Real>(x: &[T], z: &[T], r: f64, c: Curvature) -> Self {
        let (square, norm) = (square(x), norm(z));
        let gap = gap(c, square);
        let along = if norm > 0.0 { dot(x, z) / norm } else { 0.0 };
        let h = 2.0 * c.sqrt() * r;
        let (cosh, sinh) = (h.cosh(), if c.is_flat() { 2.0 * r } else { h.sinh() / c.sqrt() });
        let tau = (2.0 * along * cosh - (1.0 + times(c, square)) * sinh) / gap;
        Self { square, gap, norm, along, cosh, sinh, tau }
    }
}

/// The derivative of sinh(2√c r)/√c by c.
fn sinh_by_curvature(c: Curvature, r: f64) -> f64 {
    // sinh(2√c r)/√c = 2r·sinhc(h), and dh²/dc = 4r².
    8.0 * r * r * r * crate::scalar::sinhc_slope(2.0 * c.sqrt() * r)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ball_points, differences};

    fn assert_near(got: &[f64], want: &[f64], what: &str) {
        let scale = want.iter().fold(1.0_f64, |s, v| s.max(v.abs()));
        for (got, want) in got.iter().zip(want) {
            // step² times third derivatives of about 1e3 at 0.9 of the radius, plus rounding/step.
            assert!((got - want).abs() < 1e-8 * scale, "{what}: {got} is not {want}");
        }
    }

    #[test]
    fn both_logits_have_the_gradients_of_central_differences() {
        for curvature in [0.3, 1.0] {
            let c = Curvature::new(curvature).unwrap();
            let x: Vec<f64> = ball_points(1, 1, 4, c, 0.9);
            let p: Vec<f64> = ball_points(2, 1, 4, c, 0.9);
            let a = [0.3, -1.2, 0.8, 2.0];
            let (mut gx, mut gp, mut ga) = ([0.0; 4], [0.0; 4], [0.0; 4]);
            let by_c = mlr_logit_vjp(&x, &p, &a, 1.5, c, &mut gx, &mut gp, &mut ga);
            assert_near(&gx, &differences(&x, |x| 1.5 * mlr_logit(x, &p, &a, c)), "x");
            assert_near(&gp, &differences(&p, |p| 1.5 * mlr_logit(&x, p, &a, c)), "p");
            assert_near(&ga, &differences(&a, |a| 1.5 * mlr_logit(&x, &p, a, c)), "a");
            let at = |c: &[f64]| 1.5 * mlr_logit(&x, &p, &a, Curvature::new(c[0]).unwrap());
            assert_near(&[by_c], &differences(&[curvature], at), "c");

            let r = 0.4;
            let (by_r, by_c) = mlr_logit_unidirectional_vjp(&x, &a, r, 1.5, c, &mut gx, &mut ga);
            let logit =
                |x: &[f64], z: &[f64], r: f64, c: Curvature| 1.5 * mlr_logit_unidirectional(x, z, r, c);
            assert_near(&gx, &differences(&x, |x| logit(x, &a, r, c)), "x of the ray");
            assert_near(&ga, &differences(&a, |z| logit(&x, z, r, c)), "z");
            assert_near(&[by_r], &differences(&[r], |r| logit(&x, &a, r[0], c)), "r");
            let at = |c: &[f64]| logit(&x, &a, r, Curvature::new(c[0]).unwrap());
            assert_near(&[by_c], &differences(&[curvature], at), "c of the ray");
        }
    }

    #[test]
    fn the_unidirectional_form_is_the_other_with_its_point_on_the_ray() {
        let c = Curvature::new(0.7).unwrap();
        let x: Vec<f64> = ball_points(5, 1, 3, c, 0.95);
        let z = [1.0, -2.0, 2.0];
        let r = 0.8;
        // exp₀ of r along z/‖z‖ lies at distance 2r.
        let radius = (c.sqrt() * r).tanh() / c.sqrt();
        let p = z.map(|z| z / 3.0 * radius);
        let (got, want) = (mlr_logit_unidirectional(&x, &z, r, c), mlr_logit(&x, &p, &z, c));
        assert!((got - want).abs() < 1e-13 * want.abs(), "{got} is not {want}");
    }

    #[test]
    fn a_zero_normal_gives_zero_and_finite_gradients() {
        let (x, p, a) = ([0.3_f64, 0.4], [0.1, -0.2], [0.0, 0.0]);
        let (mut gx, mut gp, mut ga) = ([0.0_f64; 2], [0.0; 2], [0.0_f64; 2]);
        assert_eq!(mlr_logit(&x, &p, &a, Curvature::ONE), 0.0);
        let by_c = mlr_logit_vjp(&x, &p, &a, 1.0, Curvature::ONE, &mut gx, &mut gp, &mut ga);
        assert!(by_c.is_finite() && ga.iter().all(|g| g.is_finite()));
        assert_eq!((gx, gp), ([0.0; 2], [0.0; 2]));
        let (by_r, by_c) = mlr_logit_unidirectional_vjp(&x, &a, 0.5, 1.0, Curvature::ONE, &mut gx, &mut ga);
        assert_eq!((by_r, by_c, gx), (0.0, 0.0, [0.0; 2]));
        assert!(ga.iter().all(|g| g.is_finite()));
    }
}

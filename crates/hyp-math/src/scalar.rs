//! The one home of the scalar functions that the formulas are built from, stable at 0 and near the boundary.
//!
//! Each is a smooth even function of its argument t, such as tanh(t)/t, so that no formula divides by a norm.
//! A `_slope` is the derivative with respect to **t²**, the form in which the chain rule needs it:
//! the gradient of f(√c‖v‖) with respect to v is `2·c·f_slope(√c‖v‖)·v`, also at v = 0 and at c = 0.

use crate::eps::SERIES_BELOW;
use crate::{Curvature, elementary};

const TERMS: usize = 12;

/// c·`square`, and 0 in flat space even if `square` has overflowed.
#[inline(always)]
pub fn times(c: Curvature, square: f64) -> f64 {
    if c.is_flat() { 0.0 } else { c.get() * square }
}

/// The gap 1 − c‖x‖² of a point, from its squared norm.
///
/// **Numerics.** The squared norm must come from an `f64` sum: then the error is that of perturbing x by a few
/// roundings of `f64`. The factored form (1 − r)(1 + r) has the same error, since it needs r = √c‖x‖.
#[inline(always)]
pub fn gap(c: Curvature, square: f64) -> f64 {
    1.0 - times(c, square)
}

/// tanh(t)/t, 1 at t = 0.
///
/// # Examples
/// ```
/// use hyp_math::scalar::tanhc;
/// assert_eq!(tanhc(0.0), 1.0);
/// assert!((tanhc(1e9) - 1e-9).abs() < 1e-24);
/// ```
#[inline(always)]
pub fn tanhc(t: f64) -> f64 {
    let t = t.abs();
    let (minus_one, _) = elementary::exp_of_negative(-2.0 * t);
    if t == 0.0 { 1.0 } else { -minus_one / (2.0 + minus_one) / t }
}

/// Derivative of [`tanhc`] with respect to t²: −1/3 at t = 0.
#[inline(always)]
pub fn tanhc_slope(t: f64) -> f64 {
    // tanh(t)/t = Σ aₖ t²ᵏ; here k·aₖ for k = 1 … 9.
    const SERIES: [f64; 9] = [
        -1.0 / 3.0,
        2.0 * 2.0 / 15.0,
        -3.0 * 17.0 / 315.0,
        4.0 * 62.0 / 2835.0,
        -5.0 * 1382.0 / 155_925.0,
        6.0 * 21_844.0 / 6_081_075.0,
        -7.0 * 929_569.0 / 638_512_875.0,
        8.0 * 6_404_582.0 / 10_854_718_875.0,
        -9.0 * 443_861_162.0 / 1_856_156_927_625.0,
    ];
    let square = t * t;
    if square < SERIES_BELOW {
        horner(&SERIES, square)
    } else {
        (sech_squared(t) - tanhc(t)) / (2.0 * square)
    }
}

/// 1/cosh²(t) = 1 − tanh²(t), without the cancellation for large t.
#[inline(always)]
pub fn sech_squared(t: f64) -> f64 {
    let (_, e) = elementary::exp_of_negative(-2.0 * t.abs());
    4.0 * e / ((1.0 + e) * (1.0 + e))
}

/// artanh(r) for 0 ≤ r < 1, from r and the gap 1 − r².
#[inline(always)]
pub fn artanh(r: f64, gap: f64) -> f64 {
    let w = 2.0 * r * (1.0 + r) / gap;
    // On the boundary and outside, what std says: infinity and NaN.
    if (0.0..f64::INFINITY).contains(&w) { 0.5 * elementary::ln_1p(w, unfused) } else { 0.5 * w.ln_1p() }
}

/// artanh(r)/r for 0 ≤ r < 1, from r and the gap 1 − r²; 1 at r = 0.
///
/// **Numerics.** The gap is an argument of its own because it cannot be had from a rounded r near 1; ∞ at gap 0.
#[inline(always)]
pub fn artanhc(r: f64, gap: f64) -> f64 {
    if r == 0.0 { 1.0 } else { artanh(r, gap) / r }
}

/// Derivative of [`artanhc`] with respect to r²: 1/3 at r = 0.
#[inline(always)]
pub fn artanhc_slope(r: f64, gap: f64) -> f64 {
    const SERIES: [f64; TERMS] = artanh_series();
    let square = r * r;
    if square < SERIES_BELOW {
        horner(&SERIES, square)
    } else {
        (1.0 / gap - artanhc(r, gap)) / (2.0 * square)
    }
}

/// asinh(z), odd to the last bit and without overflow.
#[inline(always)]
pub fn asinh(z: f64) -> f64 {
    elementary::asinh(z, unfused)
}

/// asinh(z)/z, 1 at z = 0.
#[inline(always)]
pub fn asinhc(z: f64) -> f64 {
    if z == 0.0 { 1.0 } else { asinh(z) / z }
}

/// Derivative of [`asinhc`] with respect to z²: −1/6 at z = 0.
#[inline(always)]
pub fn asinhc_slope(z: f64) -> f64 {
    const SERIES: [f64; TERMS] = asinh_series();
    let square = z * z;
    if square < SERIES_BELOW {
        horner(&SERIES, square)
    } else {
        (1.0 / (1.0 + square).sqrt() - asinhc(z)) / (2.0 * square)
    }
}

/// asinh(z)/(z√(1 + z²)), the derivative of asinh²(z) with respect to z²; 1 at z = 0.
#[inline(always)]
pub fn asinhc_over_root(z: f64) -> f64 {
    asinhc(z) / (1.0 + z * z).sqrt()
}

/// Derivative of [`asinhc_over_root`] with respect to z²: −2/3 at z = 0.
#[inline(always)]
pub fn asinhc_over_root_slope(z: f64) -> f64 {
    const SERIES: [f64; TERMS] = asinh_over_root_series();
    let square = z * z;
    if square < SERIES_BELOW {
        horner(&SERIES, square)
    } else {
        let value = asinhc_over_root(z);
        ((1.0 - value) / (2.0 * square) - value) / (1.0 + square)
    }
}

/// sinh(t)/t, 1 at t = 0.
#[inline]
pub fn sinhc(t: f64) -> f64 {
    if t == 0.0 { 1.0 } else { t.sinh() / t }
}

/// Derivative of [`sinhc`] with respect to t²: 1/6 at t = 0.
#[inline]
pub fn sinhc_slope(t: f64) -> f64 {
    const SERIES: [f64; TERMS] = sinh_series();
    let square = t * t;
    if square < SERIES_BELOW { horner(&SERIES, square) } else { (t.cosh() - sinhc(t)) / (2.0 * square) }
}

/// sinh(u·t)/sinh(t)·e^(−shift·t) for t > 0, without overflow as long as |u| ≤ 1 + shift.
#[inline]
pub fn sinh_ratio(u: f64, t: f64, shift: f64) -> f64 {
    let a = u.abs();
    let value = ((a - 1.0 - shift) * t).exp() * (-2.0 * a * t).exp_m1() / (-2.0 * t).exp_m1();
    value.copysign(u)
}

/// a·b + c, of which every instruction set makes the same bits.
#[inline(always)]
fn unfused(a: f64, b: f64, c: f64) -> f64 {
    a * b + c
}

#[inline(always)]
fn horner(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, &a| sum * x + a)
}

/// k·aₖ, k = 1 …, of artanh(r)/r = Σ r²ᵏ/(2k + 1).
const fn artanh_series() -> [f64; TERMS] {
    let mut out = [0.0; TERMS];
    let mut k = 1;
    while k <= TERMS {
        out[k - 1] = k as f64 / (2 * k + 1) as f64;
        k += 1;
    }
    out
}

/// k·aₖ of asinh(z)/z, where aₖ = −aₖ₋₁·(2k − 1)²/(2k(2k + 1)).
const fn asinh_series() -> [f64; TERMS] {
    let mut out = [0.0; TERMS];
    let (mut a, mut k) = (1.0, 1);
    while k <= TERMS {
        a *= -(((2 * k - 1) * (2 * k - 1)) as f64) / (2 * k * (2 * k + 1)) as f64;
        out[k - 1] = k as f64 * a;
        k += 1;
    }
    out
}

/// k·aₖ of asinh(z)/(z√(1 + z²)), where aₖ = −aₖ₋₁·2k/(2k + 1).
const fn asinh_over_root_series() -> [f64; TERMS] {
    let mut out = [0.0; TERMS];
    let (mut a, mut k) = (1.0, 1);
    while k <= TERMS {
        a *= -((2 * k) as f64) / (2 * k + 1) as f64;
        out[k - 1] = k as f64 * a;
        k += 1;
    }
    out
}

/// k·aₖ of sinh(t)/t, where aₖ = aₖ₋₁/(2k(2k + 1)).
const fn sinh_series() -> [f64; TERMS] {
    let mut out = [0.0; TERMS];
    let (mut a, mut k) = (1.0, 1);
    while k <= TERMS {
        a /= (2 * k * (2 * k + 1)) as f64;
        out[k - 1] = k as f64 * a;
        k += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slopes agree on both sides of the threshold: the series and the direct form check each other.
    /// 1e-12: the direct form loses a factor 75 of 1e-16 there, and the slope itself moves by 1e-13 over the step.
    #[test]
    fn series_meets_direct_form() {
        let t = SERIES_BELOW.sqrt();
        let (below, above) = (t * (1.0 - 1e-13), t * (1.0 + 1e-13));
        let gap_at = |r: f64| (1.0 - r) * (1.0 + r);
        for (name, a, b) in [
            ("tanhc", tanhc_slope(below), tanhc_slope(above)),
            ("artanhc", artanhc_slope(below, gap_at(below)), artanhc_slope(above, gap_at(above))),
            ("asinhc", asinhc_slope(below), asinhc_slope(above)),
            ("asinhc_over_root", asinhc_over_root_slope(below), asinhc_over_root_slope(above)),
            ("sinhc", sinhc_slope(below), sinhc_slope(above)),
        ] {
            assert!(((a - b) / b).abs() < 1e-12, "{name}: {a} vs {b}");
        }
    }

    /// Central differences of the functions in t², away from the threshold. 1e-8: h² = 1e-10 times the third
    /// derivative, which is below 10 on these points, plus 1e-16/h.
    #[test]
    fn slopes_are_derivatives() {
        let h = 1e-5_f64;
        for square in [0.01_f64, 0.039, 0.041, 0.3, 0.7] {
            let check = |name: &str, slope: f64, f: &dyn Fn(f64) -> f64| {
                let numeric = (f(square + h) - f(square - h)) / (2.0 * h);
                assert!((slope - numeric).abs() < 1e-8, "{name} at {square}: {slope} vs {numeric}");
            };
            let t = square.sqrt();
            check("tanhc", tanhc_slope(t), &|s| tanhc(s.sqrt()));
            check("artanhc", artanhc_slope(t, 1.0 - square), &|s| artanhc(s.sqrt(), 1.0 - s));
            check("asinhc", asinhc_slope(t), &|s| asinhc(s.sqrt()));
            check("asinhc_over_root", asinhc_over_root_slope(t), &|s| asinhc_over_root(s.sqrt()));
            check("sinhc", sinhc_slope(t), &|s| sinhc(s.sqrt()));
        }
    }

    #[test]
    fn values_at_zero() {
        assert_eq!([tanhc(0.0), artanhc(0.0, 1.0), asinhc(0.0), asinhc_over_root(0.0), sinhc(0.0)], [1.0; 5]);
        assert_eq!(tanhc_slope(0.0), -1.0 / 3.0);
        assert_eq!(artanhc_slope(0.0, 1.0), 1.0 / 3.0);
        assert_eq!(asinhc_slope(0.0), -1.0 / 6.0);
        assert_eq!(asinhc_over_root_slope(0.0), -2.0 / 3.0);
        assert_eq!(sinhc_slope(0.0), 1.0 / 6.0);
    }

    /// The released code gives −11.51 here. asinh(1e4) = ln(2e4) + 1/(4e8).
    #[test]
    fn asinh_of_large_negative_numbers() {
        let want = -(2e4_f64.ln() + 0.25e-8);
        assert!((asinh(-1e4) / want - 1.0).abs() < 1e-15);
        assert!((asinh(1e300) - (2e300_f64).ln()).abs() < 1e-12);
        // On both sides of the switch to log t + log 2.
        let (a, b) = (asinh(1e17), asinh(1e17 * (1.0 + 1e-15)));
        assert!((a - b).abs() < 1e-14 && a > 0.0);
        // Below 1e-8 asinh is the identity to the last bit.
        assert_eq!(asinh(1e-12), 1e-12);
    }

    /// artanh(1 − 1e-12) = ½ ln((2 − 1e-12)/1e-12).
    #[test]
    fn artanh_near_one() {
        let gap = 1e-12 * (2.0 - 1e-12);
        let want = 0.5 * ((2.0 - 1e-12) / 1e-12_f64).ln();
        assert!((artanh(1.0 - 1e-12, gap) / want - 1.0).abs() < 1e-15);
        assert_eq!(artanh(1.0, 0.0), f64::INFINITY);
    }

    #[test]
    fn sinh_ratio_at_the_ends() {
        for t in [1e-12, 0.5, 3.0, 80.0, 800.0] {
            assert_eq!(sinh_ratio(1.0, t, 0.0), 1.0);
            assert_eq!(sinh_ratio(0.0, t, 0.0), 0.0);
        }
        // sinh(1)/sinh(2) = 1/(2 cosh 1)
        assert!((sinh_ratio(0.5, 2.0, 0.0) - 0.5 / 1_f64.cosh()).abs() < 1e-16);
        // sinh(−4)/sinh(2)·e^(−2) = −2 cosh(2) e^(−2)
        assert!((sinh_ratio(-2.0, 2.0, 1.0) + 2.0 * 2_f64.cosh() * (-2_f64).exp()).abs() < 1e-15);
    }
}

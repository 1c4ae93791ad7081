//! Exponential and logarithm without calls and, but for selections, without branches, so that they are part of the loop
//! that needs them: of rows one after the other, or of many lanes at once.
//!
//! The functions of std are as accurate, but each is a call into the C library, which keeps a processor from working on
//! the next row meanwhile. `mul_add` is a·b + c, fused where the caller knows that this is one instruction.

/// ln 2 in two parts; products of the first with exponents are exact.
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// `(exp(x) − 1, exp(x))` for `x ≤ 0`, each to two units in the last place; below −708 the second is 0, a little before
/// it is no normal number; NaN for NaN.
///
/// With x = k·ln 2 + r, |r| ≤ ½ ln 2, both are 2ᵏ·(exp(r) − 1) and 2ᵏ − 1 or 2ᵏ, of one sign where k < 0 makes them
/// alike in size; the series of exp(r) − 1 ends with r¹³, 4e-18 from its limit.
#[inline(always)]
pub(crate) fn exp_of_negative(x: f64) -> (f64, f64) {
    // 1.5·2⁵²: what is added to it is rounded to a whole number, which its lowest bits hold.
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    // exp(x) is a normal number above it.
    const LEAST: f64 = -708.0;
    const SERIES: [f64; 12] = {
        let mut terms = [0.5; 12];
        let mut n = 1;
        while n < 12 {
            terms[n] = terms[n - 1] / (n + 2) as f64;
            n += 1;
        }
        terms
    };
    let vanishes = x < LEAST;
    let x = if vanishes { LEAST } else { x };
    let shifted = x * std::f64::consts::LOG2_E + MAGIC;
    let k = shifted - MAGIC;
    let r = (x - k * LN2_HIGH) - k * LN2_LOW;
    let square = r * r;
    let fourth = square * square;
    let pair = |n: usize| SERIES[n] + SERIES[n + 1] * r;
    let low = pair(0) + pair(2) * square;
    let middle = pair(4) + pair(6) * square;
    let high = pair(8) + pair(10) * square;
    let part = r + square * (low + fourth * (middle + fourth * high));
    let scale = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    let exp = scale * part + scale;
    (scale * part + (scale - 1.0), if vanishes { 0.0 } else { exp })
}

/// `log(1 + w)` for finite `w ≥ 0`, to about two units in the last place.
///
/// With 1 + w = 2ᵏ·m, m in [√½, √2), log m comes from f = m − 1 and the minimax polynomial of fdlibm for
/// log((2 + f)/(2 − f)), its odd and even powers apart, since rows wait for it. For k = 0, f is w itself, without the
/// rounding of 1 + w; for k > 0 that rounding is one unit in the last place of a logarithm above ⅓.
#[inline(always)]
pub(crate) fn ln_1p(w: f64, mul_add: impl Fn(f64, f64, f64) -> f64) -> f64 {
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    const ONE: u64 = 0x3ff0_0000_0000_0000;
    const MANTISSA: u64 = 0x000f_ffff_ffff_ffff;
    // 2^52: a whole number below it added to its bits is a double that holds the number.
    const MAGIC: u64 = 0x4330_0000_0000_0000;
    const ODD: [f64; 4] = [
        6.666_666_666_666_735e-1,
        2.857_142_874_366_239e-1,
        1.818_357_216_161_805e-1,
        1.479_819_860_511_658_6e-1,
    ];
    const EVEN: [f64; 3] = [3.999_999_999_940_942e-1, 2.222_219_843_214_978_4e-1, 1.531_383_769_920_937_3e-1];
    let shifted = (1.0 + w).to_bits().wrapping_add(ONE - SQRT_HALF);
    let exponent = f64::from_bits(MAGIC | (shifted >> 52)) - (f64::from_bits(MAGIC) + 1023.0);
    let f = if exponent == 0.0 { w } else { f64::from_bits((shifted & MANTISSA) + SQRT_HALF) - 1.0 };
    let q = f / (2.0 + f);
    let z = q * q;
    let w = z * z;
    let odd = mul_add(mul_add(mul_add(ODD[3], w, ODD[2]), w, ODD[1]), w, ODD[0]);
    let even = mul_add(mul_add(EVEN[2], w, EVEN[1]), w, EVEN[0]);
    let tail = mul_add(z, odd, w * even);
    let half = 0.5 * f * f;
    let low = exponent * LN2_LOW;
    mul_add(exponent, LN2_HIGH, (mul_add(q, tail + half, low) - half) + f)
}

/// asinh(t), to about two units in the last place; odd to the last bit, and NaN or infinity pass through.
#[inline(always)]
pub(crate) fn asinh(t: f64, mul_add: impl Fn(f64, f64, f64) -> f64) -> f64 {
    let root = mul_add(t, t, 1.0).sqrt();
    asinh_by_root(t, root, mul_add)
}

/// [`asinh`] where √(1 + t²) is known.
///
/// log(1 + w) with w = |t| + t²/(1 + √(1 + t²)), which cancels nowhere.
#[inline(always)]
pub(crate) fn asinh_by_root(t: f64, root: f64, mul_add: impl Fn(f64, f64, f64) -> f64) -> f64 {
    let a = t.abs();
    let near = a + a * (a / (1.0 + root));
    // Beyond 1e17 asinh is log(2a) to the last bit, and neither a² nor 2a need be finite.
    let far = a > 1e17;
    let w = if far { a } else { near };
    let more = if far { std::f64::consts::LN_2 } else { 0.0 };
    let value = (ln_1p(w, mul_add) + more).copysign(t);
    if w < f64::INFINITY { value } else { t }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two units of double precision of the value; std is the oracle, itself within one.
    fn agree(got: f64, want: f64, at: f64) {
        assert!((got - want).abs() <= 4.5e-16 * want.abs(), "{got:e} and not {want:e} at {at:e}");
    }

    #[test]
    fn exponentials_agree_with_std() {
        for i in 0..200_000 {
            let x = -10.0_f64.powf(f64::from(i) * 1e-4 - 17.2);
            let (minus_one, exp) = exp_of_negative(x);
            agree(minus_one, x.exp_m1(), x);
            if x > -708.0 {
                agree(exp, x.exp(), x);
            }
        }
        // Around every place where k changes.
        for k in 0..1021 {
            for step in -3..=3 {
                let x = -(f64::from(k) + 0.5) * std::f64::consts::LN_2 * (1.0 + f64::from(step) * 1e-15);
                let (minus_one, exp) = exp_of_negative(x);
                agree(minus_one, x.exp_m1(), x);
                agree(exp, x.exp(), x);
            }
        }
    }

    #[test]
    fn exponentials_at_the_ends() {
        assert_eq!(exp_of_negative(0.0), (0.0, 1.0));
        assert_eq!(exp_of_negative(f64::NEG_INFINITY), (-1.0, 0.0));
        assert_eq!(exp_of_negative(-1e-310), (-1e-310, 1.0));
        let (minus_one, exp) = exp_of_negative(f64::NAN);
        assert!(minus_one.is_nan() && exp.is_nan());
    }

    #[test]
    fn logarithms_agree_with_std() {
        for i in 0..200_000 {
            let w = 10.0_f64.powf(f64::from(i) * 3e-4 - 30.0);
            agree(ln_1p(w, |a, b, c| a * b + c), w.ln_1p(), w);
            agree(ln_1p(w, f64::mul_add), w.ln_1p(), w);
        }
        assert_eq!(ln_1p(0.0, f64::mul_add), 0.0);
    }

    #[test]
    fn arcs_of_huge_numbers_are_finite() {
        for t in [1e17, 1.1e17, 1e200, 1e308, f64::MAX] {
            agree(asinh(t, f64::mul_add), t.ln() + std::f64::consts::LN_2, t);
            assert_eq!(asinh(-t, f64::mul_add), -asinh(t, f64::mul_add));
        }
        assert_eq!(asinh(f64::NEG_INFINITY, f64::mul_add), f64::NEG_INFINITY);
        assert!(asinh(f64::NAN, f64::mul_add).is_nan());
    }
}

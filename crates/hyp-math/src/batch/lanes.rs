//! Branch-free arithmetic on [`LANES`] numbers at once, which the compiler turns into vector instructions.

/// Numbers handled together: one AVX-512 register of `f64`.
pub(super) const LANES: usize = 8;

/// [`LANES`] numbers.
pub(super) type Lanes = [f64; LANES];

/// `a·b + c`, fused where that is one instruction.
#[inline(always)]
pub(super) fn mul_add<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `asinh` of every lane, to about two units in the last place; odd, and `NaN` or infinity pass through.
///
/// log(1 + w) with w = |t| + t²/(1 + √(1 + t²)), which cancels nowhere; std's `asinh` is as accurate but calls a
/// scalar function.
#[inline(always)]
pub(super) fn asinh<const FMA: bool>(t: Lanes) -> Lanes {
    let mut out = [0.0; LANES];
    for (slot, t) in out.iter_mut().zip(t) {
        let a = t.abs();
        // Beyond 1e17, w = 2a to the last bit, and a² may overflow further on.
        let near = a + a * (a / (1.0 + mul_add::<FMA>(a, a, 1.0).sqrt()));
        let w = if a > 1e17 { 2.0 * a } else { near };
        let value = ln_1p::<FMA>(w);
        *slot = if w < f64::INFINITY { value.copysign(t) } else { t };
    }
    out
}

/// `log(1 + w)` for finite `w ≥ 0`.
///
/// The sum 1 + w is split exactly into a double s and its rounding error; log s comes from s = 2ᵏ·m with
/// m in [√½, √2) and the minimax polynomial of fdlibm for log((2 + f)/(2 − f)).
#[inline(always)]
fn ln_1p<const FMA: bool>(w: f64) -> f64 {
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    const ONE: u64 = 0x3ff0_0000_0000_0000;
    const MANTISSA: u64 = 0x000f_ffff_ffff_ffff;
    // 2^52: a whole number below it added to its bits is a double that holds the number.
    const MAGIC: u64 = 0x4330_0000_0000_0000;
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const POLYNOMIAL: [f64; 7] = [
        6.666_666_666_666_735e-1,
        3.999_999_999_940_942e-1,
        2.857_142_874_366_239e-1,
        2.222_219_843_214_978_4e-1,
        1.818_357_216_161_805e-1,
        1.531_383_769_920_937_3e-1,
        1.479_819_860_511_658_6e-1,
    ];
    let s = 1.0 + w;
    let part = s - 1.0;
    let rounding = (1.0 - (s - part)) + (w - part);
    let shifted = s.to_bits().wrapping_add(ONE - SQRT_HALF);
    let exponent = f64::from_bits(MAGIC | (shifted >> 52)) - (f64::from_bits(MAGIC) + 1023.0);
    let f = f64::from_bits((shifted & MANTISSA) + SQRT_HALF) - 1.0;
    let q = f / (2.0 + f);
    let z = q * q;
    let mut tail = POLYNOMIAL[6];
    for coefficient in POLYNOMIAL[..6].iter().rev() {
        tail = mul_add::<FMA>(tail, z, *coefficient);
    }
    let half = 0.5 * f * f;
    let low = mul_add::<FMA>(exponent, LN2_LOW, rounding / s);
    mul_add::<FMA>(exponent, LN2_HIGH, (mul_add::<FMA>(q, mul_add::<FMA>(tail, z, half), low) - half) + f)
}

/// `(asinh t − t/√(1+t²)) / t³` of every lane, given `asinh t`: even, 1/3 at 0.
///
/// This is what the derivative of a distance or a logit by the curvature needs; the difference cancels for small t,
/// where the binomial series takes over (17 terms leave 1e-18 at t² = 0.1).
#[inline(always)]
pub(super) fn asinh_excess<const FMA: bool>(t: Lanes, asinh: Lanes) -> Lanes {
    let mut out = [0.0; LANES];
    for lane in 0..LANES {
        let square = t[lane] * t[lane];
        let mut series = 0.0;
        for coefficient in EXCESS_SERIES.iter().rev() {
            series = mul_add::<FMA>(series, square, *coefficient);
        }
        let direct = (asinh[lane] / t[lane] - 1.0 / (1.0 + square).sqrt()) / square;
        out[lane] = if square < 0.1 { series } else { direct };
    }
    out
}

/// (−1)ⁿ⁺¹ · (2n)!/(4ⁿ n!²) · 2n/(2n+1) for n = 1…17.
const EXCESS_SERIES: [f64; 17] = {
    let mut terms = [0.0; 17];
    let mut binomial = 1.0;
    let mut n = 1;
    while n <= 17 {
        let k = n as f64;
        binomial *= (2.0 * k - 1.0) / (2.0 * k);
        let sign = if n % 2 == 1 { 1.0 } else { -1.0 };
        terms[n - 1] = sign * binomial * 2.0 * k / (2.0 * k + 1.0);
        n += 1;
    }
    terms
};

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments() -> impl Iterator<Item = f64> {
        (-1200..1200).map(|i| 10_f64.powf(f64::from(i) / 4.0) * 1.234_567).filter(|t| t.is_finite())
    }

    #[test]
    fn asinh_agrees_with_std_over_the_whole_range() {
        for t in arguments() {
            // std's asinh is the same formula on the system's log1p; both are within 2 ulp of the truth.
            let want = t.asinh();
            for got in [asinh::<false>([t; LANES])[3], asinh::<true>([t; LANES])[3]] {
                assert!(
                    (got - want).abs() <= 4.0 * f64::EPSILON * want,
                    "asinh({t:e}) = {got:e}, want {want:e}"
                );
            }
            assert_eq!(asinh::<false>([-t; LANES])[0], -asinh::<false>([t; LANES])[0], "odd at {t:e}");
        }
        let special =
            asinh::<false>([0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e300, 1e-310, 1.0]);
        assert_eq!(special[..4], [0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY]);
        assert!(special[4].is_nan());
        assert_eq!(special[6], 1e-310);
    }

    #[test]
    fn the_excess_is_continuous_where_the_series_ends_and_one_third_at_zero() {
        assert_eq!(asinh_excess::<false>([0.0; LANES], [0.0; LANES])[0], 1.0 / 3.0);
        for t in [0.316_f64, 0.3162, 0.3163, 0.317] {
            let direct = (t.asinh() - t / (1.0 + t * t).sqrt()) / t.powi(3);
            let got = asinh_excess::<false>([t; LANES], [t.asinh(); LANES])[0];
            // The direct form loses about 3/t² = 30 units in the last place here.
            assert!((got - direct).abs() < 64.0 * f64::EPSILON * direct, "at {t}");
        }
    }
}

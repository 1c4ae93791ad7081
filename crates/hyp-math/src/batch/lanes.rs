//! Branch-free functions of [`LANES`] numbers at once, which the compiler turns into vector instructions.

use super::isa::{LANES, Lanes, Vector};
use crate::{Real, elementary};

/// `a·b + c`, fused where that is one instruction.
#[inline(always)]
pub(super) fn mul_add<V: Vector>(a: f64, b: f64, c: f64) -> f64 {
    if V::FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `asinh` of every lane, to about two units in the last place; odd, and `NaN` or infinity pass through.
#[inline(always)]
pub(super) fn asinh<V: Vector>(t: Lanes) -> Lanes {
    let mut out = [0.0; LANES];
    for lane in 0..LANES {
        out[lane] = elementary::asinh(t[lane], mul_add::<V>);
    }
    out
}

/// [`asinh`] and its [`asinh_excess`] of every lane, given √(1 + t²) and its inverse.
#[inline(always)]
pub(super) fn asinh_excess_by_root<V: Vector>(t: Lanes, root: &Lanes, inverse_root: &Lanes) -> Lanes {
    let mut arc = [0.0; LANES];
    for lane in 0..LANES {
        arc[lane] = elementary::asinh_by_root(t[lane], root[lane], mul_add::<V>);
    }
    excess::<V>(t, arc, inverse_root)
}

/// `factor·t` of every lane.
#[inline(always)]
pub(super) fn scaled(t: Lanes, factor: f64) -> Lanes {
    let mut out = [0.0; LANES];
    for lane in 0..LANES {
        out[lane] = t[lane] * factor;
    }
    out
}

/// The sum of all lanes, in pairs.
#[inline(always)]
pub(super) fn total(lanes: &Lanes) -> f64 {
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
}

/// Up to [`LANES`] stored numbers, and zeros after them.
#[inline(always)]
pub(super) fn load<T: Real>(values: &[T]) -> Lanes {
    let mut out = [0.0; LANES];
    if values.len() == LANES {
        for lane in 0..LANES {
            out[lane] = values[lane].to_f64();
        }
    } else {
        for lane in 0..values.len() {
            out[lane] = values[lane].to_f64();
        }
    }
    out
}

/// Rounds as many lanes as `out` holds into it.
#[inline(always)]
pub(super) fn store<T: Real>(lanes: &Lanes, out: &mut [T]) {
    if out.len() == LANES {
        for lane in 0..LANES {
            out[lane] = T::from_f64(lanes[lane]);
        }
    } else {
        for lane in 0..out.len() {
            out[lane] = T::from_f64(lanes[lane]);
        }
    }
}

/// `(asinh t − t/√(1+t²)) / t³` of every lane, given `asinh t`: even, 1/3 at 0.
///
/// This is what the derivative of a distance or a logit by the curvature needs; the difference cancels for small t,
/// where the binomial series takes over (17 terms leave 1e-18 at t² = 0.1).
#[inline(always)]
pub(super) fn asinh_excess<V: Vector>(t: Lanes, asinh: Lanes) -> Lanes {
    let mut inverse_root = [0.0; LANES];
    for lane in 0..LANES {
        inverse_root[lane] = 1.0 / (1.0 + t[lane] * t[lane]).sqrt();
    }
    excess::<V>(t, asinh, &inverse_root)
}

#[inline(always)]
fn excess<V: Vector>(t: Lanes, asinh: Lanes, inverse_root: &Lanes) -> Lanes {
    // The series in registers and for all lanes, or the compiler makes it a branch for each.
    let t = V::load(&t);
    let square = t.times(t);
    let mut series = V::splat(EXCESS_SERIES[16]);
    let mut term = 16;
    while term > 0 {
        term -= 1;
        series = series.mul_add(square, V::splat(EXCESS_SERIES[term]));
    }
    let inverse = V::splat(1.0).over(t);
    let direct = V::load(&asinh).times(inverse).minus(V::load(inverse_root)).times(inverse).times(inverse);
    let (square, series, mut out) = (square.lanes(), series.lanes(), direct.lanes());
    for lane in 0..LANES {
        out[lane] = if square[lane] < 0.1 { series[lane] } else { out[lane] };
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
    use crate::batch::isa::{Isa, Kernel};

    /// asinh and its excess on one instruction set.
    struct Both(Lanes);

    impl Kernel for Both {
        type Output = (Lanes, Lanes);

        #[inline(always)]
        fn run<V: Vector, const ROWS: usize>(self) -> Self::Output {
            let value = asinh::<V>(self.0);
            (value, asinh_excess::<V>(self.0, value))
        }
    }

    fn on_every_instruction_set(t: Lanes) -> [(Lanes, Lanes); 3] {
        [Isa::Portable, Isa::Avx2, Isa::Avx512].map(|isa| isa.run(isa.rows(), Both(t)))
    }

    #[test]
    fn asinh_agrees_with_std_over_the_whole_range() {
        for t in (-1200..1200).map(|i| 10_f64.powf(f64::from(i) / 4.0) * 1.234_567).filter(|t| t.is_finite())
        {
            // std's asinh is the same formula on the system's log1p; both are within 2 ulp of the truth.
            let want = t.asinh();
            for (got, _) in on_every_instruction_set([t, -t, t, t, t, t, t, t]) {
                let error = (got[0] - want).abs();
                assert!(error <= 4.0 * f64::EPSILON * want, "asinh({t:e}) = {:e}, want {want:e}", got[0]);
                assert_eq!(got[1], -got[0], "odd at {t:e}");
            }
        }
        let special = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e300, 1e-310, 1.0];
        for (got, excess) in on_every_instruction_set(special) {
            assert_eq!(got[..4], [0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY]);
            assert!(got[4].is_nan());
            assert_eq!(got[6], 1e-310);
            assert_eq!(excess[0], 1.0 / 3.0);
        }
    }

    #[test]
    fn the_excess_is_continuous_where_the_series_ends() {
        for t in [0.316_f64, 0.3162, 0.3163, 0.317] {
            let direct = (t.asinh() - t / (1.0 + t * t).sqrt()) / t.powi(3);
            for (_, got) in on_every_instruction_set([t; LANES]) {
                // The direct form loses about 3/t² = 30 units in the last place here.
                assert!((got[0] - direct).abs() < 64.0 * f64::EPSILON * direct, "at {t}");
            }
        }
    }
}

//! How the squared norm of a difference becomes a distance in `f32`, and how far an error of the one moves the other.
//!
//! Each shape counts distances in a unit of its own, which its caller knows.

/// How a squared norm of a difference becomes a distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Its root.
    Root,
    /// Half of it.
    Half,
    /// asinh of its root over what is known of the two rows.
    Ball,
    /// Twice the asin of half its root.
    Angle,
}

/// One shape, for a loop that is compiled for it alone.
pub(crate) trait Reads {
    /// Whether a number of each row is needed beside its norm.
    const KNOWS_ROWS: bool;

    /// The distance of a squared norm, and how steady it is: where the square is off by e, and e is at most a half times
    /// the steadiness, the distance is off by no more than 1.5·e over the steadiness. A steadiness of zero says nothing.
    fn read(square: f32, own: f32, other: f32) -> (f32, f32);
}

/// [`Shape::Root`]: |√s − √t| ≤ |s − t|/√s.
pub(crate) struct Root;

impl Reads for Root {
    const KNOWS_ROWS: bool = false;

    #[inline(always)]
    fn read(square: f32, _: f32, _: f32) -> (f32, f32) {
        (square.sqrt(), square.sqrt())
    }
}

/// [`Shape::Half`], counted in halves: always as steady as the square is.
pub(crate) struct Half;

impl Reads for Half {
    const KNOWS_ROWS: bool = false;

    #[inline(always)]
    fn read(square: f32, _: f32, _: f32) -> (f32, f32) {
        (square, 1.0)
    }
}

/// [`Shape::Ball`]: asinh(z) with z = √s/(r·r'), where c·s·unit²/(gap·gap') = z².
///
/// asinh grows no faster than z, whose error is at most z·e/s, nor than ln z, whose error is at most e/s where e ≤ s/2.
pub(crate) struct Ball;

impl Reads for Ball {
    const KNOWS_ROWS: bool = true;

    #[inline(always)]
    fn read(square: f32, own: f32, other: f32) -> (f32, f32) {
        let (root, over) = (square.sqrt(), own * other);
        let near = root * over;
        (asinh(root / over), if square > near { square } else { near })
    }
}

/// [`Shape::Angle`], of rows of norm 1 whose unit is such that squared norms are at most 4·`own`: the angle is
/// 2 asin √(s/4), and π less that of the opposite point, whose squared norm is what is left to 4·`own`.
pub(crate) struct Angle;

impl Reads for Angle {
    const KNOWS_ROWS: bool = false;

    #[inline(always)]
    fn read(square: f32, own: f32, _: f32) -> (f32, f32) {
        let left = 4.0 * own - square;
        let left = if left > 0.0 { left } else { 0.0 };
        let (acute, least) = (square < left, if square < left { square } else { left });
        let angle = 2.0 * asin((0.25 * least / own).sqrt());
        (if acute { angle } else { std::f32::consts::PI - angle }, (least / own).sqrt() * own)
    }
}

/// asinh of a number that is not negative, to a few units of the last place.
#[inline(always)]
fn asinh(z: f32) -> f32 {
    // Beyond 1e9, 1 + z² is z², which overflows further on.
    let near = z + z * (z / (1.0 + (1.0 + z * z).sqrt()));
    ln_1p(if z < 1e9 { near } else { 2.0 * z })
}

/// ln(1 + u) for u ≥ 0, to a few units of the last place: u itself where 1 + u is near 1, else its mantissa, in the
/// series of (f − f²/2)-corrected atanh(f/(2 + f)).
#[inline(always)]
fn ln_1p(u: f32) -> f32 {
    const ROOT_HALF: u32 = 0x3F35_04F3;
    const ONE: u32 = 0x3F80_0000;
    const LN2_HIGH: f32 = 0.693_138_1;
    const LN2_LOW: f32 = 9.058_001e-6;
    let bits = (1.0 + u).to_bits() + (ONE - ROOT_HALF);
    let exponent = (bits >> 23) as i32 - 127;
    let mantissa = f32::from_bits((bits & 0x007F_FFFF) + ROOT_HALF) - 1.0;
    let f = if exponent == 0 { u } else { mantissa };
    let k = exponent as f32;
    let s = f / (2.0 + f);
    let (z, w) = (s * s, s * s * (s * s));
    let even = w * (0.400_009_72 + w * 0.242_790_79);
    let odd = z * (0.666_666_6 + w * 0.284_987_87);
    let half = 0.5 * f * f;
    s * (half + (even + odd)) + k * LN2_LOW - half + f + k * LN2_HIGH
}

/// asin of a number from 0 to √½, to a few units of the last place: the polynomial in x² that is nearest at the nodes of
/// Chebyshev.
#[inline(always)]
fn asin(x: f32) -> f32 {
    const TERMS: [f32; 8] =
        [1.0, 0.166_67, 0.074_866_12, 0.046_667_457, 0.015_631_735, 0.078_856_07, -0.095_033_47, 0.112_567_8];
    let square = x * x;
    let mut sum = TERMS[7];
    let mut term = 7;
    while term > 0 {
        term -= 1;
        sum = sum * square + TERMS[term];
    }
    x * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half the distance between 1 and the next float.
    const UNIT: f64 = 1.0 / 16_777_216.0;

    #[test]
    fn functions_are_good_to_a_few_units() {
        for step in -380..380 {
            let z = 10_f32.powf(step as f32 / 10.0) * 1.234_567;
            let want = f64::from(z).asinh();
            assert!((f64::from(asinh(z)) - want).abs() <= 8.0 * UNIT * want, "{z:e}");
        }
        for step in 0..=10_000 {
            let x = step as f32 / 10_000.0 * 0.707_2;
            let want = f64::from(x).asin();
            assert!((f64::from(asin(x)) - want).abs() <= 4.0 * UNIT * want, "{x:e}");
        }
        assert_eq!((asinh(0.0), asin(0.0)), (0.0, 0.0));
    }

    /// What a shape says of its steadiness, against squares that are off.
    #[test]
    fn errors_stay_below_what_is_promised() {
        fn check<S: Reads>(name: &str, top: f32, exact: impl Fn(f64, f64, f64) -> f64) {
            for (own, other) in [(1.0_f32, 1.0_f32), (1e-4, 3.0), (1e-5, 1e-6), (40.0, 500.0)] {
                for step in 0..400 {
                    let square = (10_f32.powf(step as f32 / 40.0 - 9.0)).min(top * own);
                    let (distance, steady) = S::read(square, own, other);
                    for part in [0.5_f32, 0.1, 1e-3, 1e-5] {
                        let off = f64::from(part * steady);
                        for t in [f64::from(square) - off, f64::from(square) + off] {
                            let t = t.clamp(0.0, f64::from(top) * f64::from(own));
                            let want = exact(t, f64::from(own), f64::from(other));
                            let error = (f64::from(distance) - want).abs();
                            let allowed = 1.5 * f64::from(part) + 16.0 * UNIT * want.max(f64::from(distance));
                            assert!(error <= allowed, "{name} {own} {other} {square} {t}: {error} {allowed}");
                        }
                    }
                }
            }
        }
        check::<Root>("root", f32::MAX, |s, _, _| s.sqrt());
        check::<Half>("half", f32::MAX, |s, _, _| s);
        check::<Ball>("ball", f32::MAX, |s, a, b| (s.sqrt() / (a * b)).asinh());
        check::<Angle>("angle", 4.0, |s, a, _| 2.0 * (0.25 * s / a).sqrt().min(1.0).asin());
    }
}

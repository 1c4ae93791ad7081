//! Whole-number levels that stand for products, and the scans over rows of them, on every instruction set.

#![expect(
    unsafe_code,
    reason = "the same loops compiled for vector instructions that not every processor has"
)]

use super::block::Element;
use super::isa::{Isa, versions};

/// A level: a whole number from 0 to [`Level::TOP`].
pub(crate) trait Level: Element + Ord + Scans {
    /// The largest level in use.
    const TOP: u32;

    /// The whole number nearest to a value from 0 to [`Level::TOP`].
    fn nearest(value: f64) -> Self;
    /// As a number that differences fit in.
    fn number(self) -> i64;
    /// The least level that is `number` or more; nothing above the top.
    fn at_least(number: i64) -> Option<Self> {
        (number <= i64::from(Self::TOP)).then(|| Self::nearest(number.max(0) as f64))
    }
}

/// 2⁵²: a double of this size has no bits left for a fraction, so adding it rounds, and its low bits are the number.
const ROUNDER: f64 = 4_503_599_627_370_496.0;

/// Loops over rows of levels. Rows that go in together have one length.
pub(crate) trait Scans: Sized + Copy {
    /// maxₖ min(xₖ, yₖ), or the lowest level of empty rows.
    fn most_common(isa: Isa, x: &[Self], y: &[Self]) -> Self;
    /// The first k ≥ start with min(xₖ, yₖ) ≥ least.
    fn next_common(isa: Isa, x: &[Self], y: &[Self], least: Self, start: usize) -> Option<usize>;
    /// maxⱼ min(cap, yⱼ) − xⱼ, not below 0.
    fn most_gained(isa: Isa, cap: Self, y: &[Self], x: &[Self]) -> Self;
    /// Adds `first` + j to `out` for each j with min(cap, yⱼ) − xⱼ ≥ least.
    fn list_gained(
        isa: Isa,
        cap: Self,
        y: &[Self],
        x: &[Self],
        least: Self,
        first: usize,
        out: &mut Vec<usize>,
    );
    /// The largest level of a row.
    fn largest(isa: Isa, x: &[Self]) -> Self;
    /// Writes the levels of the products at the base point: `scale` times (product − `low`), to the nearest.
    fn levels(
        isa: Isa,
        base_i: f64,
        from_base: &[f64],
        distances: &[f64],
        low: f64,
        scale: f64,
        out: &mut [Self],
    );
}

/// Running results beside each other, enough for the widest registers.
const WIDTH: usize = 64;

macro_rules! level {
    ($scalar:ty, $top:expr) => {
        impl Level for $scalar {
            const TOP: u32 = $top;

            #[inline(always)]
            fn nearest(value: f64) -> Self {
                (value + ROUNDER).to_bits() as Self
            }

            #[inline(always)]
            fn number(self) -> i64 {
                i64::from(self)
            }
        }

        impl Scans for $scalar {
            versions! {
                fn most_common(x: &[$scalar], y: &[$scalar]) -> $scalar {
                    let mut most: [$scalar; WIDTH] = [0; WIDTH];
                    let (xs, ys) = (x.chunks_exact(WIDTH), y.chunks_exact(WIDTH));
                    let rest = xs.remainder().iter().zip(ys.remainder()).map(|(&a, &b)| a.min(b)).max().unwrap_or(0);
                    for (a, b) in xs.zip(ys) {
                        for l in 0..WIDTH {
                            most[l] = most[l].max(a[l].min(b[l]));
                        }
                    }
                    most.into_iter().fold(rest, Ord::max)
                }
            }

            versions! {
                fn next_common(x: &[$scalar], y: &[$scalar], least: $scalar, start: usize) -> Option<usize> {
                    let (x, y) = (&x[start..], &y[start..]);
                    for (chunk, (a, b)) in x.chunks(WIDTH).zip(y.chunks(WIDTH)).enumerate() {
                        let mut most: $scalar = 0;
                        for (&a, &b) in a.iter().zip(b) {
                            most = most.max(a.min(b));
                        }
                        if most >= least {
                            let place = a.iter().zip(b).position(|(&a, &b)| a.min(b) >= least);
                            return place.map(|place| start + chunk * WIDTH + place);
                        }
                    }
                    None
                }
            }

            versions! {
                fn most_gained(cap: $scalar, y: &[$scalar], x: &[$scalar]) -> $scalar {
                    let mut most: [$scalar; WIDTH] = [0; WIDTH];
                    let (ys, xs) = (y.chunks_exact(WIDTH), x.chunks_exact(WIDTH));
                    let gain = |(&b, &a): (&$scalar, &$scalar)| b.min(cap).saturating_sub(a);
                    let rest = ys.remainder().iter().zip(xs.remainder()).map(gain).max().unwrap_or(0);
                    for (b, a) in ys.zip(xs) {
                        for l in 0..WIDTH {
                            most[l] = most[l].max(b[l].min(cap).saturating_sub(a[l]));
                        }
                    }
                    most.into_iter().fold(rest, Ord::max)
                }
            }

            versions! {
                fn list_gained(
                    cap: $scalar,
                    y: &[$scalar],
                    x: &[$scalar],
                    least: $scalar,
                    first: usize,
                    out: &mut Vec<usize>
                ) -> () {
                    for (chunk, (b, a)) in y.chunks(WIDTH).zip(x.chunks(WIDTH)).enumerate() {
                        let gain = |(&b, &a): (&$scalar, &$scalar)| b.min(cap).saturating_sub(a);
                        if b.iter().zip(a).map(gain).fold(0, Ord::max) >= least {
                            let places = b.iter().zip(a).map(gain).enumerate().filter(|&(_, gain)| gain >= least);
                            out.extend(places.map(|(place, _)| first + chunk * WIDTH + place));
                        }
                    }
                }
            }

            versions! {
                fn largest(x: &[$scalar]) -> $scalar {
                    let mut most: [$scalar; WIDTH] = [0; WIDTH];
                    let xs = x.chunks_exact(WIDTH);
                    let rest = xs.remainder().iter().copied().max().unwrap_or(0);
                    for a in xs {
                        for l in 0..WIDTH {
                            most[l] = most[l].max(a[l]);
                        }
                    }
                    most.into_iter().fold(rest, Ord::max)
                }
            }

            versions! {
                fn levels(
                    base_i: f64,
                    from_base: &[f64],
                    distances: &[f64],
                    low: f64,
                    scale: f64,
                    out: &mut [$scalar]
                ) -> () {
                    for ((level, &base_j), &ij) in out.iter_mut().zip(from_base).zip(distances) {
                        *level = Level::nearest((crate::gromov::gromov_product(base_i, base_j, ij) - low) * scale);
                    }
                }
            }
        }
    };
}

level!(u8, 255);
level!(u16, 65_535);
level!(i32, 0x7FFF_FFFF);

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn scans_agree<T: Level>(draw: impl Fn(&mut ChaCha8Rng) -> T) {
        let mut random = ChaCha8Rng::seed_from_u64(21);
        for length in [1, 5, 63, 64, 65, 200] {
            let x: Vec<T> = (0..length).map(|_| draw(&mut random)).collect();
            let y: Vec<T> = (0..length).map(|_| draw(&mut random)).collect();
            let cap = draw(&mut random);
            let common = x.iter().zip(&y).map(|(a, b)| a.min(b)).max().copied().unwrap();
            let gained =
                x.iter().zip(&y).map(|(&a, &b)| (b.min(cap).number() - a.number()).max(0)).max().unwrap();
            for isa in Isa::ALL {
                assert!(T::most_common(isa, &x, &y) == common, "{isa:?} {length}");
                let reached: Vec<usize> = (0..length).filter(|&k| x[k].min(y[k]) >= cap).collect();
                let mut listed = Vec::new();
                while let Some(k) = T::next_common(isa, &x, &y, cap, listed.last().map_or(0, |k| k + 1)) {
                    listed.push(k);
                }
                assert_eq!(listed, reached, "{isa:?} {length}");
                assert_eq!(T::most_gained(isa, cap, &y, &x).number(), gained, "{isa:?} {length}");
                assert!(Some(&T::largest(isa, &x)) == x.iter().max(), "{isa:?} {length}");
                let least = T::at_least(gained / 2 + 1).unwrap();
                let gains = |k: &usize| y[*k].min(cap).number() - x[*k].number() >= least.number();
                let (mut listed, want) = (Vec::new(), (0..length).filter(gains));
                T::list_gained(isa, cap, &y, &x, least, 7, &mut listed);
                assert!(want.map(|k| k + 7).eq(listed), "{isa:?} {length}");
            }
        }
    }

    #[test]
    fn scans_agree_with_iterators_on_every_instruction_set() {
        scans_agree(RngExt::random::<u8>);
        scans_agree(RngExt::random::<u16>);
        scans_agree(|r| r.random_range(0..i32::MAX));
    }

    #[test]
    fn levels_are_rounded_to_the_nearest() {
        assert_eq!([0.0, 0.4, 0.6, 254.7, 255.0].map(u8::nearest), [0, 0, 1, 255, 255]);
        assert_eq!([65_534.4, 65_535.0].map(u16::nearest), [65_534, 65_535]);
        assert_eq!(i32::nearest(2_147_483_647.0), i32::MAX);
        let mut out = [0_u8; 3];
        // Products of point 1 at base 0 on the line 0, 2, 3: 0, 2, 2.
        u8::levels(Isa::detect(), 2.0, &[0.0, 2.0, 3.0], &[2.0, 0.0, 1.0], 0.0, 100.0, &mut out);
        assert_eq!(out, [0, 200, 200]);
    }
}

//! From inner products to levels: the loop between the matrix product and the max–min product.

#![expect(
    unsafe_code,
    reason = "the same safe loop compiled for vector instructions that not every processor has"
)]

use crate::maxmin::{Isa, versions};

/// How a squared norm of a difference becomes a distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shape {
    /// Its root.
    Root,
    /// Half of it.
    Half,
}

/// What one row needs to turn inner products into levels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) shape: Shape,
    /// Squared norm of the row.
    pub(crate) norm: f32,
    /// Distance of the row from the base point, less the lowest product, in half levels.
    pub(crate) base: f32,
    /// Half levels in a scaled distance (or in a squared one, halved) of 1.
    pub(crate) weight: f32,
    /// Error of a squared difference relative to the sum of the two squared norms.
    pub(crate) share: f32,
    /// Largest error of a distance that is allowed, in scaled units.
    pub(crate) allowed: f32,
}

impl Turn {
    /// Squared difference and the bound on its error.
    #[inline(always)]
    fn square(&self, product: f32, norm: f32) -> (f32, f32) {
        let sum = self.norm + norm;
        let square = sum - 2.0 * product;
        (if square > 0.0 { square } else { 0.0 }, self.share * sum)
    }

    /// Whether the distance of a pair may be off by more than is allowed.
    #[inline(always)]
    pub(crate) fn is_unsure(&self, product: f32, norm: f32) -> bool {
        let (square, error) = self.square(product, norm);
        self.shape == Shape::Root && error > self.allowed * square.sqrt()
    }
}

/// The turn for each type of level.
pub(crate) trait Turns: Sized {
    /// Writes the levels of one row; returns the largest squared difference, and whether any is unsure.
    fn turn(
        isa: Isa,
        turn: Turn,
        products: &[f32],
        norms: &[f32],
        base: &[f32],
        out: &mut [Self],
    ) -> (f32, bool);
}

/// Results beside each other.
const WIDTH: usize = 16;

/// 2²³: a float of this size has no bits left for a fraction, so adding it rounds, and its low bits are the number.
const ROUNDER: f32 = 8_388_608.0;

macro_rules! turns {
    ($scalar:ty) => {
        impl Turns for $scalar {
            versions! {
                fn turn(turn: Turn, products: &[f32], norms: &[f32], base: &[f32], out: &mut [$scalar]) -> (f32, bool) {
                    let mut most = [0.0_f32; WIDTH];
                    let mut unsure = [0_u32; WIDTH];
                    let root = turn.shape == Shape::Root;
                    let mut take = |l: usize, product: f32, norm: f32, base: f32, out: &mut $scalar| {
                        let (square, error) = turn.square(product, norm);
                        let distance = if root { square.sqrt() } else { square };
                        unsure[l] |= u32::from(root && error > turn.allowed * distance);
                        most[l] = if square > most[l] { square } else { most[l] };
                        let level = (turn.base + base) - turn.weight * distance;
                        let top = f32::from(<$scalar>::MAX);
                        let level = if level > 0.0 { level } else { 0.0 };
                        let level = if level < top { level } else { top };
                        *out = (level + ROUNDER).to_bits() as $scalar;
                    };
                    let whole = products.len() / WIDTH * WIDTH;
                    for start in (0..whole).step_by(WIDTH) {
                        let (products, norms) = (&products[start..start + WIDTH], &norms[start..start + WIDTH]);
                        let (base, out) = (&base[start..start + WIDTH], &mut out[start..start + WIDTH]);
                        for l in 0..WIDTH {
                            take(l, products[l], norms[l], base[l], &mut out[l]);
                        }
                    }
                    for place in whole..products.len() {
                        take(0, products[place], norms[place], base[place], &mut out[place]);
                    }
                    (most.into_iter().fold(0.0, f32::max), unsure.into_iter().any(|u| u != 0))
                }
            }
        }
    };
}

turns!(u8);
turns!(u16);

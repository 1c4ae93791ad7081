//! From inner products to levels: the loop between the matrix product and the max–min product.

#![expect(
    unsafe_code,
    reason = "the same safe loop compiled for vector instructions that not every processor has"
)]

use super::shape::{self, Shape};
use crate::maxmin::{Isa, versions};

/// What one row needs to turn inner products into levels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) shape: Shape,
    /// Squared norm of the row.
    pub(crate) norm: f32,
    /// Distance of the row from the base point, less the lowest product, in half levels.
    pub(crate) base: f32,
    /// Half levels in a distance of 1, as the shape counts it.
    pub(crate) weight: f32,
    /// Error of a squared difference relative to the sum of the two squared norms.
    pub(crate) share: f32,
    /// Largest error of a distance that is allowed, as the shape counts it.
    pub(crate) allowed: f32,
    /// What the shape needs to know of the row.
    pub(crate) own: f32,
}

/// The other rows: a number for each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Others<'a> {
    pub(crate) norms: &'a [f32],
    /// As [`Turn::base`], without what is subtracted.
    pub(crate) base: &'a [f32],
    /// As [`Turn::own`]; empty where the shape needs nothing.
    pub(crate) own: &'a [f32],
}

impl Others<'_> {
    /// The rows of a range.
    #[inline(always)]
    pub(crate) fn part(&self, range: std::ops::Range<usize>) -> Self {
        let own = if self.own.is_empty() { self.own } else { &self.own[range.clone()] };
        Self { norms: &self.norms[range.clone()], base: &self.base[range], own }
    }
}

impl Turn {
    /// The distance of a pair, and whether it may be off by more than is allowed.
    #[inline(always)]
    fn read<S: shape::Reads>(&self, product: f32, norm: f32, other: f32) -> (f32, bool) {
        let sum = self.norm + norm;
        let square = sum - 2.0 * product;
        let square = if square > 0.0 { square } else { 0.0 };
        let (distance, steady) = S::read(square, self.own, other);
        // Asked so that what is no number is unsure.
        let sure = self.share * sum <= self.allowed * steady;
        (distance, !sure)
    }

    /// Whether the distance of a pair may be off by more than is allowed.
    pub(crate) fn is_unsure(&self, product: f32, others: &Others<'_>, place: usize) -> bool {
        let other = others.own.get(place).copied().unwrap_or(0.0);
        let norm = others.norms[place];
        match self.shape {
            Shape::Root => self.read::<shape::Root>(product, norm, other).1,
            Shape::Half => self.read::<shape::Half>(product, norm, other).1,
            Shape::Ball => self.read::<shape::Ball>(product, norm, other).1,
            Shape::Angle => self.read::<shape::Angle>(product, norm, other).1,
        }
    }
}

/// The turn for each type of level.
pub(crate) trait Turns: Sized {
    /// Writes the levels of one row; returns the largest distance as the shape counts it, and whether any is unsure.
    fn turn(isa: Isa, turn: Turn, products: &[f32], others: Others<'_>, out: &mut [Self]) -> (f32, bool);
}

/// Results beside each other.
const WIDTH: usize = 16;

/// 2²³: a float of this size has no bits left for a fraction, so adding it rounds, and its low bits are the number.
const ROUNDER: f32 = 8_388_608.0;

macro_rules! turns {
    ($scalar:ty) => {
        impl Turns for $scalar {
            versions! {
                fn turn(turn: Turn, products: &[f32], others: Others<'_>, out: &mut [$scalar]) -> (f32, bool) {
                    #[inline(always)]
                    fn of<S: shape::Reads>(
                        turn: Turn,
                        products: &[f32],
                        others: Others<'_>,
                        out: &mut [$scalar],
                    ) -> (f32, bool) {
                        let mut most = [0.0_f32; WIDTH];
                        let mut unsure = [0_u32; WIDTH];
                        let mut take = |l: usize, product: f32, norm: f32, base: f32, own: f32, out: &mut $scalar| {
                            let (distance, off) = turn.read::<S>(product, norm, own);
                            unsure[l] |= u32::from(off);
                            most[l] = if distance > most[l] { distance } else { most[l] };
                            let level = (turn.base + base) - turn.weight * distance;
                            let top = f32::from(<$scalar>::MAX);
                            let level = if level > 0.0 { level } else { 0.0 };
                            let level = if level < top { level } else { top };
                            *out = (level + ROUNDER).to_bits() as $scalar;
                        };
                        let whole = products.len() / WIDTH * WIDTH;
                        for start in (0..whole).step_by(WIDTH) {
                            let range = start..start + WIDTH;
                            let (products, out) = (&products[range.clone()], &mut out[range.clone()]);
                            let Others { norms, base, own } = others.part(range);
                            for l in 0..WIDTH {
                                let own = if S::KNOWS_ROWS { own[l] } else { 0.0 };
                                take(l, products[l], norms[l], base[l], own, &mut out[l]);
                            }
                        }
                        for place in whole..products.len() {
                            let own = if S::KNOWS_ROWS { others.own[place] } else { 0.0 };
                            take(0, products[place], others.norms[place], others.base[place], own, &mut out[place]);
                        }
                        (most.into_iter().fold(0.0, f32::max), unsure.into_iter().any(|u| u != 0))
                    }
                    match turn.shape {
                        Shape::Root => of::<shape::Root>(turn, products, others, out),
                        Shape::Half => of::<shape::Half>(turn, products, others, out),
                        Shape::Ball => of::<shape::Ball>(turn, products, others, out),
                        Shape::Angle => of::<shape::Angle>(turn, products, others, out),
                    }
                }
            }
        }
    };
}

turns!(u8);
turns!(u16);

//! Products as whole-number levels: an exact filter, because minimum and maximum commute with rounding to levels.

use rayon::prelude::*;

use super::best::Found;
use super::source::Source;
use crate::distance::DistanceMatrix;
use crate::maxmin::{Isa, Level, Padded};

/// How levels stand for products: product ≈ low + step · level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    /// The product of level 0.
    pub(crate) low: f64,
    /// The difference between levels.
    pub(crate) step: f64,
    /// By how many levels, beside the rounding to levels, a product may be off: 0 if made from exact products.
    pub(crate) slack: f64,
    /// Whether each product is exactly at its level.
    pub(crate) lossless: bool,
}

impl Scale {
    /// Spreads a range of products over all levels of T.
    pub(crate) fn spread<T: Level>(low: f64, high: f64) -> Self {
        let range = (high - low).max(f64::MIN_POSITIVE);
        Self { low, step: range / f64::from(T::TOP), slack: 0.0, lossless: false }
    }

    /// How much more than `step` times the difference of their levels two products may differ by, in levels.
    fn margin(&self) -> f64 {
        if self.lossless { 0.0 } else { 1.0 + 2.0 * self.slack }
    }

    /// How many levels below the largest common one the middle of the largest common product may be.
    fn depth(&self) -> i64 {
        // Rounding to levels keeps order, so that only products that are off can change places.
        if self.slack == 0.0 { 0 } else { self.margin().floor() as i64 }
    }

    /// The least difference of levels that a difference of products of `target` can have.
    pub(crate) fn threshold(&self, target: f64) -> i64 {
        if self.lossless {
            return (target / self.step).ceil() as i64;
        }
        // The division, the scale and the rounding of the levels are good to 1e-9 of a level or of the value.
        let levels = target / self.step;
        (levels - 1e-9 * (1.0 + levels) - self.margin()).ceil() as i64
    }

    /// A difference that no two products exceed whose levels differ by this much.
    pub(crate) fn most(&self, levels: i64) -> f64 {
        self.ceiling(levels) - self.low
    }

    /// A product that none at this level or below exceeds.
    pub(crate) fn ceiling(&self, level: i64) -> f64 {
        let levels = level as f64 + self.margin();
        self.low + self.step * levels + 1e-9 * (self.step * levels + self.low.abs())
    }
}

/// The levels of all products at a base point. The diagonal is at the lowest level, so that it joins no pair.
pub(crate) struct Levels<T> {
    pub(crate) matrix: Padded<T>,
    pub(crate) scale: Scale,
    /// The point of each row; rows may be in another order than the points.
    pub(crate) order: Vec<usize>,
}

impl Levels<u16> {
    /// The upper byte of each level.
    pub(crate) fn coarse(&self) -> Levels<u8> {
        let points = self.order.len();
        let mut matrix = Padded::filled(points, 0_u8);
        let stride = matrix.stride();
        matrix.all_mut().par_chunks_mut(stride).enumerate().for_each(|(i, out)| {
            for (to, &level) in out.iter_mut().zip(self.matrix.row(i)) {
                *to = (level >> 8) as u8;
            }
        });
        // Two products of the same upper byte are less than 256 levels apart, beside what they may be off already.
        let scale = Scale {
            low: self.scale.low,
            step: 256.0 * self.scale.step,
            slack: self.scale.margin() / 512.0,
            lossless: false,
        };
        Levels { matrix, scale, order: self.order.clone() }
    }
}

impl<T: Level> Levels<T> {
    /// The levels of a distance matrix.
    pub(crate) fn of_matrix(
        distances: &DistanceMatrix,
        base: usize,
        order: Vec<usize>,
        scale: Scale,
        isa: Isa,
    ) -> Self {
        let points = distances.points();
        let per_step = 1.0 / scale.step;
        let mut matrix = Padded::filled(points, T::LOWEST.max(T::nearest(0.0)));
        let stride = matrix.stride();
        let from_base: Vec<f64> = order.iter().map(|&p| distances.get(base, p)).collect();
        let in_order = order.iter().enumerate().all(|(place, &point)| place == point);
        matrix.all_mut().par_chunks_mut(stride).with_min_len(16).enumerate().for_each_init(
            || vec![0.0; if in_order { 0 } else { points }],
            |gathered, (i, out)| {
                let mut row = distances.row(order[i]);
                if !in_order {
                    for (to, &point) in gathered.iter_mut().zip(&order) {
                        *to = row[point];
                    }
                    row = gathered;
                }
                let (head, tail) = out[..points].split_at_mut(i);
                // The diagonal is left out: d(base, i) may be above all levels.
                T::levels(isa, from_base[i], &from_base[..i], &row[..i], scale.low, per_step, head);
                T::levels(
                    isa,
                    from_base[i],
                    &from_base[i + 1..],
                    &row[i + 1..],
                    scale.low,
                    per_step,
                    &mut tail[1..],
                );
            },
        );
        Self { matrix, scale, order }
    }

    /// The exact largest min((i, k), (k, j)) − (i, j) over k for two rows, and the first point k that has it;
    /// `common` is the largest min(level ik, level kj).
    pub(crate) fn refine(
        &self,
        source: &impl Source,
        (row_i, row_j): (usize, usize),
        common: T,
        isa: Isa,
    ) -> Found {
        let (x, y) = (self.matrix.row(row_i), self.matrix.row(row_j));
        let (i, j) = (self.order[row_i], self.order[row_j]);
        let least = T::nearest((common.number() - self.scale.depth()).max(0) as f64);
        let mut best = (f64::NEG_INFINITY, usize::MAX);
        let mut start = 0;
        while let Some(place) = T::next_common(isa, x, y, least, start) {
            start = place + 1;
            if place != row_i && place != row_j {
                let k = self.order[place];
                let shared = source.product(i, k).min(source.product(k, j));
                if shared > best.0 || (shared == best.0 && k < best.1) {
                    best = (shared, k);
                }
            }
        }
        Found::new(best.0 - source.product(i, j), [i, best.1, j])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_keep_all_that_can_reach_the_target() {
        let scale = Scale { low: 1.0, step: 0.5, slack: 0.0, lossless: true };
        assert_eq!((scale.threshold(2.0), scale.threshold(2.1)), (4, 5));
        let lossy = Scale { lossless: false, ..scale };
        assert_eq!((lossy.threshold(2.0), lossy.threshold(2.1)), (3, 4));
        assert_eq!(Scale { slack: 2.0, ..lossy }.threshold(2.0), -1);
        assert!((lossy.ceiling(3) - 3.0).abs() < 1e-8 && (scale.ceiling(3) - 2.5).abs() < 1e-8);
    }
}

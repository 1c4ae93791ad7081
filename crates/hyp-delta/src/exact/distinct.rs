//! Points that coincide with an earlier one add nothing to δ, and would hide what the others show; they are left out.
//!
//! Left out is only what has the very same distances from all points, bit for bit, and none from the earlier one: then
//! every triple with it has the value of one without. Levels and bounds, in contrast, lose their worth where each point
//! has another beside it: nothing lies further from the base point on the way of a point than its double.

use rayon::prelude::*;

use super::report::{Interval, Limits};
use crate::distance::DistanceMatrix;
use crate::error::DeltaError;
use crate::estimate::Hyperbolicity;
use crate::metric::Rows;

/// So many points are kept, whatever coincides: fewer have no δ.
const LEAST: usize = 4;
/// Distances of a point that make its sign.
const SIGNS: usize = 16;
/// Bytes for each pair of points of a distance matrix.
const DOUBLES: f64 = 8.0;

/// The points that are measured in the place of all.
pub(super) struct Distinct {
    /// Their indices, in order.
    kept: Vec<usize>,
    /// The base point that was asked for, and the place among `kept` of the point that stands for it.
    base: (usize, usize),
    /// Number of all points.
    points: usize,
}

impl Distinct {
    /// Nothing if no row coincides with an earlier one.
    pub(super) fn of_rows(rows: &Rows, base: usize) -> Option<Self> {
        // Rows of the same numbers have the same distances; a zero below zero squares as any.
        let sign = |i: usize| rows.row(i).iter().fold(0, |all, v| mixed(all, v + 0.0));
        let same = |i: usize, j: usize| rows.row(i) == rows.row(j) && rows.distance(i, j) == 0.0;
        Self::of(rows.points(), base, |i| rows.distance(base, i), sign, same)
    }

    /// Nothing if no point coincides with an earlier one, or if the others' matrix does not fit into the memory.
    pub(super) fn of_matrix(distances: &DistanceMatrix, base: usize, limits: Limits<'_>) -> Option<Self> {
        let own = distances.row(base);
        let points = distances.points();
        let sign = |i: usize| {
            let row = distances.row(i);
            (0..SIGNS).fold(0, |all, sign| mixed(all, row[sign * points / SIGNS] + 0.0))
        };
        let same = |i: usize, j: usize| distances.get(i, j) == 0.0 && distances.row(i) == distances.row(j);
        Self::of(points, base, |i| own[i], sign, same)
            .filter(|distinct| limits.hold(distinct.kept.len(), DOUBLES))
    }

    fn of(
        points: usize,
        base: usize,
        from_base: impl Fn(usize) -> f64 + Sync,
        sign: impl Fn(usize) -> u64 + Sync,
        same: impl Fn(usize, usize) -> bool + Sync,
    ) -> Option<Self> {
        if points <= LEAST {
            return None;
        }
        // Only points at the same distance from the base point can coincide, and of those only such of the same sign.
        let mut order: Vec<(u64, usize)> =
            (0..points).into_par_iter().map(|i| ((from_base(i) + 0.0).to_bits(), i)).collect();
        order.par_sort_unstable();
        let mut alike: Vec<(u64, u64, usize)> = order
            .par_chunk_by(|a, b| a.0 == b.0)
            .filter(|group| group.len() > 1)
            .flat_map_iter(|group| group.iter().map(|&(distance, point)| (distance, sign(point), point)))
            .collect();
        alike.par_sort_unstable();
        // For each point that coincides with an earlier one, the first of these.
        let earlier: Vec<(usize, usize)> = alike
            .par_chunk_by(|a, b| (a.0, a.1) == (b.0, b.1))
            .flat_map_iter(|group| {
                let mut first: Vec<usize> = Vec::new();
                let mut found = Vec::new();
                for &(_, _, point) in group {
                    match first.iter().find(|&&other| same(point, other)) {
                        Some(&other) => found.push((point, other)),
                        None => first.push(point),
                    }
                }
                found
            })
            .collect();
        if earlier.is_empty() {
            return None;
        }
        let mut instead: Vec<usize> = (0..points).collect();
        for &(point, other) in &earlier {
            instead[point] = other;
        }
        let mut kept: Vec<usize> = (0..points).filter(|&point| instead[point] == point).collect();
        let missing = LEAST.saturating_sub(kept.len());
        kept.extend((0..points).filter(|&point| instead[point] != point).take(missing));
        kept.sort_unstable();
        let place = kept.binary_search(&instead[base]).expect("invariant: the first of equals is kept");
        Some(Self { kept, base: (base, place), points })
    }

    /// The place of the base point among the points that are kept.
    pub(super) fn base(&self) -> usize {
        self.base.1
    }

    /// The rows that are kept.
    pub(super) fn rows(&self, rows: &Rows) -> Rows {
        rows.subset(&self.kept)
    }

    /// The distances of the points that are kept, and the limits beside them.
    pub(super) fn matrix<'a>(
        &self,
        distances: &DistanceMatrix,
        limits: Limits<'a>,
    ) -> Result<(DistanceMatrix, Limits<'a>), DeltaError> {
        Ok((distances.submatrix(&self.kept)?, limits.beside(self.kept.len(), DOUBLES)))
    }

    /// What was found of the points that are kept, said of all at the base point that was asked for.
    pub(super) fn of_all(&self, found: Interval) -> Interval {
        let base = self.base.0;
        let found = self.over_all_bases(found);
        Interval { at_least: Hyperbolicity { base, ..found.at_least }, ..found }
    }

    /// The same where the search was over all base points.
    pub(super) fn over_all_bases(&self, found: Interval) -> Interval {
        let at_least = found.at_least;
        let pair = at_least.diameter_pair;
        let at_least = Hyperbolicity {
            base: self.kept[at_least.base],
            witness: at_least.witness.map(|triple| triple.map(|place| self.kept[place])),
            diameter_pair: (self.kept[pair.0], self.kept[pair.1]),
            points: self.points,
            ..at_least
        };
        Interval { at_least, ..found }
    }
}

/// A number that depends on all that were mixed into it.
fn mixed(all: u64, value: f64) -> u64 {
    // The golden ratio in 64 bits, an odd number whose multiples spread evenly.
    (all ^ value.to_bits()).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;

    #[test]
    fn the_first_of_equals_stands_for_all() {
        let line = [5.0, 1.0, 5.0, 2.0, 1.0, 9.0, 5.0];
        let rows = Rows::new(&line, 1, Metric::Euclidean).unwrap();
        let distinct = Distinct::of_rows(&rows, 6).unwrap();
        assert_eq!((&distinct.kept[..], distinct.base()), (&[0, 1, 3, 5][..], 0));
        let matrix = DistanceMatrix::from_rows(&rows).unwrap();
        let distinct = Distinct::of_matrix(&matrix, 4, Limits::NONE).unwrap();
        assert_eq!((&distinct.kept[..], distinct.base()), (&[0, 1, 3, 5][..], 1));
        assert!(Distinct::of_rows(&Rows::new(&line[..2], 1, Metric::Euclidean).unwrap(), 0).is_none());
        // Four are kept of one.
        let same = Rows::new(&[3.0; 9], 1, Metric::Euclidean).unwrap();
        assert_eq!(Distinct::of_rows(&same, 8).unwrap().kept, [0, 1, 2, 3]);
    }

    /// Zeros of either sign are the same number.
    #[test]
    fn zeros_have_no_sign() {
        let rows =
            Rows::new(&[1.0, 0.0, 1.0, -0.0, 2.0, 0.0, 3.0, 5.0, 4.0, 4.0], 2, Metric::Euclidean).unwrap();
        assert_eq!(Distinct::of_rows(&rows, 2).unwrap().kept, [0, 2, 3, 4]);
    }

    /// Points at no distance from each other that are not equally far from a third are two points.
    #[test]
    fn no_distance_alone_makes_no_equals() {
        let distances = DistanceMatrix::from_fn(6, |i, j| match (i, j) {
            (1, 2) => 0.0,
            _ => (i + j) as f64,
        });
        assert!(Distinct::of_matrix(&distances.unwrap(), 0, Limits::NONE).is_none());
    }
}

//! One look at all distances of a matrix: the range of the products, the diameter, and whether few bits hold it all.

use rayon::prelude::*;

use crate::distance::DistanceMatrix;
use crate::gromov::gromov_product;

/// What one pass over a distance matrix finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Survey {
    /// Least product of two different points.
    pub(crate) low: f64,
    /// Largest product of two different points.
    pub(crate) high: f64,
    /// Largest distance.
    pub(crate) diameter: f64,
    /// The first pair that has it.
    pub(crate) diameter_pair: (usize, usize),
}

/// Running results beside each other, so that the compiler can use vector registers.
const WIDTH: usize = 8;

impl Survey {
    /// A value that no triple exceeds: nothing is below the lowest product or, for a point with itself, below zero.
    pub(crate) fn excess_at_most(&self) -> f64 {
        (self.high - self.low.min(0.0)).max(0.0)
    }

    /// Looks at every pair of at least two points.
    pub(crate) fn of(distances: &DistanceMatrix, base: usize) -> Self {
        let from_base = distances.row(base);
        let row = |i: usize| {
            let ([low, high, diameter], d) =
                (row_range(from_base[i], &from_base[i + 1..], &distances.row(i)[i + 1..]), i);
            Self { low, high, diameter, diameter_pair: (d, d) }
        };
        let mut all = (0..distances.points() - 1).into_par_iter().with_min_len(16).map(row).reduce(
            || Self {
                low: f64::INFINITY,
                high: f64::NEG_INFINITY,
                diameter: -1.0,
                diameter_pair: (usize::MAX, 0),
            },
            |a, b| {
                let further = b.diameter > a.diameter
                    || (b.diameter == a.diameter && b.diameter_pair < a.diameter_pair);
                let far = if further { b } else { a };
                Self { low: a.low.min(b.low), high: a.high.max(b.high), ..far }
            },
        );
        let i = all.diameter_pair.0;
        let tail = &distances.row(i)[i + 1..];
        let place =
            tail.iter().position(|&d| d == all.diameter).expect("invariant: the maximum is in its row");
        all.diameter_pair.1 = i + 1 + place;
        if all.diameter == 0.0 {
            all.diameter_pair = (0, 0);
        }
        all
    }
}

/// Least and largest product and largest distance of one row.
fn row_range(base_i: f64, from_base: &[f64], distances: &[f64]) -> [f64; 3] {
    let (mut low, mut high, mut far) = ([f64::INFINITY; WIDTH], [f64::NEG_INFINITY; WIDTH], [-1.0; WIDTH]);
    let mut take = |l: usize, base_j: f64, d: f64| {
        let product = gromov_product(base_i, base_j, d);
        low[l] = if product < low[l] { product } else { low[l] };
        high[l] = if product > high[l] { product } else { high[l] };
        far[l] = if d > far[l] { d } else { far[l] };
    };
    let (bases, rows) = (from_base.chunks_exact(WIDTH), distances.chunks_exact(WIDTH));
    for (&b, &d) in bases.remainder().iter().zip(rows.remainder()) {
        take(0, b, d);
    }
    for (b, d) in bases.zip(rows) {
        for l in 0..WIDTH {
            take(l, b[l], d[l]);
        }
    }
    [
        low.into_iter().fold(f64::INFINITY, f64::min),
        high.into_iter().fold(f64::NEG_INFINITY, f64::max),
        far.into_iter().fold(-1.0, f64::max),
    ]
}

/// The largest power of two of which all distances are multiples, if at most `steps` of its halves span `range`.
///
/// Graph distances and the like then fit in small whole numbers without any loss. Other data fail at once.
pub(crate) fn common_unit(distances: &DistanceMatrix, range: f64, steps: f64) -> Option<f64> {
    let mut unit = range.log2().ceil().exp2();
    for &d in distances.values() {
        while d % unit != 0.0 {
            unit *= 0.5;
            if range > steps * 0.5 * unit {
                return None;
            }
        }
    }
    (range <= steps * 0.5 * unit).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_and_the_diameter_are_those_of_all_pairs() {
        let d = DistanceMatrix::from_fn(37, |i, j| 1.0 + ((i * 31 + j * 17) % 23) as f64 / 23.0).unwrap();
        let survey = Survey::of(&d, 3);
        let products: Vec<f64> = (0..37)
            .flat_map(|i| (0..37).filter(move |&j| j != i).map(move |j| (i, j)))
            .map(|(i, j)| gromov_product(d.get(3, i), d.get(3, j), d.get(i, j)))
            .collect();
        assert_eq!(survey.low, products.iter().copied().fold(f64::INFINITY, f64::min));
        assert_eq!(survey.high, products.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        assert_eq!((survey.diameter, survey.diameter_pair), d.diameter());
    }

    #[test]
    fn whole_numbers_have_a_unit_and_others_do_not() {
        let hops = DistanceMatrix::from_fn(5, |i, j| (j - i) as f64).unwrap();
        assert_eq!(common_unit(&hops, 4.0, 255.0), Some(1.0));
        let quarters = DistanceMatrix::from_fn(5, |i, j| 0.25 * (j - i) as f64).unwrap();
        assert_eq!(common_unit(&quarters, 1.0, 255.0), Some(0.25));
        assert_eq!(common_unit(&quarters, 1.0, 7.0), None);
        let roots = DistanceMatrix::from_fn(5, |i, j| ((j - i) as f64).sqrt()).unwrap();
        assert_eq!(common_unit(&roots, 2.0, 65_535.0), None);
    }
}

//! A bound on δ over all bases that costs one look at the distances, and holds without the triangle inequality.
//!
//! Twice the excess of (i, k, j) at w is at most (d(i, j) − d(i, k)) + (d(w, k) − d(w, j)), which is at most what the
//! distances of i span and what those of w span.

use rayon::prelude::*;

use crate::distance::DistanceMatrix;

/// The smallest double above zero.
pub(super) const LAST: f64 = f64::from_bits(1);

/// For each point, its largest distance from another point less its smallest, and the two largest from there on.
pub(crate) struct Spans {
    largest_from: Vec<[f64; 2]>,
}

impl Spans {
    pub(crate) fn of(distances: &DistanceMatrix) -> Self {
        let span = |i: usize| {
            let others = distances.row(i).iter().enumerate().filter(|&(j, _)| j != i).map(|(_, &d)| d);
            let (low, high) =
                others.fold((f64::INFINITY, 0.0), |(low, high), d| (f64::min(low, d), f64::max(high, d)));
            (high - low).max(0.0)
        };
        let all: Vec<f64> = (0..distances.points()).into_par_iter().map(span).collect();
        let mut largest_from = vec![[0.0; 2]; all.len() + 1];
        for (i, &span) in all.iter().enumerate().rev() {
            let [first, second] = largest_from[i + 1];
            largest_from[i] = [f64::max(first, span), f64::max(second, f64::min(first, span))];
        }
        Self { largest_from }
    }

    /// A value that no quadruple of the points from `first` on exceeds.
    pub(crate) fn ceiling_from(&self, first: usize) -> f64 {
        let [largest, second] = self.largest_from[first.min(self.largest_from.len() - 1)];
        // Where doubles have few bits left, four products are each off by half of the last.
        0.5 * (largest + second) * (1.0 + 1e-12) + 8.0 * LAST
    }
}

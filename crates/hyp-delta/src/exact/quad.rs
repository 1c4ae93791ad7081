//! Four points and the δ that they show, in the bits of the definition; good quadruples found by ascent.

use rayon::prelude::*;

use crate::distance::DistanceMatrix;
use crate::gromov::gromov_product;

/// The largest excess that four points show, and how: base w, then (i, k, j).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shown {
    pub(crate) value: f64,
    pub(crate) points: [usize; 4],
}

impl Shown {
    /// What four coinciding points show.
    pub(crate) const NOTHING: Self = Self { value: 0.0, points: [usize::MAX; 4] };

    /// The best of the twelve ways to take four points as a base, a middle and a pair.
    pub(crate) fn by(distances: &DistanceMatrix, mut points: [usize; 4]) -> Self {
        points.sort_unstable();
        let mut best = Self { value: f64::NEG_INFINITY, points };
        for base in 0..4 {
            for middle in (0..4).filter(|&middle| middle != base) {
                let mut ends = (0..4).filter(|&end| end != base && end != middle).map(|end| points[end]);
                let (Some(i), Some(j)) = (ends.next(), ends.next()) else { continue };
                let (w, k) = (points[base], points[middle]);
                let product = |x: usize, y: usize| {
                    gromov_product(distances.get(w, x), distances.get(w, y), distances.get(x, y))
                };
                let value = product(i, k).min(product(k, j)) - product(i, j);
                if value > best.value {
                    best = Self { value, points: [w, i, k, j] };
                }
            }
        }
        best
    }

    /// The larger value; of equals, the points that come first.
    pub(crate) fn better(self, other: Self) -> Self {
        let wins = other.value > self.value || (other.value == self.value && other.points < self.points);
        if wins { other } else { self }
    }
}

/// Rounds of an ascent over all four points.
const ROUNDS: usize = 10;

/// The best quadruple of ascents from many starts; the same whatever the threads do.
pub(crate) fn ascend(distances: &DistanceMatrix, starts: usize) -> Shown {
    (0..starts)
        .into_par_iter()
        .map(|start| ascend_from(distances, start))
        .reduce(|| Shown::NOTHING, Shown::better)
}

/// From two far pairs, moves one point at a time to where the excess is largest.
fn ascend_from(distances: &DistanceMatrix, start: usize) -> Shown {
    let points = distances.points();
    let furthest = |from: usize| {
        let row = distances.row(from);
        (0..points).fold(from, |best, p| if row[p] > row[best] { p } else { best })
    };
    // Multiplicative steps by odd numbers spread the starts over all points.
    let (first, second) = (start * 7919 % points, (start * 104_729 + points / 2) % points);
    // Pairs are (0, 1) and (2, 3).
    let x = if start.is_multiple_of(2) { furthest(first) } else { first };
    let mut quad = [x, furthest(x), second, furthest(second)];
    let mut best = Shown::by(distances, quad);
    for _ in 0..ROUNDS {
        let before = best.value;
        for moved in 0..4 {
            let partner = quad[moved ^ 1];
            let (v, w) = (quad[moved ^ 2], quad[moved ^ 3]);
            let place = furthest_beyond(distances, partner, v, w);
            let mut next = quad;
            next[moved] = place;
            let shown = Shown::by(distances, next);
            if shown.value > best.value {
                (best, quad) = (shown, next);
            }
        }
        if best.value <= before {
            break;
        }
    }
    best
}

/// The point z for which d(partner, z) exceeds max(d(v, z) + d(partner, w), d(w, z) + d(partner, v)) by most.
fn furthest_beyond(distances: &DistanceMatrix, partner: usize, v: usize, w: usize) -> usize {
    let (own, from_v, from_w) = (distances.row(partner), distances.row(v), distances.row(w));
    let (to_v, to_w) = (own[v], own[w]);
    let mut best = (f64::NEG_INFINITY, partner);
    for (z, ((&d, &dv), &dw)) in own.iter().zip(from_v).zip(from_w).enumerate() {
        let gain = d - f64::max(dv + to_w, dw + to_v);
        if gain > best.0 {
            best = (gain, z);
        }
    }
    best.1
}

/// The best quadruple that has w, i and j, with {i, j} one of the two pairs of the largest sum.
pub(crate) fn best_with(distances: &DistanceMatrix, w: usize, i: usize, j: usize) -> Shown {
    let (own, from_i, from_j) = (distances.row(w), distances.row(i), distances.row(j));
    let mut most = f64::NEG_INFINITY;
    let gain = |k: usize| own[k] - f64::max(from_i[k] + own[j], from_j[k] + own[i]);
    for k in 0..own.len() {
        most = f64::max(most, gain(k));
    }
    // Rounding may put equals a little apart: all that are as good up to 1e-12 of the distances.
    let slop = 1e-12 * (most.abs() + own[i] + own[j]);
    let near = (0..own.len()).filter(|&k| gain(k) >= most - slop);
    near.map(|k| Shown::by(distances, [w, i, k, j])).fold(Shown::NOTHING, Shown::better)
}

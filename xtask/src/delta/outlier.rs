//! A diameter that hangs on one point: δ_rel is then small because of that point, whatever the others are like.

use rayon::prelude::*;

/// The point without which the diameter would be much smaller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outlier {
    pub(super) point: usize,
    /// The diameter.
    pub(super) diameter: f64,
    /// About what it would be without the point: the largest distance of a few walks from far to furthest points.
    pub(super) without: f64,
}

/// A diameter hangs on a point without which it would be less than this share of itself.
const SHARE: f64 = 0.8;
/// Of fewer points, each end of the diameter may well matter that much.
const LEAST: usize = 8;
/// Walks to the furthest point and on to the furthest from there.
const WALKS: usize = 8;

impl Outlier {
    /// The outlier among some points, whose diameter is between the given pair.
    pub(super) fn of(
        distance: &(dyn Fn(usize, usize) -> f64 + Sync),
        among: &[usize],
        (one, other): (usize, usize),
    ) -> Option<Self> {
        let diameter = distance(one, other);
        if among.len() < LEAST || diameter == 0.0 {
            return None;
        }
        let without = |point: usize, end: usize| {
            // The point itself may have been drawn more than once.
            let rest: Vec<usize> = among.par_iter().copied().filter(|&p| distance(point, p) > 0.0).collect();
            let furthest = |from: usize| {
                let far = |&p: &usize| (distance(from, p), p);
                let further = |a: (f64, usize), b: (f64, usize)| {
                    if b.0 > a.0 || (b.0 == a.0 && b.1 < a.1) { b } else { a }
                };
                rest.par_iter().map(far).reduce(|| (0.0, usize::MAX), further)
            };
            let starts = (0..WALKS).map(|walk| rest[walk * rest.len() / WALKS]);
            let mut most: f64 = 0.0;
            for start in std::iter::once(end).chain(starts) {
                let (near, far) = furthest(start);
                most = most.max(near);
                if far != usize::MAX {
                    most = most.max(furthest(far).0);
                }
                if most >= SHARE * diameter {
                    return None;
                }
            }
            Some(Self { point, diameter, without: most })
        };
        let ends = [without(one, other), without(other, one)];
        ends.into_iter().flatten().min_by(|a, b| a.without.total_cmp(&b.without))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &[f64], pair: (usize, usize)) -> Option<Outlier> {
        let all: Vec<usize> = (0..line.len()).collect();
        Outlier::of(&|i, j| (line[i] - line[j]).abs(), &all, pair)
    }

    #[test]
    fn one_far_point_is_named() {
        let mut line: Vec<f64> = (0..20).map(f64::from).collect();
        assert_eq!(of(&line, (0, 19)), None);
        line[7] = -100.0;
        assert_eq!(of(&line, (7, 19)), Some(Outlier { point: 7, diameter: 119.0, without: 19.0 }));
        // Two of them are no single point, and neither is one that comes twice.
        line[8] = -99.0;
        assert_eq!(of(&line, (7, 19)), None);
        line[8] = -100.0;
        assert_eq!(of(&line, (7, 19)).map(|found| found.without), Some(19.0));
    }
}

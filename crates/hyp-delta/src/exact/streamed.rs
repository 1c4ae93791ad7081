//! An interval for the δ of more points than whose pairs fit in memory: a part of them exactly, and for all of them
//! bounds that look at every pair and keep none.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

use super::best::Found;
use super::delta_of_features_within;
use super::features::RowsAtBase;
use super::report::{Go, Interval, Method, Status, Work};
use super::seed::spread;
use super::source::Source;
use crate::error::DeltaError;
use crate::gromov::gromov_product;
use crate::maxmin::Isa;
use crate::metric::{Metric, Rows};

/// Rows that one task compares with all to their right.
const ROWS: usize = 16;
/// Rows that are compared at a time.
const COLUMNS: usize = 256;
/// Pairs that may gain most, whose gain is computed at the end.
const PROMISING: usize = 64;

/// An interval for [`crate::delta_of_features`] in memory for the pairs of `kept` points only.
///
/// δ of the base point and of points spread evenly over all is computed exactly and bounds δ of all from below. From
/// above it is bounded by how far each pair lies below what its two points have with any other:
///
/// $$ \delta_w \le \max_{i,j} \bigl( \min(r_i, r_j) - (i,j)_w \bigr), \qquad r_i = \max_{k \ne i} (i,k)_w $$
///
/// Every pair is looked at twice and none is kept.
///
/// **Shapes.** `features`: `[points, dim]`, row by row.
/// **Numerics.** In `f64` throughout; both ends are certain of the doubles that [`crate::delta_of_features`] returns.
/// Where `go` ends it before every pair was seen, the upper end is infinite, and the diameter is that of the pairs
/// that were.
///
/// # Errors
/// As [`crate::DistanceMatrix::from_features`].
///
/// # Panics
/// If there is no point `base`, or the processor does not have the instruction set.
///
/// # Examples
/// ```
/// use hyp_delta::{Metric, delta_of_features, exact::delta_of_features_streamed, exact::to_the_end, maxmin::Isa};
/// let points: Vec<f64> = (0..200).map(|v| f64::from(v * v % 97)).collect();
/// let (interval, _) =
///     delta_of_features_streamed(&points, 2, Metric::Euclidean, 0, 40, &to_the_end, Isa::detect())?;
/// let exact = delta_of_features(&points, 2, Metric::Euclidean, 0)?;
/// assert!(interval.at_least.delta <= exact.delta && exact.delta <= interval.at_most);
/// assert_eq!(interval.at_least.diameter, exact.diameter);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn delta_of_features_streamed<T>(
    features: &[T],
    dim: usize,
    metric: Metric,
    base: usize,
    kept: usize,
    go: Go<'_>,
    isa: Isa,
) -> Result<(Interval, Work), DeltaError>
where
    T: Copy + Into<f64> + Sync,
{
    let rows = Rows::new(features, dim, metric)?;
    let points = rows.points();
    assert!(base < points, "there is no base point {base} among {points} points");
    assert!(isa.is_available(), "the processor has no {isa:?}");
    let mut chosen = vec![base];
    chosen.extend(spread(points, kept.max(4)).into_iter().filter(|&p| p != base));
    let part: Vec<T> =
        chosen.iter().flat_map(|&p| features[p * dim..(p + 1) * dim].iter().copied()).collect();
    let (of_part, work) = delta_of_features_within(&part, dim, metric, 0, go, isa)?;
    let mut at_least = of_part.at_least;
    at_least.base = base;
    at_least.points = points;
    at_least.witness = at_least.witness.map(|triple| triple.map(|p| chosen[p]));
    at_least.diameter_pair = (chosen[at_least.diameter_pair.0], chosen[at_least.diameter_pair.1]);

    let source = RowsAtBase::new(&rows, base);
    let run = Run { rows: &rows, source: &source, isa, go, stopped: AtomicBool::new(false) };
    let Some((reach, diameter, pair)) = run.reach(at_least.delta) else {
        return Ok((Interval { at_least, at_most: f64::INFINITY }, streamed(&work, 0)));
    };
    (at_least.diameter, at_least.diameter_pair) = (diameter, pair);
    let Some((at_most, promising)) = run.gains(&reach, at_least.delta) else {
        return Ok((Interval { at_least, at_most: f64::INFINITY }, streamed(&work, 0)));
    };
    let start = Found { value: at_least.delta, triple: at_least.witness.unwrap_or([usize::MAX; 3]) };
    let best =
        promising.iter().map(|&(_, (i, j))| through_any(&source, points, i, j)).fold(start, Found::better);
    if best.value > at_least.delta {
        (at_least.delta, at_least.witness) = (best.value, Some(best.triple));
    }
    let work = streamed(&work, promising.len() as u64);
    Ok((Interval { at_most: at_most.max(at_least.delta), at_least }, work))
}

fn streamed(part: &Work, refined: u64) -> Work {
    Work { method: Method::Streamed, refined: part.refined + refined, ..*part }
}

/// The largest excess of a pair over all middles.
fn through_any(source: &impl Source, points: usize, i: usize, j: usize) -> Found {
    let middle = |k: usize| source.product(i, k).min(source.product(k, j));
    let others = (0..points).into_par_iter().filter(|&k| k != i && k != j);
    let nothing = || (f64::NEG_INFINITY, usize::MAX);
    let first = |a: (f64, usize), b: (f64, usize)| if b.0 > a.0 || (b.0 == a.0 && b.1 < a.1) { b } else { a };
    let (common, k) = others.map(|k| (middle(k), k)).reduce(nothing, first);
    Found::new(common - source.product(i, j), [i, k, j])
}

/// The largest product of each point, and the largest distance with its pair.
type Reach = (Vec<f64>, f64, (usize, usize));

/// Pairs with what they may gain at most.
type Promising = Vec<(f64, (usize, usize))>;

/// What the passes over all pairs share.
struct Run<'a> {
    rows: &'a Rows,
    source: &'a RowsAtBase<'a>,
    isa: Isa,
    go: Go<'a>,
    stopped: AtomicBool,
}

impl Run<'_> {
    /// Folds every pair (i, j), i < j, with its distance; nothing if there was no time for all.
    fn pairs<A: Send>(
        &self,
        at_least: f64,
        share: f64,
        empty: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, usize, usize, f64) + Sync,
        join: impl Fn(A, A) -> A + Sync + Send,
    ) -> Option<A> {
        let points = self.rows.points();
        let seen = AtomicU64::new(0);
        let all = (points as u64) * (points as u64 + 1) / 2;
        let groups = points.div_ceil(ROWS);
        let task = |mut folded: A, group: usize| {
            let done = share + 0.5 * seen.load(Ordering::Relaxed) as f64 / all as f64;
            let status = Status { at_least, at_most: f64::INFINITY, done };
            if self.stopped.load(Ordering::Relaxed) || !(self.go)(status) {
                self.stopped.store(true, Ordering::Relaxed);
                return folded;
            }
            let (first, last) = (group * ROWS, ((group + 1) * ROWS).min(points));
            let mut distances = [0.0; COLUMNS];
            for start in (first..points).step_by(COLUMNS) {
                let end = (start + COLUMNS).min(points);
                for i in first..last {
                    let from = start.max(i + 1);
                    if from < end {
                        self.rows.distances(self.isa, i, from, &mut distances[..end - from]);
                        for (j, &d) in (from..end).zip(&distances) {
                            take(&mut folded, i, j, d);
                        }
                    }
                }
            }
            seen.fetch_add((first..last).map(|i| (points - i) as u64).sum(), Ordering::Relaxed);
            folded
        };
        // Long rows first: the last tasks are short, so that no thread waits long for another.
        let folded = (0..groups).into_par_iter().with_min_len(groups.div_ceil(64)).fold(&empty, task);
        let all = folded.reduce(&empty, join);
        (!self.stopped.load(Ordering::Relaxed)).then_some(all)
    }

    fn reach(&self, at_least: f64) -> Option<Reach> {
        let points = self.rows.points();
        let base = &self.source.base_distances;
        let further = |a: (f64, (usize, usize)), b: (f64, (usize, usize))| {
            if b.0 > a.0 || (b.0 == a.0 && b.1 < a.1) { b } else { a }
        };
        self.pairs(
            at_least,
            0.0,
            || (vec![f64::NEG_INFINITY; points], 0.0, (0, 0)),
            |(reach, diameter, pair), i, j, d| {
                let product = gromov_product(base[i], base[j], d);
                reach[i] = reach[i].max(product);
                reach[j] = reach[j].max(product);
                if d > *diameter || (d == *diameter && d > 0.0 && (i, j) < *pair) {
                    (*diameter, *pair) = (d, (i, j));
                }
            },
            |(mut reach, diameter, pair), (others, other, other_pair)| {
                for (most, more) in reach.iter_mut().zip(others) {
                    *most = most.max(more);
                }
                let (diameter, pair) = further((diameter, pair), (other, other_pair));
                (reach, diameter, pair)
            },
        )
    }

    /// What no pair exceeds, and the pairs that may come nearest to it.
    fn gains(&self, reach: &[f64], at_least: f64) -> Option<(f64, Promising)> {
        let base = &self.source.base_distances;
        // A point with itself: more than nothing only where the triangle inequality fails.
        let itself = base.iter().zip(reach).map(|(d, r)| r - d).fold(0.0, f64::max);
        let sorted = |pairs: &mut Promising| {
            pairs.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            pairs.truncate(PROMISING);
        };
        let (_, mut pairs) = self.pairs(
            at_least,
            0.5,
            || (f64::NEG_INFINITY, Promising::new()),
            |(least, pairs), i, j, d| {
                let gain = reach[i].min(reach[j]) - gromov_product(base[i], base[j], d);
                if gain > *least {
                    pairs.push((gain, (i, j)));
                    if pairs.len() == 4 * PROMISING {
                        sorted(pairs);
                        *least = pairs[PROMISING - 1].0;
                    }
                }
            },
            |(_, mut a), (_, b)| {
                a.extend(b);
                sorted(&mut a);
                (f64::NEG_INFINITY, a)
            },
        )?;
        sorted(&mut pairs);
        let most = pairs.first().map_or(0.0, |pair| pair.0).max(itself);
        Some((most, pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::super::to_the_end;
    use super::*;
    use crate::estimate::delta_of_features;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_interval_holds_the_value_whatever_is_kept_and_whenever_it_stops() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        for (points, dim) in [(5, 1), (40, 2), (333, 3), (600, 16)] {
            let rows: Vec<f64> = (0..points * dim).map(|_| random.random::<f64>() + 0.1).collect();
            for metric in [Metric::Euclidean, Metric::Cosine, Metric::Angular] {
                let base = points / 3;
                let exact = delta_of_features(&rows, dim, metric, base).unwrap();
                for kept in [0, 20, points] {
                    let of = |go: Go<'_>| {
                        delta_of_features_streamed(&rows, dim, metric, base, kept, go, Isa::detect()).unwrap()
                    };
                    let (interval, work) = of(&to_the_end);
                    let found = &interval.at_least;
                    assert!(found.delta <= exact.delta && exact.delta <= interval.at_most, "{metric:?}");
                    assert_eq!((found.diameter, found.diameter_pair), (exact.diameter, exact.diameter_pair));
                    assert_eq!((found.base, found.points, work.method), (base, points, Method::Streamed));
                    if kept == points {
                        assert_eq!(found.delta, exact.delta);
                    }
                    if let Some(triple) = found.witness {
                        let space = crate::DistanceMatrix::from_features(&rows, dim, metric).unwrap();
                        let source = super::super::source::MatrixAtBase { distances: &space, base };
                        assert_eq!(source.excess(triple), found.delta);
                    }
                    let (interval, _) = of(&|_| false);
                    assert!(interval.at_least.delta <= exact.delta && interval.at_most == f64::INFINITY);
                }
            }
        }
    }
}

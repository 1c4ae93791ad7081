//! Bounds on δ that look at every pair twice and keep none, for what does not fit in memory or cannot be told apart.
//!
//! How far each pair lies below what its two points have with any other bounds δ from above:
//!
//! $$ \delta_w \le \max_{i,j} \bigl( \min(r_i, r_j) - (i,j)_w \bigr), \qquad r_i = \max_{k \ne i} (i,k)_w $$

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

use super::Diameter;
use super::best::Found;
use super::report::{Go, Status};
use super::source::Source;
use crate::gromov::gromov_product;
use crate::maxmin::Isa;

/// Rows that one task compares with all to their right.
const ROWS: usize = 16;
/// Rows that are compared at a time.
const COLUMNS: usize = 256;
/// Pairs that may gain most, whose gain is computed at the end.
const PROMISING: usize = 64;

/// What two looks at every pair found.
pub(crate) struct Outline {
    /// The best triple, or the start where none is better.
    pub(crate) found: Found,
    /// A value that no triple exceeds.
    pub(crate) at_most: f64,
    /// The diameter, if there was time for every pair.
    pub(crate) diameter: Option<Diameter>,
    /// Pairs whose gain was computed.
    pub(crate) refined: u64,
}

/// The outline of a space of which `start` and `at_most` are known; in `f64` throughout, so that both ends are certain
/// of the doubles of the definition.
pub(crate) fn outline<S: Source>(
    source: &S,
    points: usize,
    start: Found,
    at_most: f64,
    go: Go<'_>,
    isa: Isa,
) -> Outline {
    let mut outline = Outline { found: start, at_most, diameter: None, refined: 0 };
    let base = (0..points).map(|i| source.base_distance(i)).collect();
    let stopped = AtomicBool::new(false);
    let run = Run { source, base, known: (start.value, at_most), isa, go, stopped };
    let Some((reach, diameter, pair)) = run.reach() else { return outline };
    outline.diameter = Some((diameter, pair));
    let Some((most, promising)) = run.gains(&reach) else { return outline };
    let through = |&(_, (i, j)): &(f64, (usize, usize))| through_any(source, points, i, j);
    outline.found = promising.iter().map(through).fold(start, Found::better);
    outline.at_most = at_most.min(most).max(outline.found.value);
    outline.refined = promising.len() as u64;
    outline
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
struct Run<'a, S> {
    source: &'a S,
    /// The distances from the base point.
    base: Vec<f64>,
    /// What δ is at least and at most.
    known: (f64, f64),
    isa: Isa,
    go: Go<'a>,
    stopped: AtomicBool,
}

impl<S: Source> Run<'_, S> {
    /// Folds every pair (i, j), i < j, with its distance; nothing if there was no time for all.
    fn pairs<A: Send>(
        &self,
        share: f64,
        empty: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, usize, usize, f64) + Sync,
        join: impl Fn(A, A) -> A + Sync + Send,
    ) -> Option<A> {
        let points = self.base.len();
        let seen = AtomicU64::new(0);
        let all = (points as u64) * (points as u64 + 1) / 2;
        let groups = points.div_ceil(ROWS);
        let task = |mut folded: A, group: usize| {
            let done = share + 0.5 * seen.load(Ordering::Relaxed) as f64 / all as f64;
            let status = Status { at_least: self.known.0, at_most: self.known.1, done };
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
                        self.source.distances(self.isa, i, from, &mut distances[..end - from]);
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

    fn reach(&self) -> Option<Reach> {
        let (base, points) = (&self.base, self.base.len());
        let further = |a: (f64, (usize, usize)), b: (f64, (usize, usize))| {
            if b.0 > a.0 || (b.0 == a.0 && b.1 < a.1) { b } else { a }
        };
        self.pairs(
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
    fn gains(&self, reach: &[f64]) -> Option<(f64, Promising)> {
        let base = &self.base;
        // A point with itself: more than nothing only where the triangle inequality fails.
        let itself = base.iter().zip(reach).map(|(d, r)| r - d).fold(0.0, f64::max);
        let sorted = |pairs: &mut Promising| {
            pairs.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            pairs.truncate(PROMISING);
        };
        // Of equals the first, so that the same pairs are left whatever the threads do.
        let none = (f64::NEG_INFINITY, (usize::MAX, usize::MAX));
        let (_, mut pairs) = self.pairs(
            0.5,
            || (none, Promising::new()),
            |(last, pairs), i, j, d| {
                let gain = reach[i].min(reach[j]) - gromov_product(base[i], base[j], d);
                if gain > last.0 || (gain == last.0 && (i, j) < last.1) {
                    pairs.push((gain, (i, j)));
                    if pairs.len() == 4 * PROMISING {
                        sorted(pairs);
                        *last = pairs[PROMISING - 1];
                    }
                }
            },
            |(_, mut a), (_, b)| {
                a.extend(b);
                sorted(&mut a);
                (none, a)
            },
        )?;
        sorted(&mut pairs);
        let most = pairs.first().map_or(0.0, |pair| pair.0).max(itself);
        Some((most, pairs))
    }
}

//! Every pair through the max–min kernels; the few that may beat the best so far are evaluated exactly.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::best::{Best, Found};
use super::levels::{Levels, Scale};
use super::report::{Go, Status};
use super::source::Source;
use crate::maxmin::{Isa, Level, block_pairs, for_each_block};

/// Looks at one pair in so many are worth it before all pairs go through the kernels.
const WORTH_SINGLY: usize = 6;
/// Rows of which one is counted, to foretell how many pairs the first bound leaves.
const COUNTED: usize = 16;

/// How far each row reaches, and by how much that exceeds what it has with any other row: a first bound on all pairs.
pub(crate) struct Reach<T> {
    /// The largest level of each row.
    pub(crate) reach: Vec<T>,
    /// For each row i, by how many levels any min(reach i, reach j) exceeds level ij.
    pub(crate) gains: Vec<T>,
}

impl<T: Level> Reach<T> {
    pub(crate) fn of(levels: &Levels<T>, isa: Isa) -> Self {
        let rows = (0..levels.order.len()).into_par_iter().with_min_len(64);
        Self::from_largest(levels, rows.map(|i| T::largest(isa, levels.matrix.row(i))).collect(), isa)
    }

    /// The same where the largest levels are known.
    pub(crate) fn from_largest(levels: &Levels<T>, reach: Vec<T>, isa: Isa) -> Self {
        let gain = |i: usize| {
            let row = levels.matrix.row(i);
            let before = T::most_gained(isa, reach[i], &reach[..i], &row[..i]);
            before.max(T::most_gained(isa, reach[i], &reach[i + 1..], &row[i + 1..]))
        };
        let gains = (0..reach.len()).into_par_iter().with_min_len(64).map(gain).collect();
        Self { reach, gains }
    }

    /// A value that no triple of three different points exceeds.
    pub(crate) fn ceiling(&self, scale: &Scale) -> f64 {
        let most = self.gains.iter().copied().fold(T::nearest(0.0), Ord::max);
        scale.most(most.number())
    }

    /// The columns right of row i that may gain `least` levels or more with it.
    fn columns(&self, levels: &Levels<T>, i: usize, least: i64, isa: Isa, out: &mut Vec<usize>) {
        out.clear();
        let (Some(least), first) = (T::at_least(least), i + 1) else { return };
        if self.gains[i] >= least {
            let row = &levels.matrix.row(i)[first..];
            T::list_gained(isa, self.reach[i], &self.reach[first..], row, least, first, out);
        }
    }

    /// Whether so few pairs pass the bound that each is worth a look of its own.
    fn leaves_few(&self, levels: &Levels<T>, least: i64, isa: Isa) -> bool {
        let points = self.reach.len();
        let mut listed = Vec::new();
        let count = |i: usize| {
            self.columns(levels, i, least, isa, &mut listed);
            listed.len()
        };
        let counted: usize = (0..points).step_by(COUNTED).map(count).sum();
        counted * COUNTED * WORTH_SINGLY < points * points / 2
    }
}

/// Calls `evaluate` with the rows of every pair that may matter; false from it, or from `go` between parts, ends the
/// search. Returns whether the search ran to its end. No triple exceeds `ceiling`.
///
/// With a first bound that leaves few pairs, only those are looked at.
///
/// The threshold of levels must be above zero, or every pair would be a survivor.
pub(crate) fn search<T: Level>(
    levels: &Levels<T>,
    reach: Option<&Reach<T>>,
    best: &Best,
    ceiling: f64,
    isa: Isa,
    go: Go<'_>,
    evaluate: impl Fn(usize, usize) -> bool + Sync,
) -> bool {
    let asked = |done: f64| {
        let at_least = best.value();
        go(Status { at_least, at_most: ceiling.max(at_least), done })
    };
    match reach {
        Some(reach) if reach.leaves_few(levels, levels.scale.threshold(best.target()), isa) => {
            search_pairs(levels, reach, best, isa, &asked, evaluate)
        }
        _ => search_all(levels, best, isa, &asked, evaluate),
    }
}

/// The pairs that the first bound leaves, row by row.
fn search_pairs<T: Level>(
    levels: &Levels<T>,
    reach: &Reach<T>,
    best: &Best,
    isa: Isa,
    go: &(dyn Fn(f64) -> bool + Sync),
    evaluate: impl Fn(usize, usize) -> bool + Sync,
) -> bool {
    let points = levels.order.len();
    let (stopped, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    (0..points).into_par_iter().with_max_len(16).for_each_init(Vec::new, |columns, i| {
        if stopped.load(Ordering::Relaxed) {
            return;
        }
        let row = levels.matrix.row(i);
        reach.columns(levels, i, levels.scale.threshold(best.target()), isa, columns);
        for &j in &*columns {
            let gain = T::most_common(isa, row, levels.matrix.row(j)).number() - row[j].number();
            if gain >= levels.scale.threshold(best.target()) && !evaluate(i, j) {
                stopped.store(true, Ordering::Relaxed);
                return;
            }
        }
        let done = seen.fetch_add(1, Ordering::Relaxed) + 1;
        if !go(done as f64 / points as f64) && done < points {
            stopped.store(true, Ordering::Relaxed);
        }
    });
    !stopped.into_inner()
}

/// All pairs, through the kernels.
fn search_all<T: Level>(
    levels: &Levels<T>,
    best: &Best,
    isa: Isa,
    go: &(dyn Fn(f64) -> bool + Sync),
    evaluate: impl Fn(usize, usize) -> bool + Sync,
) -> bool {
    let stopped = AtomicBool::new(false);
    let (blocks, seen) = (block_pairs(levels.order.len()), AtomicUsize::new(0));
    for_each_block(
        &levels.matrix,
        isa,
        || !stopped.load(Ordering::Relaxed),
        |products| {
            let done = seen.fetch_add(1, Ordering::Relaxed) as f64 / blocks as f64;
            if !go(done) {
                stopped.store(true, Ordering::Relaxed);
            }
            for i in products.rows.0..products.rows.1 {
                let first = products.columns.0.max(i + 1);
                if first >= products.columns.1 || stopped.load(Ordering::Relaxed) {
                    continue;
                }
                let row = &levels.matrix.row(i)[first..products.columns.1];
                let found = &products.row(i)[first - products.columns.0..];
                let threshold = levels.scale.threshold(best.target());
                if T::most_gained(isa, T::nearest(f64::from(T::TOP)), found, row).number() < threshold {
                    continue;
                }
                for (offset, (&product, &entry)) in found.iter().zip(row).enumerate() {
                    let gain = product.number() - entry.number();
                    if gain >= levels.scale.threshold(best.target()) && !evaluate(i, first + offset) {
                        stopped.store(true, Ordering::Relaxed);
                        break;
                    }
                }
            }
        },
    );
    !stopped.into_inner()
}

/// Offers a pair to `best` if levels, finer than those it was found by, still let it matter; returns whether they do.
pub(crate) fn recheck<F: Level>(
    finer: &Levels<F>,
    source: &impl Source,
    best: &Best,
    i: usize,
    j: usize,
    isa: Isa,
) -> bool {
    let (x, y) = (finer.matrix.row(i), finer.matrix.row(j));
    let common = F::most_common(isa, x, y);
    let matters = common.number() - x[j].number() >= finer.scale.threshold(best.target());
    if matters {
        best.offer(finer.refine(source, (i, j), common, isa));
    }
    matters
}

/// Offers the triples (i, k, i), which are above zero only where the triangle inequality fails or rounds.
pub(crate) fn search_diagonal<T: Level>(levels: &Levels<T>, source: &impl Source, best: &Best, isa: Isa) {
    let points = levels.order.len();
    (0..points).into_par_iter().with_min_len(64).for_each(|row| {
        let i = levels.order[row];
        let own = source.base_distance(i);
        if levels.scale.ceiling(T::largest(isa, levels.matrix.row(row)).number()) - own < best.target() {
            return;
        }
        for k in (0..points).filter(|&k| k != i) {
            best.offer(Found::new(source.product(i, k) - own, [i, k, i]));
        }
    });
}

//! Every pair through the max–min kernels; the few that may beat the best so far are evaluated exactly.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::best::{Best, Found};
use super::levels::Levels;
use super::report::{Go, Status};
use super::source::Source;
use crate::maxmin::{Isa, Level, block_pairs, for_each_block};

/// Calls `evaluate` with the rows of every pair that may matter; false from it, or from `go` between blocks, ends the
/// search. Returns whether the search ran to its end. No triple exceeds `ceiling`.
///
/// The threshold of levels must be above zero, or every pair would be a survivor.
pub(crate) fn search<T: Level>(
    levels: &Levels<T>,
    best: &Best,
    ceiling: f64,
    isa: Isa,
    go: Go<'_>,
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
            if !go(Status { at_least: best.value(), at_most: ceiling, done }) {
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

//! Every pair through the max–min kernels; the few that may beat the best so far are evaluated exactly.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::best::{Best, Found};
use super::levels::Levels;
use super::source::Source;
use crate::maxmin::{Isa, Level, for_each_block};

/// Offers every triple that can matter to `best`, and returns how many pairs were evaluated exactly.
///
/// The levels are multiplied; `finer` levels of the same rows, which may be the same, then find the middles.
/// The threshold of levels must be above zero, or every pair would be a survivor.
pub(crate) fn search<T: Level, F: Level>(
    levels: &Levels<T>,
    finer: &Levels<F>,
    source: &impl Source,
    best: &Best,
    isa: Isa,
) -> u64 {
    let refined = AtomicU64::new(0);
    for_each_block(&levels.matrix, isa, |products| {
        let mut count = 0;
        for i in products.rows.0..products.rows.1 {
            let first = products.columns.0.max(i + 1);
            if first >= products.columns.1 {
                continue;
            }
            let row = &levels.matrix.row(i)[first..products.columns.1];
            let found = &products.row(i)[first - products.columns.0..];
            let threshold = levels.scale.threshold(best.target());
            if T::most_gained(isa, T::nearest(f64::from(T::TOP)), found, row).number() < threshold {
                continue;
            }
            for (offset, (&product, &entry)) in found.iter().zip(row).enumerate() {
                if product.number() - entry.number() >= levels.scale.threshold(best.target()) {
                    let j = first + offset;
                    let common = F::most_common(isa, finer.matrix.row(i), finer.matrix.row(j));
                    best.offer(finer.refine(source, (i, j), common, isa));
                    count += 1;
                }
            }
        }
        refined.fetch_add(count, Ordering::Relaxed);
    });
    refined.into_inner()
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

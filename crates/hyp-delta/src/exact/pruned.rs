//! A search that leaves out most pairs, and for the others most middles, by bounds on blocks of near points.
//!
//! With T the least difference of levels that can still matter, a pair (i, j) matters only if some k has
//! min(level ik, level kj) ≥ level ij + T. So neither row i nor row j may lie below that everywhere; nor may every
//! block K of middles, as bounded by the largest levels of row i in K and of K in the block of j. What is left is
//! computed as it stands.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

use super::best::Best;
use super::dense::Go;
use super::levels::Levels;
use super::order::BLOCK;
use super::scan::{Middles, block_maxima, block_minima, common_in_block};
use super::source::Source;
use crate::maxmin::{Isa, Scans};

/// The largest levels of rows and of blocks of rows in each block of columns.
pub(crate) struct Bounds {
    blocks: usize,
    /// `[points, blocks]`
    of_rows: Vec<u16>,
    /// The same, transposed: `[blocks, points]`.
    of_columns: Vec<u16>,
    /// `[blocks, blocks]`, symmetric.
    of_blocks: Vec<u16>,
    /// The largest level of each row.
    reach: Vec<u16>,
}

/// How much a pruned search did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Effort {
    /// Pairs evaluated in `f64`.
    pub(crate) refined: u64,
    /// Middles combined with a block of 64 columns each.
    pub(crate) steps: u64,
    /// Whether the search ran to its end.
    pub(crate) complete: bool,
    /// Whether it stopped because there was no time left.
    pub(crate) out_of_time: bool,
}

impl Bounds {
    pub(crate) fn of(levels: &Levels<u16>, isa: Isa) -> Self {
        let points = levels.order.len();
        let blocks = levels.matrix.stride().div_ceil(BLOCK);
        let mut of_rows = vec![0; points * blocks];
        of_rows.par_chunks_mut(blocks).enumerate().with_min_len(16).for_each(|(i, out)| {
            block_maxima(isa, levels.matrix.padded_row(i), out);
        });
        let mut of_blocks = vec![0_u16; blocks * blocks];
        of_blocks.par_chunks_mut(blocks).zip(of_rows.par_chunks(BLOCK * blocks)).for_each(|(out, rows)| {
            for row in rows.chunks_exact(blocks) {
                for (most, &level) in out.iter_mut().zip(row) {
                    *most = (*most).max(level);
                }
            }
        });
        let reach = of_rows.par_chunks(blocks).map(|row| u16::largest(isa, row)).collect();
        let mut of_columns = vec![0; blocks * points];
        of_columns.par_chunks_mut(points).enumerate().for_each(|(block, out)| {
            for (to, row) in out.iter_mut().zip(of_rows.chunks_exact(blocks)) {
                *to = row[block];
            }
        });
        Self { blocks, of_rows, of_columns, of_blocks, reach }
    }

    fn row(&self, i: usize) -> &[u16] {
        &self.of_rows[i * self.blocks..(i + 1) * self.blocks]
    }

    fn column(&self, block: usize) -> &[u16] {
        let points = self.reach.len();
        &self.of_columns[block * points..(block + 1) * points]
    }

    fn block(&self, block: usize) -> &[u16] {
        &self.of_blocks[block * self.blocks..(block + 1) * self.blocks]
    }

    /// A value that no triple exceeds: by how much any row's highest level exceeds its lowest.
    pub(crate) fn ceiling(&self, levels: &Levels<u16>, isa: Isa) -> f64 {
        let open = vec![u16::MAX; levels.matrix.stride()];
        let gain = |(limits, least): &mut (Vec<u16>, Vec<u16>), i: usize| {
            let row = levels.matrix.padded_row(i);
            // Neither the row itself nor the padding is a column to compare with.
            limits[i] = 0;
            limits[self.reach.len()..].fill(0);
            block_minima(isa, row, limits, least);
            limits[i] = u16::MAX;
            let lowest = least.iter().copied().fold(u16::MAX, Ord::min);
            self.reach[i].saturating_sub(lowest)
        };
        let rows = (0..self.reach.len()).into_par_iter().with_min_len(64);
        let most = rows.map_init(|| (open.clone(), vec![0; self.blocks]), gain).max().unwrap_or(0);
        levels.scale.most(i64::from(most))
    }

    /// The rows with the largest difference between what they reach and their least level, most promising first.
    ///
    /// For the start of a search only: the row's own block and the last are not looked at.
    pub(crate) fn promising(&self, levels: &Levels<u16>, count: usize, isa: Isa) -> Vec<usize> {
        let open = vec![u16::MAX; levels.matrix.stride()];
        let mut gains: Vec<(u16, usize)> = (0..self.reach.len())
            .into_par_iter()
            .with_min_len(64)
            .map_init(
                || vec![0; self.blocks],
                |least, i| {
                    block_minima(isa, levels.matrix.padded_row(i), &open, least);
                    let others =
                        least[..self.blocks - 1].iter().enumerate().filter(|&(block, _)| block != i / BLOCK);
                    let lowest = others.map(|(_, &level)| level).fold(u16::MAX, Ord::min);
                    (self.reach[i].saturating_sub(lowest), i)
                },
            )
            .collect();
        gains.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        gains.into_iter().take(count).map(|(_, i)| i).collect()
    }
}

/// Offers every triple that can matter to `best`; gives up when it has taken more than `most_steps`, or when `go` says
/// so.
pub(crate) fn search(
    levels: &Levels<u16>,
    bounds: &Bounds,
    source: &impl Source,
    best: &Best,
    most_steps: u64,
    go: Go<'_>,
    isa: Isa,
) -> Effort {
    let points = levels.order.len();
    let (refined, steps) = (AtomicU64::new(0), AtomicU64::new(0));
    let (stopped, out_of_time) = (AtomicBool::new(false), AtomicBool::new(false));
    // Groups in an order that mixes all regions, so that the steps so far foretell those to come.
    let mut order: Vec<usize> = (0..points.div_ceil(GROUP)).collect();
    order.sort_by_key(|&group| (group.reverse_bits(), group));
    order.into_par_iter().with_max_len(1).for_each_init(
        || Scratch::new(levels, bounds),
        |scratch, group| {
            if stopped.load(Ordering::Relaxed) || out_of_time.load(Ordering::Relaxed) {
                return;
            }
            if !go() {
                out_of_time.store(true, Ordering::Relaxed);
                return;
            }
            let rows = (group * GROUP, ((group + 1) * GROUP).min(points));
            let effort = search_rows(levels, bounds, source, best, rows, scratch, isa);
            refined.fetch_add(effort.refined, Ordering::Relaxed);
            if steps.fetch_add(effort.steps, Ordering::Relaxed) + effort.steps > most_steps {
                stopped.store(true, Ordering::Relaxed);
            }
        },
    );
    let out_of_time = out_of_time.into_inner();
    Effort {
        refined: refined.into_inner(),
        steps: steps.into_inner(),
        complete: !stopped.into_inner() && !out_of_time,
        out_of_time,
    }
}

/// Rows that pass over the columns together, so that a block of columns stays in cache for all of them; a divisor of
/// the block.
const GROUP: usize = 16;

/// What a thread keeps between groups.
struct Scratch {
    /// Below which level of row i each column matters.
    limits: Vec<u16>,
    /// Least level that matters in each block, for each row of the group.
    least: Vec<u16>,
    /// What can lie between, for each row of the group.
    middles: Vec<Middles>,
}

impl Scratch {
    fn new(levels: &Levels<u16>, bounds: &Bounds) -> Self {
        Self {
            limits: vec![0; levels.matrix.stride()],
            least: vec![0; GROUP * bounds.blocks],
            middles: vec![Middles::default(); GROUP],
        }
    }
}

/// The rows of one group with all columns to their right.
fn search_rows(
    levels: &Levels<u16>,
    bounds: &Bounds,
    source: &impl Source,
    best: &Best,
    (first, last): (usize, usize),
    scratch: &mut Scratch,
    isa: Isa,
) -> Effort {
    let mut effort = Effort::default();
    let (points, blocks) = (levels.order.len(), bounds.blocks);
    let block = first / BLOCK;
    let threshold = threshold_of(levels, best);
    let Scratch { limits, least, middles } = scratch;
    for (limit, &reach) in limits.iter_mut().zip(&bounds.reach) {
        // Of levels with level ij + T ≤ reach of j.
        *limit = reach.saturating_sub(threshold - 1);
    }
    for i in first..last {
        let row = levels.matrix.padded_row(i);
        let least = &mut least[(i - first) * blocks..][..blocks];
        // The row itself stands at the lowest level, and is no column to compare with.
        let own = std::mem::replace(&mut limits[i], 0);
        block_minima(isa, &row[block * BLOCK..], &limits[block * BLOCK..], &mut least[block..]);
        limits[i] = own;
        let lowest = least[block..].iter().copied().fold(u16::MAX, Ord::min);
        let needed = lowest.saturating_add(threshold);
        middles[i - first].fill(levels.matrix.row(i), needed, bounds.reach[i]);
    }
    for column in block..blocks {
        let start = column * BLOCK;
        for i in first..last {
            let lowest = least[(i - first) * blocks + column];
            let needed = lowest.saturating_add(threshold_of(levels, best));
            if needed > bounds.reach[i] || u16::most_common(isa, bounds.row(i), bounds.block(column)) < needed
            {
                continue;
            }
            let listed = middles[i - first].reaching(needed);
            let mut most = [0; BLOCK];
            effort.steps +=
                common_in_block(isa, &levels.matrix, listed, bounds.column(column), start, needed, &mut most);
            let row = &levels.matrix.padded_row(i)[start..];
            for (offset, (&common, &level)) in most.iter().zip(row).enumerate() {
                let j = start + offset;
                if j > i && j < points && common.saturating_sub(level) >= threshold_of(levels, best) {
                    best.offer(levels.refine(source, (i, j), common, isa));
                    effort.refined += 1;
                }
            }
        }
    }
    effort
}

/// The least difference of levels that matters now. The caller starts only if it is positive, and it never falls.
fn threshold_of(levels: &Levels<u16>, best: &Best) -> u16 {
    levels.scale.threshold(best.target()).clamp(1, i64::from(u16::MAX)) as u16
}

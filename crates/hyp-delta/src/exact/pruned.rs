//! A search that leaves out most pairs, and for the others most middles, by bounds on blocks of near points.
//!
//! With T the least difference of levels that can still matter, a pair (i, j) matters only if some k has
//! min(level ik, level kj) ≥ level ij + T. So neither row i nor row j may lie below that everywhere; nor may every
//! block K of middles, as bounded by the largest levels of row i in K and of K in the block of j. What is left is
//! computed as it stands.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

use super::best::Best;
use super::levels::Levels;
use super::order::BLOCK;
use super::scan::{block_maxima, block_minima, common_in_block};
use super::source::Source;
use crate::maxmin::{Isa, Scans};

/// The largest levels of rows and of blocks of rows in each block of columns.
pub(crate) struct Bounds {
    blocks: usize,
    /// `[points, blocks]`
    of_rows: Vec<u16>,
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
        Self { blocks, of_rows, of_blocks, reach }
    }

    fn row(&self, i: usize) -> &[u16] {
        &self.of_rows[i * self.blocks..(i + 1) * self.blocks]
    }

    fn block(&self, block: usize) -> &[u16] {
        &self.of_blocks[block * self.blocks..(block + 1) * self.blocks]
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

/// Offers every triple that can matter to `best`; gives up when it has taken more than `most_steps`.
pub(crate) fn search(
    levels: &Levels<u16>,
    bounds: &Bounds,
    source: &impl Source,
    best: &Best,
    most_steps: u64,
    isa: Isa,
) -> Effort {
    let (refined, steps) = (AtomicU64::new(0), AtomicU64::new(0));
    let stopped = AtomicBool::new(false);
    // Blocks in an order that mixes all regions, so that the steps so far foretell those to come.
    let mut order: Vec<usize> = (0..bounds.blocks).collect();
    order.sort_by_key(|&block| (block.reverse_bits(), block));
    order.into_par_iter().with_max_len(1).for_each_init(
        || Scratch {
            limits: vec![0; levels.matrix.stride()],
            least: vec![0; bounds.blocks],
            middles: Vec::new(),
        },
        |scratch, block| {
            if stopped.load(Ordering::Relaxed) {
                return;
            }
            let effort = block_row(levels, bounds, source, best, block, scratch, isa);
            refined.fetch_add(effort.refined, Ordering::Relaxed);
            if steps.fetch_add(effort.steps, Ordering::Relaxed) + effort.steps > most_steps {
                stopped.store(true, Ordering::Relaxed);
            }
        },
    );
    Effort { refined: refined.into_inner(), steps: steps.into_inner(), complete: !stopped.into_inner() }
}

/// What a thread keeps between blocks.
struct Scratch {
    /// Below which level of row i each column matters.
    limits: Vec<u16>,
    /// Least level of a row that matters in each block.
    least: Vec<u16>,
    /// Blocks of middles that are left.
    middles: Vec<u32>,
}

/// The rows of one block with all columns to their right.
fn block_row(
    levels: &Levels<u16>,
    bounds: &Bounds,
    source: &impl Source,
    best: &Best,
    block: usize,
    scratch: &mut Scratch,
    isa: Isa,
) -> Effort {
    let points = levels.order.len();
    let (first, last) = (block * BLOCK, ((block + 1) * BLOCK).min(points));
    let mut effort = Effort::default();
    if first >= points {
        return effort;
    }
    let Scratch { limits, least, middles } = scratch;
    let mut threshold = 0;
    for i in first..last {
        let now = threshold_of(levels, best);
        if now != threshold {
            threshold = now;
            for (limit, &reach) in limits.iter_mut().zip(&bounds.reach) {
                // level ij + T ≤ reach of j.
                *limit = reach.saturating_sub(threshold - 1);
            }
        }
        let row = levels.matrix.padded_row(i);
        let reach = bounds.reach[i];
        if reach < threshold {
            continue;
        }
        block_minima(isa, &row[first..], &limits[first..], &mut least[block..]);
        for column in block..bounds.blocks {
            let Some(needed) = least[column].checked_add(threshold).filter(|&needed| needed <= reach) else {
                continue;
            };
            let (of_row, of_column) = (bounds.row(i), bounds.block(column));
            if u16::most_common(isa, of_row, of_column) < needed {
                continue;
            }
            middles.clear();
            let open = of_row.iter().zip(of_column).enumerate().filter(|(_, (a, b))| **a.min(b) >= needed);
            middles.extend(open.map(|(k, _)| k as u32));
            let start = column * BLOCK;
            let mut most = [0; BLOCK];
            effort.steps += common_in_block(isa, &levels.matrix, row, middles, start, needed, &mut most);
            for (offset, (&common, &level)) in most.iter().zip(&row[start..]).enumerate() {
                let j = start + offset;
                if j > i && j < points && common.saturating_sub(level) >= threshold_of(levels, best) {
                    best.offer(levels.refine(source, i, j, isa));
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

//! A search that leaves out most pairs, and for the others most middles, by bounds on blocks of near points.
//!
//! With T the least difference of levels that can still matter, a pair (i, j) matters only if some k has
//! min(level ik, level kj) ≥ level ij + T. So neither row i nor row j may lie below that everywhere; nor may every
//! block K of middles, as bounded by the largest levels of row i in K and of K in the block of j. What is left is
//! computed as it stands.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

use super::best::Best;
use super::dense::Reach;
use super::levels::Levels;
use super::order::BLOCK;
use super::report::{Go, Status};
use super::scan::{Lines, Middle, block_maxima, block_minima, common_in_block, fine_in_block, list_middles};
use super::source::Source;
use crate::maxmin::{Isa, Scans};

/// The largest levels of rows and of blocks of rows in each block of columns.
pub(crate) struct Bounds {
    blocks: usize,
    /// `[points, blocks]`
    of_rows: Vec<u16>,
    /// The same, transposed, each column padded as a row of levels is: `[blocks, stride]`.
    of_columns: Vec<u16>,
    stride: usize,
    /// `[blocks, blocks]`, symmetric.
    of_blocks: Vec<u16>,
    /// The largest level of each row.
    reach: Vec<u16>,
    /// For each row i, by how many levels any min(reach i, reach j) exceeds level ij.
    gains: Vec<u16>,
}

/// How much a pruned search did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Effort {
    /// Pairs evaluated in `f64`.
    pub(crate) refined: u64,
    /// Middles combined with a block of 64 columns each.
    pub(crate) steps: u64,
    /// Whether it stopped because there was no time left.
    pub(crate) out_of_time: bool,
    /// A value that no triple exceeds which was not looked at; none where all were.
    pub(crate) open: Option<f64>,
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
        let reach: Vec<u16> = of_rows.par_chunks(blocks).map(|row| u16::largest(isa, row)).collect();
        let Reach { reach, gains } = Reach::from_largest(levels, reach, isa);
        let stride = levels.matrix.stride();
        let mut of_columns = vec![0; blocks * stride];
        of_columns.par_chunks_mut(stride).enumerate().for_each(|(block, out)| {
            for (to, row) in out.iter_mut().zip(of_rows.chunks_exact(blocks)) {
                *to = row[block];
            }
        });
        Self { blocks, of_rows, of_columns, stride, of_blocks, reach, gains }
    }

    fn row(&self, i: usize) -> &[u16] {
        &self.of_rows[i * self.blocks..(i + 1) * self.blocks]
    }

    fn column(&self, block: usize) -> &[u16] {
        &self.of_columns[block * self.stride..(block + 1) * self.stride]
    }

    fn block(&self, block: usize) -> &[u16] {
        &self.of_blocks[block * self.blocks..(block + 1) * self.blocks]
    }

    /// The rows that may gain most, most promising first.
    pub(crate) fn promising(&self, count: usize) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..self.gains.len()).collect();
        rows.sort_unstable_by_key(|&i| (std::cmp::Reverse(self.gains[i]), i));
        rows.truncate(count);
        rows
    }

    /// The rows of a group, and the largest gain of any.
    fn group(&self, group: usize) -> ((usize, usize), u16) {
        let rows = (group * GROUP, ((group + 1) * GROUP).min(self.gains.len()));
        (rows, self.gains[rows.0..rows.1].iter().copied().fold(0, Ord::max))
    }
}

/// Whether what takes long goes on, told the share that is done.
pub(crate) type GoesOn<'a> = &'a (dyn Fn(f64) -> bool + Sync);

/// Levels of the same rows in more bits, made when they are needed; none if it was told to stop.
pub(crate) type Finest<'a> = &'a (dyn Fn(GoesOn<'_>) -> Option<Levels<i32>> + Sync);

/// Groups that foretell the steps and the survivors of all.
const PROBES: usize = 16;

/// Offers every triple that can matter to `best`; gives up when that would take more than `most_steps`, or when `go`
/// says so. From `crowd` survivors for each row on, finer levels look at them again before `f64` does.
///
/// Few groups spread over all are taken first. Then those that may gain most come first, so that what no triple
/// exceeds falls as the search goes on.
pub(crate) fn search(
    levels: &Levels<u16>,
    bounds: &Bounds,
    source: &impl Source,
    (finest, crowd): (Option<Finest<'_>>, u64),
    best: &Best,
    most_steps: u64,
    go: Go<'_>,
    isa: Isa,
) -> Effort {
    let groups = levels.order.len().div_ceil(GROUP);
    let mut order: Vec<usize> = (0..groups).collect();
    order.sort_by_key(|&group| (std::cmp::Reverse(bounds.group(group).1), group));
    let probes = PROBES.min(groups.div_ceil(8));
    let is_probe =
        |group: usize| (group * probes).is_multiple_of(groups) || (group * probes) % groups < probes;
    let (first, rest): (Vec<usize>, Vec<usize>) = order.iter().partition(|&&group| is_probe(group));
    let run = Run {
        levels,
        bounds,
        best,
        isa,
        order,
        open: (0..groups).map(|_| AtomicBool::new(true)).collect(),
        refined: AtomicU64::new(0),
        steps: AtomicU64::new(0),
        out_of_time: AtomicBool::new(false),
        crowded: AtomicBool::new(false),
    };
    // Without finer levels there is no crowd to look out for.
    let crowd = finest.map_or(u64::MAX, |_| crowd.saturating_mul(GROUP as u64));
    run.groups(&first, source, None, (u64::MAX, crowd), go);
    let foretold = run.steps.load(Ordering::Relaxed) * groups as u64 / first.len() as u64;
    if foretold <= most_steps && !run.out_of_time.load(Ordering::Relaxed) {
        let goes_on = |done| {
            let at_least = best.value();
            let at_most = run.ceiling().unwrap_or(at_least).max(at_least);
            let on = go(Status { at_least, at_most, done });
            run.out_of_time.fetch_or(!on, Ordering::Relaxed);
            on
        };
        let finer = finest.filter(|_| run.crowded.load(Ordering::Relaxed)).and_then(|make| make(&goes_on));
        let open = |group: &usize| run.open[*group].load(Ordering::Relaxed);
        let rest: Vec<usize> = first.into_iter().filter(open).chain(rest).collect();
        run.groups(&rest, source, finer.as_ref(), (2 * most_steps, u64::MAX), go);
    }
    Effort {
        refined: run.refined.load(Ordering::Relaxed),
        steps: run.steps.load(Ordering::Relaxed),
        out_of_time: run.out_of_time.load(Ordering::Relaxed),
        open: run.ceiling(),
    }
}

/// What the parts of one search share.
struct Run<'a> {
    levels: &'a Levels<u16>,
    bounds: &'a Bounds,
    best: &'a Best,
    isa: Isa,
    /// All groups, those that may gain most first.
    order: Vec<usize>,
    /// Whether a group is still to be done.
    open: Vec<AtomicBool>,
    refined: AtomicU64,
    steps: AtomicU64,
    out_of_time: AtomicBool,
    /// Whether a group had more survivors than are worth an evaluation each.
    crowded: AtomicBool,
}

impl Run<'_> {
    /// A value that no triple of an open group exceeds.
    fn ceiling(&self) -> Option<f64> {
        let open = self.order.iter().find(|&&group| self.open[group].load(Ordering::Relaxed));
        open.map(|&group| self.levels.scale.most(i64::from(self.bounds.group(group).1)))
    }

    /// Does some groups, unless there is no time, they have taken more than so many steps, or one of them leaves more
    /// than so many survivors; that one stays open.
    fn groups(
        &self,
        groups: &[usize],
        source: &impl Source,
        finer: Option<&Levels<i32>>,
        (most_steps, crowd): (u64, u64),
        go: Go<'_>,
    ) {
        let seen = AtomicU64::new(0);
        groups.par_iter().with_max_len(1).for_each_init(
            || Scratch::new(self.levels, finer, self.bounds),
            |scratch, &group| {
                let set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
                let crowded = crowd != u64::MAX && set(&self.crowded);
                if crowded || set(&self.out_of_time) || self.steps.load(Ordering::Relaxed) > most_steps {
                    return;
                }
                let at_least = self.best.value();
                let at_most = self.ceiling().unwrap_or(at_least).max(at_least);
                let done = seen.fetch_add(1, Ordering::Relaxed) as f64 / groups.len() as f64;
                if !go(Status { at_least, at_most, done }) {
                    self.out_of_time.store(true, Ordering::Relaxed);
                    return;
                }
                let rows = self.bounds.group(group).0;
                let (refined, steps) = search_rows(
                    self.levels,
                    self.bounds,
                    source,
                    self.best,
                    (rows, crowd),
                    scratch,
                    self.isa,
                );
                self.refined.fetch_add(refined, Ordering::Relaxed);
                self.steps.fetch_add(steps, Ordering::Relaxed);
                if refined > crowd {
                    self.crowded.store(true, Ordering::Relaxed);
                } else {
                    self.open[group].store(false, Ordering::Relaxed);
                }
            },
        );
    }
}

/// Rows that pass over the columns together, so that a block of columns stays in cache for all of them; a divisor of
/// the block.
const GROUP: usize = 64;

/// What a thread keeps between groups.
struct Scratch<'a> {
    /// Below which level of row i each column matters.
    limits: Vec<u16>,
    /// Least level that matters in each block, for each row of the group.
    least: Vec<u16>,
    /// What can lie between a row and a block of columns.
    middles: Vec<Middle>,
    lines: Lines<'a, u16>,
    /// The same in finer levels.
    finer: Option<(&'a Levels<i32>, Lines<'a, i32>)>,
}

impl<'a> Scratch<'a> {
    fn new(levels: &'a Levels<u16>, finer: Option<&'a Levels<i32>>, bounds: &Bounds) -> Self {
        Self {
            limits: vec![0; levels.matrix.stride()],
            least: vec![0; GROUP * bounds.blocks],
            middles: Vec::new(),
            lines: Lines::new(&levels.matrix),
            finer: finer.map(|finer| (finer, Lines::new(&finer.matrix))),
        }
    }
}

/// The rows of one group with all columns to their right: how many pairs were evaluated in `f64`, and the steps. Gives
/// up where there are more than `crowd` such pairs.
fn search_rows(
    levels: &Levels<u16>,
    bounds: &Bounds,
    source: &impl Source,
    best: &Best,
    ((first, last), crowd): ((usize, usize), u64),
    scratch: &mut Scratch<'_>,
    isa: Isa,
) -> (u64, u64) {
    let (mut refined, mut steps) = (0, 0);
    let (points, blocks) = (levels.order.len(), bounds.blocks);
    let block = first / BLOCK;
    let threshold = threshold_of(levels, best);
    let Scratch { limits, least, middles, lines, finer } = scratch;
    for (limit, &reach) in limits.iter_mut().zip(&bounds.reach) {
        // Of levels with level ij + T ≤ reach of j.
        *limit = reach.saturating_sub(threshold - 1);
    }
    for i in first..last {
        let least = &mut least[(i - first) * blocks..][..blocks];
        if bounds.gains[i] < threshold {
            least.fill(u16::MAX);
            continue;
        }
        let row = levels.matrix.padded_row(i);
        // The row itself stands at the lowest level, and is no column to compare with.
        let own = std::mem::replace(&mut limits[i], 0);
        block_minima(isa, &row[block * BLOCK..], &limits[block * BLOCK..], &mut least[block..]);
        limits[i] = own;
    }
    for column in block..blocks {
        let start = column * BLOCK;
        lines.turn_to(start);
        if let Some((_, lines)) = finer {
            lines.turn_to(start);
        }
        for i in first..last {
            if refined > crowd {
                return (refined, steps);
            }
            let lowest = least[(i - first) * blocks + column];
            let needed = lowest.saturating_add(threshold_of(levels, best));
            if needed > bounds.reach[i] {
                continue;
            }
            let row = levels.matrix.padded_row(i);
            let bounded = (bounds.column(column), bounds.block(column));
            list_middles(isa, (row, bounds.row(i)), bounded, needed, middles);
            if middles.is_empty() {
                continue;
            }
            steps += middles.len() as u64;
            let mut most = [0; BLOCK];
            common_in_block(isa, lines, middles, &mut most);
            let right = (i + 1).saturating_sub(start).min(BLOCK)..BLOCK.min(points - start);
            let matters = |offset: usize| {
                most[offset].saturating_sub(row[start + offset]) >= threshold_of(levels, best)
            };
            if let Some((finer, lines)) = finer.as_mut()
                && right.clone().filter(|&offset| matters(offset)).count() > 1
            {
                let mut most = [0; BLOCK];
                let own = finer.matrix.padded_row(i);
                fine_in_block(isa, lines, own, middles, &mut most);
                for offset in right {
                    let gained = i64::from(most[offset]) - i64::from(own[start + offset]);
                    if gained >= finer.scale.threshold(best.target()) {
                        best.offer(finer.refine(source, (i, start + offset), most[offset], isa));
                        refined += 1;
                    }
                }
                continue;
            }
            for offset in right {
                if matters(offset) {
                    best.offer(levels.refine(source, (i, start + offset), most[offset], isa));
                    refined += 1;
                }
            }
        }
    }
    (refined, steps)
}

/// The least difference of levels that matters now. The caller starts only if it is positive, and it never falls.
fn threshold_of(levels: &Levels<u16>, best: &Best) -> u16 {
    levels.scale.threshold(best.target()).clamp(1, i64::from(u16::MAX)) as u16
}

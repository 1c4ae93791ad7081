//! Tiles of 4 × 4 results, and the way of pixels into their windows and back.
//!
//! A vector holds one pixel, or one value of a tile, of as many channels as it has lanes: rows of a map may be as short as
//! they like, and every number is written in a whole line of the cache.

use super::super::im2col::Plan;
use super::super::vector::{Frame, Lane, lay, lift};
use super::transform::{results, results_back, windows};

/// Results of a tile along an axis.
pub(super) const TILE: usize = 4;

/// Values of a window along an axis, and of a transformed tile.
pub(super) const WINDOW: usize = TILE + 2;

/// Pixels of a window beyond its tile along an axis.
const HALO: usize = WINDOW - TILE;

/// Positions whose pixels stand in lanes at once, about as many as the first cache holds.
const POSITIONS: usize = 640;

/// Where images or maps lie in a slice.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Strides {
    /// Elements from one image to the next.
    pub(in super::super) image: usize,
    /// Elements from one channel, or filter, to the next.
    pub(in super::super) channel: usize,
}

/// Neighbouring rows of tiles of one image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) image: usize,
    /// The first row of tiles.
    pub(super) row: usize,
    pub(super) rows: usize,
    /// Tiles of the block that come before.
    pub(super) before: usize,
}

/// How the maps of a convolution are cut into tiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiling {
    /// Height and width of an image.
    image: [usize; 2],
    /// Rows above an image and columns on its left.
    padding: [usize; 2],
    /// Height and width of a map.
    out: [usize; 2],
    /// Rows and columns of tiles.
    pub(super) grid: [usize; 2],
}

impl Tiling {
    pub(super) fn new(plan: &Plan) -> Self {
        let padding = plan.options.padding;
        Self {
            image: [plan.height, plan.width],
            padding: [padding.top, padding.left],
            out: plan.out,
            grid: plan.out.map(|n| n.div_ceil(TILE)),
        }
    }

    /// Tiles of an image.
    pub(super) fn tiles(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// The rows of tiles of some images in blocks of about `tiles` tiles, each with its number of tiles.
    pub(super) fn blocks(&self, images: usize, tiles: usize) -> Vec<(Vec<Run>, usize)> {
        let [rows, columns] = self.grid;
        let all = images * rows;
        let blocks = (all * columns).div_ceil(tiles).clamp(1, all);
        let size = all.div_ceil(blocks);
        (0..all)
            .step_by(size)
            .map(|first| {
                let (mut runs, mut at, end) = (Vec::new(), first, (first + size).min(all));
                while at < end {
                    let row = at % rows;
                    let count = (rows - row).min(end - at);
                    runs.push(Run { image: at / rows, row, rows: count, before: (at - first) * columns });
                    at += count;
                }
                (runs, (end - first) * columns)
            })
            .collect()
    }

    /// Rows of tiles whose pixels stand in lanes at once.
    fn band(&self) -> usize {
        let line = TILE * self.grid[1] + HALO;
        ((POSITIONS / line).saturating_sub(HALO) / TILE).clamp(1, self.grid[0].max(1))
    }

    /// Numbers of working memory for vectors of so many lanes.
    pub(super) fn work(&self, lanes: usize) -> usize {
        (TILE * self.band() + HALO) * (TILE * self.grid[1] + HALO) * lanes
    }

    /// Transforms the windows of a run in as many channels as there are lanes, or fewer, which start `channel` elements
    /// apart: value (y, x) of tile `t` of the block goes to `out[(y·WINDOW + x)·step + t·row..]`, a channel in each lane.
    ///
    /// `work` is zero at first, or as the last call of this function left it.
    #[inline(always)]
    pub(super) fn windows<L: Lane>(
        &self,
        (image, channel, channels): (&[f32], usize, usize),
        run: &Run,
        work: &mut [f32],
        out: &mut [f32],
        [row, step]: [usize; 2],
    ) {
        let ([height, width], [top, left], columns) = (self.image, self.padding, self.grid[1]);
        let line = (TILE * columns + HALO) * L::LANES;
        for first in (0..run.rows).step_by(self.band()) {
            let rows = self.band().min(run.rows - first);
            let mut kept = 0;
            if first > 0 {
                // The last lines of the band before are the first of this one.
                let from = TILE * self.band() * line;
                work.copy_within(from..from + HALO * line, 0);
                kept = HALO;
            }
            // Lines of the band, counted in lines of the padded image.
            let (start, end) = (TILE * (run.row + first), TILE * (run.row + first + rows) + HALO);
            let above = (start + kept).max(top).min(end);
            let below = end.min(top + height).max(above);
            work[kept * line..(above - start) * line].fill(0.0);
            work[(below - start) * line..(end - start) * line].fill(0.0);
            if above < below {
                let frame = Frame { rows: end - start, columns: line / L::LANES, top: above - start, left };
                lay::<L>(
                    &image[(above - top) * width..],
                    channel,
                    channels,
                    [below - above, width],
                    frame,
                    work,
                );
            }
            for r in 0..rows {
                for t in 0..columns {
                    let at = TILE * (r * line + t * L::LANES);
                    let mut lines = [&work[..0]; WINDOW];
                    for y in 0..WINDOW {
                        lines[y] = &work[at + y * line..][..WINDOW * L::LANES];
                    }
                    let out = &mut out[(run.before + (first + r) * columns + t) * row..];
                    windows(
                        |y, x| L::load(&lines[y][x * L::LANES..]),
                        |y, x, v| v.store(&mut out[(y * WINDOW + x) * step..]),
                    );
                }
            }
        }
    }

    /// Gives the results of a run in as many maps as there are lanes, or fewer, which start `map` elements apart: value
    /// (y, x) of tile `t` of the block is at `products[(y·WINDOW + x)·step + t·row..]`, a map in each lane.
    #[inline(always)]
    pub(super) fn results<L: Lane>(
        &self,
        products: &[f32],
        [row, step]: [usize; 2],
        run: &Run,
        work: &mut [f32],
        (maps, map, count): (&mut [f32], usize, usize),
    ) {
        let ([height, width], columns) = (self.out, self.grid[1]);
        let line = TILE * columns * L::LANES;
        for first in (0..run.rows).step_by(self.band()) {
            let rows = self.band().min(run.rows - first);
            for r in 0..rows {
                for t in 0..columns {
                    let products = &products[(run.before + (first + r) * columns + t) * row..];
                    let work = &mut work[TILE * (r * line + t * L::LANES)..];
                    results(
                        |y, x| L::load(&products[(y * WINDOW + x) * step..]),
                        |y, x, v| v.store(&mut work[y * line + x * L::LANES..]),
                    );
                }
            }
            let start = TILE * (run.row + first);
            let size = [(TILE * rows).min(height - start), width];
            let frame = Frame { rows: TILE * rows, columns: line / L::LANES, top: 0, left: 0 };
            lift::<L>(work, frame, size, &mut maps[start * width..], map, count);
        }
    }

    /// Transforms the gradient of a run in as many maps as there are lanes, or fewer, which start `map` elements apart:
    /// value (y, x) of tile `t` of the block goes to `out[(y·WINDOW + x)·step + t·row..]`, a map in each lane.
    ///
    /// `work` is zero at first, or as the last call of this function left it.
    #[inline(always)]
    pub(super) fn gradients<L: Lane>(
        &self,
        (maps, map, count): (&[f32], usize, usize),
        run: &Run,
        work: &mut [f32],
        out: &mut [f32],
        [row, step]: [usize; 2],
    ) {
        let ([height, width], columns) = (self.out, self.grid[1]);
        let line = TILE * columns * L::LANES;
        for first in (0..run.rows).step_by(self.band()) {
            let rows = self.band().min(run.rows - first);
            let start = TILE * (run.row + first);
            let inside = (TILE * rows).min(height - start);
            work[inside * line..TILE * rows * line].fill(0.0);
            let frame = Frame { rows: TILE * rows, columns: line / L::LANES, top: 0, left: 0 };
            lay::<L>(&maps[start * width..], map, count, [inside, width], frame, work);
            for r in 0..rows {
                for t in 0..columns {
                    let work = &work[TILE * (r * line + t * L::LANES)..];
                    let out = &mut out[(run.before + (first + r) * columns + t) * row..];
                    results_back(
                        |y, x| L::load(&work[y * line + x * L::LANES..]),
                        |y, x, v| v.store(&mut out[(y * WINDOW + x) * step..]),
                    );
                }
            }
        }
    }
}

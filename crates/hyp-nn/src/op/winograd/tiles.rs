//! Tiles of 4 × 4 results, and the way of pixels into their windows and back.

use super::super::im2col::Plan;
use super::super::vector::Lane;
use super::LANES;
use super::transform::{mixed, results, results_back, sorted, windows};

/// Results of a tile along an axis.
pub(super) const TILE: usize = 4;

/// Values of a window along an axis, and of a transformed tile.
pub(super) const WINDOW: usize = TILE + 2;

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

    /// Numbers of a plane that holds one value of the windows of `rows` rows of tiles, with one row more.
    fn plane(&self, rows: usize) -> usize {
        (rows + 1) * self.grid[1] + LANES
    }

    /// Numbers that a line of pixels has when it is filled up to whole vectors of tiles.
    fn line(&self) -> usize {
        TILE * (self.grid[1] + 1).next_multiple_of(LANES)
    }

    /// Numbers of working memory for [`Tiling::windows`] of `rows` rows of tiles.
    pub(super) fn windows_work(&self, rows: usize) -> usize {
        TILE * WINDOW * self.plane(rows) + 2 * self.line() + TILE * LANES
    }

    /// Transforms the windows of a run in one channel: tile `t` of the run at value (y, x) of its window goes to
    /// `out[(y·WINDOW + x)·step + t]`.
    ///
    /// Whole vectors are written: what follows the last tile is overwritten too, up to [`LANES`] numbers.
    #[inline(always)]
    pub(super) fn windows<L: Lane>(
        &self,
        channel: &[f32],
        run: &Run,
        work: &mut [f32],
        out: &mut [f32],
        step: usize,
    ) {
        // Each of the four phases of rows holds, for each of the six columns of a window, that of every tile.
        let (columns, plane) = (self.grid[1], self.plane(run.rows));
        let (planes, work) = work.split_at_mut(TILE * WINDOW * plane);
        self.store::<L>(channel, run, work, planes, plane);
        for first in (0..run.rows * columns).step_by(L::LANES) {
            windows(
                |y, x| {
                    let at = (y % TILE * WINDOW + x) * plane + y / TILE * columns + first;
                    L::load(&planes[at..])
                },
                |y, x, v| v.store(&mut out[(y * WINDOW + x) * step + first..]),
            );
        }
    }

    /// Sorts the pixels that a run of tiles reads by their place in the windows.
    #[inline(always)]
    fn store<L: Lane>(&self, channel: &[f32], run: &Run, work: &mut [f32], planes: &mut [f32], plane: usize) {
        let ([height, width], [top, left], columns) = (self.image, self.padding, self.grid[1]);
        let (line, phases) = work.split_at_mut(self.line());
        let spare = line.len() / TILE + LANES;
        clear::<L>(line);
        for y in 0..TILE * run.rows + 2 {
            let pixel = (TILE * run.row + y).checked_sub(top).filter(|y| *y < height);
            let inside = &mut line[left..left + width];
            match pixel {
                Some(y) => copy::<L>(&channel[y * width..(y + 1) * width], inside),
                None => clear::<L>(inside),
            }
            for first in (0..line.len() / TILE).step_by(L::LANES) {
                let pixels = &line[TILE * first..];
                let [zero, one, two, three] = sorted([
                    L::load(pixels),
                    L::load(&pixels[L::LANES..]),
                    L::load(&pixels[2 * L::LANES..]),
                    L::load(&pixels[3 * L::LANES..]),
                ]);
                zero.store(&mut phases[first..]);
                one.store(&mut phases[spare + first..]);
                two.store(&mut phases[2 * spare + first..]);
                three.store(&mut phases[3 * spare + first..]);
            }
            // Whole vectors: what follows the last tile is written again with the next row, or is spare.
            let at = (y % TILE * WINDOW) * plane + y / TILE * columns;
            for x in 0..WINDOW {
                for first in (0..columns).step_by(L::LANES) {
                    let v = L::load(&phases[x % TILE * spare + x / TILE + first..]);
                    v.store(&mut planes[at + x * plane + first..]);
                }
            }
        }
    }

    /// Numbers of working memory for [`Tiling::results`] of `rows` rows of tiles.
    pub(super) fn results_work(&self, rows: usize) -> usize {
        TILE * TILE * (rows * self.grid[1]).next_multiple_of(LANES)
    }

    /// Gives the results of a run of tiles in one map: value (y, x) of tile `t` is at `tiles[(y·WINDOW + x)·step + t]`.
    #[inline(always)]
    pub(super) fn results<L: Lane>(
        &self,
        tiles: &[f32],
        step: usize,
        run: &Run,
        lines: &mut [f32],
        map: &mut [f32],
    ) {
        let ([height, width], columns) = (self.out, self.grid[1]);
        let count = (run.rows * columns).next_multiple_of(LANES);
        for first in (0..count).step_by(L::LANES) {
            let mut rows = [[L::zero(); TILE]; TILE];
            results(|y, x| L::load(&tiles[(y * WINDOW + x) * step + first..]), |y, x, v| rows[y][x] = v);
            for y in 0..TILE {
                let (mixed, line) = (mixed(rows[y]), &mut lines[TILE * (y * count + first)..]);
                for n in 0..TILE {
                    mixed[n].store(&mut line[n * L::LANES..]);
                }
            }
        }
        for r in 0..run.rows {
            for y in 0..TILE {
                let row = TILE * (run.row + r) + y;
                if row < height {
                    let from = &lines[TILE * (y * count + r * columns)..][..width];
                    copy::<L>(from, &mut map[row * width..(row + 1) * width]);
                }
            }
        }
    }

    /// Numbers of working memory for [`Tiling::gradients`] of so many maps.
    pub(super) fn gradients_work(&self, filters: usize) -> usize {
        TILE * TILE * self.grid[1] * filters.next_multiple_of(LANES)
    }

    /// Transforms the gradient of a run of tiles of some maps: that of map `f` at value (y, x) of tile `t` goes to
    /// `out[(y·WINDOW + x)·step + t·filters.next_multiple_of(LANES) + f]` with the tiles of the block counted, and zero
    /// beyond the last map.
    #[inline(always)]
    pub(super) fn gradients<L: Lane>(
        &self,
        maps: &[f32],
        map_step: usize,
        filters: usize,
        run: &Run,
        work: &mut [f32],
        out: &mut [f32],
        step: usize,
    ) {
        let ([height, width], columns, padded) = (self.out, self.grid[1], filters.next_multiple_of(LANES));
        let line = TILE * columns * padded;
        for y in 0..TILE {
            // Beyond the last column of the maps.
            clear::<L>(&mut work[y * line + width * padded..(y + 1) * line]);
        }
        for r in 0..run.rows {
            for y in 0..TILE {
                let (row, work) = (TILE * (run.row + r) + y, &mut work[y * line..(y + 1) * line]);
                if row < height {
                    turn::<L>(&maps[row * width..], map_step, [filters, width], work, padded);
                } else {
                    clear::<L>(work);
                }
            }
            for tile in 0..columns {
                for first in (0..padded).step_by(L::LANES) {
                    results_back(
                        |y, x| {
                            let at = y * line + (TILE * tile + x) * padded + first;
                            L::load(&work[at..])
                        },
                        |y, x, v| {
                            let tile = run.before + r * columns + tile;
                            v.store(&mut out[(y * WINDOW + x) * step + tile * padded + first..]);
                        },
                    );
                }
            }
        }
    }
}

/// `to[x][f] = from_rows[f][x]` of some rows and columns; rows of `from_rows` start `from_step` apart, those of `to` `to_step`,
/// and what is missing of the last vector of a row of `to` becomes zero.
#[inline(always)]
fn turn<L: Lane>(
    from_rows: &[f32],
    from_step: usize,
    [rows, columns]: [usize; 2],
    to: &mut [f32],
    to_step: usize,
) {
    for first in (0..rows).step_by(L::LANES) {
        for x in (0..columns).step_by(L::LANES) {
            let (height, width) = (L::LANES.min(rows - first), L::LANES.min(columns - x));
            // Room for the longest vectors.
            let mut block = [L::zero(); LANES];
            for f in 0..height {
                let from = (first + f) * from_step + x;
                block[f] = L::load_some(&from_rows[from..from + width]);
            }
            // A transpose is so many perfect shuffles of the rows as their number has binary digits.
            for _ in 0..L::LANES.ilog2() {
                let before = block;
                for i in 0..L::LANES / 2 {
                    [block[2 * i], block[2 * i + 1]] = before[i].interleaved(before[L::LANES / 2 + i]);
                }
            }
            for i in 0..width {
                block[i].store(&mut to[(x + i) * to_step + first..]);
            }
        }
    }
}

/// Copies a slice to one as long, without the call that a few numbers are not worth.
#[inline(always)]
fn copy<L: Lane>(from: &[f32], to: &mut [f32]) {
    for first in (0..from.len()).step_by(L::LANES) {
        L::load_some(&from[first..]).store_some(&mut to[first..]);
    }
}

/// Sets a slice to zero in the same way.
#[inline(always)]
fn clear<L: Lane>(to: &mut [f32]) {
    for first in (0..to.len()).step_by(L::LANES) {
        L::zero().store_some(&mut to[first..]);
    }
}

//! Sums of rows under the weights of a tiled matrix: the second half of every all-pairs gradient.

use rayon::prelude::*;

use super::{
    isa::{Isa, Kernel, LANES, Lanes, Vector},
    lanes::store,
    panels::ColumnPanels,
    parallel::tasks_per_thread,
};
use crate::Real;

/// Which side of the pairs the sums belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// One sum per row of the tiles, over their columns.
    Rows,
    /// One sum per column of the tiles, over their rows.
    Columns,
}

/// A matrix of weights in tiles `[row group, column group, row]` of [`LANES`] columns, and how to read it:
/// instruction set, rows of a tile, direction, tiles, number of column groups.
pub(super) type Weighting<'a> = (Isa, usize, Direction, &'a [Lanes], usize);

/// Columns of the result summed side by side, in groups of [`LANES`]: weights are read once for all of them.
const WIDE: usize = 2;

/// Writes `Σⱼ wᵢⱼ (ownᵢ − otherⱼ) + coefficientᵢ ownᵢ` to row `i` of `out`; without `DIFFERENCE`,
/// `sign·Σⱼ wᵢⱼ otherⱼ + coefficientᵢ ownᵢ`.
pub(super) fn weighted_rows<T: Real, const DIFFERENCE: bool>(
    (isa, rows, direction, tiles, column_groups): Weighting,
    own: &ColumnPanels,
    other: &ColumnPanels,
    (coefficients, sign): (&[f64], f64),
    dim: usize,
    out: &mut [T],
) {
    let work = rows * dim * other.rows();
    out.par_chunks_mut(rows * dim).with_min_len(tasks_per_thread(work)).enumerate().for_each(
        |(block, out)| {
            let kernel = Sums::<T, DIFFERENCE> {
                own,
                other,
                direction,
                tiles,
                column_groups,
                first: block * rows,
                coefficients,
                sign,
                dim,
                out,
            };
            isa.run(rows, kernel);
        },
    );
}

struct Sums<'a, T, const DIFFERENCE: bool> {
    own: &'a ColumnPanels,
    other: &'a ColumnPanels,
    direction: Direction,
    tiles: &'a [Lanes],
    column_groups: usize,
    first: usize,
    coefficients: &'a [f64],
    sign: f64,
    dim: usize,
    out: &'a mut [T],
}

impl<T: Real, const DIFFERENCE: bool> Kernel for Sums<'_, T, DIFFERENCE> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(mut self) {
        let groups = self.dim.div_ceil(LANES);
        let gathered;
        let tiles = match self.direction {
            Direction::Rows => &self.tiles[self.first * self.column_groups..],
            // The same for all coordinates, and far apart among the tiles.
            Direction::Columns => {
                let (tiles, first) = (self.tiles.as_chunks::<ROWS>().0, self.first / LANES);
                let mut column = vec![[[0.0; LANES]; ROWS]; tiles.len() / self.column_groups];
                for (row_group, tile) in column.iter_mut().enumerate() {
                    *tile = tiles[row_group * self.column_groups + first];
                }
                gathered = column;
                gathered.as_flattened()
            }
        };
        let mut group = 0;
        while group + WIDE <= groups {
            self.groups::<V, ROWS, WIDE>(group, tiles);
            group += WIDE;
        }
        while group < groups {
            self.groups::<V, ROWS, 1>(group, tiles);
            group += 1;
        }
    }
}

impl<T: Real, const DIFFERENCE: bool> Sums<'_, T, DIFFERENCE> {
    /// The columns of `COUNT` groups from `group` on, by the weights of the row group or of the column group.
    #[inline(always)]
    fn groups<V: Vector, const ROWS: usize, const COUNT: usize>(&mut self, group: usize, tiles: &[Lanes]) {
        let count = self.out.len() / self.dim;
        let mut own: [&[Lanes]; COUNT] = [&[]; COUNT];
        let mut other: [&[Lanes]; COUNT] = [&[]; COUNT];
        let mut mine = [[V::splat(0.0); ROWS]; COUNT];
        for at in 0..COUNT {
            own[at] = self.own.group(group + at);
            other[at] = self.other.group(group + at);
            for row in 0..count {
                mine[at][row] = V::load(&own[at][self.first + row]);
            }
        }
        let sum = match self.direction {
            Direction::Rows => over_columns::<V, DIFFERENCE, ROWS, COUNT>(&mine, other, tiles),
            Direction::Columns => {
                over_rows::<V, DIFFERENCE, ROWS, COUNT>(&mine, other, tiles, self.first % LANES)
            }
        };
        for at in 0..COUNT {
            let start = (group + at) * LANES;
            let end = self.dim.min(start + LANES);
            for row in 0..count {
                let pull =
                    V::splat(self.coefficients[self.first + row]).mul_add(mine[at][row], V::splat(0.0));
                let value = V::splat(self.sign).mul_add(sum[at][row], pull).lanes();
                store(&value, &mut self.out[row * self.dim + start..row * self.dim + end]);
            }
        }
    }
}

/// Sums over the columns of the tiles of one row group, whose first tile is the first of `tiles`.
#[inline(always)]
fn over_columns<V: Vector, const DIFFERENCE: bool, const ROWS: usize, const COUNT: usize>(
    mine: &[[V; ROWS]; COUNT],
    other: [&[Lanes]; COUNT],
    tiles: &[Lanes],
) -> [[V; ROWS]; COUNT] {
    let mut total = [[V::splat(0.0); ROWS]; COUNT];
    let tiles = tiles.as_chunks::<ROWS>().0;
    let length = other[0].len();
    let mut index = 0;
    while index < length {
        let tile = &tiles[index / LANES];
        for at in 0..COUNT {
            let other = V::load(&other[at][index]);
            for row in 0..ROWS {
                let value = if DIFFERENCE { mine[at][row].minus(other) } else { other };
                total[at][row] = V::splat(tile[row][index % LANES]).mul_add(value, total[at][row]);
            }
        }
        index += 1;
    }
    total
}

/// Sums over the rows of the tiles of one column group, for `ROWS` of its columns from `offset` on.
#[inline(always)]
fn over_rows<V: Vector, const DIFFERENCE: bool, const ROWS: usize, const COUNT: usize>(
    mine: &[[V; ROWS]; COUNT],
    other: [&[Lanes]; COUNT],
    tiles: &[Lanes],
    offset: usize,
) -> [[V; ROWS]; COUNT] {
    let mut total = [[V::splat(0.0); ROWS]; COUNT];
    let length = other[0].len();
    assert!(tiles.len() >= length && offset + ROWS <= LANES, "invariant: one weight for each row and column");
    let mut index = 0;
    while index < length {
        let tile = &tiles[index];
        for at in 0..COUNT {
            let other = V::load(&other[at][index]);
            for column in 0..ROWS {
                let value = if DIFFERENCE { mine[at][column].minus(other) } else { other };
                total[at][column] = V::splat(tile[offset + column]).mul_add(value, total[at][column]);
            }
        }
        index += 1;
    }
    total
}

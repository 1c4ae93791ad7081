//! Sums of rows under the weights of a tiled matrix: the second half of every all-pairs gradient.

use rayon::prelude::*;

use super::{
    isa::{Isa, Kernel, LANES, Lanes, Vector},
    lanes::store,
    panels::ColumnPanels,
    parallel::tasks_per_thread,
    tile::accumulate,
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

/// Writes `Σⱼ wᵢⱼ (ownᵢ − otherⱼ) + coefficientᵢ ownᵢ` to row `i` of `out`; without `DIFFERENCE`,
/// `Σⱼ wᵢⱼ otherⱼ + coefficientᵢ ownᵢ`.
pub(super) fn weighted_rows<T: Real, const DIFFERENCE: bool>(
    (isa, rows, direction, tiles, column_groups): Weighting,
    own: &ColumnPanels,
    other: &ColumnPanels,
    coefficients: &[f64],
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
    dim: usize,
    out: &'a mut [T],
}

impl<T: Real, const DIFFERENCE: bool> Kernel for Sums<'_, T, DIFFERENCE> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        let count = self.out.len() / self.dim;
        for group in 0..self.dim.div_ceil(LANES) {
            let (own, other) = (self.own.group(group), self.other.group(group));
            let mut mine = [V::splat(0.0); ROWS];
            for row in 0..count {
                mine[row] = V::load(&own[self.first + row]);
            }
            let sum = match self.direction {
                Direction::Rows => over_columns::<V, DIFFERENCE, ROWS>(
                    &mine,
                    other,
                    &self.tiles[self.first * self.column_groups..],
                ),
                Direction::Columns => {
                    over_rows::<V, DIFFERENCE, ROWS>(&mine, other, self.tiles, self.column_groups, self.first)
                }
            };
            let start = group * LANES;
            let end = self.dim.min(start + LANES);
            for row in 0..count {
                let coefficient = self.coefficients[self.first + row];
                let value = V::splat(coefficient).mul_add(mine[row], sum[row]).lanes();
                store(&value, &mut self.out[row * self.dim + start..row * self.dim + end]);
            }
        }
    }
}

/// Sums over the columns of the tiles of one row group, whose first tile is the first of `tiles`.
#[inline(always)]
fn over_columns<V: Vector, const DIFFERENCE: bool, const ROWS: usize>(
    mine: &[V; ROWS],
    other: &[Lanes],
    tiles: &[Lanes],
) -> [V; ROWS] {
    let mut total = [V::splat(0.0); ROWS];
    let tiles = tiles.as_chunks::<ROWS>().0;
    let mut index = 0;
    while index < other.len() {
        let tile = &tiles[index / LANES];
        let mut weights = [0.0; ROWS];
        for row in 0..ROWS {
            weights[row] = tile[row][index % LANES];
        }
        accumulate::<V, DIFFERENCE, ROWS>(&mut total, mine, V::load(&other[index]), weights);
        index += 1;
    }
    total
}

/// Sums over all row groups of the tiles, for `ROWS` columns from `first` on.
#[inline(always)]
fn over_rows<V: Vector, const DIFFERENCE: bool, const ROWS: usize>(
    mine: &[V; ROWS],
    other: &[Lanes],
    tiles: &[Lanes],
    column_groups: usize,
    first: usize,
) -> [V; ROWS] {
    let (group, offset) = (first / LANES, first % LANES);
    let mut total = [V::splat(0.0); ROWS];
    let mut index = 0;
    while index < other.len() {
        let tile = ((index / ROWS) * column_groups + group) * ROWS + index % ROWS;
        let mut weights = [0.0; ROWS];
        #[expect(clippy::manual_memcpy, reason = "the copy would be a call, see `tile`")]
        for column in 0..ROWS {
            weights[column] = tiles[tile][offset + column];
        }
        accumulate::<V, DIFFERENCE, ROWS>(&mut total, mine, V::load(&other[index]), weights);
        index += 1;
    }
    total
}

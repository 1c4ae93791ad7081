//! Sums of rows under the weights of a tiled matrix: the second half of every all-pairs gradient.

use rayon::prelude::*;

use super::{
    isa::{Isa, Kernel},
    lanes::{LANES, Lanes, mul_add},
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
    fn run<const FMA: bool, const ROWS: usize>(self) {
        let count = self.out.len() / self.dim;
        for (group, (own, other)) in self.own.groups().zip(self.other.groups()).enumerate() {
            let mut mine = [[0.0; LANES]; ROWS];
            mine[..count].copy_from_slice(&own[self.first..self.first + count]);
            let sum = match self.direction {
                Direction::Rows => over_columns::<FMA, DIFFERENCE, ROWS>(
                    &mine,
                    other,
                    &self.tiles[self.first * self.column_groups..],
                ),
                Direction::Columns => over_rows::<FMA, DIFFERENCE, ROWS>(
                    &mine,
                    other,
                    self.tiles,
                    self.column_groups,
                    self.first,
                ),
            };
            let start = group * LANES;
            let width = LANES.min(self.dim - start);
            for (index, row) in self.out.chunks_exact_mut(self.dim).enumerate() {
                let coefficient = self.coefficients[self.first + index];
                for lane in 0..width {
                    let value = mul_add::<FMA>(coefficient, mine[index][lane], sum[index][lane]);
                    row[start + lane] = T::from_f64(value);
                }
            }
        }
    }
}

/// Sums over the columns of the tiles of one row group.
#[inline(always)]
fn over_columns<const FMA: bool, const DIFFERENCE: bool, const ROWS: usize>(
    mine: &[Lanes; ROWS],
    other: &[Lanes],
    tiles: &[Lanes],
) -> [Lanes; ROWS] {
    let mut total = [[0.0; LANES]; ROWS];
    for (tile, rows) in tiles.as_chunks::<ROWS>().0.iter().zip(other.chunks(LANES)) {
        for (lane, row) in rows.iter().enumerate() {
            let weights = std::array::from_fn(|index| tile[index][lane]);
            accumulate::<FMA, DIFFERENCE, ROWS>(&mut total, mine, row, weights);
        }
    }
    total
}

/// Sums over all row groups of the tiles, for `ROWS` columns from `first` on.
#[inline(always)]
fn over_rows<const FMA: bool, const DIFFERENCE: bool, const ROWS: usize>(
    mine: &[Lanes; ROWS],
    other: &[Lanes],
    tiles: &[Lanes],
    column_groups: usize,
    first: usize,
) -> [Lanes; ROWS] {
    let (group, offset) = (first / LANES, first % LANES);
    let mut total = [[0.0; LANES]; ROWS];
    for (panel, rows) in tiles.chunks_exact(column_groups * ROWS).zip(other.chunks(ROWS)) {
        let tile = &panel[group * ROWS..(group + 1) * ROWS];
        for (weights, row) in tile.iter().zip(rows) {
            let weights = std::array::from_fn(|index| weights[offset + index]);
            accumulate::<FMA, DIFFERENCE, ROWS>(&mut total, mine, row, weights);
        }
    }
    total
}

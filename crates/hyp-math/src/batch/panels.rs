//! Matrices rearranged in `f64` so that the tiles of pairs read them from front to back.

use super::isa::{LANES, Lanes};
use crate::Real;

/// The rows of a matrix in groups of `width`, each group transposed: entry `d` of its rows stands side by side.
///
/// The last group is filled up with zero rows.
pub(super) struct RowPanels {
    data: Vec<f64>,
    width: usize,
    dim: usize,
}

impl RowPanels {
    /// Rearranges `rows`, a row-major matrix with `dim` columns.
    pub(super) fn new<T: Real>(rows: &[T], dim: usize, width: usize) -> Self {
        let groups = rows.len().div_ceil((dim * width).max(1));
        let mut data = vec![0.0; groups * dim * width];
        for (group, block) in
            data.chunks_exact_mut((dim * width).max(1)).zip(rows.chunks((dim * width).max(1)))
        {
            for (lane, row) in block.chunks_exact(dim).enumerate() {
                for (slot, value) in group[lane..].iter_mut().step_by(width).zip(row) {
                    *slot = value.to_f64();
                }
            }
        }
        Self { data, width, dim }
    }

    /// One group, `[dim]` of `WIDTH` rows, the width that the panels were made with.
    #[inline(always)]
    pub(super) fn group<const WIDTH: usize>(&self, index: usize) -> &[[f64; WIDTH]] {
        debug_assert_eq!(WIDTH, self.width);
        &self.data.as_chunks::<WIDTH>().0[index * self.dim..(index + 1) * self.dim]
    }

    /// The number of groups.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.data.len() / (self.dim * self.width).max(1)
    }
}

/// The columns of a matrix in groups of [`LANES`]: one group holds [`LANES`] columns of all rows, row after row.
///
/// The last group is filled up with zero columns.
pub(super) struct ColumnPanels {
    data: Vec<Lanes>,
    rows: usize,
}

impl ColumnPanels {
    /// Rearranges `rows`, a row-major matrix with `dim` columns.
    pub(super) fn new<T: Real>(rows: &[T], dim: usize) -> Self {
        let count = rows.len() / dim.max(1);
        let mut data = vec![[0.0; LANES]; count * dim.div_ceil(LANES)];
        for (index, row) in rows.chunks_exact(dim.max(1)).enumerate() {
            for (group, values) in row.chunks(LANES).enumerate() {
                for (slot, value) in data[group * count + index].iter_mut().zip(values) {
                    *slot = value.to_f64();
                }
            }
        }
        Self { data, rows: count }
    }

    /// The number of rows of the matrix.
    #[inline(always)]
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// One group, `[rows]` of [`LANES`] columns.
    #[inline(always)]
    pub(super) fn group(&self, index: usize) -> &[Lanes] {
        &self.data[index * self.rows..(index + 1) * self.rows]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_transposed_in_groups_and_filled_up() {
        let panels = RowPanels::new(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 2);
        assert_eq!(panels.len(), 2);
        assert_eq!(panels.group::<2>(0), [[1.0, 3.0], [2.0, 4.0]]);
        assert_eq!(panels.group::<2>(1), [[5.0, 0.0], [6.0, 0.0]]);
    }

    #[test]
    fn columns_are_grouped_by_lanes_and_filled_up() {
        let rows: Vec<f64> = (0..20).map(f64::from).collect();
        let panels = ColumnPanels::new(&rows, 10);
        assert_eq!(panels.group(0)[1], [10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0]);
        assert_eq!(panels.group(1)[0], [8.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}

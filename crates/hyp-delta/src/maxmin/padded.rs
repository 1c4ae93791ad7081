//! A square matrix whose rows start on cache lines and are padded so that kernels need no edge cases.

/// Bytes of a cache line, and of the widest register.
pub(super) const LINE: usize = 64;

/// A square matrix, row by row, each row padded to whole cache lines with the lowest value.
#[derive(Debug, Clone)]
pub struct Padded<T> {
    points: usize,
    stride: usize,
    start: usize,
    values: Vec<T>,
}

impl<T: Copy> Padded<T> {
    /// A matrix filled with one value, padding included.
    pub(crate) fn filled(points: usize, value: T) -> Self {
        let per_line = LINE / size_of::<T>();
        // An odd number of lines spreads equal columns of neighbouring rows over the sets of the cache.
        let lines = points.div_ceil(per_line) | 1;
        let stride = lines * per_line;
        let values = vec![value; points * stride + per_line];
        let start = values.as_ptr().align_offset(LINE).min(per_line);
        Self { points, stride, start, values }
    }

    /// Copies a square matrix given row by row; `lowest` must not exceed any value.
    ///
    /// # Panics
    /// If the length is not `points`².
    pub fn from_rows(points: usize, rows: &[T], lowest: T) -> Self {
        assert_eq!(rows.len(), points * points, "a matrix of {points} points has {points}² entries");
        let mut matrix = Self::filled(points, lowest);
        if points > 0 {
            for (to, from) in matrix.rows_mut().zip(rows.chunks_exact(points)) {
                to[..points].copy_from_slice(from);
            }
        }
        matrix
    }

    /// Number of rows, and of columns without the padding.
    pub fn points(&self) -> usize {
        self.points
    }

    /// Length of a row with its padding.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// A row without its padding.
    #[inline]
    pub fn row(&self, i: usize) -> &[T] {
        &self.padded_row(i)[..self.points]
    }

    /// A row with its padding.
    #[inline]
    pub(crate) fn padded_row(&self, i: usize) -> &[T] {
        &self.values[self.start + i * self.stride..][..self.stride]
    }

    /// All rows with their padding, to be written.
    pub(crate) fn rows_mut(&mut self) -> std::slice::ChunksExactMut<'_, T> {
        let stride = self.stride;
        self.all_mut().chunks_exact_mut(stride)
    }

    /// All values with the padding, from the first row on, to be written.
    pub(crate) fn all_mut(&mut self) -> &mut [T] {
        let length = self.points * self.stride;
        &mut self.values[self.start..][..length]
    }
}

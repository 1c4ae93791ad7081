//! Rows of features in `f32`, ready for blocked matrix products whose error is bounded.

#![expect(unsafe_code, reason = "the matrix product takes pointers")]

use rayon::prelude::*;

use crate::metric::Rows;

/// Half the distance between 1 and the next float: the relative error of one operation.
pub(crate) const UNIT: f64 = 1.0 / 16_777_216.0;

/// Rows in `f32`, around their mean and scaled so that nothing overflows or vanishes.
pub(crate) struct Prepared {
    values: Vec<f32>,
    dim: usize,
    /// Squared norms.
    pub(crate) norms: Vec<f32>,
    /// Original length of a scaled unit.
    pub(crate) unit: f64,
    pub(crate) largest_norm: f64,
}

impl Prepared {
    /// Nothing if all points coincide.
    pub(crate) fn new(rows: &Rows, order: &[usize]) -> Option<Self> {
        let dim = rows.dim();
        let mut mean = vec![0.0; dim];
        for i in 0..rows.points() {
            for (m, v) in mean.iter_mut().zip(rows.row(i)) {
                *m += v / rows.points() as f64;
            }
        }
        let far = |&i: &usize| rows.row(i).iter().zip(&mean).map(|(v, m)| (v - m).abs()).fold(0.0, f64::max);
        let largest = order.par_iter().map(far).reduce(|| 0.0, f64::max);
        if largest == 0.0 {
            return None;
        }
        let scale = (-largest.log2().floor()).exp2();
        let mut values = vec![0.0_f32; order.len() * dim];
        values.par_chunks_mut(dim).zip(order).for_each(|(out, &i)| {
            for ((to, v), m) in out.iter_mut().zip(rows.row(i)).zip(&mean) {
                *to = ((v - m) * scale) as f32;
            }
        });
        let norm = |row: &[f32]| row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
        let exact: Vec<f64> = values.par_chunks(dim).map(norm).collect();
        let largest_norm = exact.iter().copied().fold(0.0, f64::max);
        let norms = exact.into_iter().map(|v| v as f32).collect();
        Some(Self { values, dim, norms, unit: 1.0 / scale, largest_norm })
    }

    /// Bound on the relative error of ‖x‖² + ‖y‖² − 2⟨x, y⟩, relative to ‖x‖² + ‖y‖².
    ///
    /// A sum of `dim` products in any order is off by dim · u · ‖x‖‖y‖ at most, to first order; the few other
    /// roundings and the second order fit in the margins.
    pub(crate) fn share(&self) -> f64 {
        1.05 * (self.dim as f64 + 16.0) * UNIT
    }

    /// Writes the inner products of some rows with some columns, row by row.
    pub(crate) fn multiply(
        &self,
        rows: std::ops::Range<usize>,
        columns: std::ops::Range<usize>,
        out: &mut [f32],
    ) {
        let dim = self.dim;
        let (left, right) = (
            &self.values[rows.start * dim..rows.end * dim],
            &self.values[columns.start * dim..columns.end * dim],
        );
        let (height, width) = (rows.len(), columns.len());
        assert!(out.len() >= height * width, "no room for the products");
        let (row, one) = (dim as isize, 1);
        // SAFETY: `left` and `right` hold `height` and `width` rows of `dim` floats and `out`, which is not shared,
        // has room for `height` rows of `width`; the strides say so, the right side being read as its transpose.
        unsafe {
            gemm::gemm(
                height,
                width,
                dim,
                out.as_mut_ptr(),
                one,
                width as isize,
                false,
                left.as_ptr(),
                one,
                row,
                right.as_ptr(),
                row,
                one,
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
}

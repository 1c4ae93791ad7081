//! What the pair kernels need to know of each point, computed once per row.

use super::isa::LANES;
use crate::{Curvature, Real, scalar::gap, vector::square};

/// Squared norms and conformal gaps of the rows of a matrix, filled up to whole tiles with points at the origin.
pub(super) struct Side {
    /// ‖x‖².
    pub(super) square: Vec<f64>,
    /// 1 − c‖x‖².
    pub(super) gap: Vec<f64>,
}

impl Side {
    /// Of the rows of `rows`, which has `dim` columns.
    pub(super) fn new<T: Real>(rows: &[T], dim: usize, c: Curvature) -> Self {
        let count = rows.len() / dim;
        let padded = count.next_multiple_of(LANES);
        let mut squares = vec![0.0; padded];
        for (slot, row) in squares.iter_mut().zip(rows.chunks_exact(dim)) {
            *slot = square(row);
        }
        let gaps = squares.iter().map(|&square| gap(c, square)).collect();
        Self { square: squares, gap: gaps }
    }
}

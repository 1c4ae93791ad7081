//! Where exact products come from: a distance matrix, or features whose distances are computed when asked for.

use crate::distance::DistanceMatrix;
use crate::gromov::gromov_product;
use crate::maxmin::Isa;

/// Exact Gromov products at one base point, always the same bits for the same pair.
pub(crate) trait Source: Sync {
    /// The distance of two points.
    fn distance(&self, i: usize, j: usize) -> f64;
    /// The distance of a point from the base point.
    fn base_distance(&self, i: usize) -> f64;
    /// The distances of a point from those from `first` on.
    fn distances(&self, isa: Isa, i: usize, first: usize, out: &mut [f64]);

    /// The Gromov product of two points at the base point.
    fn product(&self, i: usize, j: usize) -> f64 {
        gromov_product(self.base_distance(i), self.base_distance(j), self.distance(i, j))
    }

    /// min((i, k), (k, j)) − (i, j) at the base point.
    fn excess(&self, [i, k, j]: [usize; 3]) -> f64 {
        self.product(i, k).min(self.product(k, j)) - self.product(i, j)
    }
}

/// A distance matrix seen from a base point.
pub(crate) struct MatrixAtBase<'a> {
    pub(crate) distances: &'a DistanceMatrix,
    pub(crate) base: usize,
}

impl Source for MatrixAtBase<'_> {
    fn distance(&self, i: usize, j: usize) -> f64 {
        self.distances.get(i, j)
    }

    fn base_distance(&self, i: usize) -> f64 {
        self.distances.get(self.base, i)
    }

    fn distances(&self, _: Isa, i: usize, first: usize, out: &mut [f64]) {
        out.copy_from_slice(&self.distances.row(i)[first..first + out.len()]);
    }
}

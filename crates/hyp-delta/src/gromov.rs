//! The Gromov product, and the matrix of all products at one base point.

use rayon::prelude::*;

use crate::distance::DistanceMatrix;

/// Gromov product (y, z)ₓ of three points from their distances.
///
/// $$ (y, z)_x = \tfrac12\bigl(d(x, y) + d(x, z) - d(y, z)\bigr) $$
///
/// **Source.** \[HIE\] Sec. 3.1, (2).
///
/// **Domain.** Distances ≥ 0. Not negative where the triangle inequality holds; in a tree it is the length that the
/// paths from x to y and to z share.
/// **Numerics.** Evaluated in this order, so that swapping y and z gives the same bits.
///
/// # Examples
/// ```
/// // x, y, z on a line at 0, 2 and 5: the two paths from x share the way to y.
/// assert_eq!(hyp_delta::gromov::gromov_product(2.0, 5.0, 3.0), 2.0);
/// ```
#[inline]
pub fn gromov_product(xy: f64, xz: f64, yz: f64) -> f64 {
    0.5 * ((xy + xz) - yz)
}

/// The matrix A of Gromov products of all pairs at one base point, row by row.
///
/// **Shapes.** `[points, points]`, symmetric; the row of the base point is zero, the diagonal is d(base, ·).
///
/// # Panics
/// If there is no point `base`.
///
/// # Examples
/// ```
/// use hyp_delta::{DistanceMatrix, gromov::gromov_matrix};
/// let line = DistanceMatrix::from_fn(3, |i, j| (j - i) as f64)?;
/// assert_eq!(gromov_matrix(&line, 0), [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 2.0]);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn gromov_matrix(distances: &DistanceMatrix, base: usize) -> Vec<f64> {
    let from_base = distances.row(base);
    let points = distances.points();
    let mut products = vec![0.0; points * points];
    products.par_chunks_mut(points).enumerate().for_each(|(i, out)| {
        for ((product, &base_j), &ij) in out.iter_mut().zip(from_base).zip(distances.row(i)) {
            *product = gromov_product(from_base[i], base_j, ij);
        }
    });
    products
}

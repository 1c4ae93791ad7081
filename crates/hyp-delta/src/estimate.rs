//! δ at a base point, δ over all base points, and the diameter they are compared with.

use crate::curvature::{BallConstant, suggested_curvature};
use crate::distance::DistanceMatrix;
use crate::error::DeltaError;
use crate::exact::{delta_all_bases_on, delta_at_base_on, delta_of_features_on};
use crate::maxmin::Isa;
use crate::metric::Metric;

/// How far a finite metric space is from a tree, with the points that show it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Hyperbolicity {
    /// The least δ of the four-point condition: at `base`, or over all base points where that was asked for.
    pub delta: f64,
    /// The base point w.
    pub base: usize,
    /// Points (i, k, j) with min((i, k)_w, (k, j)_w) − (i, j)_w = δ; none where δ is zero.
    pub witness: Option<[usize; 3]>,
    /// The largest distance.
    pub diameter: f64,
    /// Two points at that distance.
    pub diameter_pair: (usize, usize),
    /// Number of points.
    pub points: usize,
}

impl Hyperbolicity {
    /// δ relative to the diameter, 2δ / diam: between 0 for a tree and 1, or up to 2 where the triangle inequality
    /// fails. None where all points coincide.
    ///
    /// **Source.** \[HIE\] Sec. 3.1. Copies of the released code older than January 2022 lack the factor 2.
    pub fn delta_rel(&self) -> Option<f64> {
        (self.diameter > 0.0).then(|| 2.0 * self.delta / self.diameter)
    }

    /// The curvature that [`Hyperbolicity::delta_rel`] suggests: ∞ of a tree. None where all points coincide.
    ///
    /// **Source.** \[HIE\] Sec. 3.2, (5).
    ///
    /// # Examples
    /// ```
    /// use hyp_delta::{BallConstant, DistanceMatrix, delta_at_base};
    /// let square = DistanceMatrix::from_fn(4, |i, j| (j - i).min(4 - (j - i)) as f64)?;
    /// let found = delta_at_base(&square, 0);
    /// assert_eq!(found.suggested_curvature(BallConstant::Printed), Some(0.144 * 0.144));
    /// # Ok::<(), hyp_delta::DeltaError>(())
    /// ```
    pub fn suggested_curvature(&self, constant: BallConstant) -> Option<f64> {
        self.delta_rel().map(|relative| suggested_curvature(relative, constant))
    }
}

/// δ at one base point w: the largest entry of (A ⊗ A) − A, where A holds the Gromov products at w.
///
/// $$ \delta_w = \max_{i,j,k} \min\bigl((i,k)_w, (k,j)_w\bigr) - (i,j)_w $$
///
/// **Source.** \[HIE\] Sec. 3.1, (2)–(4). The paper takes w to be the first sample.
///
/// **Domain.** δ_w ≤ δ ≤ 2 δ_w, where δ is [`delta_all_bases`]. Fewer than four points give 0, as any three points
/// lie in a tree. A matrix that violates the triangle inequality counts the violation.
/// **Numerics.** The maximum is over doubles that are each rounded as [`crate::gromov::gromov_product`] rounds; no
/// other rounding takes part, so the value does not depend on the method, the threads or the processor.
///
/// # Panics
/// If there is no point `base`.
///
/// # Examples
/// ```
/// use hyp_delta::{DistanceMatrix, delta_at_base};
/// // A square of side 1 with the way round as distance: δ = 1, diameter 2.
/// let square = DistanceMatrix::from_fn(4, |i, j| (j - i).min(4 - (j - i)) as f64)?;
/// let result = delta_at_base(&square, 0);
/// assert_eq!((result.delta, result.diameter, result.delta_rel()), (1.0, 2.0, Some(1.0)));
/// assert_eq!(result.witness, Some([1, 2, 3]));
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn delta_at_base(distances: &DistanceMatrix, base: usize) -> Hyperbolicity {
    delta_at_base_on(distances, base, Isa::detect()).0
}

/// [`delta_at_base`] of rows of features, without a matrix of distances in `f64` where the metric is Euclidean or the
/// cosine: two bytes for each pair of points.
///
/// **Shapes.** `features`: `[points, dim]`, row by row.
/// **Numerics.** The same bits as through [`DistanceMatrix::from_features`].
///
/// # Errors
/// As [`DistanceMatrix::from_features`].
///
/// # Panics
/// If there is no point `base`.
///
/// # Examples
/// ```
/// use hyp_delta::{Metric, delta_of_features};
/// // The corners of a square: from one corner, δ = √2 − 1.
/// let corners = [0.0_f32, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0];
/// let found = delta_of_features(&corners, 2, Metric::Euclidean, 0)?;
/// assert!((found.delta - (2.0_f64.sqrt() - 1.0)).abs() < 1e-15);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn delta_of_features<T>(
    features: &[T],
    dim: usize,
    metric: Metric,
    base: usize,
) -> Result<Hyperbolicity, DeltaError>
where
    T: Copy + Into<f64> + Sync,
{
    Ok(delta_of_features_on(features, dim, metric, base, Isa::detect())?.0)
}

/// δ of the four-point condition over all quadruples, which is the largest δ over all base points.
///
/// $$ \delta = \max \tfrac12 (S_1 - S_2), \quad S_1 \ge S_2 \ge S_3 \text{ the sums } d_{xy} + d_{zw},\;
///    d_{xz} + d_{yw},\; d_{xw} + d_{yz} $$
///
/// **Source.** \[HIE\] Sec. 3.1, (3).
///
/// **Numerics.** The largest value of [`delta_at_base`] over all base points, to the bit.
///
/// # Examples
/// ```
/// use hyp_delta::{DistanceMatrix, delta_all_bases};
/// // The cycle of five: ⌊5/4⌋ − ½.
/// let cycle = DistanceMatrix::from_fn(5, |i, j| (j - i).min(5 - (j - i)) as f64)?;
/// assert_eq!(delta_all_bases(&cycle).delta, 0.5);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn delta_all_bases(distances: &DistanceMatrix) -> Hyperbolicity {
    delta_all_bases_on(distances, Isa::detect()).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_than_four_points_are_a_tree() {
        for points in 1..4 {
            let space = DistanceMatrix::from_fn(points, |i, j| (i + j) as f64).unwrap();
            let result = delta_at_base(&space, points - 1);
            assert_eq!((result.delta, result.witness), (0.0, None));
            assert_eq!(delta_all_bases(&space).delta, 0.0);
        }
    }

    #[test]
    fn coinciding_points_have_no_relative_delta() {
        let point = DistanceMatrix::new(5, vec![0.0; 25]).unwrap();
        assert_eq!((delta_at_base(&point, 0).delta, delta_at_base(&point, 0).delta_rel()), (0.0, None));
    }

    #[test]
    fn the_witness_has_the_value() {
        let cycle = DistanceMatrix::from_fn(12, |i, j| (j - i).min(12 - (j - i)) as f64).unwrap();
        let result = delta_at_base(&cycle, 5);
        let [i, k, j] = result.witness.unwrap();
        let product = |x, y| 0.5 * (cycle.get(5, x) + cycle.get(5, y) - cycle.get(x, y));
        assert_eq!(f64::min(product(i, k), product(k, j)) - product(i, j), result.delta);
        assert_eq!(result.delta, 3.0);
    }
}

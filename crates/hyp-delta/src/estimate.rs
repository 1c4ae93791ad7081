//! δ at a base point, δ over all base points, and the diameter they are compared with.

use crate::distance::DistanceMatrix;
use crate::exact::delta_at_base_on;
use crate::gromov::gromov_matrix;
use crate::maxmin::{Isa, largest_excess};

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
    /// δ relative to the diameter, 2δ / diam: between 0 for a tree and 1. None where all points coincide.
    ///
    /// **Source.** \[HIE\] Sec. 3.1. Copies of the released code older than January 2022 lack the factor 2.
    pub fn delta_rel(&self) -> Option<f64> {
        (self.diameter > 0.0).then(|| 2.0 * self.delta / self.diameter)
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

/// δ of the four-point condition over all quadruples, which is the largest δ over all base points.
///
/// $$ \delta = \max \tfrac12 (S_1 - S_2), \quad S_1 \ge S_2 \ge S_3 \text{ the sums } d_{xy} + d_{zw},\;
///    d_{xz} + d_{yw},\; d_{xw} + d_{yz} $$
///
/// **Source.** \[HIE\] Sec. 3.1, (3). Of bases with equal δ the first is returned.
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
    let points = distances.points();
    let mut best = (0.0, 0, None);
    if points >= 4 {
        for base in 0..points {
            let (delta, witness) = excess_at(distances, base);
            if delta > best.0 {
                best = (delta, base, witness);
            }
        }
    }
    let (delta, base, witness) = best;
    let (diameter, diameter_pair) = distances.diameter();
    Hyperbolicity { delta, base, witness, diameter, diameter_pair, points }
}

/// δ and its witness at one base point of a space of at least four points.
fn excess_at(distances: &DistanceMatrix, base: usize) -> (f64, Option<[usize; 3]>) {
    let excess = largest_excess(&gromov_matrix(distances, base), distances.points());
    // The row of the base point is zero, so the maximum is not negative; only -0.0 has to be made 0.0.
    if excess.value > 0.0 { (excess.value, Some([excess.i, excess.k, excess.j])) } else { (0.0, None) }
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

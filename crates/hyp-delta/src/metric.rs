//! Distances between rows of features: Euclidean, by angle, or in the Poincaré ball.

#![expect(
    unsafe_code,
    reason = "the same safe loop compiled for vector instructions that not every processor has"
)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hyp_math::Curvature;
use hyp_math::distance::distance_by_gaps;
use hyp_math::scalar::gap;
use rayon::prelude::*;

use crate::distance::{DistanceMatrix, mirror};
use crate::error::DeltaError;
use crate::maxmin::{Isa, versions};

/// Rows of features are compared by one of these.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Metric {
    /// ‖x − y‖.
    Euclidean,
    /// 1 − cos ∠(x, y). It violates the triangle inequality, and δ counts the violation; [`Metric::Angular`] does not.
    Cosine,
    /// The angle between x and y, in radians.
    Angular,
    /// Distance in the Poincaré ball of curvature −c.
    Poincare(Curvature),
}

/// The largest norm taken: squares of sums stay finite.
const LARGEST: f64 = 1e150;

/// The smallest sum of squares of which none that matters has vanished.
const SMALLEST: f64 = 1e-280;

/// Rows that are compared with a block of columns while it is in cache.
const ROWS: usize = 16;

/// Numbers in a block of columns: 256 KB.
const BLOCK_VALUES: usize = 32_768;

impl DistanceMatrix {
    /// All distances between rows of features.
    ///
    /// **Shapes.** `features`: `[points, dim]`, row by row.
    /// **Numerics.** Evaluated in `f64` from the values given, each pair in the same fixed order of additions: the
    /// bits depend on the two rows only.
    ///
    /// # Errors
    /// If the rows are ragged or none, a value is NaN, infinite or huge, a row is zero where only its direction
    /// counts, or lies outside the ball.
    ///
    /// # Examples
    /// ```
    /// use hyp_delta::{DistanceMatrix, Metric};
    /// let points = [0.0_f32, 0.0, 3.0, 4.0];
    /// assert_eq!(DistanceMatrix::from_features(&points, 2, Metric::Euclidean)?.get(0, 1), 5.0);
    /// # Ok::<(), hyp_delta::DeltaError>(())
    /// ```
    pub fn from_features<T>(features: &[T], dim: usize, metric: Metric) -> Result<Self, DeltaError>
    where
        T: Copy + Into<f64> + Sync,
    {
        Self::from_rows(&Rows::new(features, dim, metric)?)
    }

    /// All distances between checked rows.
    pub(crate) fn from_rows(rows: &Rows) -> Result<Self, DeltaError> {
        Ok(Self::from_rows_while(rows, &|_| true)?.expect("invariant: nothing stops it"))
    }

    /// The same for as long as `goes_on` says so, which is told the share that is done; nothing where it says no.
    pub(crate) fn from_rows_while(
        rows: &Rows,
        goes_on: &(dyn Fn(f64) -> bool + Sync),
    ) -> Result<Option<Self>, DeltaError> {
        let points = rows.points();
        let mut values = vec![0.0; points * points];
        let (stopped, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
        let pairs = points * points.saturating_sub(1) / 2;
        let isa = Isa::detect();
        // A few rows go through the columns together, so that a block of columns is read once for all of them.
        let columns = (BLOCK_VALUES / rows.dim).max(1);
        values.par_chunks_mut(ROWS * points).enumerate().for_each(|(group, out)| {
            let first = group * ROWS;
            let done = seen.load(Ordering::Relaxed) as f64 / pairs.max(1) as f64;
            if stopped.load(Ordering::Relaxed) || !goes_on(done) {
                stopped.store(true, Ordering::Relaxed);
                return;
            }
            for start in (first..points).step_by(columns) {
                let end = (start + columns).min(points);
                for (i, out) in (first..).zip(out.chunks_exact_mut(points)) {
                    let start = start.max(i + 1);
                    if start < end {
                        rows.distances(isa, i, start, &mut out[start..end]);
                        seen.fetch_add(end - start, Ordering::Relaxed);
                    }
                }
            }
        });
        if stopped.into_inner() {
            return Ok(None);
        }
        mirror(&mut values, points, 0);
        Self::new(points, values).map(Some)
    }
}

/// Checked rows of features in double precision, prepared for one metric: for who wants a few distances and no matrix.
///
/// # Examples
/// ```
/// use hyp_delta::{Metric, metric::Rows};
/// let rows = Rows::new(&[0.0_f32, 0.0, 3.0, 4.0], 2, Metric::Euclidean)?;
/// assert_eq!((rows.points(), rows.distance(0, 1)), (2, 5.0));
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Rows {
    values: Vec<f64>,
    /// 1 − c‖x‖² of each row of the ball; none for other metrics.
    gaps: Vec<f64>,
    dim: usize,
    metric: Metric,
}

impl Rows {
    /// Checks the features; where only directions count, scales the rows to norm 1.
    ///
    /// # Errors
    /// As [`DistanceMatrix::from_features`].
    pub fn new<T>(features: &[T], dim: usize, metric: Metric) -> Result<Self, DeltaError>
    where
        T: Copy + Into<f64> + Sync,
    {
        if features.is_empty() {
            return Err(DeltaError::NoPoints);
        }
        if dim == 0 || !features.len().is_multiple_of(dim) {
            return Err(DeltaError::RaggedFeatures { dim, found: features.len() });
        }
        let mut values: Vec<f64> = features.par_iter().map(|&v| v.into()).collect();
        let wrong =
            values.par_chunks_mut(dim).enumerate().find_map_first(|(row, x)| prepare(row, x, metric).err());
        if let Some(error) = wrong {
            return Err(error);
        }
        let gaps = match metric {
            Metric::Poincare(c) => values.par_chunks(dim).map(|x| gap_of(x, c)).collect(),
            _ => Vec::new(),
        };
        Ok(Self { values, gaps, dim, metric })
    }

    /// The chosen rows, in the order given.
    pub(crate) fn subset(&self, chosen: &[usize]) -> Self {
        let values = chosen.iter().flat_map(|&i| self.row(i).iter().copied()).collect();
        let gaps =
            if self.gaps.is_empty() { Vec::new() } else { chosen.iter().map(|&i| self.gaps[i]).collect() };
        Self { values, gaps, ..*self }
    }

    /// Number of points.
    pub fn points(&self) -> usize {
        self.values.len() / self.dim
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    pub(crate) fn metric(&self) -> Metric {
        self.metric
    }

    /// The values of a point as the distances see them: scaled to norm 1 where only directions count.
    pub(crate) fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.dim..(i + 1) * self.dim]
    }

    /// 1 − c‖x‖² of a row of the ball.
    pub(crate) fn gap(&self, i: usize) -> f64 {
        self.gaps[i]
    }

    /// The distances of row i from the rows from `first` on; the same bits as one by one.
    pub(crate) fn distances(&self, isa: Isa, i: usize, first: usize, out: &mut [f64]) {
        squared_distances(isa, self.row(i), &self.values[first * self.dim..], self.dim, out);
        for (value, j) in out.iter_mut().zip(first..) {
            *value = self.distance_by_square(*value, i, j);
        }
    }

    /// The distance of two rows; the same bits for (i, j) and (j, i), and those of the matrix.
    ///
    /// # Panics
    /// If there is no point `i` or `j`.
    pub fn distance(&self, i: usize, j: usize) -> f64 {
        self.distance_by_square(squared_distance(self.row(i), self.row(j)), i, j)
    }

    /// The distance of two rows whose ‖x − y‖² is known.
    fn distance_by_square(&self, square: f64, i: usize, j: usize) -> f64 {
        let norm = || if square >= SMALLEST { square.sqrt() } else { small_norm(self.row(i), self.row(j)) };
        match self.metric {
            Metric::Euclidean => norm(),
            // For unit vectors ‖x − y‖² = 2 − 2 cos, without the cancellation of 1 − cos.
            Metric::Cosine => 0.5 * square,
            Metric::Angular => 2.0 * square.sqrt().atan2(squared_sum(self.row(i), self.row(j)).sqrt()),
            Metric::Poincare(c) => distance_by_gaps(norm(), [self.gaps[i], self.gaps[j]], c),
        }
    }
}

/// ‖x − y‖ where its square may have vanished.
#[cold]
fn small_norm(x: &[f64], y: &[f64]) -> f64 {
    let largest = x.iter().zip(y).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs()));
    if largest == 0.0 { 0.0 } else { largest * sum_of_squares(x, y, |a, b| (a - b) / largest).sqrt() }
}

/// 1 − c‖x‖².
fn gap_of(x: &[f64], c: Curvature) -> f64 {
    gap(c, sum_of_squares(x, x, |v, _| v))
}

/// Checks one row and, where only its direction counts, scales it to norm 1.
fn prepare(row: usize, x: &mut [f64], metric: Metric) -> Result<(), DeltaError> {
    if let Some(column) = x.iter().position(|v| v.is_nan() || v.abs() > LARGEST) {
        return Err(DeltaError::BadFeature { row, column, value: x[column] });
    }
    match metric {
        Metric::Euclidean => {}
        Metric::Cosine | Metric::Angular => {
            let largest = x.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            if largest == 0.0 {
                return Err(DeltaError::NoDirection { row });
            }
            for v in x.iter_mut() {
                *v /= largest;
            }
            let norm = x.iter().map(|v| v * v).sum::<f64>().sqrt();
            for v in x.iter_mut() {
                *v /= norm;
            }
        }
        Metric::Poincare(c) => {
            if gap_of(x, c) <= 0.0 {
                let norm = x.iter().map(|v| v * v).sum::<f64>().sqrt();
                return Err(DeltaError::OutsideBall { row, norm, radius: 1.0 / c.sqrt() });
            }
        }
    }
    Ok(())
}

/// Σ f(xₖ, yₖ)² by eight running sums.
#[inline(always)]
fn sum_of_squares(x: &[f64], y: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    let mut sums = [0.0; 8];
    let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
    let mut rest = 0.0;
    for (a, b) in xs.remainder().iter().zip(ys.remainder()) {
        rest += f(*a, *b) * f(*a, *b);
    }
    for (a, b) in xs.zip(ys) {
        for lane in 0..8 {
            let v = f(a[lane], b[lane]);
            sums[lane] += v * v;
        }
    }
    ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7])) + rest
}

versions! {
    /// Squared distances of a row from consecutive rows.
    fn squared_distances(x: &[f64], rows: &[f64], dim: usize, out: &mut [f64]) -> () {
        for (value, y) in out.iter_mut().zip(rows.chunks_exact(dim)) {
            *value = sum_of_squares(x, y, |a, b| a - b);
        }
    }
}

fn squared_distance(x: &[f64], y: &[f64]) -> f64 {
    sum_of_squares(x, y, |a, b| a - b)
}

fn squared_sum(x: &[f64], y: &[f64]) -> f64 {
    sum_of_squares(x, y, |a, b| a + b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(x: [f64; 2], y: [f64; 2], metric: Metric) -> f64 {
        let matrix = DistanceMatrix::from_features(&[x, y].concat(), 2, metric).unwrap();
        matrix.get(1, 0)
    }

    #[test]
    fn distances_worked_by_hand() {
        assert_eq!(pair([1.0, 2.0], [4.0, 6.0], Metric::Euclidean), 5.0);
        // Two roundings of numbers near 1.
        assert!((pair([3.0, 0.0], [0.0, 0.1], Metric::Cosine) - 1.0).abs() < 1e-15);
        assert!((pair([3.0, 0.0], [0.0, 0.1], Metric::Angular) - std::f64::consts::FRAC_PI_2).abs() < 1e-15);
        assert_eq!(pair([2.0, 0.0], [-1.0, 0.0], Metric::Cosine), 2.0);
        assert_eq!(pair([2.0, 0.0], [-1.0, 0.0], Metric::Angular), std::f64::consts::PI);
        // From the origin to ½ at c = 1: 2 artanh ½ = ln 3.
        let unit = Metric::Poincare(Curvature::new(1.0).unwrap());
        assert!((pair([0.0, 0.0], [0.5, 0.0], unit) - 3.0_f64.ln()).abs() < 1e-15);
    }

    #[test]
    fn long_rows_use_all_their_values() {
        let rows: Vec<f64> = (0..27).map(f64::from).chain((0..27).map(|v| f64::from(v) + 1.0)).collect();
        assert_eq!(
            DistanceMatrix::from_features(&rows, 27, Metric::Euclidean).unwrap().get(0, 1),
            27.0_f64.sqrt()
        );
    }

    /// Squares vanish long before differences do.
    #[test]
    fn tiny_features_have_distances() {
        for size in [1e-160, 1e-200, 1e-300] {
            let rows = [3.0 * size, 0.0, 0.0, 4.0 * size];
            // One rounding of the quotient, and of the root.
            let found = pair([rows[0], rows[1]], [rows[2], rows[3]], Metric::Euclidean);
            assert!((found / size - 5.0).abs() < 1e-14, "{found}");
        }
        let unit = Metric::Poincare(Curvature::new(1.0).unwrap());
        assert!((pair([0.0, 0.0], [1e-200, 0.0], unit) - 2e-200).abs() < 1e-214);
    }

    /// The sums run in the same order on every instruction set, and one by one.
    #[test]
    fn distances_have_the_same_bits_on_every_instruction_set() {
        let values: Vec<f64> = (0..90 * 37).map(|v| (f64::from(v) * 0.37).sin()).collect();
        let ball = Metric::Poincare(Curvature::new(0.02).unwrap());
        for metric in [Metric::Euclidean, Metric::Cosine, Metric::Angular, ball] {
            let rows = Rows::new(&values, 37, metric).unwrap();
            for isa in Isa::ALL {
                let mut out = vec![0.0; 90];
                rows.distances(isa, 4, 0, &mut out);
                assert!(
                    (0..90).all(|j| out[j].to_bits() == rows.distance(4, j).to_bits()),
                    "{metric:?} {isa:?}"
                );
            }
        }
    }

    #[test]
    fn bad_features_are_named_with_their_place() {
        let unit = Metric::Poincare(Curvature::new(1.0).unwrap());
        let of = |rows: &[f64], dim, metric| DistanceMatrix::from_features(rows, dim, metric).unwrap_err();
        assert_eq!(of(&[], 2, Metric::Euclidean), DeltaError::NoPoints);
        assert_eq!(of(&[1.0; 5], 2, Metric::Euclidean), DeltaError::RaggedFeatures { dim: 2, found: 5 });
        assert!(matches!(
            of(&[1.0, 1.0, 1.0, f64::NAN], 2, Metric::Euclidean),
            DeltaError::BadFeature { row: 1, column: 1, .. }
        ));
        assert!(matches!(
            of(&[1.0, f64::NEG_INFINITY], 1, Metric::Cosine),
            DeltaError::BadFeature { row: 1, column: 0, .. }
        ));
        assert_eq!(of(&[1.0, 1.0, 0.0, 0.0], 2, Metric::Cosine), DeltaError::NoDirection { row: 1 });
        assert!(matches!(of(&[0.1, 0.1, 0.6, 0.8], 2, unit), DeltaError::OutsideBall { row: 1, .. }));
    }
}

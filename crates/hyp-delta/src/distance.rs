//! Distance matrices that are known to be square, finite, symmetric and zero on the diagonal.

use rayon::prelude::*;

use crate::error::DeltaError;

/// Side of the blocks in which symmetry is checked or made, so that both halves stay in cache.
const BLOCK: usize = 64;

/// The largest distance taken: sums of three stay finite.
const LARGEST: f64 = f64::MAX / 4.0;

/// All distances between the points of a finite space, checked once, when the matrix is made.
///
/// The triangle inequality is *not* checked (it costs as much as δ itself). Where it fails, the failure counts
/// towards δ, because the four-point condition with two equal points is the triangle inequality.
///
/// # Examples
/// ```
/// use hyp_delta::{DeltaError, DistanceMatrix};
/// let path = DistanceMatrix::new(3, vec![0.0, 1.0, 3.0, 1.0, 0.0, 2.0, 3.0, 2.0, 0.0])?;
/// assert_eq!(path.diameter(), (3.0, (0, 2)));
/// assert!(matches!(
///     DistanceMatrix::new(2, vec![0.0, 1.0, 2.0, 0.0]),
///     Err(DeltaError::Asymmetric { row: 0, column: 1, .. })
/// ));
/// # Ok::<(), DeltaError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DistanceMatrix {
    points: usize,
    values: Vec<f64>,
}

impl DistanceMatrix {
    /// Checks a full square matrix given row by row.
    ///
    /// # Errors
    /// If there is no point, the length is not `points`², or a value is NaN, infinite (or above a quarter of the
    /// largest double), negative, non-zero on the diagonal, or different from its mirror image.
    pub fn new(points: usize, values: Vec<f64>) -> Result<Self, DeltaError> {
        if points == 0 {
            return Err(DeltaError::NoPoints);
        }
        if points.checked_mul(points) != Some(values.len()) {
            return Err(DeltaError::NotSquare { points, found: values.len() });
        }
        let wrong = values
            .par_chunks(points)
            .enumerate()
            .find_map_first(|(row, line)| {
                line.iter().enumerate().find_map(|(column, &v)| fault(row, column, v))
            })
            .or_else(|| asymmetry(points, &values));
        match wrong {
            Some(error) => Err(error),
            None => Ok(Self { points, values }),
        }
    }

    /// Evaluates `distance(i, j)` once for each pair `i < j`, in parallel, and mirrors it.
    ///
    /// # Errors
    /// As [`DistanceMatrix::new`], for the values that `distance` returns.
    pub fn from_fn<F>(points: usize, distance: F) -> Result<Self, DeltaError>
    where
        F: Fn(usize, usize) -> f64 + Sync,
    {
        if points == 0 {
            return Err(DeltaError::NoPoints);
        }
        let mut values = vec![0.0; points * points];
        values.par_chunks_mut(points).enumerate().for_each(|(i, row)| {
            for (j, value) in row.iter_mut().enumerate().skip(i + 1) {
                *value = distance(i, j);
            }
        });
        mirror(&mut values, points, 0);
        Self::new(points, values)
    }

    /// Number of points.
    pub fn points(&self) -> usize {
        self.points
    }

    /// The distances from point `i` to all points, in order.
    ///
    /// # Panics
    /// If there is no point `i`.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.points..(i + 1) * self.points]
    }

    /// The distance between two points.
    ///
    /// # Panics
    /// If there is no point `i` or `j`.
    pub fn get(&self, i: usize, j: usize) -> f64 {
        self.row(i)[j]
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The largest distance and the first pair (in row order) that has it.
    pub fn diameter(&self) -> (f64, (usize, usize)) {
        let (value, row) =
            self.values.par_chunks(self.points).map(largest).enumerate().map(|(i, v)| (v, i)).reduce(
                || (f64::NEG_INFINITY, usize::MAX),
                |a, b| if b.0 > a.0 || (b.0 == a.0 && b.1 < a.1) { b } else { a },
            );
        let column =
            self.row(row).iter().position(|&v| v == value).expect("invariant: the maximum is in its row");
        (value, (row, column))
    }

    /// The distances among the chosen points, in the order given; an index may come more than once.
    ///
    /// # Errors
    /// If `indices` is empty.
    ///
    /// # Panics
    /// If an index is not below [`DistanceMatrix::points`].
    pub fn submatrix(&self, indices: &[usize]) -> Result<Self, DeltaError> {
        if indices.is_empty() {
            return Err(DeltaError::NoPoints);
        }
        let mut values = Vec::with_capacity(indices.len() * indices.len());
        for &i in indices {
            let row = self.row(i);
            values.extend(indices.iter().map(|&j| row[j]));
        }
        // Every entry is an entry of a checked matrix, in a symmetric arrangement.
        Ok(Self { points: indices.len(), values })
    }
}

/// The largest value of a row, by several running maxima so that the compiler can use vector registers.
fn largest(row: &[f64]) -> f64 {
    let mut running = [f64::NEG_INFINITY; 8];
    let chunks = row.chunks_exact(8);
    let rest = chunks.remainder().iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for chunk in chunks {
        for (m, &v) in running.iter_mut().zip(chunk) {
            *m = if v > *m { v } else { *m };
        }
    }
    running.iter().copied().fold(rest, f64::max)
}

/// What is wrong with one entry by itself.
fn fault(row: usize, column: usize, value: f64) -> Option<DeltaError> {
    if (0.0..=LARGEST).contains(&value) && (row != column || value == 0.0) {
        None
    } else if value.is_nan() {
        Some(DeltaError::NotANumber { row, column })
    } else if row == column {
        Some(DeltaError::Diagonal { row, value })
    } else if value < 0.0 {
        Some(DeltaError::Negative { row, column, value })
    } else {
        Some(DeltaError::Unbounded { row, column, value })
    }
}

/// The first difference between the two halves, block row by block row.
fn asymmetry(points: usize, values: &[f64]) -> Option<DeltaError> {
    let blocks = points.div_ceil(BLOCK);
    (0..blocks).into_par_iter().find_map_first(|block_row| {
        (block_row..blocks).find_map(|block_column| {
            for row in block_row * BLOCK..((block_row + 1) * BLOCK).min(points) {
                for column in (block_column * BLOCK).max(row + 1)..((block_column + 1) * BLOCK).min(points) {
                    let (upper, lower) = (values[row * points + column], values[column * points + row]);
                    if upper != lower {
                        return Some(DeltaError::Asymmetric { row, column, upper, lower });
                    }
                }
            }
            None
        })
    })
}

/// Copies the half above the diagonal of a square matrix to the half below it.
///
/// `rows` are whole rows, `stride` apart, from row `first` on; the call from outside starts at 0.
pub(crate) fn mirror<T: Copy + Send + Sync>(rows: &mut [T], stride: usize, first: usize) {
    let count = rows.len() / stride;
    if count <= BLOCK {
        for i in 0..count {
            for j in 0..i {
                rows[i * stride + first + j] = rows[j * stride + first + i];
            }
        }
        return;
    }
    let middle = (count / 2).next_multiple_of(BLOCK);
    let (upper, lower) = rows.split_at_mut(middle * stride);
    lower.par_chunks_mut(BLOCK * stride).enumerate().for_each(|(part, out)| {
        for start in (0..middle).step_by(BLOCK) {
            for (offset, row) in out.chunks_exact_mut(stride).enumerate() {
                let column = first + middle + part * BLOCK + offset;
                for (place, to) in row[first + start..][..BLOCK.min(middle - start)].iter_mut().enumerate() {
                    *to = upper[(start + place) * stride + column];
                }
            }
        }
    });
    rayon::join(|| mirror(upper, stride, first), || mirror(lower, stride, first + middle));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(points: usize, change: impl Fn(&mut [f64])) -> Result<DistanceMatrix, DeltaError> {
        let mut values = vec![1.0; points * points];
        for i in 0..points {
            values[i * points + i] = 0.0;
        }
        change(&mut values);
        DistanceMatrix::new(points, values)
    }

    #[test]
    fn every_kind_of_bad_matrix_is_named_with_its_place() {
        assert_eq!(DistanceMatrix::new(0, vec![]), Err(DeltaError::NoPoints));
        assert_eq!(DistanceMatrix::new(3, vec![0.0; 8]), Err(DeltaError::NotSquare { points: 3, found: 8 }));
        assert!(matches!(
            square(100, |v| v[105] = f64::NAN),
            Err(DeltaError::NotANumber { row: 1, column: 5 })
        ));
        assert!(matches!(
            square(100, |v| v[105] = f64::INFINITY),
            Err(DeltaError::Unbounded { row: 1, column: 5, .. })
        ));
        assert!(matches!(
            square(100, |v| v[105] = 1e308),
            Err(DeltaError::Unbounded { row: 1, column: 5, .. })
        ));
        assert!(matches!(
            square(100, |v| v[105] = -0.5),
            Err(DeltaError::Negative { row: 1, column: 5, .. })
        ));
        assert!(matches!(square(100, |v| v[202] = 0.5), Err(DeltaError::Diagonal { row: 2, .. })));
        assert!(matches!(
            square(100, |v| v[8 * 100 + 99] = 1.5),
            Err(DeltaError::Asymmetric { row: 8, column: 99, .. })
        ));
        assert!(square(100, |_| ()).is_ok());
    }

    #[test]
    fn messages_say_what_to_do() {
        let text = square(3, |v| v[1] = 2.0).unwrap_err().to_string();
        assert!(text.contains("point 0 to point 1 is 2 but 1") && text.contains("transpose"), "{text}");
    }

    #[test]
    fn a_function_is_called_once_per_pair_and_mirrored() {
        let matrix = DistanceMatrix::from_fn(130, |i, j| (10 * j + i) as f64).unwrap();
        assert_eq!(matrix.get(3, 129), 1293.0);
        assert_eq!(matrix.get(129, 3), 1293.0);
        assert_eq!(matrix.diameter(), (1290.0 + 128.0, (128, 129)));
    }

    #[test]
    fn a_submatrix_may_repeat_points() {
        let matrix = DistanceMatrix::from_fn(5, |i, j| (j - i) as f64).unwrap();
        let sub = matrix.submatrix(&[4, 0, 4]).unwrap();
        assert_eq!(sub.values(), [0.0, 4.0, 0.0, 4.0, 0.0, 4.0, 0.0, 4.0, 0.0]);
    }

    #[test]
    fn mirroring_makes_a_matrix_symmetric() {
        for n in [1, 63, 64, 65, 200, 300] {
            let stride = n + 3;
            let mut rows: Vec<usize> = (0..n * stride).collect();
            mirror(&mut rows, stride, 0);
            for (i, j) in (0..n).flat_map(|i| (0..i).map(move |j| (i, j))) {
                assert_eq!(rows[i * stride + j], j * stride + i, "n = {n}");
            }
        }
    }
}

//! δ_rel from repeated small samples, as the paper estimates it.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::curvature::{BallConstant, suggested_curvature};
use crate::distance::DistanceMatrix;
use crate::error::DeltaError;
use crate::estimate::{Hyperbolicity, delta_at_base, delta_of_features};
use crate::metric::Metric;

/// How to sample: how often, how many points, in which way, from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    /// Number of independent draws.
    pub draws: usize,
    /// Points in a draw.
    pub size: usize,
    /// Whether a point can come more than once in a draw.
    pub replacement: Replacement,
    /// The seed of all draws; draw number t uses stream t of the generator.
    pub seed: u64,
}

/// Whether a point can come more than once in a draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// Every point at most once.
    Without,
    /// Each point of the draw is chosen among all.
    With,
}

impl Protocol {
    /// The text of the paper: 10 draws of 1,000 points; without replacement, on which it is silent.
    ///
    /// **Source.** \[HIE\] Sec. 3.1.
    ///
    /// # Examples
    /// ```
    /// let protocol = hyp_delta::Protocol::khrulkov2020(0);
    /// assert_eq!((protocol.draws, protocol.size), (10, 1000));
    /// ```
    pub fn khrulkov2020(seed: u64) -> Self {
        Self { draws: 10, size: 1000, replacement: Replacement::Without, seed }
    }

    /// The code released with the paper: 10 draws of 1,500 points with replacement.
    ///
    /// **Source.** The default arguments of the released code; see `docs/deviations.md`.
    ///
    /// # Examples
    /// ```
    /// use hyp_delta::{Protocol, Replacement};
    /// assert_eq!(Protocol::released_code(0).replacement, Replacement::With);
    /// ```
    pub fn released_code(seed: u64) -> Self {
        Self { draws: 10, size: 1500, replacement: Replacement::With, seed }
    }

    /// The points of each draw, of `available`; the first point of a draw is its base point.
    ///
    /// # Errors
    /// If there is nothing to draw, or fewer points than a draw without replacement needs.
    ///
    /// # Examples
    /// ```
    /// use hyp_delta::{Protocol, Replacement};
    /// let protocol = Protocol { draws: 2, size: 3, replacement: Replacement::Without, seed: 7 };
    /// let draws = protocol.indices(3)?;
    /// let mut first = draws[0].clone();
    /// first.sort();
    /// assert_eq!(first, [0, 1, 2]);
    /// # Ok::<(), hyp_delta::DeltaError>(())
    /// ```
    pub fn indices(&self, available: usize) -> Result<Vec<Vec<usize>>, DeltaError> {
        if self.draws == 0 || self.size == 0 {
            return Err(DeltaError::EmptyProtocol { draws: self.draws, size: self.size });
        }
        if available == 0 {
            return Err(DeltaError::NoPoints);
        }
        if self.replacement == Replacement::Without && self.size > available {
            return Err(DeltaError::SampleTooLarge { requested: self.size, available });
        }
        Ok((0..self.draws).map(|draw| self.draw(draw, available)).collect())
    }

    fn draw(&self, draw: usize, available: usize) -> Vec<usize> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(draw as u64);
        match self.replacement {
            Replacement::With => (0..self.size).map(|_| random.random_range(0..available)).collect(),
            Replacement::Without => {
                let mut all: Vec<usize> = (0..available).collect();
                for place in 0..self.size {
                    all.swap(place, random.random_range(place..available));
                }
                all.truncate(self.size);
                all
            }
        }
    }
}

/// What a sampled estimate found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SampledHyperbolicity {
    /// The protocol that was followed.
    pub protocol: Protocol,
    /// The result of each draw, fewer than the protocol's where it had to end early; base, witness and diameter pair are
    /// indices into the whole set.
    pub draws: Vec<Hyperbolicity>,
    /// Mean of δ_rel over the draws.
    pub mean: f64,
    /// Standard deviation of δ_rel over the draws, divided by the number of draws as in the released code.
    ///
    /// It is the spread between draws, not an error of the whole set's δ_rel: δ is a maximum, which samples miss.
    pub std: f64,
    /// Lower bound on the δ of the whole set over *all* base points: a quadruple of a sample is a quadruple of the set.
    ///
    /// It bounds δ at no one base point, because each draw has a base point of its own: that may be half as much.
    pub delta_at_least: f64,
    /// Lower bound on the diameter of the whole set.
    pub diameter_at_least: f64,
}

impl SampledHyperbolicity {
    /// The curvature that the mean of δ_rel suggests: ∞ where it is zero.
    ///
    /// **Source.** \[HIE\] Sec. 3.2, (5).
    ///
    /// # Examples
    /// ```
    /// use hyp_delta::{BallConstant, DistanceMatrix, Protocol, Replacement, sample::estimate_matrix};
    /// let cycle = DistanceMatrix::from_fn(16, |i, j| (j - i).min(16 - (j - i)) as f64)?;
    /// let whole = Protocol { draws: 2, size: 16, replacement: Replacement::Without, seed: 0 };
    /// let c = estimate_matrix(&cycle, &whole)?.suggested_curvature(BallConstant::Printed);
    /// assert_eq!(c, 0.144 * 0.144); // δ_rel is 1
    /// # Ok::<(), hyp_delta::DeltaError>(())
    /// ```
    pub fn suggested_curvature(&self, constant: BallConstant) -> f64 {
        suggested_curvature(self.mean, constant)
    }
}

/// δ_rel by the given protocol, where `distances` makes the distance matrix of the points of a draw.
///
/// **Source.** \[HIE\] Sec. 3.1, "batched version of the algorithm".
/// **Domain.** `points` ≥ the size of a draw, where none may come twice.
/// **Numerics.** δ of each draw is exact; mean and deviation are of those values in `f64`.
///
/// # Errors
/// As [`Protocol::indices`]; as `distances`; [`DeltaError::ZeroDiameter`] if all points of a draw coincide.
///
/// # Examples
/// ```
/// use hyp_delta::{DistanceMatrix, Protocol, Replacement, sample::estimate};
/// // Points on a line are a tree.
/// let protocol = Protocol { draws: 2, size: 10, replacement: Replacement::Without, seed: 0 };
/// let line = |chosen: &[usize]| {
///     DistanceMatrix::from_fn(chosen.len(), |i, j| chosen[i].abs_diff(chosen[j]) as f64)
/// };
/// assert_eq!(estimate(50, &protocol, line)?.mean, 0.0);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn estimate<F>(
    points: usize,
    protocol: &Protocol,
    distances: F,
) -> Result<SampledHyperbolicity, DeltaError>
where
    F: Fn(&[usize]) -> Result<DistanceMatrix, DeltaError>,
{
    estimate_by(points, protocol, &|_| true, |chosen| Ok(delta_at_base(&distances(chosen)?, 0)))
}

/// [`estimate`], where `measure` finds δ of the points of a draw at the first of them.
fn estimate_by<F>(
    points: usize,
    protocol: &Protocol,
    goes_on: &dyn Fn(usize) -> bool,
    measure: F,
) -> Result<SampledHyperbolicity, DeltaError>
where
    F: Fn(&[usize]) -> Result<Hyperbolicity, DeltaError>,
{
    let mut draws = Vec::with_capacity(protocol.draws);
    let mut relative = Vec::with_capacity(protocol.draws);
    for (draw, chosen) in protocol.indices(points)?.iter().enumerate() {
        if draw > 0 && !goes_on(draw) {
            break;
        }
        let found = measure(chosen)?;
        relative.push(found.delta_rel().ok_or(DeltaError::ZeroDiameter { draw })?);
        draws.push(Hyperbolicity {
            base: chosen[found.base],
            witness: found.witness.map(|triple| triple.map(|p| chosen[p])),
            diameter_pair: (chosen[found.diameter_pair.0], chosen[found.diameter_pair.1]),
            ..found
        });
    }
    let count = relative.len() as f64;
    let mean = relative.iter().sum::<f64>() / count;
    let std = (relative.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / count).sqrt();
    let delta_at_least = draws.iter().map(|d| d.delta).fold(0.0, f64::max);
    let diameter_at_least = draws.iter().map(|d| d.diameter).fold(0.0, f64::max);
    Ok(SampledHyperbolicity { protocol: *protocol, draws, mean, std, delta_at_least, diameter_at_least })
}

/// [`estimate`] of rows of features.
///
/// **Source.** \[HIE\] Sec. 3.1.
/// **Shapes.** `features`: `[points, dim]`, row by row.
/// **Domain.** Finite features.
///
/// # Errors
/// As [`estimate`] and [`DistanceMatrix::from_features`].
///
/// # Examples
/// ```
/// use hyp_delta::{Metric, Protocol, Replacement, sample::estimate_features};
/// let protocol = Protocol { draws: 3, size: 8, replacement: Replacement::Without, seed: 0 };
/// let circle: Vec<f64> = (0..20).flat_map(|n| [f64::from(n).sin(), f64::from(n).cos()]).collect();
/// let found = estimate_features(&circle, 2, Metric::Euclidean, &protocol)?;
/// assert!(found.mean > 0.1 && found.mean < 1.0);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn estimate_features<T>(
    features: &[T],
    dim: usize,
    metric: Metric,
    protocol: &Protocol,
) -> Result<SampledHyperbolicity, DeltaError>
where
    T: Copy + Into<f64> + Sync,
{
    estimate_features_while(features, dim, metric, protocol, &|_| true)
}

/// [`estimate_features`] for as long as `goes_on` says so, which is asked before each draw but the first and told how
/// many are done.
///
/// **Source.** \[HIE\] Sec. 3.1.
/// **Shapes.** `features`: `[points, dim]`, row by row.
/// **Domain.** Finite features.
///
/// # Errors
/// As [`estimate_features`].
///
/// # Examples
/// ```
/// use hyp_delta::{Metric, Protocol, Replacement, sample::estimate_features_while};
/// let protocol = Protocol { draws: 9, size: 8, replacement: Replacement::Without, seed: 0 };
/// let line: Vec<f64> = (0..20).map(f64::from).collect();
/// let found = estimate_features_while(&line, 1, Metric::Euclidean, &protocol, &|done| done < 2)?;
/// assert_eq!(found.draws.len(), 2);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn estimate_features_while<T>(
    features: &[T],
    dim: usize,
    metric: Metric,
    protocol: &Protocol,
    goes_on: &dyn Fn(usize) -> bool,
) -> Result<SampledHyperbolicity, DeltaError>
where
    T: Copy + Into<f64> + Sync,
{
    if dim == 0 || !features.len().is_multiple_of(dim) {
        return Err(DeltaError::RaggedFeatures { dim, found: features.len() });
    }
    estimate_by(features.len() / dim, protocol, goes_on, |chosen| {
        let mut rows = Vec::with_capacity(chosen.len() * dim);
        for &point in chosen {
            rows.extend_from_slice(&features[point * dim..(point + 1) * dim]);
        }
        delta_of_features(&rows, dim, metric, 0)
    })
}

/// [`estimate`] of a space whose distances are all known.
///
/// **Source.** \[HIE\] Sec. 3.1.
///
/// # Errors
/// As [`estimate`].
///
/// # Examples
/// ```
/// use hyp_delta::{Protocol, Replacement, sample::estimate_matrix, space};
/// let tree = space::tree(60, space::TreeShape::Uniform, space::EdgeLength::Unit, 1)?;
/// let protocol = Protocol { draws: 4, size: 20, replacement: Replacement::With, seed: 0 };
/// assert_eq!(estimate_matrix(&tree, &protocol)?.delta_at_least, 0.0);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn estimate_matrix(
    distances: &DistanceMatrix,
    protocol: &Protocol,
) -> Result<SampledHyperbolicity, DeltaError> {
    estimate_matrix_while(distances, protocol, &|_| true)
}

/// [`estimate_matrix`] for as long as `goes_on` says so, as in [`estimate_features_while`].
///
/// **Source.** \[HIE\] Sec. 3.1.
///
/// # Errors
/// As [`estimate_matrix`].
///
/// # Examples
/// ```
/// use hyp_delta::{Protocol, Replacement, sample::estimate_matrix_while, space};
/// let tree = space::tree(60, space::TreeShape::Uniform, space::EdgeLength::Unit, 1)?;
/// let protocol = Protocol { draws: 4, size: 20, replacement: Replacement::With, seed: 0 };
/// assert_eq!(estimate_matrix_while(&tree, &protocol, &|_| false)?.draws.len(), 1);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn estimate_matrix_while(
    distances: &DistanceMatrix,
    protocol: &Protocol,
    goes_on: &dyn Fn(usize) -> bool,
) -> Result<SampledHyperbolicity, DeltaError> {
    estimate_by(distances.points(), protocol, goes_on, |chosen| {
        Ok(delta_at_base(&distances.submatrix(chosen)?, 0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_without_replacement_repeats_no_point_and_depends_on_seed_and_draw_alone() {
        let protocol = Protocol { draws: 3, size: 50, replacement: Replacement::Without, seed: 5 };
        let draws = protocol.indices(60).unwrap();
        assert_eq!(draws, protocol.indices(60).unwrap());
        assert_ne!(draws[0], draws[1]);
        for draw in &draws {
            let mut sorted = draw.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), 50);
        }
        let more = Protocol { draws: 9, ..protocol };
        assert_eq!(more.indices(60).unwrap()[..3], draws[..]);
    }

    #[test]
    fn impossible_protocols_are_refused() {
        let protocol = Protocol::khrulkov2020(0);
        assert_eq!(
            protocol.indices(999),
            Err(DeltaError::SampleTooLarge { requested: 1000, available: 999 })
        );
        assert_eq!(
            Protocol { draws: 0, ..protocol }.indices(9),
            Err(DeltaError::EmptyProtocol { draws: 0, size: 1000 })
        );
        assert!(Protocol::released_code(0).indices(5).unwrap().iter().all(|d| d.iter().all(|&p| p < 5)));
    }

    #[test]
    fn samples_of_one_place_have_no_relative_delta() {
        let point = DistanceMatrix::new(5, vec![0.0; 25]).unwrap();
        let protocol = Protocol { draws: 1, size: 5, replacement: Replacement::Without, seed: 0 };
        assert_eq!(estimate_matrix(&point, &protocol), Err(DeltaError::ZeroDiameter { draw: 0 }));
    }

    /// Fewer draws are the first of all.
    #[test]
    fn a_protocol_that_ends_early_has_its_first_draws() {
        let cycle = DistanceMatrix::from_fn(40, |i, j| (j - i).min(40 - (j - i)) as f64).unwrap();
        let protocol = Protocol { draws: 7, size: 12, replacement: Replacement::With, seed: 3 };
        let whole = estimate_matrix(&cycle, &protocol).unwrap();
        let part = estimate_matrix_while(&cycle, &protocol, &|done| done < 3).unwrap();
        assert_eq!(part.draws, whole.draws[..3]);
        assert_eq!(
            part,
            estimate_matrix(&cycle, &Protocol { draws: 3, ..protocol })
                .map(|found| { SampledHyperbolicity { protocol, ..found } })
                .unwrap()
        );
    }

    #[test]
    fn a_full_sample_is_the_whole_set_with_its_own_indices() {
        let cycle = DistanceMatrix::from_fn(16, |i, j| (j - i).min(16 - (j - i)) as f64).unwrap();
        let protocol = Protocol { draws: 4, size: 16, replacement: Replacement::Without, seed: 3 };
        let found = estimate_matrix(&cycle, &protocol).unwrap();
        assert_eq!(
            (found.mean, found.std, found.delta_at_least, found.diameter_at_least),
            (1.0, 0.0, 4.0, 8.0)
        );
        for draw in &found.draws {
            assert_eq!(cycle.get(draw.diameter_pair.0, draw.diameter_pair.1), 8.0);
            assert_eq!(delta_at_base(&cycle, draw.base).delta, draw.delta);
        }
    }
}

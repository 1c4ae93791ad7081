//! Exact δ at a base point, by the fastest way that fits: always the same bits as the definition in `f64`.

mod all_bases;
mod bases;
mod best;
mod dense;
mod distinct;
mod features;
mod levels;
mod of_rows;
mod order;
mod outline;
mod prepared;
mod pruned;
mod quad;
mod reading;
mod report;
mod scan;
mod seed;
mod shape;
mod source;
mod spans;
mod survey;
mod turn;
mod ways;

use crate::distance::DistanceMatrix;
use crate::error::DeltaError;
use crate::estimate::Hyperbolicity;
use crate::maxmin::Isa;
use crate::metric::{Metric, Rows};
pub use bases::{delta_all_bases_of_features_within, delta_all_bases_on, delta_all_bases_within};
use best::Found;
use distinct::Distinct;
use of_rows::of_rows;
pub use report::{Go, Interval, Limits, Method, Status, Work, to_the_end};
use survey::Survey;

/// The best triple, the work, and a value that no triple exceeds.
type Outcome = (Found, Work, f64);

/// The diameter and a pair of points at that distance.
type Diameter = (f64, (usize, usize));

/// [`crate::delta_at_base`] on a given instruction set, with a report on the work.
///
/// # Panics
/// If there is no point `base`, or the processor does not have the instruction set.
///
/// # Examples
/// ```
/// use hyp_delta::{DistanceMatrix, exact::delta_at_base_on, maxmin::Isa};
/// let cycle = DistanceMatrix::from_fn(40, |i, j| (j - i).min(40 - (j - i)) as f64)?;
/// for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
///     assert_eq!(delta_at_base_on(&cycle, 0, isa).0.delta, 10.0);
/// }
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn delta_at_base_on(distances: &DistanceMatrix, base: usize, isa: Isa) -> (Hyperbolicity, Work) {
    let (interval, work) = delta_at_base_within(distances, base, Limits::NONE, isa);
    (interval.at_least, work)
}

/// [`delta_at_base_on`] within limits of time and memory: an interval where they do not reach.
///
/// # Panics
/// If there is no point `base`, or the processor does not have the instruction set.
///
/// # Examples
/// ```
/// use hyp_delta::{exact::{Limits, delta_at_base_within}, maxmin::Isa, space};
/// let ball = space::hyperbolic_disk(2500, space::DiskSampling::Euclidean, 1)?;
/// let (interval, _) = delta_at_base_within(&ball, 0, Limits::while_told(&|_| false), Isa::detect());
/// let (exact, _) = delta_at_base_within(&ball, 0, Limits::NONE, Isa::detect());
/// assert!(interval.at_least.delta <= exact.at_most && exact.at_most <= interval.at_most);
/// assert_eq!(exact.at_least.delta, exact.at_most);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn delta_at_base_within(
    distances: &DistanceMatrix,
    base: usize,
    limits: Limits<'_>,
    isa: Isa,
) -> (Interval, Work) {
    let points = distances.points();
    assert!(base < points, "there is no base point {base} among {points} points");
    assert!(isa.is_available(), "the processor has no {isa:?}");
    if points < 4 {
        let (diameter, diameter_pair) = distances.diameter();
        let at_least = Hyperbolicity { delta: 0.0, base, witness: None, diameter, diameter_pair, points };
        let interval = Interval { at_least, at_most: 0.0, diameter_at_most: diameter };
        return (interval, Work { method: Method::Trivial, refined: 0, steps: 0 });
    }
    if let Some(distinct) = Distinct::of_matrix(distances, base, limits) {
        let (fewer, limits) = distinct.matrix(distances, limits).expect("invariant: four are kept");
        let (interval, work) = at_base(&fewer, distinct.base(), limits, isa);
        return (distinct.of_all(interval), work);
    }
    at_base(distances, base, limits, isa)
}

/// At least four points, whether some coincide or not.
fn at_base(distances: &DistanceMatrix, base: usize, limits: Limits<'_>, isa: Isa) -> (Interval, Work) {
    let survey = Survey::of(distances, base);
    let (found, work, at_most) = ways::search(distances, base, &survey, 0.0, limits, isa);
    let diameter = (survey.diameter, survey.diameter_pair);
    let at_least = found.at(base, diameter, distances.points());
    (Interval { at_least, at_most, diameter_at_most: survey.diameter }, work)
}

/// [`delta_at_base_on`] of features, without a distance matrix wherever `f32` tells enough of the distances apart.
///
/// **Shapes.** `features`: `[points, dim]`, row by row.
/// **Numerics.** The same bits as through [`DistanceMatrix::from_features`].
///
/// # Errors
/// As [`DistanceMatrix::from_features`].
///
/// # Panics
/// If there is no point `base`, or the processor does not have the instruction set.
///
/// # Examples
/// ```
/// use hyp_delta::{Metric, exact::delta_of_features_on, maxmin::Isa};
/// let corners = [0.0_f32, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0];
/// let (found, _) = delta_of_features_on(&corners, 2, Metric::Euclidean, 0, Isa::Portable)?;
/// assert!((found.delta - (2.0_f64.sqrt() - 1.0)).abs() < 1e-15);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn delta_of_features_on<T>(
    features: &[T],
    dim: usize,
    metric: Metric,
    base: usize,
    isa: Isa,
) -> Result<(Hyperbolicity, Work), DeltaError>
where
    T: Copy + Into<f64> + Sync,
{
    let (interval, work) = delta_of_features_within(features, dim, metric, base, Limits::NONE, isa)?;
    Ok((interval.at_least, work))
}

/// [`delta_of_features_on`] within limits of time and memory: an interval where they do not reach.
///
/// Where not all pairs fit in memory, δ of the base point and of points spread evenly over all is computed exactly and
/// bounds δ of all from below, and a look at every pair bounds it from above. Where the time is over before all
/// distances were seen, a few points bound it from below and the largest distance from the base point from above.
///
/// **Shapes.** `features`: `[points, dim]`, row by row.
/// **Numerics.** Both ends are certain of the doubles that [`delta_of_features_on`] finds.
///
/// # Errors
/// As [`DistanceMatrix::from_features`].
///
/// # Panics
/// If there is no point `base`, or the processor does not have the instruction set.
///
/// # Examples
/// ```
/// use hyp_delta::{Metric, exact::{Limits, delta_of_features_within}, maxmin::Isa};
/// let corners = [0.0_f32, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0];
/// let (interval, _) =
///     delta_of_features_within(&corners, 2, Metric::Euclidean, 0, Limits::NONE, Isa::Portable)?;
/// assert_eq!(interval.at_least.delta, interval.at_most);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn delta_of_features_within<T>(
    features: &[T],
    dim: usize,
    metric: Metric,
    base: usize,
    limits: Limits<'_>,
    isa: Isa,
) -> Result<(Interval, Work), DeltaError>
where
    T: Copy + Into<f64> + Sync,
{
    of_rows(&Rows::new(features, dim, metric)?, base, limits, isa)
}

//! Exact δ at a base point, by the fastest way that fits: always the same bits as the definition in `f64`.

mod all_bases;
mod bases;
mod best;
mod dense;
mod features;
mod levels;
mod order;
mod pruned;
mod quad;
mod report;
mod scan;
mod seed;
mod source;
mod spans;
mod streamed;
mod survey;
mod turn;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::distance::DistanceMatrix;
use crate::error::DeltaError;
use crate::estimate::Hyperbolicity;
use crate::gromov::gromov_matrix;
use crate::maxmin::{Isa, Level, largest_excess};
use crate::metric::{Metric, Rows};
pub use bases::{delta_all_bases_on, delta_all_bases_within};
use best::{Best, Found};
use features::{RowsAtBase, levels_of};
use levels::{Levels, Scale};
pub use report::{Go, Interval, Method, Status, Work, to_the_end};
use source::{MatrixAtBase, Source};
pub use streamed::delta_of_features_streamed;
use survey::{Survey, common_unit};

/// Starts of the ascent for each search.
const STARTS: usize = 48;

/// Up to so many points every pair goes through the kernels; above, most pairs can be left out for less.
const FEW: usize = 2000;

/// Starts of the ascent of either kind for many points.
const MANY_STARTS: usize = 96;

/// How many block steps of the kernels take as long as one of the pruned search.
const STEP_COST: u64 = 6;

/// For each point, how many survivors of levels from features are worth an evaluation before a distance matrix is.
const CROWD: u64 = 64;

/// For each row, how many survivors of the pruned search are worth levels of four bytes.
const CROWD_OF_PAIRS: u64 = 8;

/// A filter has to tell this many levels apart below the best triple, or too many pairs survive it.
const LEAST_THRESHOLD: i64 = 12;

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
    let (interval, work) = delta_at_base_within(distances, base, &to_the_end, isa);
    (interval.at_least, work)
}

/// [`delta_at_base_on`] for as long as `go` says so, which is asked between parts of a search.
///
/// Up to 2,000 points, and while the data are prepared, it is not asked.
///
/// # Panics
/// If there is no point `base`, or the processor does not have the instruction set.
///
/// # Examples
/// ```
/// use hyp_delta::{exact::delta_at_base_within, maxmin::Isa, space};
/// let ball = space::hyperbolic_disk(2500, space::DiskSampling::Euclidean, 1)?;
/// let (interval, _) = delta_at_base_within(&ball, 0, &|_| false, Isa::detect());
/// let (exact, _) = delta_at_base_within(&ball, 0, &|_| true, Isa::detect());
/// assert!(interval.at_least.delta <= exact.at_most && exact.at_most <= interval.at_most);
/// assert_eq!(exact.at_least.delta, exact.at_most);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn delta_at_base_within(
    distances: &DistanceMatrix,
    base: usize,
    go: Go<'_>,
    isa: Isa,
) -> (Interval, Work) {
    let points = distances.points();
    assert!(base < points, "there is no base point {base} among {points} points");
    assert!(isa.is_available(), "the processor has no {isa:?}");
    if points < 4 {
        let (diameter, diameter_pair) = distances.diameter();
        let at_least = Hyperbolicity { delta: 0.0, base, witness: None, diameter, diameter_pair, points };
        return (Interval { at_least, at_most: 0.0 }, Work { method: Method::Trivial, refined: 0, steps: 0 });
    }
    let survey = Survey::of(distances, base);
    let (found, work, at_most) = search(distances, base, &survey, 0.0, go, isa);
    let diameter = (survey.diameter, survey.diameter_pair);
    (Interval { at_least: found.at(base, diameter, points), at_most }, work)
}

/// The best triple, by levels of one byte if they tell enough apart, else of two or four, else in `f64`; a triple that
/// does not exist with the value `floor` if none is above it.
fn search(
    distances: &DistanceMatrix,
    base: usize,
    survey: &Survey,
    floor: f64,
    go: Go<'_>,
    isa: Isa,
) -> Outcome {
    let range = survey.high - survey.low;
    if let Some(unit) = common_unit(distances, range.max(f64::MIN_POSITIVE), f64::from(u16::TOP)) {
        let scale = Scale { low: survey.low, step: 0.5 * unit, slack: 0.0, lossless: true };
        let done = if range <= f64::from(u8::TOP) * scale.step {
            dense::<u8>(distances, base, scale, floor, isa)
        } else {
            dense::<u16>(distances, base, scale, floor, isa)
        };
        return done.expect("invariant: exact levels tell all products apart");
    }
    if distances.points() > FEW {
        let source = MatrixAtBase { distances, base };
        let order = order::spatial_order(&source, distances.points());
        let scale = Scale::spread::<u16>(survey.low, survey.high);
        let levels = Levels::<u16>::of_matrix(distances, base, order, scale, isa);
        let finest = || {
            let scale = Scale::spread::<i32>(survey.low, survey.high);
            Levels::<i32>::of_matrix(distances, base, levels.order.clone(), scale, isa)
        };
        if let Some(done) = many(&levels, Some(&finest), &source, floor, go, isa) {
            return done;
        }
    }
    None.or_else(|| dense::<u8>(distances, base, Scale::spread::<u8>(survey.low, survey.high), floor, isa))
        .or_else(|| dense::<u16>(distances, base, Scale::spread::<u16>(survey.low, survey.high), floor, isa))
        .or_else(|| dense::<i32>(distances, base, Scale::spread::<i32>(survey.low, survey.high), floor, isa))
        .unwrap_or_else(|| plain(distances, base))
}

/// [`delta_at_base_on`] of features, without a distance matrix where the metric is Euclidean or the cosine.
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
    let (interval, work) = delta_of_features_within(features, dim, metric, base, &to_the_end, isa)?;
    Ok((interval.at_least, work))
}

/// [`delta_of_features_on`] for as long as `go` says so; see [`delta_at_base_within`].
///
/// **Shapes.** `features`: `[points, dim]`, row by row.
///
/// # Errors
/// As [`DistanceMatrix::from_features`].
///
/// # Panics
/// If there is no point `base`, or the processor does not have the instruction set.
///
/// # Examples
/// ```
/// use hyp_delta::{Metric, exact::delta_of_features_within, maxmin::Isa};
/// let corners = [0.0_f32, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0];
/// let (interval, _) =
///     delta_of_features_within(&corners, 2, Metric::Euclidean, 0, &|_| true, Isa::Portable)?;
/// assert_eq!(interval.at_least.delta, interval.at_most);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn delta_of_features_within<T>(
    features: &[T],
    dim: usize,
    metric: Metric,
    base: usize,
    go: Go<'_>,
    isa: Isa,
) -> Result<(Interval, Work), DeltaError>
where
    T: Copy + Into<f64> + Sync,
{
    let rows = Rows::new(features, dim, metric)?;
    let points = rows.points();
    assert!(base < points, "there is no base point {base} among {points} points");
    assert!(isa.is_available(), "the processor has no {isa:?}");
    let done = if points < 4 { None } else { search_rows(&rows, base, go, isa) };
    let Some(((found, work, at_most), diameter)) = done else {
        return Ok(delta_at_base_within(&DistanceMatrix::from_rows(&rows)?, base, go, isa));
    };
    Ok((Interval { at_least: found.at(base, diameter, points), at_most }, work))
}

/// The best triple of features and their diameter, or nothing if that takes a distance matrix.
fn search_rows(rows: &Rows, base: usize, go: Go<'_>, isa: Isa) -> Option<(Outcome, Diameter)> {
    let source = RowsAtBase::new(rows, base);
    let points = rows.points();
    if points <= FEW {
        let (levels, diameter, pair) = levels_of::<u8>(&source, (0..points).collect(), isa)?;
        return Some((few(&levels, None, &source, 0.0, isa)?, (diameter, pair)));
    }
    let (levels, diameter, pair) = levels_of::<u16>(&source, order::spatial_order(&source, points), isa)?;
    Some((many(&levels, None, &source, 0.0, go, isa)?, (diameter, pair)))
}

/// The best triple of a distance matrix through the kernels, or nothing if the levels tell too little apart.
fn dense<T: Level>(
    distances: &DistanceMatrix,
    base: usize,
    scale: Scale,
    floor: f64,
    isa: Isa,
) -> Option<Outcome> {
    let (survey_low, survey_high) = (scale.low, scale.low + scale.step * f64::from(T::TOP));
    let order = || (0..distances.points()).collect();
    let finest = || {
        let scale = Scale::spread::<i32>(survey_low, survey_high);
        Levels::<i32>::of_matrix(distances, base, order(), scale, isa)
    };
    let levels = Levels::<T>::of_matrix(distances, base, order(), scale, isa);
    few(&levels, Some(&finest), &MatrixAtBase { distances, base }, floor, isa)
}

/// The best triple through the kernels; nothing if the levels tell too little apart, or if too many pairs survive and
/// there are no finest levels to look at them again.
fn few<T: Level>(
    levels: &Levels<T>,
    finest: Option<&(dyn Fn() -> Levels<i32> + Sync)>,
    source: &impl Source,
    floor: f64,
    isa: Isa,
) -> Option<Outcome> {
    let points = levels.order.len();
    let start = seed::ascend(levels, source, &seed::spread(points, STARTS), isa);
    let best = Best::new(start.or(floor));
    if !levels.scale.lossless && levels.scale.threshold(best.target()) < LEAST_THRESHOLD {
        return None;
    }
    let (seen, refined) = (AtomicU64::new(0), AtomicU64::new(0));
    let evaluate = |levels_matter: bool| {
        refined.fetch_add(u64::from(levels_matter), Ordering::Relaxed);
        seen.fetch_add(1, Ordering::Relaxed) / points as u64
    };
    let crowd = if finest.is_some() { 1 } else { CROWD };
    let complete = dense::search(levels, &best, f64::INFINITY, isa, &to_the_end, |i, j| {
        evaluate(dense::recheck(levels, source, &best, i, j, isa)) < crowd
    });
    if !complete {
        // Made here and not when the first thread needs them: a thread that waits for others to make them may be
        // given another block of this search, and then wait for itself.
        let finest = finest?();
        dense::search(levels, &best, f64::INFINITY, isa, &to_the_end, |i, j| {
            evaluate(dense::recheck(&finest, source, &best, i, j, isa));
            true
        });
    }
    dense::search_diagonal(levels, source, &best, isa);
    let method = Method::Dense { bits: 8 * size_of::<T>() as u32 };
    let found = best.into_found();
    Some((found, Work { method, refined: refined.into_inner(), steps: 0 }, found.value))
}

/// The best triple by pruning, or through the kernels where that leaves too much; nothing if the levels tell too
/// little apart.
fn many(
    levels: &Levels<u16>,
    finest: Option<pruned::Finest<'_>>,
    source: &impl Source,
    floor: f64,
    go: Go<'_>,
    isa: Isa,
) -> Option<Outcome> {
    let points = levels.order.len();
    let bounds = pruned::Bounds::of(levels, isa);
    let mut starts = bounds.promising(MANY_STARTS);
    starts.extend(seed::spread(points, MANY_STARTS));
    let start = seed::ascend(levels, source, &starts, isa);
    let best = Best::new(start.or(floor));
    if levels.scale.threshold(best.target()) < LEAST_THRESHOLD {
        return None;
    }
    let most_steps = (points as u64).pow(3) / (2 * 64 * STEP_COST);
    let effort =
        pruned::search(levels, &bounds, source, (finest, CROWD_OF_PAIRS), &best, most_steps, go, isa);
    let mut work = Work { method: Method::Pruned, refined: effort.refined, steps: effort.steps };
    let mut open = effort.open;
    if let Some(ceiling) = open.filter(|_| !effort.out_of_time) {
        let refined = AtomicU64::new(0);
        let evaluate = |i, j| {
            let counted = dense::recheck(levels, source, &best, i, j, isa);
            refined.fetch_add(u64::from(counted), Ordering::Relaxed);
            true
        };
        let coarse = levels.coarse();
        let complete = if coarse.scale.threshold(best.target()) >= LEAST_THRESHOLD {
            work.method = Method::Dense { bits: 8 };
            dense::search(&coarse, &best, ceiling, isa, go, evaluate)
        } else {
            work.method = Method::Dense { bits: 16 };
            dense::search(levels, &best, ceiling, isa, go, evaluate)
        };
        work.refined += refined.into_inner();
        open = open.filter(|_| !complete);
    }
    dense::search_diagonal(levels, source, &best, isa);
    let found = best.into_found();
    Some((found, work, f64::max(found.value, open.unwrap_or(0.0))))
}

/// The best triple by the definition.
fn plain(distances: &DistanceMatrix, base: usize) -> Outcome {
    let excess = largest_excess(&gromov_matrix(distances, base), distances.points());
    (
        Found::new(excess.value, [excess.i, excess.k, excess.j]),
        Work { method: Method::Plain, refined: 0, steps: 0 },
        excess.value.max(0.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{DiskSampling, SphereDistance, SpherePart, hyperbolic_disk, sphere};

    /// The pruned search of small spaces, which it is not chosen for, against the definition: with its end reached,
    /// and given up at once for the kernels.
    #[test]
    fn pruning_changes_nothing() {
        let mut pruned = 0;
        for seed in 0..40_u64 {
            let n = 70 + (seed as usize * 41) % 230;
            let base = seed as usize;
            let cluster = |i: usize| (i * 7919 % 5) as f64;
            let spaces = [
                sphere(n, SpherePart::Whole, SphereDistance::Geodesic, seed),
                hyperbolic_disk(n, DiskSampling::Hyperbolic { radius: 9.0 }, seed),
                DistanceMatrix::from_fn(n, |i, j| {
                    let near = ((i * 31 + j * 17) * (i + j) % 101) as f64 / 101.0;
                    3.0 + near + 2.0 * (cluster(i) - cluster(j)).abs()
                }),
            ];
            for distances in spaces {
                let distances = distances.unwrap();
                let want = plain(&distances, base).0.value;
                let survey = Survey::of(&distances, base);
                let source = MatrixAtBase { distances: &distances, base };
                for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
                    let order = order::spatial_order(&source, n);
                    let scale = Scale::spread::<u16>(survey.low, survey.high);
                    let levels = Levels::<u16>::of_matrix(&distances, base, order, scale, isa);
                    let finest = || {
                        let scale = Scale::spread::<i32>(survey.low, survey.high);
                        Levels::<i32>::of_matrix(&distances, base, levels.order.clone(), scale, isa)
                    };
                    let (found, work, _) = many(&levels, None, &source, 0.0, &to_the_end, isa).unwrap();
                    assert_eq!(found.value, want, "seed {seed} {isa:?} {work:?}");
                    assert_eq!(source.excess(found.triple), want);
                    pruned += usize::from(work.method == Method::Pruned);
                    // Out of time at once, the interval still holds the value.
                    let (start, _, at_most) = many(&levels, None, &source, 0.0, &|_| false, isa).unwrap();
                    assert!(start.value <= want && want <= at_most, "{} {want} {at_most}", start.value);
                    // At every moment, too, and it never widens.
                    let last = std::sync::Mutex::new((0.0, f64::INFINITY));
                    let closing = |status: Status| {
                        let mut last = last.lock().unwrap();
                        assert!(status.at_least <= want && want <= status.at_most, "{status:?} {want}");
                        last.0 = f64::max(last.0, status.at_least);
                        last.1 = f64::min(last.1, status.at_most);
                        true
                    };
                    many(&levels, Some(&finest), &source, 0.0, &closing, isa).unwrap();
                    // From a start that knows nothing, everything has to be found by the search itself, with and
                    // without finer levels.
                    let bounds = pruned::Bounds::of(&levels, isa);
                    for finer in [None, Some(&finest as pruned::Finest<'_>)] {
                        let best = Best::new(Found { value: 0.3 * want, triple: [0; 3] });
                        let (steps, go) = (u64::MAX / 2, &to_the_end);
                        let effort =
                            pruned::search(&levels, &bounds, &source, (finer, 0), &best, steps, go, isa);
                        assert_eq!(effort.open, None);
                        dense::search_diagonal(&levels, &source, &best, isa);
                        assert_eq!(best.into_found().value, want, "seed {seed} {isa:?} from below");
                    }
                }
            }
        }
        assert!(pruned > 50, "{pruned}");
    }
}

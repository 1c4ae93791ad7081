//! Exact δ at a base point, by the fastest way that fits: always the same bits as the definition in `f64`.

mod all_bases;
mod best;
mod dense;
mod features;
mod levels;
mod order;
mod pruned;
mod quad;
mod scan;
mod seed;
mod source;
mod survey;
mod turn;

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::distance::DistanceMatrix;
use crate::error::DeltaError;
use crate::estimate::Hyperbolicity;
use crate::gromov::gromov_matrix;
use crate::maxmin::{Isa, Level, largest_excess};
use crate::metric::{Metric, Rows};
use best::{Best, Found};
use features::{RowsAtBase, levels_of};
use levels::{Levels, Scale};
use source::{MatrixAtBase, Source};
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

/// For each pair of points, how many triples may pass the bounds over all bases before the bases are taken singly.
const MOST_TRIPLES: u64 = 2;

/// Base points that are taken at the same time, where they are taken singly.
const TOGETHER: usize = 16;

/// A filter has to tell this many levels apart below the best triple, or too many pairs survive it.
const LEAST_THRESHOLD: i64 = 12;

/// How a search went. The counts depend on the timing of threads; the result does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work {
    /// The way that was taken.
    pub method: Method,
    /// Pairs that the filter could not rule out and that were evaluated in `f64`.
    pub refined: u64,
    /// Middles that the pruned search combined with a block of 64 columns each.
    pub steps: u64,
}

/// The ways of an exact search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// Too few or too equal points for anything to do.
    Trivial,
    /// Max–min product of whole-number levels of this many bits, survivors in `f64`.
    Dense {
        /// Bits of a level.
        bits: u32,
    },
    /// Bounds on blocks of near points, whole-number levels of 16 bits for what they leave, survivors in `f64`.
    Pruned,
    /// All base points at once: bounds in 16 bits, triples that pass them in `f64`.
    Triples,
    /// One base point after the other, each starting from the best of those before.
    EachBase,
    /// Max–min product in `f64`.
    Plain,
}

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
    let points = distances.points();
    assert!(base < points, "there is no base point {base} among {points} points");
    assert!(isa.is_available(), "the processor has no {isa:?}");
    if points < 4 {
        let (diameter, diameter_pair) = distances.diameter();
        let result = Hyperbolicity { delta: 0.0, base, witness: None, diameter, diameter_pair, points };
        return (result, Work { method: Method::Trivial, refined: 0, steps: 0 });
    }
    let survey = Survey::of(distances, base);
    let (found, work) = search(distances, base, &survey, 0.0, isa);
    let (delta, witness) = if found.value > 0.0 { (found.value, Some(found.triple)) } else { (0.0, None) };
    let (diameter, diameter_pair) = (survey.diameter, survey.diameter_pair);
    (Hyperbolicity { delta, base, witness, diameter, diameter_pair, points }, work)
}

/// The best triple, by levels of one byte if they tell enough apart, else of two or four, else in `f64`; a triple that
/// does not exist with the value `floor` if none is above it.
fn search(distances: &DistanceMatrix, base: usize, survey: &Survey, floor: f64, isa: Isa) -> (Found, Work) {
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
        if let Some(done) = many(&levels, &source, floor, isa) {
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
    let rows = Rows::new(features, dim, metric)?;
    let points = rows.points();
    assert!(base < points, "there is no base point {base} among {points} points");
    assert!(isa.is_available(), "the processor has no {isa:?}");
    let done = if points < 4 { None } else { search_rows(&rows, base, isa) };
    let Some((found, work, diameter, diameter_pair)) = done else {
        return Ok(delta_at_base_on(&DistanceMatrix::from_rows(&rows)?, base, isa));
    };
    let (delta, witness) = if found.value > 0.0 { (found.value, Some(found.triple)) } else { (0.0, None) };
    Ok((Hyperbolicity { delta, base, witness, diameter, diameter_pair, points }, work))
}

/// The best triple of features and their diameter, or nothing if that takes a distance matrix.
fn search_rows(rows: &Rows, base: usize, isa: Isa) -> Option<(Found, Work, f64, (usize, usize))> {
    let source = RowsAtBase::new(rows, base);
    let points = rows.points();
    if points <= FEW {
        let (levels, diameter, pair) = levels_of::<u8>(&source, (0..points).collect(), isa)?;
        let (found, work) = few(&levels, None, &source, 0.0, isa)?;
        return Some((found, work, diameter, pair));
    }
    let (levels, diameter, pair) = levels_of::<u16>(&source, order::spatial_order(&source, points), isa)?;
    let (found, work) = many(&levels, &source, 0.0, isa)?;
    Some((found, work, diameter, pair))
}

/// The best triple of a distance matrix through the kernels, or nothing if the levels tell too little apart.
fn dense<T: Level>(
    distances: &DistanceMatrix,
    base: usize,
    scale: Scale,
    floor: f64,
    isa: Isa,
) -> Option<(Found, Work)> {
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
) -> Option<(Found, Work)> {
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
    let complete = dense::search(levels, &best, isa, |i, j| {
        evaluate(dense::recheck(levels, source, &best, i, j, isa)) < crowd
    });
    if !complete {
        // Made here and not when the first thread needs them: a thread that waits for others to make them may be
        // given another block of this search, and then wait for itself.
        let finest = finest?();
        dense::search(levels, &best, isa, |i, j| {
            evaluate(dense::recheck(&finest, source, &best, i, j, isa));
            true
        });
    }
    dense::search_diagonal(levels, source, &best, isa);
    let method = Method::Dense { bits: 8 * size_of::<T>() as u32 };
    Some((best.into_found(), Work { method, refined: refined.into_inner(), steps: 0 }))
}

/// The best triple by pruning, or through the kernels where that leaves too much; nothing if the levels tell too
/// little apart.
fn many(levels: &Levels<u16>, source: &impl Source, floor: f64, isa: Isa) -> Option<(Found, Work)> {
    let points = levels.order.len();
    let bounds = pruned::Bounds::of(levels, isa);
    let mut starts = bounds.promising(levels, MANY_STARTS, isa);
    starts.extend(seed::spread(points, MANY_STARTS));
    let start = seed::ascend(levels, source, &starts, isa);
    let best = Best::new(start.or(floor));
    if levels.scale.threshold(best.target()) < LEAST_THRESHOLD {
        return None;
    }
    let most_steps = (points as u64).pow(3) / (2 * 64 * STEP_COST);
    let effort = pruned::search(levels, &bounds, source, &best, most_steps, isa);
    let mut work = Work { method: Method::Pruned, refined: effort.refined, steps: effort.steps };
    if !effort.complete {
        let refined = AtomicU64::new(0);
        let evaluate = |i, j| {
            let counted = dense::recheck(levels, source, &best, i, j, isa);
            refined.fetch_add(u64::from(counted), Ordering::Relaxed);
            true
        };
        let coarse = levels.coarse();
        if coarse.scale.threshold(best.target()) >= LEAST_THRESHOLD {
            work.method = Method::Dense { bits: 8 };
            dense::search(&coarse, &best, isa, evaluate);
        } else {
            work.method = Method::Dense { bits: 16 };
            dense::search(levels, &best, isa, evaluate);
        }
        work.refined += refined.into_inner();
    }
    dense::search_diagonal(levels, source, &best, isa);
    Some((best.into_found(), work))
}

/// [`crate::delta_all_bases`] on a given instruction set, with a report on the work.
///
/// # Panics
/// If the processor does not have the instruction set.
pub fn delta_all_bases_on(distances: &DistanceMatrix, isa: Isa) -> (Hyperbolicity, Work) {
    assert!(isa.is_available(), "the processor has no {isa:?}");
    let points = distances.points();
    let (diameter, diameter_pair) = distances.diameter();
    let mut result = Hyperbolicity { delta: 0.0, base: 0, witness: None, diameter, diameter_pair, points };
    let mut work = Work { method: Method::Trivial, refined: 0, steps: 0 };
    if points < 4 || diameter == 0.0 {
        return (result, work);
    }
    let most = MOST_TRIPLES * (points * points) as u64;
    let (start, evaluated) = all_bases::search(distances, diameter, most, isa);
    let mut shown = start;
    if let Some(refined) = evaluated {
        work = Work { method: Method::Triples, refined, steps: 0 };
    } else {
        work.method = Method::EachBase;
        for first in (0..points).step_by(TOGETHER) {
            // All of these start from the same floor, so that the result does not depend on which is done first.
            let floor = shown.value;
            let of_base = |base| (base, search(distances, base, &Survey::of(distances, base), floor, isa));
            let done: Vec<_> = (first..(first + TOGETHER).min(points)).into_par_iter().map(of_base).collect();
            for (base, (found, of_base)) in done {
                work.refined += of_base.refined;
                if found.value > shown.value {
                    let [i, k, j] = found.triple;
                    shown = quad::Shown { value: found.value, points: [base, i, k, j] };
                }
            }
        }
    }
    if shown.value > 0.0 {
        let [w, i, k, j] = shown.points;
        (result.delta, result.base, result.witness) = (shown.value, w, Some([i, k, j]));
    }
    (result, work)
}

/// The best triple by the definition.
fn plain(distances: &DistanceMatrix, base: usize) -> (Found, Work) {
    let excess = largest_excess(&gromov_matrix(distances, base), distances.points());
    (
        Found::new(excess.value, [excess.i, excess.k, excess.j]),
        Work { method: Method::Plain, refined: 0, steps: 0 },
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
                    let (found, work) = many(&levels, &source, 0.0, isa).unwrap();
                    assert_eq!(found.value, want, "seed {seed} {isa:?} {work:?}");
                    assert_eq!(source.excess(found.triple), want);
                    pruned += usize::from(work.method == Method::Pruned);
                    // From a start that knows nothing, everything has to be found by the search itself.
                    let best = Best::new(Found { value: 0.3 * want, triple: [0; 3] });
                    let bounds = pruned::Bounds::of(&levels, isa);
                    assert!(pruned::search(&levels, &bounds, &source, &best, u64::MAX, isa).complete);
                    dense::search_diagonal(&levels, &source, &best, isa);
                    assert_eq!(best.into_found().value, want, "seed {seed} {isa:?} from below");
                }
            }
        }
        assert!(pruned > 50, "{pruned}");
    }
}

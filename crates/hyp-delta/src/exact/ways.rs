//! The ways to the best triple at one base point: the fastest that the data and the memory allow.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::best::{Best, Found};
use super::levels::{Levels, Scale};
use super::outline::outline;
use super::pruned::GoesOn;
use super::report::{Limits, Method, Status, Work};
use super::source::{MatrixAtBase, Source};
use super::survey::{Survey, common_unit};
use super::{Outcome, dense, order, pruned, seed};
use crate::distance::DistanceMatrix;
use crate::gromov::gromov_matrix;
use crate::maxmin::{Isa, Level, largest_excess_while};

/// Starts of the ascent for each search.
const STARTS: usize = 48;

/// Up to so many points every pair goes through the kernels; above, most pairs can be left out for less.
pub(super) const FEW: usize = 2000;

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

/// Products that span less have no levels: a step would have no reciprocal, or be itself a matter of rounding.
pub(super) const LEAST_RANGE: f64 = 1e-280;

/// Bytes for each pair of points of levels of one byte, of two and of four, with what is kept beside them.
const ONE_BYTE: f64 = 1.1;
pub(super) const TWO_BYTES: f64 = 2.2;
const FOUR_BYTES: f64 = 4.4;
/// Bytes for each pair of points of products in `f64`.
const DOUBLES: f64 = 8.0;

/// The best triple of a distance matrix, by levels of one byte if they tell enough apart, else of two or four, else in
/// `f64`, and by bounds alone where there is no memory for any; a triple that does not exist with the value `floor` if
/// none is above it.
pub(super) fn search(
    distances: &DistanceMatrix,
    base: usize,
    survey: &Survey,
    floor: f64,
    limits: Limits<'_>,
    isa: Isa,
) -> Outcome {
    let range = survey.high - survey.low;
    let points = distances.points();
    let fits = |per_pair| limits.hold(points, per_pair);
    if range < LEAST_RANGE {
        return plain(distances, base, (floor, survey.excess_at_most()), limits, isa);
    }
    let unit = common_unit(distances, range, f64::from(u16::TOP));
    if let Some(unit) = unit.filter(|_| fits(TWO_BYTES)) {
        let scale = Scale { low: survey.low, step: 0.5 * unit, slack: 0.0, lossless: true };
        let done = if range <= f64::from(u8::TOP) * scale.step {
            dense_of::<u8>(distances, base, scale, floor, limits, isa)
        } else {
            dense_of::<u16>(distances, base, scale, floor, limits, isa)
        };
        return done.expect("invariant: exact levels tell all products apart");
    }
    if points > FEW && fits(TWO_BYTES) {
        let source = MatrixAtBase { distances, base };
        let order = order::spatial_order(&source, points);
        let scale = Scale::spread::<u16>(survey.low, survey.high);
        let levels = Levels::<u16>::of_matrix(distances, base, order, scale, isa);
        let finest = |_: GoesOn<'_>| {
            let scale = Scale::spread::<i32>(survey.low, survey.high);
            Some(Levels::<i32>::of_matrix(distances, base, levels.order.clone(), scale, isa))
        };
        if let Some(done) = many(&levels, Some(&finest), &source, floor, limits, isa) {
            return done;
        }
    }
    let of_one = || {
        let scale = Scale::spread::<u8>(survey.low, survey.high);
        dense_of::<u8>(distances, base, scale, floor, limits, isa)
    };
    let of_two = || {
        let scale = Scale::spread::<u16>(survey.low, survey.high);
        dense_of::<u16>(distances, base, scale, floor, limits, isa)
    };
    let of_four = || {
        let scale = Scale::spread::<i32>(survey.low, survey.high);
        dense_of::<i32>(distances, base, scale, floor, limits, isa)
    };
    None.or_else(|| fits(ONE_BYTE).then(of_one).flatten())
        .or_else(|| fits(TWO_BYTES).then(of_two).flatten())
        .or_else(|| fits(FOUR_BYTES).then(of_four).flatten())
        .unwrap_or_else(|| plain(distances, base, (floor, survey.excess_at_most()), limits, isa))
}

/// The best triple of a distance matrix through the kernels, or nothing if the levels tell too little apart.
fn dense_of<T: Level>(
    distances: &DistanceMatrix,
    base: usize,
    scale: Scale,
    floor: f64,
    limits: Limits<'_>,
    isa: Isa,
) -> Option<Outcome> {
    let (survey_low, survey_high) = (scale.low, scale.low + scale.step * f64::from(T::TOP));
    let order = || (0..distances.points()).collect();
    let finest = || {
        let scale = Scale::spread::<i32>(survey_low, survey_high);
        Levels::<i32>::of_matrix(distances, base, order(), scale, isa)
    };
    let levels = Levels::<T>::of_matrix(distances, base, order(), scale, isa);
    few(&levels, Some(&finest), &MatrixAtBase { distances, base }, floor, limits, isa)
}

/// The best triple through the kernels; nothing if the levels tell too little apart, or if too many pairs survive and
/// there are no finest levels to look at them again.
pub(super) fn few<T: Level>(
    levels: &Levels<T>,
    finest: Option<&(dyn Fn() -> Levels<i32> + Sync)>,
    source: &impl Source,
    floor: f64,
    limits: Limits<'_>,
    isa: Isa,
) -> Option<Outcome> {
    let points = levels.order.len();
    let start = seed::ascend(levels, source, &seed::spread(points, STARTS), isa);
    let best = Best::new(start.or(floor));
    if !levels.scale.lossless && levels.scale.threshold(best.target()) < LEAST_THRESHOLD {
        return None;
    }
    let finest = finest.filter(|_| limits.hold(points, size_of::<T>() as f64 * ONE_BYTE + FOUR_BYTES));
    let reach = dense::Reach::of(levels, isa);
    let ceiling = reach.ceiling(&levels.scale);
    let out_of_time = AtomicBool::new(false);
    let go = |status: Status| {
        let on = (limits.go)(status);
        out_of_time.fetch_or(!on, Ordering::Relaxed);
        on
    };
    let (seen, refined) = (AtomicU64::new(0), AtomicU64::new(0));
    let evaluate = |levels_matter: bool| {
        refined.fetch_add(u64::from(levels_matter), Ordering::Relaxed);
        seen.fetch_add(1, Ordering::Relaxed) / points as u64
    };
    let crowd = if finest.is_some() { 1 } else { CROWD };
    let mut complete = dense::search(levels, Some(&reach), &best, ceiling, isa, &go, |i, j| {
        evaluate(dense::recheck(levels, source, &best, i, j, isa)) < crowd
    });
    if !complete && !out_of_time.load(Ordering::Relaxed) {
        // Made here and not when the first thread needs them: a thread that waits for others to make them may be
        // given another block of this search, and then wait for itself.
        let finest = finest?();
        complete = dense::search(levels, Some(&reach), &best, ceiling, isa, &go, |i, j| {
            evaluate(dense::recheck(&finest, source, &best, i, j, isa));
            true
        });
    }
    dense::search_diagonal(levels, source, &best, isa);
    let method = Method::Dense { bits: 8 * size_of::<T>() as u32 };
    let found = best.into_found();
    let at_most = if complete { found.value } else { found.value.max(ceiling) };
    Some((found, Work { method, refined: refined.into_inner(), steps: 0 }, at_most))
}

/// The best triple by pruning, or through the kernels where that leaves too much; nothing if the levels tell too
/// little apart.
pub(super) fn many(
    levels: &Levels<u16>,
    finest: Option<pruned::Finest<'_>>,
    source: &impl Source,
    floor: f64,
    limits: Limits<'_>,
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
    let finest = finest.filter(|_| limits.hold(points, TWO_BYTES + FOUR_BYTES));
    let go = limits.go;
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
        let coarse = limits.hold(points, TWO_BYTES + ONE_BYTE).then(|| levels.coarse());
        let coarse = coarse.filter(|coarse| coarse.scale.threshold(best.target()) >= LEAST_THRESHOLD);
        let complete = if let Some(coarse) = coarse {
            work.method = Method::Dense { bits: 8 };
            dense::search(&coarse, None, &best, ceiling, isa, go, evaluate)
        } else {
            work.method = Method::Dense { bits: 16 };
            dense::search(levels, None, &best, ceiling, isa, go, evaluate)
        };
        work.refined += refined.into_inner();
        open = open.filter(|_| !complete);
    }
    dense::search_diagonal(levels, source, &best, isa);
    let found = best.into_found();
    Some((found, work, f64::max(found.value, open.unwrap_or(0.0))))
}

/// The best triple by the definition, or by bounds alone where these meet or its products do not fit in memory.
fn plain(
    distances: &DistanceMatrix,
    base: usize,
    (floor, at_most): (f64, f64),
    limits: Limits<'_>,
    isa: Isa,
) -> Outcome {
    let points = distances.points();
    let source = MatrixAtBase { distances, base };
    let nothing = Found { value: floor, triple: [usize::MAX; 3] };
    let bounds = outline(&source, points, nothing, at_most, limits.go, isa);
    let work = Work { method: Method::Streamed, refined: bounds.refined, steps: 0 };
    if bounds.at_most <= bounds.found.value || !limits.hold(points, DOUBLES) {
        return (bounds.found, work, bounds.at_most);
    }
    let goes_on = |done: f64, found: f64| {
        let at_least = f64::max(bounds.found.value, found);
        (limits.go)(Status { at_least, at_most: bounds.at_most, done })
    };
    let (excess, complete) = largest_excess_while(&gromov_matrix(distances, base), points, &goes_on);
    let found = Found::new(excess.value, [excess.i, excess.k, excess.j]);
    let work = Work { method: Method::Plain, refined: 0, steps: 0 };
    if complete {
        return (found, work, excess.value.max(0.0));
    }
    let found = if found.value > bounds.found.value { found } else { bounds.found };
    (found, work, bounds.at_most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{DiskSampling, SphereDistance, SpherePart, hyperbolic_disk, sphere};

    /// Where the bounds meet, the definition is not evaluated: a thousand points at one distance of each other, and a star
    /// seen from its middle, whose products are all the same.
    #[test]
    fn bounds_that_meet_end_the_search() {
        let star = |i: usize, j: usize| (if i == 0 { 0.0 } else { (i as f64).sqrt() }) + (j as f64).sqrt();
        for (distances, base) in [
            (DistanceMatrix::from_fn(1000, |_, _| 0.1).unwrap(), 3),
            (DistanceMatrix::from_fn(1000, star).unwrap(), 0),
        ] {
            let survey = Survey::of(&distances, base);
            let known = (0.0, survey.excess_at_most());
            let (found, work, at_most) = plain(&distances, base, known, Limits::NONE, Isa::detect());
            let want = crate::maxmin::largest_excess(&gromov_matrix(&distances, base), 1000).value;
            assert_eq!((found.value, at_most, work.method), (want, want, Method::Streamed), "{work:?}");
        }
    }

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
                let want = crate::maxmin::largest_excess(&gromov_matrix(&distances, base), n).value;
                let survey = Survey::of(&distances, base);
                let source = MatrixAtBase { distances: &distances, base };
                for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
                    let order = order::spatial_order(&source, n);
                    let scale = Scale::spread::<u16>(survey.low, survey.high);
                    let levels = Levels::<u16>::of_matrix(&distances, base, order, scale, isa);
                    let finest = |_: GoesOn<'_>| {
                        let scale = Scale::spread::<i32>(survey.low, survey.high);
                        Some(Levels::<i32>::of_matrix(&distances, base, levels.order.clone(), scale, isa))
                    };
                    let (found, work, _) = many(&levels, None, &source, 0.0, Limits::NONE, isa).unwrap();
                    assert_eq!(found.value, want, "seed {seed} {isa:?} {work:?}");
                    assert_eq!(source.excess(found.triple), want);
                    pruned += usize::from(work.method == Method::Pruned);
                    // Out of time at once, the interval still holds the value.
                    let (start, _, at_most) =
                        many(&levels, None, &source, 0.0, Limits::while_told(&|_| false), isa).unwrap();
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
                    many(&levels, Some(&finest), &source, 0.0, Limits::while_told(&closing), isa).unwrap();
                    // From a start that knows nothing, everything has to be found by the search itself, with and
                    // without finer levels.
                    let bounds = pruned::Bounds::of(&levels, isa);
                    for finer in [None, Some(&finest as pruned::Finest<'_>)] {
                        let best = Best::new(Found { value: 0.3 * want, triple: [0; 3] });
                        let (steps, go) = (u64::MAX / 2, Limits::NONE.go);
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

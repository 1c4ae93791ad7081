//! δ over all base points: all at once, or where that leaves too much, one after the other.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::distinct::Distinct;
use super::of_rows::{distances as distances_of, glimpse, of_rows};
use super::report::{Interval, Limits, Method, Status, Work};
use super::spans::{LAST, Spans};
use super::survey::{Survey, common_unit};
use super::ways::{LEAST_RANGE, search};
use super::{all_bases, delta_at_base_within, quad};
use crate::distance::DistanceMatrix;
use crate::error::DeltaError;
use crate::estimate::Hyperbolicity;
use crate::maxmin::{Isa, Level as _};
use crate::metric::{Metric, Rows};

/// For each pair of points, how many triples may pass the bounds over all bases before the bases are taken singly.
const MOST_TRIPLES: u64 = 2;

/// By how much of the diameter the same quadruple may differ between its points as bases.
const ROUNDING: f64 = 1e-14;

/// Sums of four numbers of up to so many units are exact.
const LARGEST_EXACT: f64 = (1_u64 << 50) as f64;

/// Base points that are taken at the same time, where they are taken singly.
const TOGETHER: usize = 16;
/// Up to so many points; above, a search keeps all threads busy, and several would need the memory of each.
const TOGETHER_UP_TO: usize = 512;
/// Bytes for each pair of points of a distance matrix.
const DOUBLES: f64 = 8.0;
/// Bytes for each pair of points of what is kept beside a distance matrix.
const BOUNDS: f64 = 4.5;

/// [`crate::delta_all_bases`] on a given instruction set, with a report on the work.
///
/// # Panics
/// If the processor does not have the instruction set.
pub fn delta_all_bases_on(distances: &DistanceMatrix, isa: Isa) -> (Hyperbolicity, Work) {
    // Nobody looks at the bounds of a search that comes to its end.
    let (interval, work) = of_distinct(distances, Limits::NONE, &|distances, limits| {
        interval_of(distances, |_| f64::INFINITY, limits, isa)
    });
    (interval.at_least, work)
}

/// [`delta_all_bases_on`] within limits of time and memory: an interval where they do not reach. Where the memory does
/// not hold four and a half bytes for each pair of points, beside the matrix, the interval is from δ at one base point
/// to twice that.
///
/// # Panics
/// If the processor does not have the instruction set.
///
/// # Examples
/// ```
/// use hyp_delta::{exact::{Limits, delta_all_bases_within}, maxmin::Isa, space};
/// let ball = space::hyperbolic_disk(300, space::DiskSampling::Euclidean, 1)?;
/// let (interval, _) = delta_all_bases_within(&ball, Limits::while_told(&|_| false), Isa::detect());
/// let (exact, _) = delta_all_bases_within(&ball, Limits::NONE, Isa::detect());
/// assert!(interval.at_least.delta <= exact.at_most && exact.at_most <= interval.at_most);
/// assert_eq!(exact.at_least.delta, exact.at_most);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn delta_all_bases_within(distances: &DistanceMatrix, limits: Limits<'_>, isa: Isa) -> (Interval, Work) {
    of_distinct(distances, limits, &|distances, limits| {
        if limits.hold(distances.points(), BOUNDS) {
            interval_of(distances, |spans| twice_at_one_base(distances, spans, limits, isa), limits, isa)
        } else {
            over_all(delta_at_base_within(distances, 0, limits, isa))
        }
    })
}

/// A search of the points that are left where none coincides with an earlier one.
fn of_distinct(
    distances: &DistanceMatrix,
    limits: Limits<'_>,
    search: &dyn Fn(&DistanceMatrix, Limits<'_>) -> (Interval, Work),
) -> (Interval, Work) {
    let Some(distinct) = Distinct::of_matrix(distances, 0, limits) else { return search(distances, limits) };
    let (fewer, limits) = distinct.matrix(distances, limits).expect("invariant: four are kept");
    let (interval, work) = search(&fewer, limits);
    (distinct.over_all_bases(interval), work)
}

/// What δ at one base point, or an interval for it, says of δ over all: it is no less, and at most twice as much.
fn over_all((interval, work): (Interval, Work)) -> (Interval, Work) {
    let at_most = 2.0 * interval.at_most + rounding(interval.diameter_at_most);
    (Interval { at_most, ..interval }, Work { method: Method::OneBase, ..work })
}

/// [`delta_all_bases_within`] of features, through their distance matrix; where that does not fit in the memory, from
/// δ at one base point to twice that.
///
/// **Shapes.** `features`: `[points, dim]`, row by row.
///
/// # Errors
/// As [`DistanceMatrix::from_features`].
///
/// # Panics
/// If the processor does not have the instruction set.
///
/// # Examples
/// ```
/// use hyp_delta::{Metric, exact::{Limits, delta_all_bases_of_features_within}, maxmin::Isa};
/// // The corners of a square: one side and half the diagonals against the other.
/// let corners = [0.0_f32, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0];
/// let of = |limits| delta_all_bases_of_features_within(&corners, 2, Metric::Euclidean, limits, Isa::detect());
/// assert!((of(Limits::NONE)?.0.at_most - (2.0_f64.sqrt() - 1.0)).abs() < 1e-15);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn delta_all_bases_of_features_within<T>(
    features: &[T],
    dim: usize,
    metric: Metric,
    limits: Limits<'_>,
    isa: Isa,
) -> Result<(Interval, Work), DeltaError>
where
    T: Copy + Into<f64> + Sync,
{
    let rows = Rows::new(features, dim, metric)?;
    if let Some(distinct) = Distinct::of_rows(&rows, 0) {
        let (interval, work) = of_rows_over_all(&distinct.rows(&rows), limits, isa)?;
        return Ok((distinct.over_all_bases(interval), work));
    }
    of_rows_over_all(&rows, limits, isa)
}

/// An interval for δ of rows over all base points, whether some coincide or not.
fn of_rows_over_all(rows: &Rows, limits: Limits<'_>, isa: Isa) -> Result<(Interval, Work), DeltaError> {
    if !limits.hold(rows.points(), DOUBLES + BOUNDS) {
        return Ok(over_all(of_rows(rows, 0, limits, isa)?));
    }
    if let Some(distances) = distances_of(rows, 0, limits)? {
        return Ok(delta_all_bases_within(&distances, limits.beside(rows.points(), DOUBLES), isa));
    }
    let (interval, work) = over_all(glimpse(rows, 0, isa)?);
    Ok((interval, Work { method: Method::Part, ..work }))
}

/// [`delta_all_bases_within`], where `bound` finds a value that no quadruple exceeds.
fn interval_of(
    distances: &DistanceMatrix,
    bound: impl FnOnce(&Spans) -> f64,
    limits: Limits<'_>,
    isa: Isa,
) -> (Interval, Work) {
    assert!(isa.is_available(), "the processor has no {isa:?}");
    let points = distances.points();
    let (diameter, diameter_pair) = distances.diameter();
    let mut result = Hyperbolicity { delta: 0.0, base: 0, witness: None, diameter, diameter_pair, points };
    let mut work = Work { method: Method::Trivial, refined: 0, steps: 0 };
    if points < 4 || diameter == 0.0 {
        return (Interval { at_least: result, at_most: 0.0, diameter_at_most: diameter }, work);
    }
    // Where doubles have few bits left, neither whole numbers of steps nor sums are what they should be.
    let fine = diameter >= LEAST_RANGE;
    if fine && is_tree(distances, limits, isa) {
        return (Interval { at_least: result, at_most: 0.0, diameter_at_most: diameter }, work);
    }
    let spans = Spans::of(distances);
    let most = MOST_TRIPLES * (points * points) as u64;
    let bound = bound(&spans);
    let (mut shown, mut at_most) = (quad::Shown::NOTHING, None);
    if fine {
        let outcome = all_bases::search(distances, diameter, (&spans, bound), most, limits.go, isa);
        (shown, at_most) = (outcome.shown, outcome.at_most);
        work = Work { method: Method::Triples, refined: outcome.evaluated, steps: 0 };
    }
    if at_most.is_none() {
        work = Work { method: Method::EachBase, refined: 0, steps: 0 };
        at_most = Some(each_base(distances, (&spans, bound, diameter), &mut shown, &mut work, limits, isa));
    }
    if shown.value > 0.0 {
        let [w, i, k, j] = shown.points;
        (result.delta, result.base, result.witness) = (shown.value, w, Some([i, k, j]));
    }
    let at_most = at_most.unwrap_or(shown.value).max(shown.value);
    (Interval { at_least: result, at_most, diameter_at_most: diameter }, work)
}

/// Whether one base point shows nothing, of distances whose sums are exact: then none does, for none shows more than
/// twice as much.
fn is_tree(distances: &DistanceMatrix, limits: Limits<'_>, isa: Isa) -> bool {
    let survey = Survey::of(distances, 0);
    let range = (survey.high - survey.low).max(f64::MIN_POSITIVE);
    let exact = common_unit(distances, range, f64::from(u16::TOP))
        .is_some_and(|unit| survey.diameter <= LARGEST_EXACT * unit);
    exact && search(distances, 0, &survey, 0.0, limits, isa).2 <= 0.0
}

/// Twice the largest excess at one base point, which no quadruple exceeds; more if there is no time for it.
///
/// With x|z the largest of the four products of two from {x, y} and {z, t} one each: x|y ≥ z|y − δ_w and
/// z|t ≥ x|t − δ_w, whose sum is the four-point condition with 2δ_w.
fn twice_at_one_base(distances: &DistanceMatrix, spans: &Spans, limits: Limits<'_>, isa: Isa) -> f64 {
    let unknown = spans.ceiling_from(0);
    let asked = |_| (limits.go)(Status { at_least: 0.0, at_most: unknown, done: 0.0 });
    let survey = Survey::of(distances, 0);
    let (_, _, at_most) = search(distances, 0, &survey, 0.0, limits.asking(&asked), isa);
    2.0 * at_most + rounding(survey.diameter)
}

/// By how much the same quadruple may differ between its points as bases.
fn rounding(diameter: f64) -> f64 {
    ROUNDING * diameter + 8.0 * LAST
}

/// One base point after the other; returns a value that no quadruple exceeds.
fn each_base(
    distances: &DistanceMatrix,
    (spans, bound, diameter): (&Spans, f64, f64),
    shown: &mut quad::Shown,
    work: &mut Work,
    limits: Limits<'_>,
    isa: Isa,
) -> f64 {
    let points = distances.points();
    let stopped = AtomicBool::new(false);
    // What bases leave open whose search does not fit in memory.
    let mut open = 0.0;
    let together = if points <= TOGETHER_UP_TO { TOGETHER } else { 1 };
    for first in (0..points).step_by(together) {
        // A quadruple shows the same at each of its points but for rounding: with all earlier points done as bases, one
        // that shows more has none of them.
        // And none shows more than twice as much as the largest at any one of the bases done.
        let bound = if first == 0 { bound } else { bound.min(2.0 * shown.value + rounding(diameter)) };
        let at_most =
            f64::max(shown.value + rounding(diameter), spans.ceiling_from(first).min(bound)).max(open);
        let status = Status { at_least: shown.value, at_most, done: first as f64 / points as f64 };
        let asked = |_| {
            stopped.fetch_or(!(limits.go)(status), Ordering::Relaxed);
            !stopped.load(Ordering::Relaxed)
        };
        if !asked(status) {
            return at_most;
        }
        // All of these start from the same floor, so that the result does not depend on which is done first.
        let floor = shown.value;
        let of_base = |base| {
            (base, search(distances, base, &Survey::of(distances, base), floor, limits.asking(&asked), isa))
        };
        let done: Vec<_> = (first..(first + together).min(points)).into_par_iter().map(of_base).collect();
        for (base, (found, of_base, at_most)) in done {
            work.refined += of_base.refined;
            open = f64::max(open, at_most);
            if found.value > shown.value {
                let [i, k, j] = found.triple;
                *shown = quad::Shown { value: found.value, points: [base, i, k, j] };
            }
        }
        if stopped.load(Ordering::Relaxed) {
            return at_most;
        }
    }
    f64::max(shown.value, open)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::space::{DiskSampling, EdgeLength, TreeShape, hyperbolic_disk, tree};

    /// A tree is known for one from a single base point, and one edge more makes it none.
    #[test]
    fn trees_take_one_base_point() {
        for edges in [EdgeLength::Unit, EdgeLength::Random] {
            let tree = tree(120, TreeShape::Uniform, edges, 4).unwrap();
            let (interval, work) = delta_all_bases_within(&tree, Limits::NONE, Isa::detect());
            assert_eq!((interval.at_most, work.method), (0.0, Method::Trivial), "{edges:?}");
            // The way between two leaves is no longer the one through the tree.
            let last = 119;
            let shorter = |i, j| if (i, j) == (118, last) { 0.5 } else { 0.0 };
            let near = DistanceMatrix::from_fn(120, |i, j| tree.get(i, j) - shorter(i, j)).unwrap();
            let (interval, work) = delta_all_bases_within(&near, Limits::NONE, Isa::detect());
            assert!(interval.at_most > 0.0 && work.method != Method::Trivial, "{edges:?} {interval:?}");
        }
    }

    /// Where most triples pass the bounds, the search is asked often, stops soon, and knows twice the δ of one base.
    #[test]
    fn a_crowded_search_stops_when_it_is_told_to() {
        let disk = hyperbolic_disk(150, DiskSampling::Hyperbolic { radius: 9.0 }, 3).unwrap();
        let exact = delta_all_bases_within(&disk, Limits::NONE, Isa::detect()).0.at_most;
        let at_base = crate::delta_at_base(&disk, 0).delta;
        let mut intervals = Vec::new();
        for most in [0, 1, 40, 400] {
            let asked = AtomicUsize::new(0);
            let go = |_: Status| asked.fetch_add(1, Ordering::Relaxed) < most;
            let (interval, _) = delta_all_bases_within(&disk, Limits::while_told(&go), Isa::detect());
            // Each thread may have asked once more at the same time, of each of the searches that are begun.
            let late = asked.into_inner().saturating_sub(most);
            assert!(late <= 8 * (rayon::current_num_threads() + 1), "{late} questions too many after {most}");
            assert!(interval.at_least.delta <= exact && exact <= interval.at_most, "{interval:?} {exact}");
            intervals.push(interval);
        }
        assert!(intervals[3].at_most <= 2.0 * at_base + 1e-9, "{:?}, δ at a base {at_base}", intervals[3]);
    }
}

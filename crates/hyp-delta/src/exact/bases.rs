//! δ over all base points: all at once, or where that leaves too much, one after the other.

use rayon::prelude::*;

use super::report::{Go, Interval, Method, Status, Work, to_the_end};
use super::spans::Spans;
use super::survey::Survey;
use super::{all_bases, quad, search};
use crate::distance::DistanceMatrix;
use crate::estimate::Hyperbolicity;
use crate::maxmin::Isa;

/// For each pair of points, how many triples may pass the bounds over all bases before the bases are taken singly.
const MOST_TRIPLES: u64 = 2;

/// Base points that are taken at the same time, where they are taken singly.
const TOGETHER: usize = 16;

/// [`crate::delta_all_bases`] on a given instruction set, with a report on the work.
///
/// # Panics
/// If the processor does not have the instruction set.
pub fn delta_all_bases_on(distances: &DistanceMatrix, isa: Isa) -> (Hyperbolicity, Work) {
    let (interval, work) = delta_all_bases_within(distances, &to_the_end, isa);
    (interval.at_least, work)
}

/// [`delta_all_bases_on`] for as long as `go` says so, which is asked between parts of a search.
///
/// # Panics
/// If the processor does not have the instruction set.
///
/// # Examples
/// ```
/// use hyp_delta::{exact::delta_all_bases_within, maxmin::Isa, space};
/// let ball = space::hyperbolic_disk(300, space::DiskSampling::Euclidean, 1)?;
/// let (interval, _) = delta_all_bases_within(&ball, &|_| false, Isa::detect());
/// let (exact, _) = delta_all_bases_within(&ball, &|_| true, Isa::detect());
/// assert!(interval.at_least.delta <= exact.at_most && exact.at_most <= interval.at_most);
/// assert_eq!(exact.at_least.delta, exact.at_most);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn delta_all_bases_within(distances: &DistanceMatrix, go: Go<'_>, isa: Isa) -> (Interval, Work) {
    assert!(isa.is_available(), "the processor has no {isa:?}");
    let points = distances.points();
    let (diameter, diameter_pair) = distances.diameter();
    let mut result = Hyperbolicity { delta: 0.0, base: 0, witness: None, diameter, diameter_pair, points };
    let mut work = Work { method: Method::Trivial, refined: 0, steps: 0 };
    if points < 4 || diameter == 0.0 {
        return (Interval { at_least: result, at_most: 0.0 }, work);
    }
    let spans = Spans::of(distances);
    let most = MOST_TRIPLES * (points * points) as u64;
    let outcome = all_bases::search(distances, diameter, &spans, most, go, isa);
    let (mut shown, mut at_most) = (outcome.shown, outcome.at_most);
    work = Work { method: Method::Triples, refined: outcome.evaluated, steps: 0 };
    if at_most.is_none() {
        work = Work { method: Method::EachBase, refined: 0, steps: 0 };
        at_most = Some(each_base(distances, (&spans, diameter), &mut shown, &mut work, go, isa));
    }
    if shown.value > 0.0 {
        let [w, i, k, j] = shown.points;
        (result.delta, result.base, result.witness) = (shown.value, w, Some([i, k, j]));
    }
    (Interval { at_least: result, at_most: at_most.unwrap_or(shown.value).max(shown.value) }, work)
}

/// One base point after the other; returns a value that no quadruple exceeds.
fn each_base(
    distances: &DistanceMatrix,
    (spans, diameter): (&Spans, f64),
    shown: &mut quad::Shown,
    work: &mut Work,
    go: Go<'_>,
    isa: Isa,
) -> f64 {
    let points = distances.points();
    for first in (0..points).step_by(TOGETHER) {
        // A quadruple shows the same at each of its points but for rounding: with all earlier points done as bases, one
        // that shows more has none of them.
        let at_most = f64::max(shown.value + 1e-14 * diameter, spans.ceiling_from(first));
        let status = Status { at_least: shown.value, at_most, done: first as f64 / points as f64 };
        if !go(status) {
            return at_most;
        }
        // All of these start from the same floor, so that the result does not depend on which is done first.
        let floor = shown.value;
        let of_base =
            |base| (base, search(distances, base, &Survey::of(distances, base), floor, &to_the_end, isa));
        let done: Vec<_> = (first..(first + TOGETHER).min(points)).into_par_iter().map(of_base).collect();
        for (base, (found, of_base, _)) in done {
            work.refined += of_base.refined;
            if found.value > shown.value {
                let [i, k, j] = found.triple;
                *shown = quad::Shown { value: found.value, points: [base, i, k, j] };
            }
        }
    }
    shown.value
}

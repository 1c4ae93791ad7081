//! δ over all base points: all at once, or where that leaves too much, one after the other.

use rayon::prelude::*;

use super::survey::Survey;
use super::{Method, Work, all_bases, quad, search};
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
            let of_base =
                |base| (base, search(distances, base, &Survey::of(distances, base), floor, &|| true, isa));
            let done: Vec<_> = (first..(first + TOGETHER).min(points)).into_par_iter().map(of_base).collect();
            for (base, (found, of_base, _)) in done {
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

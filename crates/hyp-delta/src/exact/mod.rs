//! Exact δ at a base point, by the fastest way that fits: always the same bits as the definition in `f64`.

mod best;
mod dense;
mod levels;
mod seed;
mod source;
mod survey;

use crate::distance::DistanceMatrix;
use crate::estimate::Hyperbolicity;
use crate::gromov::gromov_matrix;
use crate::maxmin::{Isa, Level, largest_excess};
use best::{Best, Found};
use levels::{Levels, Scale};
use source::MatrixAtBase;
use survey::{Survey, common_unit};

/// Starts of the ascent for each search.
const STARTS: usize = 48;

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
        return (result, Work { method: Method::Trivial, refined: 0 });
    }
    let survey = Survey::of(distances, base);
    let (found, work) = search(distances, base, &survey, isa);
    let (delta, witness) = if found.value > 0.0 { (found.value, Some(found.triple)) } else { (0.0, None) };
    let (diameter, diameter_pair) = (survey.diameter, survey.diameter_pair);
    (Hyperbolicity { delta, base, witness, diameter, diameter_pair, points }, work)
}

/// The best triple, by levels of one byte if they tell enough apart, else of two or four, else in `f64`.
fn search(distances: &DistanceMatrix, base: usize, survey: &Survey, isa: Isa) -> (Found, Work) {
    let range = survey.high - survey.low;
    if let Some(unit) = common_unit(distances, range.max(f64::MIN_POSITIVE), f64::from(u16::TOP)) {
        let scale = Scale { low: survey.low, step: 0.5 * unit, slack: 0, lossless: true };
        let done = if range <= f64::from(u8::TOP) * scale.step {
            dense::<u8>(distances, base, scale, isa)
        } else {
            dense::<u16>(distances, base, scale, isa)
        };
        return done.expect("invariant: exact levels tell all products apart");
    }
    None.or_else(|| dense::<u8>(distances, base, Scale::spread::<u8>(survey.low, survey.high), isa))
        .or_else(|| dense::<u16>(distances, base, Scale::spread::<u16>(survey.low, survey.high), isa))
        .or_else(|| dense::<i32>(distances, base, Scale::spread::<i32>(survey.low, survey.high), isa))
        .unwrap_or_else(|| plain(distances, base))
}

/// The best triple through the kernels, or nothing if the levels tell too little apart.
fn dense<T: Level>(distances: &DistanceMatrix, base: usize, scale: Scale, isa: Isa) -> Option<(Found, Work)> {
    let source = MatrixAtBase { distances, base };
    let points = distances.points();
    let levels = Levels::<T>::of_matrix(distances, base, (0..points).collect(), scale, isa);
    let start = seed::ascend(&levels, &source, &seed::spread(points, STARTS), isa);
    let best = Best::new(start);
    if !scale.lossless && scale.threshold(best.target()) < LEAST_THRESHOLD {
        return None;
    }
    let refined = dense::search(&levels, &source, &best, isa);
    dense::search_diagonal(&levels, &source, &best, isa);
    Some((best.into_found(), Work { method: Method::Dense { bits: 8 * size_of::<T>() as u32 }, refined }))
}

/// The best triple by the definition.
fn plain(distances: &DistanceMatrix, base: usize) -> (Found, Work) {
    let excess = largest_excess(&gromov_matrix(distances, base), distances.points());
    (Found::new(excess.value, [excess.i, excess.k, excess.j]), Work { method: Method::Plain, refined: 0 })
}

//! What a search returns beside δ: how it went, and how certain it is.

use crate::curvature::{BallConstant, suggested_curvature};
use crate::estimate::Hyperbolicity;

/// A certain interval for δ: what was found before the search had to end, and what nothing exceeds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Interval {
    /// The best triple found, and the largest distance found.
    pub at_least: Hyperbolicity,
    /// A value that δ does not exceed; equal to the one found where the search ran to its end.
    pub at_most: f64,
    /// A value that no distance exceeds; equal to the diameter found where every pair was seen.
    pub diameter_at_most: f64,
}

impl Interval {
    /// What certainly holds 2δ / diam of all points. None where all points seen coincide.
    pub fn delta_rel(&self) -> Option<(f64, f64)> {
        let (least, most) = (self.at_least.diameter, self.diameter_at_most);
        (least > 0.0).then(|| (2.0 * self.at_least.delta / most, 2.0 * self.at_most / least))
    }

    /// What certainly holds the curvature that [`Interval::delta_rel`] of all points suggests; ∞ above where δ_rel may
    /// be zero. None where all points seen coincide.
    ///
    /// **Source.** \[HIE\] Sec. 3.2, (5).
    ///
    /// # Examples
    /// ```
    /// use hyp_delta::{BallConstant, DistanceMatrix, exact::{Limits, delta_at_base_within}, maxmin::Isa};
    /// // The cycle of 16 has δ_rel 1.
    /// let cycle = DistanceMatrix::from_fn(16, |i, j| (j - i).min(16 - (j - i)) as f64)?;
    /// let (found, _) = delta_at_base_within(&cycle, 0, Limits::NONE, Isa::detect());
    /// let c = 0.144 * 0.144;
    /// assert_eq!(found.suggested_curvature(BallConstant::Printed), Some((c, c)));
    /// # Ok::<(), hyp_delta::DeltaError>(())
    /// ```
    pub fn suggested_curvature(&self, constant: BallConstant) -> Option<(f64, f64)> {
        let (least, most) = self.delta_rel()?;
        Some((suggested_curvature(most, constant), suggested_curvature(least, constant)))
    }
}

/// How far a search has come, for who decides whether it goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// The largest value found so far.
    pub at_least: f64,
    /// A value that δ does not exceed; infinite as long as nothing is known.
    pub at_most: f64,
    /// The share of the present part of the search that is done, from 0 to 1.
    pub done: f64,
}

/// Whether a search goes on; asked between its parts, by any of its threads.
pub type Go<'a> = &'a (dyn Fn(Status) -> bool + Sync);

/// Goes on to the end.
pub fn to_the_end(_: Status) -> bool {
    true
}

/// What a search may take before it has to end with an interval.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    pub(crate) go: Go<'a>,
    memory: f64,
}

/// So few points are measured in whatever memory there is.
const SMALL: usize = 64;

impl<'a> Limits<'a> {
    /// As long and as much as it takes.
    pub const NONE: Limits<'static> = Limits { go: &to_the_end, memory: f64::INFINITY };

    /// For as long as `go` says so.
    pub fn while_told(go: Go<'a>) -> Self {
        Self { go, memory: f64::INFINITY }
    }

    /// In so many bytes, beside what is given to the search.
    ///
    /// # Examples
    /// ```
    /// use hyp_delta::{Metric, exact::{Limits, delta_of_features_within}, maxmin::Isa};
    /// let line: Vec<f64> = (0..400).map(|v| f64::from(v * v % 97)).collect();
    /// let of = |limits| delta_of_features_within(&line, 2, Metric::Euclidean, 0, limits, Isa::detect());
    /// let (whole, _) = of(Limits::NONE)?;
    /// let (part, _) = of(Limits::NONE.memory(20_000.0))?;
    /// assert!(part.at_least.delta <= whole.at_most && whole.at_most <= part.at_most);
    /// # Ok::<(), hyp_delta::DeltaError>(())
    /// ```
    pub fn memory(self, bytes: f64) -> Self {
        Self { memory: bytes, ..self }
    }

    /// The same memory for as long as another says so.
    pub(crate) fn asking(self, go: Go<'_>) -> Limits<'_> {
        Limits { go, memory: self.memory }
    }

    /// Whether so many bytes for each pair of points may be taken.
    pub(crate) fn hold(&self, points: usize, per_pair: f64) -> bool {
        points <= SMALL || per_pair * (points as f64).powi(2) <= self.memory
    }

    /// How many points' pairs may be held, of which so many bytes are taken each.
    pub(crate) fn points(&self, per_pair: f64) -> usize {
        ((self.memory.max(0.0) / per_pair).sqrt() as usize).max(SMALL)
    }

    /// What is left beside so many bytes for each pair of points.
    pub(crate) fn beside(self, points: usize, per_pair: f64) -> Self {
        Self { memory: self.memory - per_pair * (points as f64).powi(2), ..self }
    }
}

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
    /// A part of the points exactly, or none, and all of them by bounds that keep no pair.
    Streamed,
    /// A part of the points exactly: the search had to end while the distances of all were still computed.
    Part,
    /// All base points at once: bounds in 16 bits, triples that pass them in `f64`.
    Triples,
    /// One base point after the other, each starting from the best of those before.
    EachBase,
    /// δ at one base point and twice it, where what δ over all base points needs does not fit in memory.
    OneBase,
    /// Max–min product in `f64`.
    Plain,
}

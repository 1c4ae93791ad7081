//! What a search returns beside δ: how it went, and how certain it is.

use crate::estimate::Hyperbolicity;

/// A certain interval for δ: what was found before the time was over, and what nothing exceeds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Interval {
    /// The best triple found.
    pub at_least: Hyperbolicity,
    /// A value that δ does not exceed; equal to the one found where the search ran to its end.
    pub at_most: f64,
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
    /// A part of the points exactly, and all of them by bounds that keep no pair.
    Streamed,
    /// All base points at once: bounds in 16 bits, triples that pass them in `f64`.
    Triples,
    /// One base point after the other, each starting from the best of those before.
    EachBase,
    /// Max–min product in `f64`.
    Plain,
}

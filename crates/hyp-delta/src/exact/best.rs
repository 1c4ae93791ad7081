//! The best triple so far, shared between threads, with a rule that makes the final one independent of their timing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::estimate::Hyperbolicity;

/// A triple (i, k, j), i ≤ j, and its excess.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    pub(crate) value: f64,
    pub(crate) triple: [usize; 3],
}

impl Found {
    /// The triple in its standard order: the pair sorted.
    pub(crate) fn new(value: f64, [i, k, j]: [usize; 3]) -> Self {
        Self { value, triple: [i.min(j), k, i.max(j)] }
    }

    /// This, or a triple that does not exist if its value is no larger than `floor`.
    pub(crate) fn or(self, floor: f64) -> Self {
        if self.value > floor { self } else { Self { value: floor, triple: [usize::MAX; 3] } }
    }

    /// As the result of a space of so many points.
    pub(crate) fn at(
        self,
        base: usize,
        (diameter, diameter_pair): (f64, (usize, usize)),
        points: usize,
    ) -> Hyperbolicity {
        let (delta, witness) = if self.value > 0.0 { (self.value, Some(self.triple)) } else { (0.0, None) };
        Hyperbolicity { delta, base, witness, diameter, diameter_pair, points }
    }

    /// The larger value; of equals, the triple that comes first.
    pub(crate) fn better(self, other: Self) -> Self {
        let order = |f: &Self| [f.triple[0], f.triple[2], f.triple[1]];
        let wins = other.value > self.value || (other.value == self.value && order(&other) < order(&self));
        if wins { other } else { self }
    }
}

/// The start of a search is a triple found beforehand by a deterministic way. The search then has to look at every
/// triple that may be *above* the start and is not *below* the best so far. So all triples that have the maximum
/// are seen, if the start has not, and the first of them is the result.
pub(crate) struct Best {
    target: AtomicU64,
    found: Mutex<Found>,
}

impl Best {
    /// A search from a start whose value is not negative.
    pub(crate) fn new(start: Found) -> Self {
        Self { target: AtomicU64::new(start.value.next_up().to_bits()), found: Mutex::new(start) }
    }

    /// A triple whose value cannot reach this need not be looked at.
    #[inline]
    pub(crate) fn target(&self) -> f64 {
        // Non-negative doubles order as their bits do.
        f64::from_bits(self.target.load(Ordering::Relaxed))
    }

    /// The largest value so far.
    pub(crate) fn value(&self) -> f64 {
        self.found.lock().expect("invariant: no holder of the lock panics").value
    }

    /// Takes a triple into account.
    pub(crate) fn offer(&self, found: Found) {
        if found.value >= self.target() {
            self.target.fetch_max(found.value.to_bits(), Ordering::Relaxed);
            let mut best = self.found.lock().expect("invariant: no holder of the lock panics");
            *best = best.better(found);
        }
    }

    /// The best of all.
    pub(crate) fn into_found(self) -> Found {
        self.found.into_inner().expect("invariant: no holder of the lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_with_the_start_keep_the_start_and_later_ties_keep_the_first() {
        let best = Best::new(Found::new(1.0, [5, 6, 4]));
        best.offer(Found::new(1.0, [0, 1, 2]));
        assert_eq!(best.into_found(), Found { value: 1.0, triple: [4, 6, 5] });
        let best = Best::new(Found::new(1.0, [5, 6, 4]));
        best.offer(Found::new(2.0, [9, 1, 3]));
        best.offer(Found::new(2.0, [2, 8, 7]));
        best.offer(Found::new(2.0, [3, 2, 8]));
        assert_eq!(best.into_found(), Found { value: 2.0, triple: [2, 8, 7] });
    }
}

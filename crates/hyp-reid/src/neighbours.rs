//! The nearest entries of every entry of a set.

use rayon::prelude::*;

use crate::{Metric, Result, Set, evaluate_rows, top};

/// The nearest entries of each entry of a set, itself among them, and how far its farthest one is.
pub(crate) struct Neighbours {
    /// `count` entries a row, nearest first.
    nearest: Vec<u32>,
    count: usize,
    /// Squared distance of the farthest entry.
    farthest: Vec<f64>,
}

impl Neighbours {
    pub(crate) fn new(set: &Set<'_>, metric: Metric, count: usize) -> Result<Self> {
        let count = count.min(set.len());
        let mut all = Self { nearest: Vec::with_capacity(count * set.len()), count, farthest: Vec::new() };
        let row = |_, distances: &[f32]| {
            let nearest = top(distances, count, |_| true);
            let farthest = distances.iter().copied().fold(0.0, f32::max);
            (nearest, f64::from(farthest).powi(2))
        };
        evaluate_rows(set, set, metric, row, |(nearest, farthest)| {
            all.nearest.extend(nearest.into_iter().map(|n| n as u32));
            all.farthest.push(farthest);
        })?;
        Ok(all)
    }

    pub(crate) fn len(&self) -> usize {
        self.farthest.len()
    }

    /// The first `count` neighbours of an entry.
    pub(crate) fn first(&self, entry: usize, count: usize) -> &[u32] {
        &self.nearest[entry * self.count..][..count.min(self.count)]
    }

    /// Those of the first `count` neighbours of an entry that have it among theirs, in the order of their distance.
    pub(crate) fn reciprocal(&self, entry: usize, count: usize) -> Vec<u32> {
        let returns = |n: &&u32| self.first(**n as usize, count).contains(&(entry as u32));
        self.first(entry, count).iter().filter(returns).copied().collect()
    }

    /// The squared distance of an entry's farthest one.
    pub(crate) fn farthest(&self, entry: usize) -> f64 {
        self.farthest[entry]
    }

    /// `row(entry)` of every entry, in parallel.
    pub(crate) fn map<R: Send>(&self, row: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
        (0..self.len()).into_par_iter().map(row).collect()
    }
}

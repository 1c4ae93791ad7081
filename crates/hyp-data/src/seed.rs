//! Randomness that a seed alone decides: one small generator, keyed by what it is for.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// What a stream of random numbers is for; two purposes never share a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Purpose {
    /// The order of an epoch.
    Order = 1,
    /// The augmentation of one picture.
    Augment = 2,
    /// The making of a synthetic picture.
    Synthetic = 3,
    /// The classes and pictures of one episode.
    Episode = 4,
    /// The batches of people of one epoch.
    Identity = 5,
}

/// A stream of random numbers.
///
/// The draws are defined here and not by a library's distributions, so that an upgrade cannot change an epoch's order.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// The stream that belongs to `(purpose, seed, first, second)`, say (augmentation, seed, epoch, item).
    pub(crate) fn keyed(purpose: Purpose, seed: u64, first: u64, second: u64) -> Self {
        let mut key = [0; 32];
        for (part, word) in key.chunks_exact_mut(8).zip([purpose as u64, seed, first, second]) {
            part.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A whole number of `0..bound`, each equally likely up to 2⁻⁶⁴ · `bound`.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "there is no number below 0");
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A number of `[0, 1)`, a multiple of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A number of `[low, high)`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// `count` different numbers of `0..bound` in the order drawn, each sequence equally likely.
    ///
    /// # Panics
    /// If `count` is larger than `bound`.
    pub fn choose(&mut self, bound: usize, count: usize) -> Vec<usize> {
        assert!(count <= bound, "{count} different numbers below {bound}");
        // Fisher and Yates, of which only the moved numbers are kept: the cost does not depend on the bound.
        let mut moved = BTreeMap::new();
        (0..count)
            .map(|at| {
                let drawn = at + self.below(bound - at);
                let own = moved.get(&at).copied().unwrap_or(at);
                moved.insert(drawn, own).unwrap_or(drawn)
            })
            .collect()
    }

    /// Puts `items` in random order (Fisher and Yates), each order equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_decides_the_stream_and_every_part_of_it_counts() {
        let first = |purpose, a, b, c| Random::keyed(purpose, a, b, c).unit();
        let base = first(Purpose::Order, 1, 2, 3);
        assert_eq!(base, first(Purpose::Order, 1, 2, 3));
        for other in [
            first(Purpose::Augment, 1, 2, 3),
            first(Purpose::Order, 9, 2, 3),
            first(Purpose::Order, 1, 9, 3),
            first(Purpose::Order, 1, 2, 9),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn below_reaches_every_number_about_equally_often() {
        let mut random = Random::new(0);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[random.below(7)] += 1;
        }
        // Standard deviation of a count is √(70,000 · 1/7 · 6/7) ≈ 93; five of them are allowed.
        for count in counts {
            assert!(count.abs_diff(10_000) < 465, "{counts:?}");
        }
    }

    #[test]
    fn chosen_numbers_differ_and_every_sequence_is_equally_likely() {
        let mut random = Random::new(4);
        let mut counts = BTreeMap::new();
        for _ in 0..12_000 {
            *counts.entry(random.choose(4, 2)).or_insert(0_u32) += 1;
        }
        // Twelve sequences of 1,000 each, deviation 30; five of them are allowed.
        assert_eq!(counts.len(), 12);
        assert!(
            counts.iter().all(|(pair, count)| pair[0] != pair[1] && count.abs_diff(1000) < 152),
            "{counts:?}"
        );
        let mut all = random.choose(50, 50);
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_shuffle_keeps_the_items_and_moves_them() {
        let mut items: Vec<u32> = (0..100).collect();
        Random::new(3).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}

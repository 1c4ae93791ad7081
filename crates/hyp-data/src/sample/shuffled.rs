//! Every item once an epoch, in an order drawn from (seed, epoch): for training.

use crate::sample::Sampler;
use crate::seed::{Purpose, Random};

/// The items in an order of their own for each epoch.
///
/// # Examples
/// ```
/// use hyp_data::sample::{Sampler, Shuffled};
/// let sampler = Shuffled { items: (0..10).collect(), batch_size: 4, seed: 0, drop_last: true };
/// let batches = sampler.batches(3);
/// assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4]);
/// assert_eq!(batches, sampler.batches(3)); // the epoch decides, not the history
/// assert_ne!(batches, sampler.batches(4));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shuffled {
    /// Positions in the data set's index.
    pub items: Vec<usize>,
    /// Items a batch.
    pub batch_size: usize,
    /// Decides every order.
    pub seed: u64,
    /// Whether a last batch of fewer items is left out.
    pub drop_last: bool,
}

impl Shuffled {
    /// All items in the order of `epoch`.
    pub fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order = self.items.clone();
        Random::keyed(Purpose::Order, self.seed, epoch, 0).shuffle(&mut order);
        order
    }
}

impl Sampler for Shuffled {
    /// # Panics
    /// If the batch size is 0.
    fn batches(&self, epoch: u64) -> Vec<Vec<usize>> {
        assert!(self.batch_size > 0, "a batch has at least one item");
        let order = self.order(epoch);
        let kept = if self.drop_last { order.len() / self.batch_size * self.batch_size } else { order.len() };
        order[..kept].chunks(self.batch_size).map(<[usize]>::to_vec).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_comes_once_an_epoch() {
        let sampler = Shuffled { items: (5..105).collect(), batch_size: 7, seed: 1, drop_last: false };
        for epoch in 0..3 {
            let mut all: Vec<usize> = sampler.batches(epoch).concat();
            assert_ne!(all, sampler.items);
            all.sort_unstable();
            assert_eq!(all, sampler.items);
        }
    }

    #[test]
    fn the_order_is_fixed_for_all_time() {
        let sampler = Shuffled { items: (0..8).collect(), batch_size: 8, seed: 42, drop_last: false };
        // Written down once: a change of this order changes what every recorded seed means.
        assert_eq!(sampler.order(0), ORDER_OF_SEED_42);
    }

    const ORDER_OF_SEED_42: [usize; 8] = [2, 1, 4, 0, 6, 3, 5, 7];
}

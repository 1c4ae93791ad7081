//! Every item once, in the order given: for evaluation.

use crate::sample::Sampler;

/// The items in their own order, the same in every epoch.
///
/// # Examples
/// ```
/// use hyp_data::sample::{Sampler, Sequential};
/// let sampler = Sequential { items: vec![4, 2, 9], batch_size: 2 };
/// assert_eq!(sampler.batches(0), [vec![4, 2], vec![9]]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequential {
    /// Positions in the data set's index.
    pub items: Vec<usize>,
    /// Items a batch; the last batch may be smaller.
    pub batch_size: usize,
}

impl Sampler for Sequential {
    /// # Panics
    /// If the batch size is 0.
    fn batches(&self, _epoch: u64) -> Vec<Vec<usize>> {
        assert!(self.batch_size > 0, "a batch has at least one item");
        self.items.chunks(self.batch_size).map(<[usize]>::to_vec).collect()
    }
}

//! Which pictures make up the batches of an epoch.

mod episode;
mod episode_list;
mod identity;
mod sequential;
mod shuffled;

pub use self::episode::{Episode, EpisodeSampler, EpisodeShape};
pub use self::episode_list::EpisodeList;
pub use self::identity::IdentitySampler;
pub use self::sequential::Sequential;
pub use self::shuffled::Shuffled;

/// Decides the batches of an epoch from its number alone.
///
/// A sampler holds its seed; the same sampler gives the same batches for the same epoch, on every machine.
pub trait Sampler: Send + Sync {
    /// Positions in the data set's index, batch by batch.
    fn batches(&self, epoch: u64) -> Vec<Vec<usize>>;
}

//! Answers from embeddings that were made once, beside those of an episode whose pictures are embedded for it.

use hyp_data::sample::Episode;
use hyp_nn::backbone::Backbone;

use crate::embed::Embeddings;
use crate::episode::EpisodeBatch;
use crate::error::Result;
use crate::evaluate::{best, episode_logits};
use crate::frozen::Frozen;
use crate::protonet::{Encoding, ProtoNet};

/// Queries that the two ways answer differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Differing {
    /// All of them.
    pub answers: usize,
    /// Those whose best two logits are further apart than [`CLOSE`](crate::CLOSE) in one of the ways.
    pub beyond_rounding: usize,
}

/// Embeds one episode anew and counts the queries that are answered otherwise from `embeddings`.
///
/// `batch` holds the pictures at the positions of `episode`, prepared as those of `embeddings` were.
///
/// # Errors
/// [`Error::Episode`](crate::Error::Episode) if the episode names a picture that is not embedded,
/// [`Error::Network`](crate::Error::Network) if the pictures have another size than the network takes.
pub fn differing<B: Backbone>(
    model: &ProtoNet<B>,
    batch: &EpisodeBatch,
    embeddings: &Embeddings,
    episode: &Episode,
    space: &Frozen,
) -> Result<Differing> {
    let anew = model.logits(&model.episode(batch, Encoding::Separate, false)?)?.to_vec2::<f32>()?;
    let once = episode_logits(embeddings, episode, space)?;
    let mut found = Differing::default();
    for (anew, once) in anew.iter().zip(once.chunks_exact(batch.shape.way)) {
        let ((anew, anew_close), (once, once_close)) = (best(anew), best(once));
        if anew != once {
            found.answers += 1;
            found.beyond_rounding += usize::from(!(anew_close && once_close));
        }
    }
    Ok(found)
}

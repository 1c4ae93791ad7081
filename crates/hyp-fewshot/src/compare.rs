//! Answers from embeddings that were made once, beside those of episodes whose pictures are embedded for them.

use hyp_data::sample::Episode;
use hyp_nn::BoxError;
use hyp_nn::backbone::Backbone;

use crate::embed::Embeddings;
use crate::episode::EpisodeBatch;
use crate::error::Result;
use crate::evaluate::{best, logits_of_one};
use crate::protonet::{Encoding, ProtoNet};

/// Queries that the two ways answer differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Differing {
    /// All of them.
    pub answers: usize,
    /// Those whose best two logits are further apart than [`CLOSE`](crate::CLOSE) in one of the ways.
    pub beyond_rounding: usize,
}

/// Embeds every episode anew and counts the queries that are answered otherwise from `embeddings`.
///
/// `batches` holds the pictures at the positions of `episodes`, in their order, prepared as those of `embeddings` were.
///
/// # Errors
/// [`Error::Episode`](crate::Error::Episode) if an episode names a picture that is not embedded or has another shape
/// than its batch; [`Error::Network`](crate::Error::Network) if a batch cannot be had or there are too few, or if their
/// pictures have another size than the network takes.
pub fn differing<B: Backbone>(
    model: &ProtoNet<B>,
    batches: impl IntoIterator<Item = Result<EpisodeBatch, BoxError>>,
    embeddings: &Embeddings,
    episodes: &[Episode],
) -> Result<Differing> {
    let space = model.space.frozen()?;
    let mut batches = batches.into_iter();
    let mut found = Differing::default();
    for (number, episode) in episodes.iter().enumerate() {
        let batch = batches
            .next()
            .ok_or(hyp_nn::Error::TooFewBatches {
                epoch: 0,
                found: number,
                needed: episodes.len(),
                remedy: "give the loader the list of episodes that is compared",
            })?
            .map_err(|source| hyp_nn::Error::Batch { epoch: 0, batch: number, source })?;
        let anew = model.logits(&model.episode(&batch, Encoding::Separate, false)?)?.to_vec2::<f32>()?;
        let once = logits_of_one(embeddings, episode, number, batch.shape, &space)?;
        for (anew, once) in anew.iter().zip(once.chunks_exact(batch.shape.way)) {
            let ((anew, anew_close), (once, once_close)) = (best(anew), best(once));
            if anew != once {
                found.answers += 1;
                found.beyond_rounding += usize::from(!(anew_close && once_close));
            }
        }
    }
    Ok(found)
}

//! Every picture embedded once, in evaluation mode.

use std::ops::ControlFlow;

use hyp_data::Loader;
use hyp_nn::backbone::Backbone;
use hyp_nn::candle_core::Tensor;
use hyp_nn::row_norms;

use crate::error::{Error, Result};
use crate::protonet::ProtoNet;

/// Embedded pictures, row after row in the order of the loader.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embeddings {
    /// `[rows, dim]`.
    pub points: Vec<f32>,
    /// Length of a row.
    pub dim: usize,
    /// Norm of each feature before it became a point.
    pub pre_map_norm: Vec<f64>,
}

impl Embeddings {
    /// The number of pictures.
    pub fn len(&self) -> usize {
        self.pre_map_norm.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pre_map_norm.is_empty()
    }

    /// The point of one picture.
    ///
    /// # Panics
    /// If there is no such picture.
    pub fn point(&self, row: usize) -> &[f32] {
        &self.points[row * self.dim..(row + 1) * self.dim]
    }
}

/// Embeds the pictures of one epoch of a loader; `watch` is told after each batch how many are done, and may stop it.
///
/// # Errors
/// [`Error::Interrupted`] if `watch` stops it, [`Error::Data`] if a picture cannot be prepared, [`Error::Network`] if the
/// pictures have another size than the network takes.
pub fn embed<B: Backbone>(
    model: &ProtoNet<B>,
    loader: &Loader,
    mut watch: impl FnMut(usize) -> ControlFlow<()>,
) -> Result<Embeddings> {
    let dim = model.backbone.feature_dim();
    let mut embeddings = Embeddings { dim, ..Embeddings::default() };
    for batch in loader.epoch(0) {
        let batch = batch?;
        let images = Tensor::from_vec(batch.pixels, &batch.shape, model.store.device())?;
        let features = model.backbone.forward(&images, false)?;
        embeddings.pre_map_norm.extend(row_norms(&features)?);
        embeddings.points.extend(model.space.embedding(&features)?.detach().flatten_all()?.to_vec1::<f32>()?);
        if watch(embeddings.len()).is_break() {
            return Err(Error::Interrupted);
        }
    }
    Ok(embeddings)
}

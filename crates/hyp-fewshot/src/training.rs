//! Training by episodes, validated by episodes.

use std::ops::ControlFlow;

use hyp_data::Loader;
use hyp_data::sample::Episode;
use hyp_nn::backbone::Backbone;
use hyp_nn::candle_core::Tensor;
use hyp_nn::train::{Diagnosis, Loss, Metrics, StepContext, Task, accuracy};
use hyp_nn::{ParameterStore, Result};

use crate::embed::embed;
use crate::episode::EpisodeBatch;
use crate::error::Error;
use crate::evaluate::evaluate;
use crate::protonet::{Encoding, ProtoNet};

/// What [`Training`] validates with after each epoch.
pub struct Validation {
    /// The pictures, in the order of the positions that the episodes name.
    pub pictures: Loader,
    /// The episodes, the same after every epoch.
    pub episodes: Vec<Episode>,
    /// Told how many pictures are embedded, of each validation anew; may stop the training.
    pub watch: Box<dyn FnMut(usize) -> ControlFlow<()> + Send>,
}

/// Training of a [`ProtoNet`] by cross-entropy over the queries of episodes.
///
/// Validation gives `accuracy` in `[0, 1]` and, where the curvature is trained, `c`.
pub struct Training<B> {
    /// The model.
    pub model: ProtoNet<B>,
    /// How support and queries pass through the encoder.
    pub encoding: Encoding,
    /// What is measured after each epoch; nothing without it.
    pub validation: Option<Validation>,
}

impl<B: Backbone> Task for Training<B> {
    type Batch = EpisodeBatch;

    fn parameters(&self) -> &ParameterStore {
        &self.model.store
    }

    fn loss(&mut self, batch: &EpisodeBatch, context: &StepContext) -> Result<Loss> {
        let points = self.model.episode(batch, self.encoding, true)?;
        let labels = batch.query_labels();
        let targets = Tensor::from_slice(&labels, labels.len(), points.all.device())?;
        let mut loss = Loss::new(self.model.cross_entropy(&points, &targets)?, labels.len());
        if context.logged {
            let logits = self.model.logits(&points.detach())?.flatten_all()?.to_vec1::<f32>()?;
            loss.scalars.insert("accuracy".to_owned(), accuracy(&logits, batch.shape.way, &labels));
            if let Some(share) = self.model.space.margin_share(&points.all)? {
                loss.scalars.insert("margin_share".to_owned(), share);
            }
        }
        Ok(loss)
    }

    fn evaluate(&mut self, epoch: usize) -> Result<Metrics> {
        let mut metrics = Metrics::new();
        if let Some(validation) = &mut self.validation {
            let accuracy = validate(&self.model, validation).map_err(|error| match error {
                Error::Network(error) => error,
                Error::Interrupted => hyp_nn::Error::Interrupted,
                other => hyp_nn::Error::Batch { epoch, batch: 0, source: other.into() },
            })?;
            metrics.insert("accuracy".to_owned(), accuracy);
        }
        if self.model.space.geometry().trains_c() {
            metrics.insert("c".to_owned(), self.model.space.curvature()?.get());
        }
        Ok(metrics)
    }

    fn is_evaluated(&self) -> bool {
        self.validation.is_some()
    }

    fn diagnose(&mut self, batch: &EpisodeBatch) -> Result<Diagnosis> {
        let mut activations = vec![("images".to_owned(), batch.images.clone())];
        activations.extend(self.model.backbone.activations(&batch.images)?);
        let points = self.model.episode(batch, self.encoding, false)?;
        let margin_share = self.model.space.margin_share(&points.all)?;
        let logits = self.model.logits(&points)?;
        activations.extend([("points".to_owned(), points.all), ("logits".to_owned(), logits)]);
        Ok(Diagnosis { activations, margin_share })
    }
}

fn validate<B: Backbone>(model: &ProtoNet<B>, validation: &mut Validation) -> Result<f64, Error> {
    let embeddings = embed(model, &validation.pictures, &mut validation.watch)?;
    let found = evaluate(&embeddings, &validation.episodes, &model.space.frozen()?)?;
    Ok(hyp_math::stats::mean(&found.accuracies)?)
}

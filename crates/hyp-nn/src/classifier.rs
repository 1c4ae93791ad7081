//! Classification: backbone, head, and the task that trains them.

use crate::{
    backbone::Backbone,
    error::Result,
    geometry::{Head, row_norms},
    parameter::ParameterStore,
    train::{Diagnosis, Loss, Metrics, StepContext, Task, accuracy},
};
use candle_core::{DType, Tensor};

/// A backbone with a head.
#[derive(Clone, Debug)]
pub struct Classifier<B> {
    /// Parameters and buffers of both.
    pub store: ParameterStore,
    /// Images to features.
    pub backbone: B,
    /// Features to embeddings and logits.
    pub head: Head,
}

/// What a model says about a set of images, row after row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// Points of the head's space, `rows × dim`.
    pub embeddings: Vec<f32>,
    /// Logits, `rows × classes`.
    pub logits: Vec<f32>,
    /// Norm of each feature vector before the embedding map.
    pub pre_map_norm: Vec<f64>,
    /// Distance of each embedding to the origin; see [`Head::distance_to_origin`].
    pub distance_to_origin: Vec<f64>,
    /// Share of embeddings on the margin of the ball; `None` where there is no ball.
    pub margin_share: Option<f64>,
}

impl<B: Backbone> Classifier<B> {
    /// Logits of a batch of images.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn logits(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.head.logits(&self.embedding(images, train)?)
    }

    /// Embeddings of a batch of images.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn embedding(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.head.embedding(&self.backbone.forward(images, train)?)
    }

    /// Everything the model says about `images`, in evaluation mode, `batch` images at a time.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn outputs(&self, images: &Tensor, batch: usize) -> Result<Outputs> {
        let rows = images.dim(0)?;
        let mut outputs = Outputs::default();
        let mut held = None;
        for start in (0..rows).step_by(batch.max(1)) {
            let count = batch.max(1).min(rows - start);
            let features = self.backbone.forward(&images.narrow(0, start, count)?, false)?;
            let embedding = self.head.embedding(&features)?;
            let logits = self.head.logits(&embedding)?;
            outputs.pre_map_norm.extend(row_norms(&features)?);
            outputs.distance_to_origin.extend(self.head.distance_to_origin(&embedding)?);
            if let Some(share) = self.head.margin_share(&embedding)? {
                *held.get_or_insert(0.0) += share * count as f64;
            }
            outputs.embeddings.extend(plain(&embedding)?);
            outputs.logits.extend(plain(&logits)?);
        }
        outputs.margin_share = held.map(|held: f64| held / rows.max(1) as f64);
        Ok(outputs)
    }
}

fn plain(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

/// Images with their classes.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// `[rows, channels, height, width]`.
    pub images: Tensor,
    /// One class per row, from 0.
    pub labels: Vec<u32>,
}

/// Training a [`Classifier`] by cross-entropy, validated by accuracy.
#[derive(Clone, Debug)]
pub struct Classification<B> {
    /// The model.
    pub model: Classifier<B>,
    /// What [`Task::evaluate`] measures `accuracy`, `loss` and, in the ball, `margin_share` on.
    pub validation: Option<Labelled>,
    /// Images evaluated at a time.
    pub evaluation_batch: usize,
}

impl<B: Backbone> Task for Classification<B> {
    type Batch = Labelled;

    fn parameters(&self) -> &ParameterStore {
        &self.model.store
    }

    fn loss(&mut self, batch: &Labelled, context: &StepContext) -> Result<Loss> {
        let embedding = self.model.embedding(&batch.images, true)?;
        let labels = Tensor::from_slice(&batch.labels, batch.labels.len(), embedding.device())?;
        let value = self.model.head.cross_entropy(&embedding, &labels)?;
        let mut loss = Loss::new(value, batch.labels.len());
        if context.logged {
            let classes = self.model.head.classes();
            let logits = self.model.head.logits(&embedding.detach())?;
            loss.scalars.insert("accuracy".to_owned(), accuracy(&plain(&logits)?, classes, &batch.labels));
            if let Some(share) = self.model.head.margin_share(&embedding)? {
                loss.scalars.insert("margin_share".to_owned(), share);
            }
        }
        Ok(loss)
    }

    fn evaluate(&mut self, _epoch: usize) -> Result<Metrics> {
        let Some(Labelled { images, labels }) = &self.validation else { return Ok(Metrics::new()) };
        let outputs = self.model.outputs(images, self.evaluation_batch)?;
        let classes = self.model.head.classes();
        let mut metrics = Metrics::new();
        metrics.insert("accuracy".to_owned(), accuracy(&outputs.logits, classes, labels));
        metrics.insert("loss".to_owned(), mean_cross_entropy(&outputs.logits, classes, labels));
        if let Some(share) = outputs.margin_share {
            metrics.insert("margin_share".to_owned(), share);
        }
        Ok(metrics)
    }

    fn is_evaluated(&self) -> bool {
        self.validation.is_some()
    }

    fn diagnose(&mut self, batch: &Labelled) -> Result<Diagnosis> {
        let mut activations = vec![("images".to_owned(), batch.images.clone())];
        activations.extend(self.model.backbone.activations(&batch.images)?);
        let features = self.model.backbone.forward(&batch.images, false)?;
        let embedding = self.model.head.embedding(&features)?;
        let logits = self.model.head.logits(&embedding)?;
        let margin_share = self.model.head.margin_share(&embedding)?;
        activations.extend([("embedding".to_owned(), embedding), ("logits".to_owned(), logits)]);
        Ok(Diagnosis { activations, margin_share })
    }
}

/// Mean of `log Σ exp(z) − z_label` in `f64`.
fn mean_cross_entropy(logits: &[f32], classes: usize, labels: &[u32]) -> f64 {
    let losses = logits.chunks_exact(classes).zip(labels).map(|(row, label)| {
        let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = row.iter().map(|z| (f64::from(*z) - largest).exp()).sum();
        largest + sum.ln() - f64::from(row[*label as usize])
    });
    losses.sum::<f64>() / labels.len() as f64
}

//! The LeNet classifier: built from a row, trained, and asked about pictures.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use hyp_data::sample::Shuffled;
use hyp_data::transform::{Normalise, Transform};
use hyp_data::{Dataset, Loader, LoaderOptions};
use hyp_nn::backbone::LeNet;
use hyp_nn::candle_core::{Device, Tensor};
use hyp_nn::optim::OptimizerConfig;
use hyp_nn::train::{FitConfig, LAST, fit, load_weights};
use hyp_nn::{Classification, Classifier, Geometry, Head, Labelled, ParameterStore};

use super::config::OodRow;
use super::pictures::{self, Pictures, SIDE};
use super::scores::Scores;
use crate::experiment::contract::{Interrupted, Job};

const CLASSES: usize = 10;
/// Pictures asked about at a time.
const EVALUATION_BATCH: usize = 500;
/// Steps between two checkpoints.
const CHECKPOINT_EVERY: u64 = 200;

/// A LeNet with a head.
pub(crate) type Model = Classifier<LeNet>;

/// The network of a row with its first weights, which the seed decides.
pub(crate) fn build(row: &OodRow, seed: u64, device: &Device) -> Result<Model> {
    let mut store = ParameterStore::new(seed, device);
    let backbone = LeNet::new(&mut store, row.dim)?;
    let head = Head::new(&mut store, "head", row.geometry, row.dim, CLASSES)?;
    Ok(Classifier { store, backbone, head })
}

/// The network of a row with the weights that training left in a job's folder.
pub(crate) fn load(row: &OodRow, folder: &Path, device: &Device) -> Result<Model> {
    let model = build(row, 0, device)?;
    load_weights(&folder.join(LAST), &model.store)?;
    Ok(model)
}

/// What training left behind besides the weights.
pub(crate) struct Trained {
    pub(crate) model: Model,
    pub(crate) train_loss: f64,
    pub(crate) validation_accuracy: f64,
}

/// Trains the network of a row, from the job's last checkpoint when it is to go on.
pub(crate) fn train(
    job: &Job<'_, OodRow>,
    pictures: &Pictures,
    epochs: usize,
    device: &Device,
) -> Result<Trained> {
    let validation = labelled(&pictures.digits, &pictures.validation, device)?;
    let mut task = Classification {
        model: build(job.row, job.seed, device)?,
        validation: Some(validation),
        evaluation_batch: EVALUATION_BATCH,
    };
    let config = FitConfig {
        seed: job.seed,
        epochs,
        folder: Some(job.folder.clone()),
        resume: job.resume,
        log_every: 100,
        checkpoint_every: CHECKPOINT_EVERY,
        progress: !job.side_by_side,
        stop: Arc::clone(job.stop),
        ..FitConfig::new(OptimizerConfig::adam(job.row.train.adam_lr))
    };
    let sampler = Shuffled {
        items: pictures.train.clone(),
        batch_size: job.row.train.batch,
        seed: job.seed,
        drop_last: false,
    };
    // Digits are in memory and need no decoding: one thread stays ahead of the training step.
    let options = LoaderOptions { seed: job.seed, workers: 1, prefetch: 8 };
    let digits = Arc::clone(&pictures.digits);
    let loader = Loader::new(digits, sampler, Transform::default(), Normalise::mnist(), options);
    let report = fit(&config, &mut task, |epoch, _| {
        let device = device.clone();
        let batches = loader.epoch(epoch as u64).map(move |batch| {
            let batch = batch?;
            let images = Tensor::from_vec(batch.pixels, &batch.shape, &device)?;
            Ok(Labelled { images, labels: batch.labels })
        });
        Ok(batches)
    })?;
    if report.interrupted {
        return Err(Interrupted.into());
    }
    let Some(last) = report.epochs.last() else {
        bail!("no epoch was trained; give `epochs` at least 1");
    };
    Ok(Trained {
        model: task.model,
        train_loss: last.train_loss,
        validation_accuracy: *last.metrics.get("accuracy").context("invariant: accuracy is evaluated")?,
    })
}

fn labelled(dataset: &Dataset, positions: &[usize], device: &Device) -> Result<Labelled> {
    let images = tensor(&pictures::bytes(dataset, positions)?, device)?;
    Ok(Labelled { images, labels: pictures::labels(dataset, positions) })
}

/// Pictures as the network sees them, `[pictures, 1, 28, 28]`.
pub(crate) fn tensor(bytes: &[u8], device: &Device) -> Result<Tensor> {
    let count = bytes.len() / (SIDE * SIDE);
    Ok(Tensor::from_vec(pictures::normalised(bytes), (count, 1, SIDE, SIDE), device)?)
}

/// The scores of pictures given by their bytes.
pub(crate) fn scores(model: &Model, bytes: &[u8]) -> Result<Scores> {
    let outputs = model.outputs(&tensor(bytes, model.store.device())?, EVALUATION_BATCH)?;
    let geometry = model.head.geometry();
    let in_ball = matches!(geometry, Geometry::Poincare { .. });
    let (p_max, predicted) = outputs.logits.chunks_exact(CLASSES).map(most_probable).unzip();
    let narrow = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<f32>>();
    // The ball of any curvature is drawn as the unit ball.
    let radius = model.head.curvature()?.sqrt() as f32;
    let dim = outputs.embeddings.len() / outputs.pre_map_norm.len().max(1);
    let points = if in_ball && dim == 2 {
        outputs.embeddings.chunks_exact(2).map(|point| [point[0] * radius, point[1] * radius]).collect()
    } else {
        Vec::new()
    };
    Ok(Scores {
        distance: if in_ball { narrow(&outputs.distance_to_origin) } else { Vec::new() },
        p_max,
        pre_map_norm: narrow(&outputs.pre_map_norm),
        predicted,
        margin_share: outputs.margin_share,
        points,
    })
}

/// The largest class probability, and its class; of equal ones the first.
fn most_probable(logits: &[f32]) -> (f32, u32) {
    let (mut best, mut class) = (f32::NEG_INFINITY, 0);
    for (at, logit) in logits.iter().enumerate() {
        if *logit > best {
            (best, class) = (*logit, at as u32);
        }
    }
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - best).exp()).sum();
    ((1.0 / sum) as f32, class)
}

#[cfg(test)]
mod tests {
    use super::most_probable;

    #[test]
    fn the_largest_probability_is_that_of_a_softmax() {
        assert_eq!(most_probable(&[0.0; 10]), (0.1, 0));
        let (p_max, class) = most_probable(&[0.0, 3.0_f32.ln(), 0.0]);
        assert!((p_max - 0.6).abs() < 1e-6 && class == 1, "3 of 1 + 3 + 1");
    }
}

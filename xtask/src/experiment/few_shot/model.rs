//! One few-shot model: built from a row, trained or taken from its folder, and tested.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use hyp_data::sample::{EpisodeList, EpisodeSampler, EpisodeShape};
use hyp_data::{Dataset, Loader, LoaderOptions};
use hyp_fewshot::{Embeddings, EpisodeSource, Evaluation, ProtoNet, Training, Validation, embed, evaluate};
use hyp_nn::ParameterStore;
use hyp_nn::candle_core::Device;
use hyp_nn::optim::{OptimizerConfig, Schedule};
use hyp_nn::train::{BEST, FitConfig, Monitor, fit, load_weights};

use super::config::{FewShotRow, FewShotScale, ShapeTable};
use super::pictures::Pictures;
use crate::experiment::contract::{Interrupted, Metrics};
use crate::features::watch;
use hyp_nn::backbone::AnyBackbone;

/// A few-shot model of any backbone.
pub(crate) type Model = ProtoNet<AnyBackbone>;

/// Steps between two checkpoints.
const CHECKPOINT_EVERY: u64 = 50;
/// Decides the episodes of validation and test, the same for every seed of training.
const EVALUATION_SEED: u64 = 0x5eed;

/// How long a training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Length {
    pub(crate) epochs: usize,
    pub(crate) episodes: usize,
    pub(crate) validation_episodes: usize,
    pub(crate) train_way_at_most: Option<usize>,
}

impl From<&FewShotScale> for Length {
    fn from(scale: &FewShotScale) -> Self {
        Self {
            epochs: scale.epochs,
            episodes: scale.episodes,
            validation_episodes: scale.validation_episodes,
            train_way_at_most: scale.train_way_at_most,
        }
    }
}

/// Where a training runs.
pub(crate) struct Place<'a> {
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// Whether it goes on from its last checkpoint.
    pub(crate) resume: bool,
    /// Whether it shows a progress bar.
    pub(crate) progress: bool,
    /// Set when it is to stop.
    pub(crate) stop: &'a Arc<AtomicBool>,
}

/// The network of a row with its first weights, which the seed decides.
pub(crate) fn build(row: &FewShotRow, channels: usize, seed: u64, device: &Device) -> Result<Model> {
    let mut store = ParameterStore::new(seed, device);
    let backbone = row.backbone.build(&mut store, channels)?;
    Ok(ProtoNet::new(store, backbone, row.geometry, row.train.temperature)?)
}

/// The training episodes of a row, and their shape.
pub(crate) fn episodes(
    row: &FewShotRow,
    pictures: &Pictures,
    length: &Length,
    seed: u64,
) -> Result<(Loader, EpisodeShape)> {
    let index = pictures.train.index();
    let shape = row.train.shape(index.classes().len(), length.train_way_at_most);
    let all: Vec<usize> = (0..index.len()).collect();
    let sampler = EpisodeSampler::new(index, &all, shape, length.episodes, seed)?;
    let options = LoaderOptions { seed, ..LoaderOptions::default() };
    let train = Arc::clone(&pictures.train);
    let loader = Loader::new(train, sampler, pictures.augment.clone(), pictures.scale.normalise(), options);
    Ok((loader, shape))
}

/// What training left behind besides the weights.
pub(crate) struct Trained {
    /// The model with the weights of its best epoch by validation.
    pub(crate) model: Model,
    /// What the training says of itself.
    pub(crate) metrics: Metrics,
    /// Accuracy of each epoch on the validation episodes, in `[0, 1]`.
    pub(crate) curve: Vec<f64>,
}

/// Trains a row, or takes what an earlier run left in the folder.
pub(crate) fn train(
    row: &FewShotRow,
    seed: u64,
    pictures: &Pictures,
    length: &Length,
    place: &Place<'_>,
    device: &Device,
) -> Result<Trained> {
    // A part that is too thin for its episodes is refused before anything is trained.
    drawn(&pictures.test, row.test, 1).context("the test part cannot be asked")?;
    let (loader, shape) = episodes(row, pictures, length, seed)?;
    let validation = Validation {
        pictures: pictures.in_order(&pictures.validation),
        episodes: drawn(&pictures.validation, row.validate(), length.validation_episodes)?
            .episodes()
            .to_vec(),
        watch: Box::new(watch("validated", pictures.validation.len(), place.progress, place.stop)),
    };
    let model = build(row, pictures.scale.channels(), seed, device)?;
    let mut task = Training { model, encoding: row.train.encoding, validation: Some(validation) };
    let config = FitConfig {
        seed,
        epochs: length.epochs,
        schedule: Schedule::Step {
            every_epochs: row.train.decay_epochs(length.epochs),
            gamma: row.train.gamma,
        },
        monitor: Some(Monitor::maximise("accuracy")),
        folder: Some(place.folder.clone()),
        resume: place.resume,
        log_every: 10,
        checkpoint_every: CHECKPOINT_EVERY,
        progress: place.progress,
        stop: Arc::clone(place.stop),
        ..FitConfig::new(OptimizerConfig::adam(row.train.adam_lr))
    };
    let report = fit(&config, &mut task, |epoch, _| Ok(EpisodeSource::new(&loader, shape, epoch, device)))?;
    if report.interrupted {
        return Err(Interrupted.into());
    }
    let (Some(last), Some((best_epoch, best))) = (report.epochs.last(), report.best) else {
        bail!("no epoch was trained; give `epochs` at least 1");
    };
    let mut metrics = Metrics::from([
        ("train_loss".to_owned(), last.train_loss),
        ("validation_accuracy".to_owned(), 100.0 * best),
        ("best_epoch".to_owned(), (best_epoch + 1) as f64),
        ("train_way".to_owned(), shape.way as f64),
    ]);
    let model = task.model;
    load_weights(&place.folder.join(BEST), &model.store)
        .with_context(|| format!("the best weights of {} cannot be read", place.folder.display()))?;
    if row.geometry.trains_c() {
        metrics.insert("c".to_owned(), model.space.curvature()?.get());
    }
    let curve = report.epochs.iter().filter_map(|epoch| epoch.metrics.get("accuracy").copied()).collect();
    Ok(Trained { model, metrics, curve })
}

/// The pictures of a loader embedded, unless `watch` stops it.
pub(crate) fn embedded(
    model: &Model,
    loader: &Loader,
    watch: impl FnMut(usize) -> ControlFlow<()>,
) -> Result<Embeddings> {
    embed(model, loader, watch).map_err(|error| match error {
        hyp_fewshot::Error::Interrupted => Interrupted.into(),
        other => other.into(),
    })
}

/// What came of a test.
pub(crate) struct Tested {
    pub(crate) metrics: Metrics,
    /// The test part.
    pub(crate) embeddings: Embeddings,
    /// What embedding and episodes took.
    pub(crate) seconds: f64,
}

/// Tests a model on episodes of the test part.
pub(crate) fn test(
    model: &Model,
    row: &FewShotRow,
    pictures: &Pictures,
    episodes: &EpisodeList,
    watch: impl FnMut(usize) -> ControlFlow<()>,
) -> Result<Tested> {
    let start = Instant::now();
    let embeddings = embedded(model, &pictures.in_order(&pictures.test), watch)?;
    let space = model.space.frozen()?;
    let found: Evaluation = evaluate(&embeddings, episodes.episodes(), &space)?;
    let seconds = start.elapsed().as_secs_f64();
    let interval = found.interval()?;
    let mut metrics = Metrics::from([
        ("accuracy".to_owned(), 100.0 * interval.mean),
        ("accuracy_interval".to_owned(), 100.0 * interval.half_width),
        ("close_calls".to_owned(), found.close_calls as f64),
        ("episodes".to_owned(), episodes.episodes().len() as f64),
        ("mean_pre_map_norm".to_owned(), hyp_math::stats::mean(&embeddings.pre_map_norm)?),
    ]);
    if let Some(share) = space.margin_share(&embeddings.points, embeddings.dim) {
        metrics.insert("margin_share".to_owned(), 100.0 * share);
    }
    if let Some(clip) = row.geometry.clip() {
        let clipped = embeddings.pre_map_norm.iter().filter(|norm| **norm > clip).count();
        metrics.insert("clip_share".to_owned(), 100.0 * clipped as f64 / embeddings.len().max(1) as f64);
    }
    Ok(Tested { metrics, embeddings, seconds })
}

/// The episodes that every model of that shape is asked.
pub(crate) fn drawn(part: &Dataset, shape: ShapeTable, episodes: usize) -> Result<EpisodeList> {
    let all: Vec<usize> = (0..part.len()).collect();
    let sampler = EpisodeSampler::new(part.index(), &all, shape.into(), episodes, EVALUATION_SEED)?;
    Ok(EpisodeList::draw(&sampler, 0))
}

//! One classifier of identities: built from a row, trained, and asked for the embeddings of pictures.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use hyp_data::sample::{IdentitySampler, Shuffled};
use hyp_data::transform::{Normalise, recipe};
use hyp_data::{Dataset, Loader, LoaderOptions};
use hyp_nn::backbone::{
    AnyBackbone, Backbone, Conv4, Conv4Config, Embedded, ResNet, ResNetConfig, ResNetDepth,
};
use hyp_nn::candle_core::{DType, Tensor};
use hyp_nn::optim::{OptimizerConfig, Schedule};
use hyp_nn::train::{FitConfig, fit};
use hyp_nn::weights::{Matching, WeightsFile};
use hyp_nn::{Classification, Classifier, Geometry, Head, Labelled, ParameterStore, row_norms};
use hyp_reid::{Evaluation, Metric, Reranker, Reranking, Set, evaluate_rows};

use super::config::{BackboneTable, ReidRow, ReidScale};
use super::pictures::{Pictures, in_order, tags};
use super::ranks::{self, Ranked};
use super::saved::Saved;
use crate::experiment::Environment;
use crate::experiment::contract::{Interrupted, Job, Metrics};
use crate::features::{Encoder, published, refuse_strangers, watch};
use crate::fetch;

/// A network with an embedding and a head.
pub(crate) type Model = Classifier<Embedded<AnyBackbone>>;

/// Steps between two checkpoints.
const CHECKPOINT_EVERY: u64 = 50;
/// Queries and gallery entries up to which re-ranking is measured too: its work grows with their square.
const RERANKED: usize = 40_000;
/// Epochs of the paper, and those after which the rate decays.
const EPOCHS: usize = 300;
const DECAYS: [usize; 2] = [200, 270];

impl BackboneTable {
    /// The manifest of the weights that training starts from, and how its file matches the network.
    fn weights(self) -> Option<(&'static str, Matching<'static>)> {
        match self {
            Self::ResNet50 => Some(("resnet50", Matching { unwanted: &["fc."], ..Matching::default() })),
            Self::EfficientNetLite0 => {
                let encoder = Encoder::EfficientnetLite0;
                Some((encoder.name(), encoder.matching()))
            }
            Self::Conv4 => None,
        }
    }

    /// The numbers that its weights expect bytes to become.
    pub(super) fn normalise(self) -> Normalise {
        match self {
            Self::EfficientNetLite0 => Encoder::EfficientnetLite0.normalise(),
            Self::ResNet50 | Self::Conv4 => Normalise::imagenet(),
        }
    }

    pub(super) fn build(self, store: &mut ParameterStore) -> Result<AnyBackbone> {
        Ok(match self {
            Self::ResNet50 => Box::new(ResNet::new(store, ResNetConfig::torchvision(ResNetDepth::Fifty))?),
            Self::EfficientNetLite0 => Encoder::EfficientnetLite0.build(store)?,
            Self::Conv4 => Box::new(Conv4::new(store, Conv4Config::colour_84(64))?),
        })
    }
}

/// What all rows of a table share in their networks and training.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// The network.
    pub(crate) backbone: BackboneTable,
    /// Height and width of a picture.
    pub(crate) size: [usize; 2],
    /// Times through the training part.
    pub(crate) epochs: usize,
    /// Use the first so many batches of an epoch only.
    pub(crate) batches: Option<usize>,
    /// Pictures of a step, in place of what the row says.
    pub(crate) batch: Option<usize>,
    /// The file of the weights that training starts from; the published ones of the data root where there is none.
    pub(crate) weights: Option<PathBuf>,
}

impl From<&ReidScale> for Recipe {
    fn from(scale: &ReidScale) -> Self {
        let ReidScale { backbone, size, epochs, batches, batch, .. } = *scale;
        Self { backbone, size, epochs, batches, batch, weights: None }
    }
}

/// The network of a row with its first weights: published ones where there are any, the rest by the seed.
fn build(
    row: &ReidRow,
    recipe: &Recipe,
    classes: usize,
    seed: u64,
    environment: &Environment,
) -> Result<Model> {
    let device = hyp_nn::device::by_name(&environment.device)?;
    let mut store = ParameterStore::new(seed, &device);
    let model = assemble(&mut store, recipe.backbone, row.geometry, row.dim, classes)?;
    if let Some((name, matching)) = recipe.backbone.weights() {
        let data_root = environment.data_root.as_deref();
        let instead = "what runs without it: cargo xtask reproduce table6 --scale smoke, \
                       or cargo xtask train reid --backbone conv4";
        let file = recipe.weights.clone().or_else(|| published(name, data_root));
        let file = file.ok_or_else(|| fetch::missing(name, data_root, instead))?;
        let matching = Matching { fresh: &["embedding.", "head"], ..matching };
        let report = WeightsFile::open(&file)?.load(&store, &matching)?;
        refuse_strangers(&report, &file, name)?;
    }
    let (backbone, head) = model;
    Ok(Classifier { store, backbone, head })
}

/// Declares a network with an embedding and a head.
pub(super) fn assemble(
    store: &mut ParameterStore,
    backbone: BackboneTable,
    geometry: Geometry,
    dim: usize,
    classes: usize,
) -> Result<(Embedded<AnyBackbone>, Head)> {
    let backbone = backbone.build(store)?;
    let backbone = Embedded::new(store, backbone, dim)?;
    let head = Head::new(store, "head", geometry, dim, classes)?;
    Ok((backbone, head))
}

/// Trains the network of a row, measures the ranking of the gallery for every query, and leaves in the job's folder how
/// the model is built and pictures of some rankings.
pub(crate) fn run(
    job: &Job<'_, ReidRow>,
    recipe: &Recipe,
    pictures: &Pictures,
    environment: &Environment,
) -> Result<Metrics> {
    let row = job.row;
    let classes = pictures.train.index().classes().len();
    let model = build(row, recipe, classes, job.seed, environment)?;
    let device = model.store.device().clone();
    let mut task = Classification { model, validation: None, evaluation_batch: 1 };
    let config = FitConfig {
        seed: job.seed,
        epochs: recipe.epochs,
        schedule: Schedule::MultiStep {
            milestones: DECAYS.map(|epoch| (epoch * recipe.epochs).div_ceil(EPOCHS)).to_vec(),
            gamma: 0.1,
        },
        folder: Some(job.folder.clone()),
        resume: job.resume,
        log_every: 10,
        checkpoint_every: CHECKPOINT_EVERY,
        progress: !job.side_by_side,
        stop: Arc::clone(job.stop),
        ..FitConfig::new(OptimizerConfig::adam(row.train.adam_lr))
    };
    let loader = training(row, recipe, pictures, job.seed)?;
    let batches = recipe.batches.unwrap_or(usize::MAX);
    let report = fit(&config, &mut task, |epoch, _| {
        let device = device.clone();
        Ok(loader.epoch(epoch as u64).take(batches).map(move |batch| {
            let batch = batch?;
            let images = Tensor::from_vec(batch.pixels, &batch.shape, &device)?;
            Ok(Labelled { images, labels: batch.labels })
        }))
    })?;
    if report.interrupted {
        return Err(Interrupted.into());
    }
    let Some(last) = report.epochs.last() else {
        bail!("no epoch was trained; give `epochs` at least 1");
    };
    Saved::new(row, recipe, classes).write(&job.folder)?;
    let mut metrics = test(&task.model, recipe, pictures, job)?;
    metrics.insert("train_loss".to_owned(), last.train_loss);
    Ok(metrics)
}

/// The training batches of a row.
fn training(row: &ReidRow, recipe: &Recipe, pictures: &Pictures, seed: u64) -> Result<Loader> {
    let [height, width] = recipe.size;
    let steps = recipe::reid_train(height, width, row.train.erasing);
    let options = LoaderOptions { seed, ..LoaderOptions::default() };
    let (train, normalise) = (Arc::clone(&pictures.train), recipe.backbone.normalise());
    let items: Vec<usize> = (0..train.len()).collect();
    let batch = recipe.batch.unwrap_or(row.train.batch);
    Ok(if let Some(each) = row.train.pictures_per_person {
        let sampler = IdentitySampler::new(train.index(), &items, batch / each.max(1), each, seed)?;
        Loader::new(train, sampler, steps, normalise, options)
    } else {
        let sampler = Shuffled { items, batch_size: batch, seed, drop_last: true };
        Loader::new(train, sampler, steps, normalise, options)
    })
}

/// Embeddings of a part, and the norms of the features before the map.
struct Part {
    points: Vec<f32>,
    norms: Vec<f64>,
    on_margin: Option<f64>,
}

fn embed(
    model: &Model,
    part: &Arc<Dataset>,
    recipe: &Recipe,
    mut watch: impl FnMut(usize) -> ControlFlow<()>,
) -> Result<Part> {
    let device = model.store.device();
    let mut all = Part { points: Vec::new(), norms: Vec::new(), on_margin: None };
    for batch in in_order(part, recipe.size, recipe.backbone.normalise()).epoch(0) {
        let batch = batch?;
        let images = Tensor::from_vec(batch.pixels, &batch.shape, device)?;
        let features = model.backbone.forward(&images, false)?.detach();
        let points = model.head.embedding(&features)?;
        all.norms.extend(row_norms(&features)?);
        if let Some(share) = model.head.margin_share(&points)? {
            *all.on_margin.get_or_insert(0.0) += share * batch.labels.len() as f64;
        }
        all.points.extend(points.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?);
        if watch(all.norms.len()).is_break() {
            return Err(Interrupted.into());
        }
    }
    Ok(all)
}

/// How a gallery is ranked: by the distance of the space in which the model was trained.
pub(crate) fn metric_of(head: &Head) -> Result<Metric> {
    Ok(match head.geometry() {
        Geometry::Euclidean => Metric::Euclidean,
        Geometry::Spherical { .. } => Metric::Cosine,
        Geometry::Poincare { .. } => Metric::Hyperbolic(head.curvature()?),
    })
}

/// Ranks the gallery for every query, and draws some of the rankings in the job's folder.
fn test(model: &Model, recipe: &Recipe, pictures: &Pictures, job: &Job<'_, ReidRow>) -> Result<Metrics> {
    let embedded = |what, part: &Arc<Dataset>| {
        embed(model, part, recipe, watch(what, part.len(), !job.side_by_side, job.stop))
    };
    let (query, gallery) = (embedded("queries", &pictures.query)?, embedded("gallery", &pictures.gallery)?);
    let (query_tags, gallery_tags) = (tags(&pictures.query), tags(&pictures.gallery));
    let dim = query.points.len() / query_tags.len();
    let mut ranked = Vec::with_capacity(query_tags.len());
    let queries = Set::queries(&query.points, &query_tags, dim)?;
    let entries = Set::gallery(&gallery.points, &gallery_tags, dim)?;
    let metric = metric_of(&model.head)?;
    evaluate_rows(
        &queries,
        &entries,
        metric,
        |at, row| Ranked::new(row, query_tags[at], &gallery_tags),
        |one| ranked.push(one),
    )?;
    let scores: Vec<_> = ranked.iter().map(|one| one.score).collect();
    let found = Evaluation::from_scores(&scores)?;
    ranks::draw(&ranked, pictures, &job.folder)?;
    let mut metrics = Metrics::from([
        ("map".to_owned(), 100.0 * found.map),
        ("worst_map".to_owned(), 100.0 * found.worst_map),
        ("minp".to_owned(), 100.0 * found.minp),
        ("queries".to_owned(), found.queries as f64),
        ("mean_pre_map_norm".to_owned(), hyp_math::stats::mean(&query.norms)?),
    ]);
    for (rank, share) in hyp_reid::RANKS.iter().zip(found.cmc) {
        metrics.insert(format!("rank{rank}"), 100.0 * share);
    }
    if queries.len() + entries.len() <= RERANKED {
        let reranker = Reranker::new(&queries, &entries, metric, Reranking::default())?;
        let found = reranker.evaluate(&queries, &entries, metric)?;
        metrics.insert("reranked_map".to_owned(), 100.0 * found.map);
        metrics.insert("reranked_rank1".to_owned(), 100.0 * found.cmc[0]);
    }
    if let Some(on_margin) = query.on_margin {
        metrics.insert("margin_share".to_owned(), 100.0 * on_margin / query_tags.len() as f64);
    }
    Ok(metrics)
}

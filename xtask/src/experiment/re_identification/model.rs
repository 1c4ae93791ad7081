//! One classifier of identities: built from a row, trained, and asked for the embeddings of pictures.

use std::sync::Arc;

use anyhow::{Result, bail};
use hyp_data::sample::{IdentitySampler, Shuffled};
use hyp_data::transform::{Normalise, recipe};
use hyp_data::{Dataset, Loader, LoaderOptions};
use hyp_nn::backbone::{
    AnyBackbone, Backbone, Conv4, Conv4Config, Embedded, ResNet, ResNetConfig, ResNetDepth,
};
use hyp_nn::candle_core::{DType, Device, Tensor};
use hyp_nn::optim::{OptimizerConfig, Schedule};
use hyp_nn::train::{FitConfig, fit};
use hyp_nn::weights::{Matching, WeightsFile};
use hyp_nn::{Classification, Classifier, Geometry, Head, Labelled, ParameterStore, row_norms};
use hyp_reid::{Evaluation, Metric, Set, evaluate};

use super::config::{BackboneTable, ReidRow, ReidScale};
use super::pictures::{Pictures, in_order, tags};
use crate::experiment::Environment;
use crate::experiment::contract::{Interrupted, Job, Metrics};
use crate::features::{Encoder, published};
use crate::fetch;

/// A network with an embedding and a head.
type Model = Classifier<Embedded<AnyBackbone>>;

/// Steps between two checkpoints.
const CHECKPOINT_EVERY: u64 = 50;
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
    fn normalise(self) -> Normalise {
        match self {
            Self::EfficientNetLite0 => Encoder::EfficientnetLite0.normalise(),
            Self::ResNet50 | Self::Conv4 => Normalise::imagenet(),
        }
    }

    fn build(self, store: &mut ParameterStore) -> Result<AnyBackbone> {
        Ok(match self {
            Self::ResNet50 => Box::new(ResNet::new(store, ResNetConfig::torchvision(ResNetDepth::Fifty))?),
            Self::EfficientNetLite0 => Encoder::EfficientnetLite0.build(store)?,
            Self::Conv4 => Box::new(Conv4::new(store, Conv4Config::colour_84(64))?),
        })
    }
}

/// The network of a row with its first weights: published ones where there are any, the rest by the seed.
fn build(
    row: &ReidRow,
    table: &ReidScale,
    classes: usize,
    seed: u64,
    environment: &Environment,
) -> Result<Model> {
    let device = hyp_nn::device::by_name(&environment.device)?;
    let mut store = ParameterStore::new(seed, &device);
    let backbone = table.backbone.build(&mut store)?;
    let backbone = Embedded::new(&mut store, backbone, row.dim)?;
    let head = Head::new(&mut store, "head", row.geometry, row.dim, classes)?;
    if let Some((name, matching)) = table.backbone.weights() {
        let data_root = environment.data_root.as_deref();
        let instead = "what runs without it: cargo xtask reproduce table6 --scale smoke";
        let file = published(name, data_root).ok_or_else(|| fetch::missing(name, data_root, instead))?;
        let matching = Matching { fresh: &["embedding.", "head"], ..matching };
        WeightsFile::open(&file)?.load(&store, &matching)?;
    }
    Ok(Classifier { store, backbone, head })
}

/// Trains the network of a row and measures the ranking of the gallery for every query.
pub(super) fn run(
    job: &Job<'_, ReidRow>,
    table: &ReidScale,
    pictures: &Pictures,
    environment: &Environment,
) -> Result<Metrics> {
    let row = job.row;
    let classes = pictures.train.index().classes().len();
    let model = build(row, table, classes, job.seed, environment)?;
    let device = model.store.device().clone();
    let mut task = Classification { model, validation: None, evaluation_batch: 1 };
    let config = FitConfig {
        seed: job.seed,
        epochs: table.epochs,
        schedule: Schedule::MultiStep {
            milestones: DECAYS.map(|epoch| (epoch * table.epochs).div_ceil(EPOCHS)).to_vec(),
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
    let loader = training(row, table, pictures, job.seed)?;
    let batches = table.batches.unwrap_or(usize::MAX);
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
    let mut metrics = test(&task.model, table, pictures)?;
    metrics.insert("train_loss".to_owned(), last.train_loss);
    Ok(metrics)
}

/// The training batches of a row.
fn training(row: &ReidRow, table: &ReidScale, pictures: &Pictures, seed: u64) -> Result<Loader> {
    let [height, width] = table.size;
    let steps = recipe::reid_train(height, width, row.train.erasing);
    let options = LoaderOptions { seed, ..LoaderOptions::default() };
    let (train, normalise) = (Arc::clone(&pictures.train), table.backbone.normalise());
    let items: Vec<usize> = (0..train.len()).collect();
    let batch = row.train.batch;
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

fn embed(model: &Model, part: &Arc<Dataset>, table: &ReidScale, device: &Device) -> Result<Part> {
    let mut all = Part { points: Vec::new(), norms: Vec::new(), on_margin: None };
    for batch in in_order(part, table.size, table.backbone.normalise()).epoch(0) {
        let batch = batch?;
        let images = Tensor::from_vec(batch.pixels, &batch.shape, device)?;
        let features = model.backbone.forward(&images, false)?.detach();
        let points = model.head.embedding(&features)?;
        all.norms.extend(row_norms(&features)?);
        if let Some(share) = model.head.margin_share(&points)? {
            *all.on_margin.get_or_insert(0.0) += share * batch.labels.len() as f64;
        }
        all.points.extend(points.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok(all)
}

/// Ranks the gallery by the distance of the space in which the model was trained.
fn test(model: &Model, table: &ReidScale, pictures: &Pictures) -> Result<Metrics> {
    let metric = match model.head.geometry() {
        Geometry::Euclidean => Metric::Euclidean,
        Geometry::Spherical { .. } => Metric::Cosine,
        Geometry::Poincare { .. } => Metric::Hyperbolic(model.head.curvature()?),
    };
    let device = model.store.device();
    let query = embed(model, &pictures.query, table, device)?;
    let gallery = embed(model, &pictures.gallery, table, device)?;
    let (query_tags, gallery_tags) = (tags(&pictures.query), tags(&pictures.gallery));
    let dim = query.points.len() / query_tags.len();
    let found: Evaluation = evaluate(
        &Set::queries(&query.points, &query_tags, dim)?,
        &Set::gallery(&gallery.points, &gallery_tags, dim)?,
        metric,
    )?;
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
    if let Some(on_margin) = query.on_margin {
        metrics.insert("margin_share".to_owned(), 100.0 * on_margin / query_tags.len() as f64);
    }
    Ok(metrics)
}

//! Training and evaluation on drawn characters: cached against per-episode answers, every geometry, both encodings.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure in a test is a panic, and a test without its data says so"
)]

mod pytorch;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use hyp_data::sample::{Episode, EpisodeSampler, EpisodeShape, Sequential};
use hyp_data::source::synthetic;
use hyp_data::transform::{Normalise, Transform};
use hyp_data::{Dataset, Loader, LoaderOptions};
use hyp_fewshot::{
    CLOSE, Encoding, EpisodeBatch, EpisodeSource, Flat, Geometry, ProtoNet, Training, Validation, embed,
    episode_logits, evaluate,
};
use hyp_nn::backbone::Backbone;
use hyp_nn::candle_core::{DType, Device, Tensor};
use hyp_nn::layer::{BatchNorm, Conv2d, Linear};
use hyp_nn::op::{self, ConvOptions, PoolOptions};
use hyp_nn::optim::OptimizerConfig;
use hyp_nn::train::{FitConfig, LAST, Loss, Monitor, StepContext, Task, fit};
use hyp_nn::{ParameterStore, Result};

/// A network of one convolution with batch normalisation: small, and its batch statistics matter.
struct Small {
    conv: Conv2d,
    norm: BatchNorm,
    linear: Linear,
}

const DIM: usize = 16;

impl Small {
    fn new(store: &mut ParameterStore) -> Self {
        Self {
            conv: Conv2d::new(store, "conv", [1, 8], 5, ConvOptions::new(2, 0)).unwrap(),
            norm: BatchNorm::new(store, "norm", 8).unwrap(),
            linear: Linear::new(store, "linear", 8 * 6 * 6, DIM).unwrap(),
        }
    }
}

impl Backbone for Small {
    fn feature_dim(&self) -> usize {
        DIM
    }

    fn forward(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let maps = op::relu(&self.norm.forward(&self.conv.forward(images)?, train)?)?;
        self.linear.forward(&op::max_pool2d(&maps, &PoolOptions::square(2))?.flatten_from(1)?)
    }
}

fn every_geometry() -> [Geometry; 9] {
    let poincare = |c, clip, trainable_c| Geometry::Poincare {
        c,
        trainable_c,
        margin: 1e-3,
        clip,
        riemannian_gradient: !trainable_c,
    };
    [
        poincare(0.05, None, false),
        poincare(0.5, Some(1.0), false),
        poincare(0.1, None, true),
        Geometry::Lorentz { c: 0.05, trainable_c: true, clip: Some(3.0) },
        Geometry::Euclidean { distance: Flat::Squared },
        Geometry::Euclidean { distance: Flat::Twice },
        Geometry::FixedRadius { radius: 2.0, distance: Flat::Squared },
        Geometry::FixedRadius { radius: 2.0, distance: Flat::Twice },
        Geometry::Cosine { scale: 10.0 },
    ]
}

fn model(geometry: Geometry, seed: u64) -> ProtoNet<Small> {
    let mut store = ParameterStore::new(seed, &Device::Cpu);
    let backbone = Small::new(&mut store);
    ProtoNet::new(store, backbone, geometry, 1.0).unwrap()
}

const SHAPE: EpisodeShape = EpisodeShape { way: 5, shot: 2, query: 3 };

fn glyphs() -> Arc<Dataset> {
    Arc::new(synthetic::stroke_glyphs(10, 12, 0))
}

fn sampler(dataset: &Dataset, episodes: usize) -> EpisodeSampler {
    let all: Vec<usize> = (0..dataset.len()).collect();
    EpisodeSampler::new(dataset.index(), &all, SHAPE, episodes, 3).unwrap()
}

fn loader(dataset: &Arc<Dataset>, sampler: impl hyp_data::sample::Sampler + 'static) -> Loader {
    let options = LoaderOptions { workers: 1, ..LoaderOptions::default() };
    Loader::new(Arc::clone(dataset), sampler, Transform::default(), Normalise::unit(1), options)
}

fn in_order(dataset: &Arc<Dataset>) -> Loader {
    loader(dataset, Sequential { items: (0..dataset.len()).collect(), batch_size: 32 })
}

fn training(geometry: Geometry, dataset: &Arc<Dataset>) -> Training<Small> {
    let sampler = sampler(dataset, 20);
    let episodes: Vec<Episode> = (0..20).map(|number| sampler.episode(9, number)).collect();
    let validation = Some(Validation {
        pictures: in_order(dataset),
        episodes,
        watch: Box::new(|_| ControlFlow::Continue(())),
    });
    Training { model: model(geometry, 1), encoding: Encoding::Separate, validation }
}

/// Cached answers are those of embedding every episode anew, wherever the logits are further apart than rounding.
#[test]
fn cached_evaluation_is_per_episode_evaluation() {
    let glyphs = glyphs();
    let sampler = sampler(&glyphs, 200);
    let loader = loader(&glyphs, sampler.clone());
    let episodes: Vec<Episode> = (0..200).map(|number| sampler.episode(0, number)).collect();
    for geometry in every_geometry() {
        let model = model(geometry, 2);
        let embeddings = embed(&model, &in_order(&glyphs), |_| ControlFlow::Continue(())).unwrap();
        let space = model.space.frozen().unwrap();
        let cached = evaluate(&embeddings, &episodes, &space).unwrap();
        let (mut right, mut close) = (vec![0; episodes.len()], 0);
        for (number, batch) in EpisodeSource::new(&loader, SHAPE, 0, &Device::Cpu).enumerate() {
            let batch = batch.unwrap();
            let points = model.episode(&batch, Encoding::Separate, false).unwrap();
            let anew = model.logits(&points).unwrap().to_vec2::<f32>().unwrap();
            let cached = episode_logits(&embeddings, &episodes[number], &space).unwrap();
            for ((anew, cached), label) in
                anew.iter().zip(cached.chunks_exact(SHAPE.way)).zip(batch.query_labels())
            {
                let size = anew.iter().fold(0.0_f32, |size, logit| size.max(logit.abs()));
                for (a, b) in anew.iter().zip(cached) {
                    assert!(f64::from((a - b).abs()) <= CLOSE * f64::from(size), "{geometry:?}: {a} and {b}");
                }
                let mut sorted = anew.clone();
                sorted.sort_by(f32::total_cmp);
                let gap = f64::from(sorted[SHAPE.way - 1] - sorted[SHAPE.way - 2]);
                let best = |logits: &[f32]| {
                    (0..SHAPE.way).max_by(|a, b| logits[*a].total_cmp(&logits[*b]).then(b.cmp(a))).unwrap()
                };
                if gap > CLOSE * f64::from(size) {
                    assert_eq!(best(anew), best(cached), "{geometry:?}");
                } else {
                    close += 1;
                }
                right[number] += usize::from(best(anew) == label as usize);
            }
        }
        let queries = SHAPE.way * SHAPE.query;
        let differing = right
            .iter()
            .zip(&cached.accuracies)
            .filter(|(right, cached)| (**right as f64 / queries as f64 - **cached).abs() > 1e-12)
            .count();
        assert!(differing <= close, "{geometry:?}: {differing} episodes differ, {close} close calls");
        assert_eq!(cached.queries, queries * episodes.len());
        let few = &episodes[..20];
        let source = || EpisodeSource::new(&loader, SHAPE, 0, &Device::Cpu);
        let found = hyp_fewshot::differing(&model, source(), &embeddings, few).unwrap();
        assert_eq!(found.beyond_rounding, 0, "{geometry:?}");
        let fewer = hyp_fewshot::differing(&model, source().take(19), &embeddings, few);
        assert_eq!(
            fewer.unwrap_err().to_string(),
            "epoch 0 has 19 batches, 20 are needed: give the loader the list of episodes that is compared"
        );
    }
}

#[test]
fn every_geometry_learns_with_finite_numbers() {
    let glyphs = glyphs();
    for geometry in every_geometry() {
        let loader = loader(&glyphs, sampler(&glyphs, 25));
        let mut task = training(geometry, &glyphs);
        let config = FitConfig {
            epochs: 3,
            monitor: Some(Monitor::maximise("accuracy")),
            ..FitConfig::new(OptimizerConfig::adam(5e-3))
        };
        let report =
            fit(&config, &mut task, |epoch, _| Ok(EpisodeSource::new(&loader, SHAPE, epoch, &Device::Cpu)))
                .unwrap_or_else(|error| panic!("{geometry:?}: {error}"));
        let last = report.epochs.last().unwrap();
        // Guessing gives 0.2 with a deviation of 0.023 over 300 queries.
        assert!(last.metrics["accuracy"] > 0.4, "{geometry:?}: {:?}", last.metrics);
        assert!(last.train_loss < report.epochs[0].train_loss, "{geometry:?}");
        if geometry.trains_c() {
            assert_ne!(last.metrics["c"], geometry.c().unwrap(), "{geometry:?}: c was not trained");
        }
    }
}

#[test]
fn a_training_that_is_stopped_in_its_validation_goes_on_to_the_same_bits() {
    let glyphs = glyphs();
    let loader = loader(&glyphs, sampler(&glyphs, 5));
    let train = |folder: &Path, watch: Box<dyn FnMut(usize) -> ControlFlow<()> + Send>| {
        let mut task = training(Geometry::poincare(0.05), &glyphs);
        task.validation.as_mut().unwrap().watch = watch;
        let config = FitConfig {
            epochs: 3,
            monitor: Some(Monitor::maximise("accuracy")),
            folder: Some(folder.to_owned()),
            resume: true,
            ..FitConfig::new(OptimizerConfig::adam(5e-3))
        };
        fit(&config, &mut task, |epoch, _| Ok(EpisodeSource::new(&loader, SHAPE, epoch, &Device::Cpu)))
            .unwrap()
    };
    let watched = || Box::new(|_| ControlFlow::Continue(()));
    let (whole, stopped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert!(!train(whole.path(), watched()).interrupted);
    // 120 glyphs in batches of 32: four of a validation, so that the sixth is in the second one.
    let mut batches = 0;
    let report = train(
        stopped.path(),
        Box::new(move |_| {
            batches += 1;
            if batches == 6 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }),
    );
    assert!(report.interrupted);
    assert_eq!((report.steps, report.epochs.len()), (10, 1));
    let report = train(stopped.path(), watched());
    assert!(!report.interrupted);
    assert_eq!((report.steps, report.epochs.len()), (15, 3));
    let last = |folder: &Path| std::fs::read(folder.join(LAST)).unwrap();
    assert!(last(stopped.path()) == last(whole.path()), "other bits after a stop in validation");
}

#[test]
fn encodings_differ_in_training_and_agree_in_evaluation() {
    let glyphs = glyphs();
    let loader = loader(&glyphs, sampler(&glyphs, 1));
    let episode = EpisodeSource::new(&loader, SHAPE, 0, &Device::Cpu).next().unwrap().unwrap();
    let model = model(Geometry::poincare(0.05), 4);
    let logits = |encoding, train| {
        let points = model.episode(&episode, encoding, train).unwrap();
        model.logits(&points).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let difference = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let (separate, together) = (logits(Encoding::Separate, true), logits(Encoding::Together, true));
    assert!(difference(&separate, &together) > 1e-3, "batch statistics of their own");
    let (separate, together) = (logits(Encoding::Separate, false), logits(Encoding::Together, false));
    assert!(difference(&separate, &together) < 1e-5, "an embedding depends on its picture alone");
}

#[test]
fn the_loss_is_the_cross_entropy_of_the_logits() {
    let glyphs = glyphs();
    let loader = loader(&glyphs, sampler(&glyphs, 1));
    let episode = EpisodeSource::new(&loader, SHAPE, 0, &Device::Cpu).next().unwrap().unwrap();
    let labels = episode.query_labels();
    let labels = Tensor::from_slice(&labels, labels.len(), &Device::Cpu).unwrap();
    for geometry in every_geometry() {
        let model = ProtoNet { temperature: 0.7, ..model(geometry, 4) };
        let mut by_c = Vec::new();
        let mut value_and_gradient = |fused: bool| {
            let points = model.episode(&episode, Encoding::Separate, true).unwrap();
            let loss = if fused {
                model.cross_entropy(&points, &labels).unwrap()
            } else {
                op::cross_entropy(&model.logits(&points).unwrap(), &labels).unwrap()
            };
            let gradients = loss.backward().unwrap();
            let of = |name: &str| {
                let gradient = gradients.get(&model.store.parameter(name).unwrap().var).unwrap();
                gradient.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()
            };
            if geometry.trains_c() {
                by_c.push(of("space.log_c")[0]);
            }
            (f64::from(loss.to_scalar::<f32>().unwrap()), of("linear.weight"))
        };
        let (fused, composed) = (value_and_gradient(true), value_and_gradient(false));
        if let [fused, composed] = by_c[..] {
            assert!(composed != 0.0 && (fused - composed).abs() <= 1e-4 * composed.abs(), "{geometry:?}");
        }
        // The composition rounds its logits to f32.
        assert!((fused.0 - composed.0).abs() <= 1e-5 * composed.0, "{geometry:?}: {fused:?}");
        let largest = composed.1.iter().fold(0.0_f64, |largest, g| largest.max(g.abs()));
        assert!(largest > 0.0, "{geometry:?}");
        for (fused, composed) in fused.1.iter().zip(&composed.1) {
            assert!((fused - composed).abs() <= 1e-4 * largest, "{geometry:?}: {fused} and {composed}");
        }
    }
}

#[test]
fn the_riemannian_gradient_changes_the_step_and_not_the_value() {
    let glyphs = glyphs();
    let loader = loader(&glyphs, sampler(&glyphs, 1));
    let gradients = |riemannian_gradient: bool| {
        let episode = EpisodeSource::new(&loader, SHAPE, 0, &Device::Cpu).next().unwrap().unwrap();
        let geometry =
            Geometry::Poincare { c: 0.05, trainable_c: false, margin: 1e-3, clip: None, riemannian_gradient };
        let mut task = Training { model: model(geometry, 5), encoding: Encoding::Separate, validation: None };
        let context = StepContext { epoch: 0, step: 0, seed: 0, logged: true };
        let Loss { value, scalars, .. } = task.loss(&episode, &context).unwrap();
        assert!(scalars.contains_key("accuracy") && scalars.contains_key("margin_share"));
        let gradients = value.backward().unwrap();
        let weight = &task.model.store.parameter("linear.weight").unwrap().var;
        let norm =
            gradients.get(weight).unwrap().sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
        (value.to_scalar::<f32>().unwrap(), norm.sqrt())
    };
    let (scaled, plain) = (gradients(true), gradients(false));
    assert_eq!(scaled.0, plain.0);
    assert!(scaled.1 < 0.3 * plain.1, "the factor is at most a quarter: {scaled:?}, {plain:?}");
}

#[test]
fn the_flat_limit_of_the_ball_is_twice_the_distance() {
    let glyphs = glyphs();
    let episodes: Vec<Episode> = (0..50).map(|number| sampler(&glyphs, 50).episode(0, number)).collect();
    let accuracies = |geometry| {
        let model = model(geometry, 6);
        let embeddings = embed(&model, &in_order(&glyphs), |_| ControlFlow::Continue(())).unwrap();
        evaluate(&embeddings, &episodes, &model.space.frozen().unwrap()).unwrap().accuracies
    };
    let flat = accuracies(Geometry::Euclidean { distance: Flat::Twice });
    assert_eq!(flat, accuracies(Geometry::poincare(0.0)));
    let near = accuracies(Geometry::poincare(1e-9));
    let differing = flat.iter().zip(&near).filter(|(a, b)| a != b).count();
    assert!(differing <= 1, "{differing} episodes differ at c = 1e-9");
}

#[test]
fn a_resumed_epoch_begins_where_it_stopped() {
    let glyphs = glyphs();
    let loader = loader(&glyphs, sampler(&glyphs, 6));
    let source = || EpisodeSource::new(&loader, SHAPE, 2, &Device::Cpu);
    let bytes = |batch: EpisodeBatch| batch.images.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let all: Vec<Vec<f32>> = source().map(|batch| bytes(batch.unwrap())).collect();
    let mut resumed = source();
    assert_eq!(bytes(resumed.nth(3).unwrap().unwrap()), all[3]);
    assert_eq!(bytes(resumed.next().unwrap().unwrap()), all[4]);
    assert_eq!(resumed.size_hint().1, Some(1));
    assert!(source().nth(6).is_none());
}

#[test]
fn what_is_out_of_range_is_refused() {
    for geometry in [
        Geometry::FixedRadius { radius: 0.0, distance: Flat::Twice },
        Geometry::Cosine { scale: f64::NAN },
        Geometry::poincare(-1.0),
        Geometry::Lorentz { c: 1.0, trainable_c: false, clip: Some(-1.0) },
    ] {
        let mut store = ParameterStore::new(0, &Device::Cpu);
        let backbone = Small::new(&mut store);
        assert!(ProtoNet::new(store, backbone, geometry, 1.0).is_err(), "{geometry:?}");
    }
    let mut store = ParameterStore::new(0, &Device::Cpu);
    let backbone = Small::new(&mut store);
    let error = ProtoNet::new(store, backbone, Geometry::poincare(0.1), 0.0).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("temperature"), "{error}");
}

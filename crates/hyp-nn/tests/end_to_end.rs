//! From images to a trained, saved, loaded and evaluated model, in every geometry.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use hyp_nn::{
    BoxError, Classification, Classifier, Geometry, Head, Labelled, ParameterStore,
    backbone::{Backbone, LeNet},
    candle_core::{Device, Tensor},
    init,
    optim::OptimizerConfig,
    train::{BEST, EVENTS, FitConfig, LAST, LOG, Monitor, Task, fit, load_weights, save_weights},
};
use rand::Rng;

const CLASSES: usize = 3;

/// Noisy pictures of one bright stripe whose height in the picture is the class.
fn stripes(seed: u64, count: usize) -> Labelled {
    let mut rng = init::generator(seed, "stripes");
    let mut pixels = Vec::with_capacity(count * 784);
    let labels: Vec<u32> = (0..count).map(|_| rng.next_u32() % CLASSES as u32).collect();
    for label in &labels {
        let top = 4 + 8 * *label as usize;
        for y in 0..28 {
            for _ in 0..28 {
                let noise = (rng.next_u32() % 1000) as f32 / 1000.0 - 0.5;
                pixels.push(noise + if (top..top + 4).contains(&y) { 1.5 } else { 0.0 });
            }
        }
    }
    Labelled { images: Tensor::from_vec(pixels, (count, 1, 28, 28), &Device::Cpu).unwrap(), labels }
}

fn task(geometry: Geometry, dim: usize, seed: u64) -> Classification<LeNet> {
    let mut store = ParameterStore::new(seed, &Device::Cpu);
    let backbone = LeNet::new(&mut store, dim).unwrap();
    let head = Head::new(&mut store, "head", geometry, dim, CLASSES).unwrap();
    let model = Classifier { store, backbone, head };
    Classification { model, validation: Some(stripes(99, 60)), evaluation_batch: 32 }
}

#[expect(clippy::unnecessary_wraps, reason = "the shape that `fit` takes")]
fn batches(epoch: usize, seed: u64) -> Result<impl Iterator<Item = Result<Labelled, BoxError>>, BoxError> {
    Ok((0..12).map(move |batch| Ok(stripes(seed * 1000 + epoch as u64 * 100 + batch, 16))))
}

fn geometries() -> [Geometry; 4] {
    [
        Geometry::Euclidean,
        Geometry::Spherical { scale: 10.0 },
        Geometry::poincare(1.0),
        Geometry::Poincare {
            c: 0.1,
            trainable_c: true,
            margin: 1e-3,
            clip: Some(2.0),
            riemannian_gradient: false,
        },
    ]
}

#[test]
fn every_geometry_learns_saves_and_loads() {
    for geometry in geometries() {
        let folder = tempfile::tempdir().unwrap();
        let mut task = task(geometry, 4, 1);
        let config = FitConfig {
            epochs: 4,
            monitor: Some(Monitor::maximise("accuracy")),
            folder: Some(folder.path().to_owned()),
            log_every: 5,
            ..FitConfig::new(OptimizerConfig::adam(1e-3))
        };
        let report = fit(&config, &mut task, batches).unwrap();
        assert_eq!(report.steps, 48);
        let best = report.best.unwrap();
        // Chance is a third; the stripes are plain to see.
        assert!(best.1 > 0.9, "{geometry:?}: {:?}", report.epochs);
        assert!(report.epochs[3].train_loss < report.epochs[0].train_loss, "{geometry:?}");

        let log = std::fs::read_to_string(folder.path().join(LOG)).unwrap();
        let lines: Vec<serde_json::Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let steps: Vec<_> = lines
            .iter()
            .filter(|line| line["event"] == "step")
            .map(|line| line["step"].as_u64().unwrap())
            .collect();
        assert_eq!(steps, [5, 10, 15, 20, 25, 30, 35, 40, 45]);
        assert_eq!(lines.iter().filter(|line| line["event"] == "epoch").count(), 4);
        assert_eq!(lines[0]["margin_share"].is_number(), matches!(geometry, Geometry::Poincare { .. }));
        assert!(lines[0]["grad_norm"].as_f64().unwrap() > 0.0);
        let names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(names.iter().any(|name| name.starts_with(EVENTS)), "{names:?}");

        // A model from another seed gives the same outputs after loading, and others before.
        let images = stripes(5, 10).images;
        let expected = task.model.outputs(&images, 4).unwrap();
        let other = self::task(geometry, 4, 2);
        assert_ne!(other.model.outputs(&images, 10).unwrap(), expected);
        load_weights(&folder.path().join(LAST), &other.model.store).unwrap();
        assert_eq!(other.model.outputs(&images, 4).unwrap(), expected);
        load_weights(&folder.path().join(BEST), &other.model.store).unwrap();
        let weights = folder.path().join("weights.safetensors");
        save_weights(&weights, &task.model.store).unwrap();
        load_weights(&weights, &other.model.store).unwrap();
        assert_eq!(other.model.outputs(&images, 4).unwrap(), expected);
    }
}

#[test]
fn lenet_has_its_shape_and_its_exact_number_of_parameters() {
    for dim in [2, 16] {
        let mut store = ParameterStore::new(0, &Device::Cpu);
        let lenet = LeNet::new(&mut store, dim).unwrap();
        // 20·25+20, 50·500+50, 500·800+500, and 501 for each dimension.
        assert_eq!(store.parameter_count(), 520 + 25_050 + 400_500 + 501 * dim);
        assert_eq!(lenet.forward(&stripes(0, 3).images, false).unwrap().dims(), [3, dim]);
        assert_eq!(lenet.feature_dim(), dim);
        let names: Vec<_> = store.parameters().map(|(name, _)| name.to_owned()).collect();
        let expected = ["conv1", "conv2", "fc1", "fc2"]
            .iter()
            .flat_map(|layer| [format!("{layer}.bias"), format!("{layer}.weight")])
            .collect::<Vec<_>>();
        assert_eq!(names, expected);
    }
}

#[test]
fn heads_have_their_exact_number_of_parameters() {
    let counts = geometries().map(|geometry| {
        let mut store = ParameterStore::new(0, &Device::Cpu);
        Head::new(&mut store, "head", geometry, 4, CLASSES).unwrap();
        store.parameter_count()
    });
    assert_eq!(counts, [3 * 4 + 3, 3 * 4, 2 * 3 * 4, 2 * 3 * 4 + 1]);
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let train = |seed| {
        let mut task = task(Geometry::poincare(1.0), 2, seed);
        fit(&FitConfig::new(OptimizerConfig::adam(1e-3)), &mut task, batches).unwrap();
        let outputs = task.model.outputs(&stripes(5, 10).images, 10).unwrap();
        outputs.logits.iter().map(|logit| logit.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(train(1), train(1));
    assert_ne!(train(1), train(2));
}

#[test]
fn a_broken_run_names_step_tensor_and_margin() {
    let mut task = task(Geometry::poincare(1.0), 2, 1);
    let config = FitConfig::new(OptimizerConfig::adam(1e-3));
    let broken = |epoch, seed| -> Result<_, BoxError> {
        Ok(batches(epoch, seed)?.enumerate().map(|(i, batch)| {
            let mut batch = batch?;
            if i == 3 {
                batch.images = (batch.images * f64::NAN)?;
            }
            Ok(batch)
        }))
    };
    let message = fit(&config, &mut task, broken).unwrap_err().to_string();
    assert!(message.contains("step 3 (epoch 0)"), "{message}");
    assert!(message.contains("activation 'images'"), "{message}");
    assert!(message.contains("% of the embeddings on the margin"), "{message}");
    // The weights are those of before the broken step.
    assert!(
        task.parameters()
            .snapshot()
            .unwrap()
            .values()
            .all(|t| { t.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().all(|v| v.is_finite()) })
    );

    let weight = &task.parameters().parameter("conv2.weight").unwrap().var;
    weight.set(&(weight.as_detached_tensor() * f64::INFINITY).unwrap()).unwrap();
    let message = fit(&config, &mut task, batches).unwrap_err().to_string();
    assert!(message.contains("parameter 'conv2.weight'"), "{message}");
}

#[test]
fn a_sources_error_says_where() {
    let mut task = task(Geometry::Euclidean, 2, 1);
    let config = FitConfig::new(OptimizerConfig::adam(1e-3));
    let failing = |epoch, seed| -> Result<_, BoxError> {
        Ok(batches(epoch, seed)?.take(2).chain([Err("disk on fire".into())]))
    };
    let message = fit(&config, &mut task, failing).unwrap_err().to_string();
    assert_eq!(message, "batch 2 of epoch 0: disk on fire");
}

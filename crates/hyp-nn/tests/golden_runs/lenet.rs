//! The LeNet trains as it does in PyTorch: same losses over 50 steps, same first gradients.
//!
//! `../golden/lenet_run.json` was written by `make_lenet_run.py` beside it; weights and pictures come from the same counter
//! generator on both sides.

use hyp_nn::{
    Classifier, Geometry, Head, ParameterStore,
    backbone::{Backbone as _, LeNet},
    candle_core::{DType, Device, Tensor},
    op,
    optim::{OptimizerConfig, Step},
    tape::Tape,
};
use serde::Deserialize;
use std::collections::BTreeMap;

use crate::fill;

const BATCH: usize = 16;
const DIM: usize = 8;
const CLASSES: usize = 10;

#[derive(Deserialize)]
struct Golden {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    c: Option<f64>,
    losses: Vec<f64>,
    losses_in_float32: Vec<f64>,
    /// Where the pictures of each step come from.
    streams: Vec<u64>,
    first_gradient_norms: BTreeMap<String, f64>,
}

/// Names and streams of the generator script.
fn stream_of(name: &str) -> u64 {
    let names = [
        "conv1.weight",
        "conv1.bias",
        "conv2.weight",
        "conv2.bias",
        "fc1.weight",
        "fc1.bias",
        "fc2.weight",
        "fc2.bias",
    ];
    match name {
        "head.weight" => 20,
        "head.bias" => 21,
        "head.a" => 22,
        "head.p" => 23,
        _ => names.iter().position(|known| *known == name).expect("a parameter of the script") as u64,
    }
}

fn model(c: Option<f64>) -> Classifier<LeNet> {
    let geometry = match c {
        None => Geometry::Euclidean,
        Some(c) => {
            Geometry::Poincare { c, trainable_c: false, margin: 1e-3, clip: None, riemannian_gradient: false }
        }
    };
    let mut store = ParameterStore::new(0, &Device::Cpu);
    let backbone = LeNet::new(&mut store, DIM).unwrap();
    let head = Head::new(&mut store, "head", geometry, backbone.feature_dim(), CLASSES).unwrap();
    for (name, parameter) in store.parameters() {
        let shape = parameter.var.dims();
        let fan_in: usize = if shape.len() > 1 { shape[1..].iter().product() } else { 100 };
        let bound = 1.0 / (fan_in as f64).sqrt();
        let values: Vec<f64> = fill(stream_of(name), parameter.var.elem_count());
        let values = values.iter().map(|u| ((2.0 * u - 1.0) * bound) as f32).collect();
        parameter.var.set(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap();
    }
    Classifier { store, backbone, head }
}

fn batch(step: u64, stream: u64) -> (Tensor, Tensor) {
    let labels: Vec<u32> = (0..BATCH as u64).map(|i| ((i + step) % CLASSES as u64) as u32).collect();
    let pixels: Vec<f32> = fill(stream, BATCH * 784)
        .iter()
        .enumerate()
        .map(|(i, u)| (u + 0.1 * f64::from(labels[i / 784])) as f32)
        .collect();
    let images = Tensor::from_vec(pixels, (BATCH, 1, 28, 28), &Device::Cpu).unwrap();
    (images, Tensor::from_vec(labels, BATCH, &Device::Cpu).unwrap())
}

#[test]
fn losses_and_first_gradients_are_those_of_pytorch() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/lenet_run.json")).unwrap();
    assert_eq!(golden.runs.len(), 3);
    for run in golden.runs {
        let model = model(run.c);
        let mut adam = OptimizerConfig::adam(1e-4).build().unwrap();
        // PyTorch's own single precision differs from its double by 4e-7 here: the run is not chaotic.
        let apart = |(a, b): (&f64, &f64)| (a - b).abs();
        assert!(run.losses.iter().zip(&run.losses_in_float32).map(apart).all(|difference| difference < 1e-6));
        assert_eq!(run.losses.len(), 50);
        for (step, want) in run.losses.iter().enumerate() {
            let (images, labels) = batch(step as u64, run.streams[step]);
            let (loss, tape) =
                Tape::record(|| op::cross_entropy(&model.logits(&images, true).unwrap(), &labels).unwrap());
            let got = loss.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap();
            // A loss near 2 rounds by 2e-7, and so it stays: the pictures are such that no maximum and no rectifier is
            // decided by rounding (the script says how), hence both programs take the same branches in every step.
            assert!((got - want).abs() <= 1e-6, "c {:?}, step {step}: {got} against {want}", run.c);
            let grads = tape.gradients(&loss).unwrap();
            if step == 0 {
                assert_eq!(run.first_gradient_norms.len(), model.store.parameters().count());
                for (name, parameter) in model.store.parameters() {
                    let values =
                        grads.get(&parameter.var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                    let norm = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
                    let want = run.first_gradient_norms[name];
                    // Sums of up to 16·576 products in single precision: a few roundings of 6e-8.
                    assert!((norm / want - 1.0).abs() < 1e-6, "c {:?}, {name}: {norm} against {want}", run.c);
                }
            }
            adam.step(&model.store, &grads, Step { rate: 1e-4, grad_scale: 1.0 }).unwrap();
        }
    }
}

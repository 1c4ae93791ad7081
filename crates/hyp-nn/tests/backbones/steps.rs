//! One training step in double precision: loss, every gradient, running statistics.
//!
//! In single precision the gradients of a deep network with small batches are not reproducible to better than a per
//! cent, PyTorch's own included (0.0101 of the whole gradient of ResNet-50 here): rounding decides rectifiers. Double
//! precision leaves nothing to that. It convolves by plain tiles; those that only single precision has (Winograd, direct,
//! the whole batch at once) are compared with it layer by layer in `parity/conv.rs`, and over a training in `golden_runs`.

use crate::golden::{Step, Summary, build, golden, norm, numbers, pictures, samples, set_weights};
use hyp_nn::{
    ParameterStore,
    backbone::Backbone as _,
    candle_core::{DType, Device, Tensor},
    op,
};

const CLASSES: u32 = 8;

/// Relative to the norm of the whole gradient; the golden numbers have nine digits.
const BOUND: f64 = 2e-8;

fn close(want: &Summary, got: &[f64], every: usize, scale: f64, what: &str) {
    let apart = (norm(got) - want.norm).abs();
    assert!(apart <= BOUND * (want.norm + scale), "{what}: norm {} against {}", norm(got), want.norm);
    let got = samples(got, every);
    assert_eq!(got.len(), want.samples.len(), "{what}");
    for (got, sample) in got.iter().zip(&want.samples) {
        assert!((got - sample).abs() <= BOUND * (want.norm + scale), "{what}: {got} against {sample}");
    }
}

fn check(want: &Step) {
    let mut store = ParameterStore::blank(&Device::Cpu).in_double();
    let network = build(&mut store, &want.name, true);
    set_weights(&store);
    let images = pictures(want.images).to_dtype(DType::F64).unwrap();
    let labels: Vec<u32> = (0..want.images[0] as u32).map(|i| i % CLASSES).collect();
    let labels = Tensor::from_vec(labels, want.images[0], &Device::Cpu).unwrap();
    let scores = network.forward(&images, true).unwrap();
    let scores = (scores / (network.feature_dim() as f64).sqrt()).unwrap();
    let loss = op::cross_entropy(&scores, &labels).unwrap();
    let value = numbers(&loss)[0];
    assert!(
        (value - want.loss).abs() <= 1e-8 * want.loss,
        "{}: loss {value} against {}",
        want.name,
        want.loss
    );
    let grads = loss.backward().unwrap();
    assert_eq!(want.gradients.len(), store.parameters().count(), "{}", want.name);
    for (name, parameter) in store.parameters() {
        let got = numbers(grads.get(&parameter.var).unwrap());
        close(&want.gradients[name], &got, 8, 1e-3 * want.norm, &format!("{}, {name}", want.name));
    }
    assert_eq!(want.running.len(), store.buffers().count(), "{}", want.name);
    for (name, buffer) in store.buffers() {
        close(&want.running[name], &numbers(buffer), 16, 0.0, &format!("{}, {name}", want.name));
    }
}

#[test]
fn loss_and_every_gradient_are_those_of_pytorch() {
    let golden = golden();
    assert_eq!(golden.steps.len(), 5);
    golden.steps.iter().for_each(check);
}

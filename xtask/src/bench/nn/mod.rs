//! Networks and operations of the ball, against PyTorch and what is built on it.

mod layers;
mod ops;
mod step;

pub(crate) use step::training;

use anyhow::Result;
use hyp_data::Random;
use hyp_nn::candle_core::{Device, Tensor};

use super::Part;

/// What there is.
pub(super) const PARTS: &[Part] = &[
    ("step", step::measure),
    ("forward", step::measure_forward),
    ("layers", layers::measure),
    ("ops", ops::measure),
];

/// A tensor of numbers of `(-bound, bound)`, always the same for one `seed`.
fn uniform(dims: &[usize], bound: f64, seed: u64) -> Result<Tensor> {
    let count: usize = dims.iter().product();
    let mut random = Random::new(seed);
    let values: Vec<f32> = (0..count).map(|_| random.between(-bound, bound) as f32).collect();
    Ok(Tensor::from_vec(values, dims, &Device::Cpu)?)
}

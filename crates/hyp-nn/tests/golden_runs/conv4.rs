//! A prototypical network with a Conv4 trains as it does in PyTorch: same losses over 50 steps.
//!
//! `../golden/conv4_run.json` was written by `make_conv4_run.py` beside it; weights and pictures come from the same
//! counter generator on both sides.

use std::collections::BTreeMap;

use hyp_math::Curvature;
use hyp_nn::{
    ParameterStore,
    backbone::{Backbone as _, Conv4, Conv4Config},
    candle_core::{DType, Device, Tensor},
    layer::{ToPoincare, ToPoincareConfig},
    op,
    optim::{OptimizerConfig, Step},
    tape::Tape,
};
use serde::Deserialize;

use crate::fill;

const WAY: usize = 5;
const SHOT: usize = 2;
const QUERY: usize = 3;
const C: f64 = 0.01;

#[derive(Deserialize)]
struct Golden {
    losses: Vec<f64>,
    losses_in_float32: BTreeMap<String, Vec<f64>>,
}

/// The network of the script, in either precision.
fn network(dtype: DType) -> (ParameterStore, Conv4, ToPoincare) {
    let store = ParameterStore::new(0, &Device::Cpu);
    let mut store = if dtype == DType::F64 { store.in_double() } else { store };
    let backbone = Conv4::new(&mut store, Conv4Config::omniglot()).unwrap();
    let config = ToPoincareConfig { riemannian_gradient: false, ..ToPoincareConfig::new(C) };
    let space = ToPoincare::new(&mut store, "space", backbone.feature_dim(), config).unwrap();
    for (name, parameter) in store.parameters() {
        let Some((block, part)) = name.strip_prefix("encoder.").and_then(|rest| rest.split_once(".0."))
        else {
            continue;
        };
        let stream = 2 * block.parse::<u64>().unwrap() + u64::from(part == "bias");
        let inputs = if block == "0" { 1.0 } else { 64.0 };
        let bound = 1.0 / f64::sqrt(9.0 * inputs);
        let values = fill(stream, parameter.var.elem_count());
        let values: Vec<f32> = values.iter().map(|u| ((2.0 * u - 1.0) * bound) as f32).collect();
        let values = Tensor::from_vec(values, parameter.var.dims(), &Device::Cpu).unwrap();
        parameter.var.set(&values.to_dtype(dtype).unwrap()).unwrap();
    }
    (store, backbone, space)
}

/// Noise on a pattern of each class of the step: support class by class, then queries class by class.
fn pictures(step: usize, dtype: DType) -> Tensor {
    let of_class = |each: usize| (0..WAY).flat_map(move |k| std::iter::repeat_n(k, each));
    let rows: Vec<usize> = of_class(SHOT).chain(of_class(QUERY)).collect();
    let noise = fill(1000 + step as u64, rows.len() * 784);
    let values: Vec<f32> = noise
        .chunks_exact(784)
        .zip(&rows)
        .flat_map(|(noise, k)| {
            let pattern = fill(100 + ((step + k) % 10) as u64, 784);
            noise.iter().zip(pattern).map(|(n, p)| (0.5 * n + 0.5 * p) as f32).collect::<Vec<_>>()
        })
        .collect();
    Tensor::from_vec(values, (rows.len(), 1, 28, 28), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

fn losses(steps: usize, dtype: DType) -> Vec<f64> {
    let (store, backbone, space) = network(dtype);
    let mut adam = OptimizerConfig::adam(1e-4).build().unwrap();
    let labels: Vec<u32> = (0..WAY as u32).flat_map(|k| std::iter::repeat_n(k, QUERY)).collect();
    let labels = Tensor::from_vec(labels, WAY * QUERY, &Device::Cpu).unwrap();
    let c = Curvature::new(C).unwrap().into();
    (0..steps)
        .map(|step| {
            let images = pictures(step, dtype);
            let embedded = |first, count| {
                let part = images.narrow(0, first, count).unwrap();
                space.forward(&backbone.forward(&part, true).unwrap()).unwrap()
            };
            let (loss, tape) = Tape::record(|| {
                let support = embedded(0, WAY * SHOT);
                let queries = embedded(WAY * SHOT, WAY * QUERY);
                let groups = support.reshape((WAY, SHOT, backbone.feature_dim())).unwrap();
                let prototypes = op::einstein_midpoint(&groups, None, &c).unwrap();
                op::distance_cross_entropy(&queries, &prototypes, &labels, &c, 1.0).unwrap()
            });
            let gradients = tape.gradients(&loss).unwrap();
            adam.step(&store, &gradients, Step { rate: 1e-4, grad_scale: 1.0 }).unwrap();
            loss.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap()
        })
        .collect()
}

fn golden() -> Golden {
    let golden: Golden = serde_json::from_str(include_str!("../golden/conv4_run.json")).unwrap();
    assert_eq!((golden.losses.len(), golden.losses_in_float32.len()), (50, 6));
    golden
}

/// In double precision hardly a decision of a rectifier or a maximum is a matter of rounding.
#[test]
fn losses_in_double_precision_are_those_of_pytorch() {
    let want = golden().losses;
    for (step, (got, want)) in losses(want.len(), DType::F64).iter().zip(&want).enumerate() {
        assert!((got - want).abs() <= 1e-9 * want, "step {step}: {got} against {want}");
    }
}

/// In single precision PyTorch's ways of computing drift apart, since rounding decides rectifiers and maxima; ours is not
/// farther from the run in double precision than twice the farthest of them has been up to that step.
#[test]
fn losses_in_single_precision_are_within_the_spread_of_those_of_pytorch() {
    let golden = golden();
    let mut spread = 0.0_f64;
    for (step, (got, want)) in losses(golden.losses.len(), DType::F32).iter().zip(&golden.losses).enumerate()
    {
        for run in golden.losses_in_float32.values() {
            spread = spread.max((run[step] - want).abs());
        }
        let apart = (got - want).abs();
        assert!(apart <= 2.0 * spread, "step {step}: {got} against {want}, and PyTorch within {spread:.1e}");
    }
}

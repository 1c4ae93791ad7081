//! A training step of the MNIST LeNet, and operations of the ball on f32 rows.

use anyhow::{Error, Result};
use hyp_data::Random;
use hyp_math::{Curvature, batch};
use hyp_nn::backbone::LeNet;
use hyp_nn::candle_core::{Device, Tensor};
use hyp_nn::optim::{OptimizerConfig, Step};
use hyp_nn::train::{StepContext, Task};
use hyp_nn::{Classification, Classifier, Geometry, Head, Labelled, ParameterStore};

use super::measure::{Line, Setting};

const REFERENCE: &str = "reference";
const GEOOPT: &str = "geoopt";
const HYPLL: &str = "hypll";
const MATMUL: &str = "matmul form";
const PYTORCH: &str = "PyTorch";

/// All lines.
pub(super) fn measure(setting: &Setting) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    // 41 steps a second.
    let peers = [(PYTORCH, 24.4)];
    let poincare = Geometry::poincare(0.1);
    lines.push(training_step(setting, "LeNet step, hyperbolic/2/64", poincare, &peers)?);
    lines.push(training_step(setting, "LeNet step, Euclidean/2/64", Geometry::Euclidean, &[])?);
    rows(setting, &mut lines)?;
    matrices(setting, &mut lines)?;
    Ok(lines)
}

/// Loss, gradients and one Adam step on a batch of 64.
fn training_step(
    setting: &Setting,
    name: &str,
    geometry: Geometry,
    peers: &[(&'static str, f64)],
) -> Result<Line> {
    let device = Device::Cpu;
    let mut store = ParameterStore::new(0, &device);
    let backbone = LeNet::new(&mut store, 2)?;
    let head = Head::new(&mut store, "head", geometry, 2, 10)?;
    let model = Classifier { store, backbone, head };
    let mut task = Classification { model, validation: None, evaluation_batch: 64 };
    let mut optimizer = OptimizerConfig::adam(1e-3).build()?;
    let images = Tensor::from_vec(uniform(64 * 784, 1.0), (64, 1, 28, 28), &device)?;
    let batch = Labelled { images, labels: (0..64).map(|at| at % 10).collect() };
    let mut step = 0;
    setting.line(name, peers, || {
        let context = StepContext { epoch: 0, step, seed: step, logged: false };
        step += 1;
        let loss = task.loss(&batch, &context)?;
        let gradients = loss.value.backward()?;
        optimizer.step(task.parameters(), &gradients, Step::at_rate(1e-3))?;
        Ok::<(), Error>(())
    })
}

/// Operations on 10,000 rows of 128, forward and forward with gradient.
fn rows(setting: &Setting, lines: &mut Vec<Line>) -> Result<()> {
    const ROWS: usize = 10_000;
    const DIM: usize = 128;
    let c = Curvature::new(1.0)?;
    // Coordinates below 0.04 keep 128 of them inside the ball.
    let (x, y, upstream) = (uniform(ROWS * DIM, 0.04), uniform(ROWS * DIM, 0.04), uniform(ROWS * DIM, 1.0));
    let per_row = uniform(ROWS, 1.0);
    let (mut out, mut gx, mut gy) =
        (vec![0.0_f32; ROWS * DIM], vec![0.0_f32; ROWS * DIM], vec![0.0_f32; ROWS * DIM]);
    let mut short = vec![0.0_f32; ROWS];
    let mut add = |name: &str, peers: &[(&'static str, f64)], work: &mut dyn FnMut()| {
        let line = setting.line(name, peers, || {
            work();
            Ok::<(), Error>(())
        })?;
        lines.push(line);
        Ok::<(), Error>(())
    };
    add("mobius_add/128/10000", &[(REFERENCE, 2.4), (GEOOPT, 4.5), (HYPLL, 2.5)], &mut || {
        batch::mobius_add(&x, &y, DIM, c, &mut out);
    })?;
    add(
        "mobius_add with gradient/128/10000",
        &[(REFERENCE, 20.0), (GEOOPT, 16.0), (HYPLL, 16.0)],
        &mut || {
            batch::mobius_add(&x, &y, DIM, c, &mut out);
            batch::mobius_add_vjp(&x, &y, &upstream, DIM, c, &mut gx, &mut gy);
        },
    )?;
    add("exp_map_zero/128/10000", &[(REFERENCE, 0.56), (GEOOPT, 1.0), (HYPLL, 3.8)], &mut || {
        batch::exp_map_zero(&x, DIM, c, &mut out);
    })?;
    add(
        "exp_map_zero with gradient/128/10000",
        &[(REFERENCE, 8.0), (GEOOPT, 9.5), (HYPLL, 17.5)],
        &mut || {
            batch::exp_map_zero(&x, DIM, c, &mut out);
            batch::exp_map_zero_vjp(&x, &upstream, DIM, c, &mut gx);
        },
    )?;
    add("log_map_zero/128/10000", &[(REFERENCE, 0.69), (GEOOPT, 0.9), (HYPLL, 0.8)], &mut || {
        batch::log_map_zero(&x, DIM, c, &mut out);
    })?;
    add(
        "log_map_zero with gradient/128/10000",
        &[(REFERENCE, 6.6), (GEOOPT, 11.7), (HYPLL, 9.7)],
        &mut || {
            batch::log_map_zero(&x, DIM, c, &mut out);
            batch::log_map_zero_vjp(&x, &upstream, DIM, c, &mut gx);
        },
    )?;
    add("distance, paired/128/10000", &[(REFERENCE, 3.7), (GEOOPT, 4.6), (HYPLL, 5.5)], &mut || {
        batch::distance(&x, &y, DIM, c, &mut short);
    })?;
    add(
        "distance, paired, with gradient/128/10000",
        &[(REFERENCE, 13.4), (GEOOPT, 21.0), (HYPLL, 20.0)],
        &mut || {
            batch::distance(&x, &y, DIM, c, &mut short);
            batch::distance_vjp(&x, &y, &per_row, DIM, c, &mut gx, &mut gy);
        },
    )
}

/// All pairs of points, logits, and midpoints.
fn matrices(setting: &Setting, lines: &mut Vec<Line>) -> Result<()> {
    const DIM: usize = 128;
    let c = Curvature::new(1.0)?;
    let mut add = |name: &str, peers: &[(&'static str, f64)], work: &mut dyn FnMut()| {
        let line = setting.line(name, peers, || {
            work();
            Ok::<(), Error>(())
        })?;
        lines.push(line);
        Ok::<(), Error>(())
    };
    let (x, y) = (uniform(1000 * DIM, 0.04), uniform(1000 * DIM, 0.04));
    let upstream = uniform(1000 * 1000, 1.0);
    let mut out = vec![0.0_f32; 1000 * 1000];
    let (mut gx, mut gy) = (vec![0.0_f32; 1000 * DIM], vec![0.0_f32; 1000 * DIM]);
    let peers = [(REFERENCE, 136.0), (GEOOPT, 252.0), (HYPLL, 144.0), (MATMUL, 17.8)];
    add("distance_matrix/128/1000x1000", &peers, &mut || batch::distance_matrix(&x, &y, DIM, c, &mut out))?;
    let peers = [(REFERENCE, 810.0), (GEOOPT, 986.0), (HYPLL, 894.0), (MATMUL, 34.4)];
    add("distance_matrix with gradient/128/1000x1000", &peers, &mut || {
        batch::distance_matrix(&x, &y, DIM, c, &mut out);
        batch::distance_matrix_vjp(&x, &y, &upstream, DIM, c, &mut gx, &mut gy);
    })?;

    let (points, p, a) = (uniform(1024 * DIM, 0.04), uniform(751 * DIM, 0.04), uniform(751 * DIM, 1.0));
    let upstream = uniform(1024 * 751, 1.0);
    let mut logits = vec![0.0_f32; 1024 * 751];
    let (mut gx, mut gp, mut ga) =
        (vec![0.0_f32; 1024 * DIM], vec![0.0_f32; 751 * DIM], vec![0.0_f32; 751 * DIM]);
    let peers = [(REFERENCE, 186.0), (GEOOPT, 238.0), (HYPLL, 11.9), (MATMUL, 18.9)];
    add("mlr_logits/128/1024x751", &peers, &mut || batch::mlr_logits(&points, &p, &a, DIM, c, &mut logits))?;
    let peers = [(REFERENCE, 697.0), (GEOOPT, 1058.0), (HYPLL, 24.3), (MATMUL, 54.2)];
    add("mlr_logits with gradient/128/1024x751", &peers, &mut || {
        batch::mlr_logits(&points, &p, &a, DIM, c, &mut logits);
        batch::mlr_logits_vjp(&points, &p, &a, &upstream, DIM, c, &mut gx, &mut gp, &mut ga);
    })?;

    let shots = uniform(5 * 20 * 1600, 0.02);
    let upstream = uniform(5 * 1600, 1.0);
    let (mut middle, mut gradient) = (vec![0.0_f32; 5 * 1600], vec![0.0_f32; shots.len()]);
    add("einstein_midpoint/1600/5x20", &[(REFERENCE, 0.32), (GEOOPT, 0.41), (HYPLL, 0.34)], &mut || {
        batch::einstein_midpoint(&shots, None, 20, 1600, c, &mut middle);
    })?;
    add(
        "einstein_midpoint with gradient/1600/5x20",
        &[(REFERENCE, 1.6), (GEOOPT, 1.9), (HYPLL, 1.4)],
        &mut || {
            batch::einstein_midpoint(&shots, None, 20, 1600, c, &mut middle);
            batch::einstein_midpoint_vjp(&shots, None, &upstream, 20, 1600, c, &mut gradient, None);
        },
    )
}

/// Numbers of `(-bound, bound)`, always the same.
fn uniform(count: usize, bound: f64) -> Vec<f32> {
    let mut random = Random::new(count as u64);
    (0..count).map(|_| random.between(-bound, bound) as f32).collect()
}

//! `cargo xtask gpu-check`: what a CUDA device computes, and how fast, beside the CPU.

mod table;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use hyp_nn::backbone::{Conv4, Conv4Config, LeNet, ResNet, ResNetConfig, ResNetDepth};
use hyp_nn::candle_core::Device;
use hyp_nn::device::{Products, set_products};
use hyp_nn::testing::{Parity, devices, parity, parity_bfloat16};
use hyp_nn::{Geometry, ParameterStore};

use self::table::{Row, Verdict};
use crate::bench::training;

/// Options of `gpu-check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Steps of each network that are timed, after two that are not.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Leave the training steps out and compare the operations and the short training alone.
    #[arg(long)]
    no_steps: bool,
}

/// Steps of the short training.
const TRAINING: usize = 20;

/// By how much the losses of the short training may differ, relative: the roundings of `f32` (6e-8), which differ with the
/// order of sums, grow by Adam's division by small second moments from step to step; a wrong gradient shows in the
/// first digits.
const APART: f64 = 1e-3;

/// Checks every device and prints one table; fails when something differs, and when there was nothing to check.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    if !cfg!(feature = "cuda") {
        bail!(
            "this program was built without CUDA, nothing was checked; build with `--features cuda` as docs/gpu.md says"
        );
    }
    let found: Vec<Device> = devices().into_iter().filter(|device| !device.is_cpu()).collect();
    if found.is_empty() {
        bail!("no CUDA device was found, nothing was checked; look whether `nvidia-smi` lists one");
    }
    let mut rows = Vec::new();
    for (number, device) in found.iter().enumerate() {
        let first = rows.len();
        operations("", &parity(device)?, &mut rows);
        operations("bf16 factors: ", &parity_bfloat16(device)?, &mut rows);
        rows.push(short_training(device)?);
        if !options.no_steps {
            steps(device, options.steps, Products::Single, &mut rows)?;
            steps(device, options.steps, Products::Bfloat16, &mut rows)?;
        }
        for row in &mut rows[first..] {
            row.place(number);
        }
    }
    println!("{}", table::text(root, &rows));
    let faults = rows.iter().filter(|row| row.verdict == Verdict::Differs).count();
    if faults > 0 {
        bail!("{faults} of {} checks differ from the CPU", rows.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// Every operation, value and gradients.
fn operations(with: &str, all: &[Parity], rows: &mut Vec<Row>) {
    for found in all {
        let name = format!("{with}{} ({})", found.name, found.dtype.as_str());
        let what = match &found.refusal {
            Some(why) => format!("did not run: {}", why.lines().next().unwrap_or_default()),
            None => format!("value {:.1e}, gradient {:.1e}", found.value, found.gradient),
        };
        rows.push(Row::new(name, what, format!("{:.0e}", found.tolerance), Verdict::of(found.agrees())));
    }
}

/// A `LeNet` with a head in the ball, a few steps of Adam, on both.
fn short_training(device: &Device) -> Result<Row> {
    let losses = |device: &Device| -> Result<Vec<f64>> {
        let mut step = training(device, &[32, 1, 28, 28], 10, Geometry::poincare(0.1), lenet)?;
        (0..TRAINING).map(|_| step()).collect()
    };
    let (ours, cpu) = (losses(device)?, losses(&Device::Cpu)?);
    let apart = ours.iter().zip(&cpu).map(|(a, b)| (a - b).abs() / b.abs()).fold(0.0, f64::max);
    let finite = ours.iter().all(|loss| loss.is_finite());
    let what = format!(
        "loss {:.4} to {:.4}, on the CPU {:.4} to {:.4}; apart by {apart:.1e} at most",
        ours[0],
        ours[TRAINING - 1],
        cpu[0],
        cpu[TRAINING - 1]
    );
    let name = format!("training: LeNet in the ball, {TRAINING} steps of Adam");
    Ok(Row::new(name, what, format!("{APART:.0e}"), Verdict::of(finite && apart <= APART)))
}

fn lenet(store: &mut ParameterStore) -> Result<LeNet> {
    Ok(LeNet::new(store, 2)?)
}

/// Times of one training step on both; the CPU multiplies `f32` always.
fn steps(device: &Device, count: u32, products: Products, rows: &mut Vec<Row>) -> Result<()> {
    let with = if products == Products::Bfloat16 { "bf16 factors: " } else { "" };
    let ball = Geometry::poincare(0.1);
    let mut add = |name: &str, time: &dyn Fn(&Device) -> Result<f64>| -> Result<()> {
        set_products(products);
        let (ours, cpu) = (time(device)?, time(&Device::Cpu)?);
        set_products(Products::Single);
        let what = format!("{ours:.2} ms, on the CPU {cpu:.1} ms, {:.1} times as fast", cpu / ours);
        rows.push(Row::new(format!("{with}step: {name}"), what, "—".to_owned(), Verdict::Measured));
        Ok(())
    };
    add("LeNet in the ball, 64 images of 28 × 28", &|device| {
        median(count, training(device, &[64, 1, 28, 28], 10, ball, lenet)?)
    })?;
    add("Conv4 in the ball, 100 images of 84 × 84", &|device| {
        let network = |store: &mut ParameterStore| Ok(Conv4::new(store, Conv4Config::colour_84(1600))?);
        median(count, training(device, &[100, 3, 84, 84], 20, ball, network)?)
    })?;
    add("Conv4 in the ball, 600 images of 28 × 28", &|device| {
        let network = |store: &mut ParameterStore| Ok(Conv4::new(store, Conv4Config::omniglot())?);
        median(count, training(device, &[600, 1, 28, 28], 60, ball, network)?)
    })?;
    add("ResNet-18 in the ball, 64 images of 84 × 84", &|device| {
        let config = ResNetConfig::few_shot(ResNetDepth::Eighteen);
        let network = |store: &mut ParameterStore| Ok(ResNet::new(store, config)?);
        median(count, training(device, &[64, 3, 84, 84], 64, ball, network)?)
    })?;
    add("ResNet-50 in the ball, 32 images of 256 × 128", &|device| {
        let config = ResNetConfig::torchvision(ResNetDepth::Fifty);
        let network = |store: &mut ParameterStore| Ok(ResNet::new(store, config)?);
        median(count, training(device, &[32, 3, 256, 128], 751, ball, network)?)
    })
}

/// The median time of a step in milliseconds; a step ends when its loss has reached the host.
fn median(count: u32, mut step: impl FnMut() -> Result<f64>) -> Result<f64> {
    for _ in 0..2 {
        step()?;
    }
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        step()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

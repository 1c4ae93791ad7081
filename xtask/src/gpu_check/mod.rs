//! `cargo xtask gpu-check`: what a CUDA device computes, and how fast, beside the CPU.

mod table;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use hyp_nn::backbone::{Conv4, Conv4Config, LeNet, ResNet, ResNetConfig, ResNetDepth};
use hyp_nn::candle_core::Device;
use hyp_nn::device::{Products, with_products};
use hyp_nn::testing::{Parity, devices, parity, parity_bfloat16, rounding};
use hyp_nn::{Geometry, ParameterStore};

use self::table::{Table, Verdict, refusal};
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
        hyp_nn::device::by_name("cuda").context("nothing was checked")?;
        bail!("no CUDA device was found, nothing was checked; look whether `nvidia-smi` lists one");
    }
    let mut table = Table::begin(root);
    for (number, device) in found.iter().enumerate() {
        table.on(number);
        operations("", parity(device), &mut table);
        operations(ROUNDED, parity_bfloat16(device), &mut table);
        table.attempt(&format!("{ROUNDED}product of 256 × 256 × 256"), || {
            let apart = rounding(device)?;
            let what = if apart > 1e-5 { "rounded" } else { "not rounded" };
            Ok((format!("{what}: {apart:.1e} from the CPU"), "—".to_owned(), Verdict::Measured))
        });
        for products in [Products::Single, Products::Bfloat16] {
            let name = format!("{}training: LeNet in the ball, {TRAINING} steps of Adam", with(products));
            table.attempt(&name, || short_training(device, products));
        }
        if !options.no_steps {
            steps(device, options.steps, &mut table);
        }
    }
    if table.faults > 0 {
        bail!("{} of {} checks differ from the CPU or did not run", table.faults, table.rows);
    }
    Ok(ExitCode::SUCCESS)
}

/// What stands before a check with [`Products::Bfloat16`].
const ROUNDED: &str = "bf16 factors: ";

fn with(products: Products) -> &'static str {
    match products {
        Products::Single => "",
        Products::Bfloat16 => ROUNDED,
    }
}

/// Every operation, value and gradients.
fn operations(with: &str, all: hyp_nn::candle_core::Result<Vec<Parity>>, table: &mut Table) {
    let all = match all {
        Ok(all) => all,
        Err(error) => {
            return table.add(
                &format!("{with}operations"),
                &refusal(&error.to_string()),
                "—",
                Verdict::Differs,
            );
        }
    };
    for found in all {
        let name = format!("{with}{} ({})", found.name, found.dtype.as_str());
        let what = match &found.refusal {
            Some(why) => refusal(why),
            None => format!("value {:.1e}, gradient {:.1e}", found.value, found.gradient),
        };
        table.add(&name, &what, &format!("{:.0e}", found.tolerance), Verdict::of(found.agrees()));
    }
}

/// A `LeNet` with a head in the ball, a few steps of Adam, on both; with rounded factors there is no limit.
fn short_training(device: &Device, products: Products) -> Result<(String, String, Verdict)> {
    let losses = |device: &Device| -> Result<Vec<f64>> {
        let mut step = training(device, &[32, 1, 28, 28], 10, Geometry::poincare(0.1), lenet)?;
        (0..TRAINING).map(|_| step()).collect()
    };
    let ours = with_products(products, || losses(device))?;
    let cpu = losses(&Device::Cpu)?;
    let apart = ours.iter().zip(&cpu).map(|(a, b)| (a - b).abs() / b.abs()).fold(0.0, f64::max);
    let finite = ours.iter().all(|loss| loss.is_finite());
    let what = format!(
        "loss {:.4} to {:.4}, on the CPU {:.4} to {:.4}; apart by {apart:.1e} at most",
        ours[0],
        ours[TRAINING - 1],
        cpu[0],
        cpu[TRAINING - 1]
    );
    Ok(match products {
        Products::Single => (what, format!("{APART:.0e}"), Verdict::of(finite && apart <= APART)),
        Products::Bfloat16 if finite => (what, "—".to_owned(), Verdict::Measured),
        Products::Bfloat16 => (what, "finite".to_owned(), Verdict::Differs),
    })
}

fn lenet(store: &mut ParameterStore) -> Result<LeNet> {
    Ok(LeNet::new(store, 2)?)
}

/// Times of one training step, and on the CPU, where they take longest, last.
fn steps(device: &Device, count: u32, table: &mut Table) {
    let ball = Geometry::poincare(0.1);
    let mut add = |name: &str, time: &dyn Fn(&Device) -> Result<f64>| {
        table.attempt(&format!("step: {name}"), || {
            let ours = time(device)?;
            let rounded = with_products(Products::Bfloat16, || time(device))?;
            let cpu = time(&Device::Cpu)?;
            let what = format!(
                "{ours:.2} ms, with bf16 factors {rounded:.2} ms, on the CPU {cpu:.1} ms, {:.1} times as fast",
                cpu / ours
            );
            Ok((what, "—".to_owned(), Verdict::Measured))
        });
    };
    add("LeNet in the ball, 64 images of 28 × 28", &|device| {
        median(count, training(device, &[64, 1, 28, 28], 10, ball, lenet)?)
    });
    add("Conv4 in the ball, 100 images of 84 × 84", &|device| {
        let network = |store: &mut ParameterStore| Ok(Conv4::new(store, Conv4Config::colour_84(1600))?);
        median(count, training(device, &[100, 3, 84, 84], 20, ball, network)?)
    });
    add("Conv4 in the ball, 600 images of 28 × 28", &|device| {
        let network = |store: &mut ParameterStore| Ok(Conv4::new(store, Conv4Config::omniglot())?);
        median(count, training(device, &[600, 1, 28, 28], 60, ball, network)?)
    });
    add("ResNet-18 in the ball, 64 images of 84 × 84", &|device| {
        let config = ResNetConfig::few_shot(ResNetDepth::Eighteen);
        let network = |store: &mut ParameterStore| Ok(ResNet::new(store, config)?);
        median(count, training(device, &[64, 3, 84, 84], 64, ball, network)?)
    });
    add("ResNet-50 in the ball, 32 images of 256 × 128", &|device| {
        let config = ResNetConfig::torchvision(ResNetDepth::Fifty);
        let network = |store: &mut ParameterStore| Ok(ResNet::new(store, config)?);
        median(count, training(device, &[32, 3, 256, 128], 751, ball, network)?)
    });
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

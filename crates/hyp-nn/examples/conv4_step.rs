//! Times one training step (forward and backward) of Conv4 on random images, and says how much memory it took.
//!
//! Run: `RAYON_NUM_THREADS=2 cargo run --release -p hyp-nn --example conv4_step [steps] [images] [side] [width of the last block]`

use std::time::Instant;

use hyp_nn::candle_core::{Device, Result, Tensor, Var};
use hyp_nn::op::{ConvOptions, Epilogue, PoolOptions, conv2d_batch_norm, max_pool2d, mean};
use hyp_nn::tape::Tape;

#[global_allocator]
static ALLOCATOR: hyp_nn::memory::Keeping<mimalloc::MiMalloc> =
    hyp_nn::memory::Keeping::new(mimalloc::MiMalloc);

/// A tensor of small numbers that look random and are the same in every run.
fn numbers(dims: &[usize], scale: f32) -> Result<Tensor> {
    let count = dims.iter().product::<usize>() as u32;
    let value = |i: u32| ((i.wrapping_mul(2654435761) >> 8) as f32 / (1 << 23) as f32 - 1.0) * scale;
    Tensor::from_vec((0..count).map(value).collect::<Vec<_>>(), dims, &Device::Cpu)
}

#[expect(clippy::print_stdout, reason = "the figures are what the example is for")]
fn main() -> Result<()> {
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|s| s.parse().ok()).collect();
    let argument = |i: usize, default| given.get(i).copied().unwrap_or(default);
    let (steps, images, side, last) = (argument(0, 5), argument(1, 100), argument(2, 84), argument(3, 1600));
    let colours = if side == 28 { 1 } else { 3 };
    let widths = [colours, 64, 64, 64, last];
    let mut layers = vec![];
    for pair in widths.windows(2) {
        let kernel = Var::from_tensor(&numbers(&[pair[1], pair[0], 3, 3], 0.1)?)?;
        layers.push((
            kernel,
            Var::from_tensor(&numbers(&[pair[1]], 1.0)?)?,
            Var::from_tensor(&numbers(&[pair[1]], 0.1)?)?,
        ));
    }
    let x = numbers(&[images, colours, side, side], 1.0)?;
    let (mut forward, mut backward) = (vec![], vec![]);
    for _ in 0..steps {
        let start = Instant::now();
        let (loss, tape) = Tape::record(|| {
            let mut h = x.clone();
            for (kernel, gamma, beta) in &layers {
                let affine = [gamma.as_tensor(), beta.as_tensor()];
                let pool = Epilogue::ReluMaxPool(PoolOptions::square(2));
                h = conv2d_batch_norm(&h, kernel, affine, 1e-5, &ConvOptions::new(1, 1), pool)?.0;
            }
            if h.dim(3)? > 1 {
                h = max_pool2d(&h, &PoolOptions::square(h.dim(3)?))?;
            }
            mean(&h.sqr()?)
        });
        let loss = loss?;
        forward.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let gradients = tape.gradients(&loss)?;
        backward.push(start.elapsed().as_secs_f64() * 1e3);
        assert!(layers.iter().all(|(kernel, _, _)| gradients.get(kernel).is_some()));
    }
    let median = |v: &mut Vec<f64>| {
        v.sort_by(f64::total_cmp);
        (v[v.len() / 2], v[0])
    };
    let (f, b) = (median(&mut forward), median(&mut backward));
    println!("forward  median {:.1} ms, best {:.1} ms", f.0, f.1);
    println!("backward median {:.1} ms, best {:.1} ms", b.0, b.1);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown here"));
    Ok(())
}

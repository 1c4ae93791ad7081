//! Times one training step (forward and backward) of the MNIST LeNet at batch 64 on random images.
//!
//! Run: `RAYON_NUM_THREADS=2 cargo run --release -p hyp-nn --example lenet_step [steps]`

use std::time::Instant;

use hyp_nn::candle_core::{Device, Result, Tensor, Var};
use hyp_nn::op::{ConvOptions, PoolOptions, conv2d_relu_max_pool, cross_entropy, linear, linear_relu};
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
    let steps = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(100_usize);
    let shapes: [&[usize]; 8] =
        [&[20, 1, 5, 5], &[20], &[50, 20, 5, 5], &[50], &[500, 800], &[500], &[10, 500], &[10]];
    let w: Vec<Var> = shapes.iter().map(|s| Var::from_tensor(&numbers(s, 0.05)?)).collect::<Result<_>>()?;
    let x = numbers(&[64, 1, 28, 28], 1.0)?;
    let labels = Tensor::from_vec((0..64).map(|i| i % 10).collect::<Vec<u32>>(), 64, &Device::Cpu)?;
    let (conv, pool) = (ConvOptions::default(), PoolOptions::square(2));
    let (mut forward, mut backward) = (vec![], vec![]);
    for _ in 0..steps {
        let start = Instant::now();
        let (loss, tape) = Tape::record(|| {
            let h = conv2d_relu_max_pool(&x, &w[0], Some(&w[1]), &conv, &pool)?;
            let h = conv2d_relu_max_pool(&h, &w[2], Some(&w[3]), &conv, &pool)?;
            let h = linear_relu(&h.flatten_from(1)?, &w[4], Some(&w[5]))?;
            cross_entropy(&linear(&h, &w[6], Some(&w[7]))?, &labels)
        });
        let loss = loss?;
        forward.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let gradients = tape.gradients(&loss)?;
        backward.push(start.elapsed().as_secs_f64() * 1e3);
        assert!(w.iter().all(|w| gradients.get(w).is_some()));
    }
    let median = |v: &mut Vec<f64>| {
        v.sort_by(f64::total_cmp);
        (v[v.len() / 2], v[0])
    };
    let (f, b) = (median(&mut forward), median(&mut backward));
    println!("forward  median {:.2} ms, best {:.2} ms", f.0, f.1);
    println!("backward median {:.2} ms, best {:.2} ms", b.0, b.1);
    Ok(())
}

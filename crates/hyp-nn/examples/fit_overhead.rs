//! Times whole training steps of the MNIST LeNet with the hyperbolic head through the training loop.
//!
//! Run: `RAYON_NUM_THREADS=2 cargo run --release -p hyp-nn --example fit_overhead`

use hyp_nn::{
    BoxError, Classification, Classifier, Geometry, Head, Labelled, ParameterStore,
    backbone::LeNet,
    candle_core::{Device, Tensor},
    init::Init,
    optim::OptimizerConfig,
    train::{FitConfig, fit},
};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: hyp_nn::memory::Keeping<mimalloc::MiMalloc> =
    hyp_nn::memory::Keeping::new(mimalloc::MiMalloc);

#[expect(clippy::print_stdout, reason = "the figures are what the example is for")]
fn main() -> Result<(), BoxError> {
    const STEPS: usize = 300;
    let pixels =
        Init::Normal { std: 1.0 }.values(0, "pixels", 64 * 784).into_iter().map(|v| v as f32).collect();
    let images = Tensor::from_vec::<_, f32>(pixels, (64, 1, 28, 28), &Device::Cpu)?;
    let batch = Labelled { images, labels: (0..64).map(|i| i % 10).collect() };
    let folder = std::env::temp_dir().join(format!("fit_overhead.{}", std::process::id()));
    for geometry in [Geometry::Euclidean, Geometry::poincare(1.0)] {
        let mut store = ParameterStore::new(0, &Device::Cpu);
        let backbone = LeNet::new(&mut store, 16)?;
        let head = Head::new(&mut store, "head", geometry, 16, 10)?;
        let model = Classifier { store, backbone, head };
        let mut task = Classification { model, validation: None, evaluation_batch: 64 };
        let config = FitConfig {
            folder: Some(folder.clone()),
            log_every: 10,
            ..FitConfig::new(OptimizerConfig::adam(1e-3))
        };
        let started = Instant::now();
        let report = fit(&config, &mut task, |_, _| Ok((0..STEPS).map(|_| Ok(batch.clone()))))?;
        println!(
            "{}: {:.2} ms a step over {} steps, checkpoint and logs included",
            geometry.name(),
            started.elapsed().as_secs_f64() * 1e3 / STEPS as f64,
            report.steps
        );
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

//! Training steps: loss, gradients and the optimiser's step on one batch.

use anyhow::Result;
use hyp_nn::backbone::{Backbone, LeNet};
use hyp_nn::candle_core::Device;
use hyp_nn::optim::{OptimizerConfig, Step};
use hyp_nn::train::{StepContext, Task};
use hyp_nn::{Classification, Classifier, Geometry, Head, Labelled, ParameterStore};

use super::super::measure::{Bench, Row, Work};
use super::uniform;

/// All rows.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let (images, classes, dim) = (&[64, 1, 28, 28], 10, 2);
    // Multiplications and additions of an image: the first layer has two products, the others a third, by their input.
    let (first, rest) = (24 * 24 * 20 * 25, 8 * 8 * 50 * 20 * 25 + 800 * 500 + 500 * 2);
    let flops = 2.0 * 64.0 * f64::from(2 * first + 3 * rest);
    for (key, geometry) in [("lenet-step", Geometry::Euclidean), ("lenet-ball-step", Geometry::poincare(0.1))]
    {
        let title = format!("LeNet, {} head, 64 images of 28 × 28, Adam", geometry.name());
        let row = Row::new(key, title).work(Work::Single(flops));
        step(bench, row, images, (dim, classes), geometry, |store| Ok(LeNet::new(store, dim)?))?;
    }
    Ok(())
}

/// One row: a backbone with a head, trained by Adam on the cross-entropy of random labels.
fn step<B: Backbone>(
    bench: &mut Bench,
    row: Row,
    shape: &[usize],
    (dim, classes): (usize, usize),
    geometry: Geometry,
    backbone: impl FnOnce(&mut ParameterStore) -> Result<B>,
) -> Result<()> {
    if !bench.wants(row.key()) {
        return Ok(());
    }
    let mut store = ParameterStore::new(0, &Device::Cpu);
    let backbone = backbone(&mut store)?;
    let head = Head::new(&mut store, "head", geometry, dim, classes)?;
    let model = Classifier { store, backbone, head };
    let mut task = Classification { model, validation: None, evaluation_batch: shape[0] };
    let mut optimizer = OptimizerConfig::adam(1e-3).build()?;
    let labels = (0..shape[0]).map(|at| (at % classes) as u32).collect();
    let batch = Labelled { images: uniform(shape, 1.0)?, labels };
    let mut step = 0;
    bench.row(row, || {
        let context = StepContext { epoch: 0, step, seed: step, logged: false };
        step += 1;
        let gradients = task.loss(&batch, &context)?.value.backward()?;
        optimizer.step(task.parameters(), &gradients, Step::at_rate(1e-3))?;
        Ok(())
    })
}

//! Training steps, and forward passes in evaluation: a backbone with a linear or hyperbolic head.

use anyhow::Result;
use hyp_nn::backbone::{
    Backbone, Conv4, Conv4Config, EfficientNetLite0, LeNet, ResNet, ResNetConfig, ResNetDepth, Vgg19,
};
use hyp_nn::candle_core::Device;
use hyp_nn::optim::{OptimizerConfig, Step};
use hyp_nn::tape::Tape;
use hyp_nn::train::{StepContext, Task};
use hyp_nn::{Classification, Classifier, Geometry, Head, Labelled, ParameterStore};

use super::super::measure::{Bench, Row, Work};
use super::uniform;

/// All training steps.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let (images, classes) = (&[64, 1, 28, 28], 10);
    for (key, geometry) in [("lenet-step", Geometry::Euclidean), ("lenet-ball-step", Geometry::poincare(0.1))]
    {
        let title = format!("LeNet, {} head, 64 images of 28 × 28", geometry.name());
        // The first layer has two products, the others a third, by their input.
        let (first, rest) = (24 * 24 * 20 * 25, 8 * 8 * 50 * 20 * 25 + 800 * 500 + 500 * 2);
        let row = Row::new(key, title).work(products(64, 2 * first + 3 * rest));
        step(bench, row, images, classes, geometry, |store| Ok(LeNet::new(store, 2)?))?;
    }
    let flat = Geometry::Euclidean;
    let (first, rest) = conv4(84, Conv4Config::colour_84(1600));
    let row = Row::new("conv4-step", "Conv4 64-64-64-1600, 100 images of 84 × 84");
    let row = row.work(products(100, 2 * first + 3 * rest));
    step(bench, row, &[100, 3, 84, 84], 20, flat, |store| {
        Ok(Conv4::new(store, Conv4Config::colour_84(1600))?)
    })?;
    let row = Row::new("conv4-wide-step", "Conv4 64-64-64-1600, 400 images of 84 × 84 (20 ways of 20)");
    let row = row.work(products(400, 2 * first + 3 * rest)).memory();
    step(bench, row, &[400, 3, 84, 84], 20, flat, |store| {
        Ok(Conv4::new(store, Conv4Config::colour_84(1600))?)
    })?;
    let (first, rest) = conv4(28, Conv4Config::omniglot());
    let row = Row::new("conv4-omniglot-step", "Conv4 64-64-64-64, 600 images of 28 × 28");
    let row = row.work(products(600, 2 * first + 3 * rest));
    step(bench, row, &[600, 1, 28, 28], 60, flat, |store| Ok(Conv4::new(store, Conv4Config::omniglot())?))?;
    let row = Row::new("resnet18-step", "ResNet-18 with the small stem, 64 images of 84 × 84");
    let row = row.work(products(64, 3 * resnet18_on_84()));
    let small = ResNetConfig::few_shot(ResNetDepth::Eighteen);
    step(bench, row, &[64, 3, 84, 84], 64, flat, |store| Ok(ResNet::new(store, small)?))?;
    let large = ResNetConfig::torchvision(ResNetDepth::Fifty);
    for (key, batch) in [("resnet50-step", 8), ("resnet50-wide-step", 32)] {
        let row = Row::new(key, format!("ResNet-50, {batch} images of 256 × 128, 751 classes"));
        // Three times the multiply-adds of a forward pass; torchvision counts 4.09 thousand millions at 224 × 224.
        let row = row.work(products(batch, 3 * 4_089_000_000 * (256 * 128) / (224 * 224)));
        step(bench, row, &[batch as usize, 3, 256, 128], 751, flat, |store| Ok(ResNet::new(store, large)?))?;
    }
    let row = Row::new("efficientnet-lite0-step", "EfficientNet-Lite0, 32 images of 128 × 64, 501 classes");
    let row = row.work(Work::Items(32.0, "images"));
    step(bench, row, &[32, 3, 128, 64], 501, flat, |store| Ok(EfficientNetLite0::new(store)?))
}

/// All forward passes.
pub(super) fn measure_forward(bench: &mut Bench) -> Result<()> {
    let (first, rest) = conv4(84, Conv4Config::colour_84(1600));
    let row = Row::new("conv4-forward", "Conv4 64-64-64-1600, 100 images of 84 × 84");
    let row = row.work(products(100, first + rest));
    forward(bench, row, &[100, 3, 84, 84], |store| Ok(Conv4::new(store, Conv4Config::colour_84(1600))?))?;
    // Multiply-adds of the published networks, as torchvision counts them.
    let row =
        Row::new("resnet34-forward", "ResNet-34, 8 images of 224 × 224").work(products(8, 3_660_000_000));
    let large = ResNetConfig::torchvision(ResNetDepth::ThirtyFour);
    forward(bench, row, &[8, 3, 224, 224], |store| Ok(ResNet::new(store, large)?))?;
    let row = Row::new("vgg19-forward", "VGG19, 4 images of 224 × 224").work(products(4, 19_630_000_000));
    forward(bench, row, &[4, 3, 224, 224], |store| Ok(Vgg19::new(store)?))
}

/// Multiply-adds of so many per image, as operations.
fn products(images: u64, each: u64) -> Work {
    Work::Single(2.0 * (images * each) as f64)
}

/// Multiply-adds of an image in the first block of a [`Conv4`], and in the others.
fn conv4(side: u64, config: Conv4Config) -> (u64, u64) {
    let (channels, hidden, dim) = (config.channels as u64, config.hidden as u64, config.dim as u64);
    let area = |block: u32| (side >> block).pow(2) * 9;
    (area(0) * channels * hidden, (area(1) + area(2)) * hidden * hidden + area(3) * hidden * dim)
}

/// Multiply-adds of a forward pass of ResNet-18 with the small stem on an image of 84 × 84.
fn resnet18_on_84() -> u64 {
    let stage = |(side, before, width): (u64, u64, u64)| {
        let shortcut = if before == width { 0 } else { before * width };
        side.pow(2) * (9 * before * width + 3 * 9 * width * width + shortcut)
    };
    let stages = [(84, 64, 64), (42, 64, 128), (21, 128, 256), (11, 256, 512)];
    84_u64.pow(2) * 9 * 3 * 64 + stages.map(stage).iter().sum::<u64>()
}

/// One row: a backbone with a head, trained by Adam on the cross-entropy of made-up labels.
fn step<B: Backbone>(
    bench: &mut Bench,
    row: Row,
    shape: &[usize],
    classes: usize,
    geometry: Geometry,
    backbone: impl FnOnce(&mut ParameterStore) -> Result<B>,
) -> Result<()> {
    if !bench.wants(row.key()) {
        return Ok(());
    }
    let mut step = training(&Device::Cpu, shape, classes, geometry, backbone)?;
    bench.row(row, || step().map(|_| ()))
}

/// Training on one batch of made-up images and labels: each call is one step of Adam and gives the loss before it.
pub(crate) fn training<B: Backbone>(
    device: &Device,
    shape: &[usize],
    classes: usize,
    geometry: Geometry,
    backbone: impl FnOnce(&mut ParameterStore) -> Result<B>,
) -> Result<impl FnMut() -> Result<f64>> {
    let mut store = ParameterStore::new(0, device);
    let backbone = backbone(&mut store)?;
    let head = Head::new(&mut store, "head", geometry, backbone.feature_dim(), classes)?;
    let model = Classifier { store, backbone, head };
    let mut task = Classification { model, validation: None, evaluation_batch: shape[0] };
    let mut optimizer = OptimizerConfig::adam(1e-3).build()?;
    let labels = (0..shape[0]).map(|at| (at % classes) as u32).collect();
    let batch = Labelled { images: uniform(shape, 1.0, 0)?.to_device(device)?, labels };
    let mut step = 0;
    Ok(move || {
        let context = StepContext { epoch: 0, step, seed: step, logged: false };
        step += 1;
        let (loss, tape) = Tape::record(|| task.loss(&batch, &context));
        let loss = loss?.value;
        let gradients = tape.gradients(&loss)?;
        optimizer.step(task.parameters(), &gradients, Step::at_rate(1e-3))?;
        Ok(f64::from(loss.to_scalar::<f32>()?))
    })
}

/// One row: features in evaluation mode.
fn forward<B: Backbone>(
    bench: &mut Bench,
    row: Row,
    shape: &[usize],
    backbone: impl FnOnce(&mut ParameterStore) -> Result<B>,
) -> Result<()> {
    if !bench.wants(row.key()) {
        return Ok(());
    }
    let mut store = ParameterStore::new(0, &Device::Cpu);
    let backbone = backbone(&mut store)?;
    let images = uniform(shape, 1.0, 0)?;
    bench.row(row, || {
        backbone.forward(&images, false)?;
        Ok(())
    })
}

//! The residual network of twelve layers that few-shot learning uses.

use super::{
    Backbone,
    block::{Activation, ConvNorm, GlobalPool, Style},
    resnet::shortcut,
};
use crate::{
    error::Result,
    op::{self, ConvOptions, PoolOptions},
    parameter::ParameterStore,
};
use candle_core::Tensor;

/// Four residual blocks of three convolutions 3×3 with leaky rectifiers and 2×2 maximum pooling, of 64, 128, 256 and
/// 512 filters, then the global maximum.
///
/// The released code drops activations in training (units in the first two blocks, squares of them in the others); this
/// form never does (D20 of `docs/deviations.md`).
///
/// Parameters: `layerS.0.conv1`, `bn1`, … `conv3`, `bn3`, `downsample.0`, `downsample.1` of the stages `S` = 1…4, with
/// the initialisation of the released code.
///
/// **Source.** Oreshkin et al. 2018 (arXiv 1805.10123), in the form of the paper's released code.
/// **Shapes.** input: `[batch, 3, 84, 84]`, output: `[batch, 512]`.
#[derive(Clone, Debug)]
pub struct ResNet12 {
    stages: Vec<Stage>,
}

#[derive(Clone, Debug)]
struct Stage {
    convs: [ConvNorm; 3],
    shortcut: ConvNorm,
}

const LEAKY: Activation = Activation::LeakyRelu(0.1);

impl ResNet12 {
    /// Declares the parameters in `store`.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`](crate::Error::DuplicateParameter) if the store has a network of these names
    /// already.
    pub fn new(store: &mut ParameterStore) -> Result<Self> {
        let widths = [3, 64, 128, 256, 512];
        let stages = widths.windows(2).zip(1..).map(|(width, stage)| {
            let name = format!("layer{stage}.0");
            let mut conv = |number: usize, inputs: usize| {
                let names = [format!("{name}.conv{number}"), format!("{name}.bn{number}")];
                let shape = [width[1], inputs, 3, 3];
                ConvNorm::new(store, [&names[0], &names[1]], shape, ConvOptions::new(1, 1), &Style::RESIDUAL)
            };
            let convs = [conv(1, width[0])?, conv(2, width[1])?, conv(3, width[1])?];
            Ok(Stage { convs, shortcut: shortcut(store, &name, [width[0], width[1]], 1)? })
        });
        Ok(Self { stages: stages.collect::<Result<_>>()? })
    }
}

impl Backbone for ResNet12 {
    fn feature_dim(&self) -> usize {
        512
    }

    fn forward(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let mut maps = images.clone();
        for Stage { convs: [first, second, third], shortcut } in &self.stages {
            let beside = shortcut.forward(&maps, Activation::None, train)?;
            maps = first.forward(&maps, LEAKY, train)?;
            maps = second.forward(&maps, LEAKY, train)?;
            maps = third.forward_add(&maps, &beside, LEAKY, train)?;
            maps = op::max_pool2d(&maps, &PoolOptions::square(2))?;
        }
        GlobalPool::Max.apply(&maps)
    }
}

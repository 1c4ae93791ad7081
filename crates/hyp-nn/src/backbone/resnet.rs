//! Residual networks of 18, 34 and 50 layers.

use super::{
    Backbone,
    block::{Activation, ConvNorm, GlobalPool, Style},
};
use crate::{
    error::{Error, Result},
    op::{ConvOptions, PoolOptions},
    parameter::ParameterStore,
};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// Number of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResNetDepth {
    /// 18 layers, 512 features.
    Eighteen,
    /// 34 layers, 512 features.
    ThirtyFour,
    /// 50 layers in bottleneck blocks, 2048 features.
    Fifty,
}

impl ResNetDepth {
    fn blocks(self) -> [usize; 4] {
        match self {
            Self::Eighteen => [2, 2, 2, 2],
            Self::ThirtyFour | Self::Fifty => [3, 4, 6, 3],
        }
    }

    /// Channels that leave a block, for each that it works on.
    fn expansion(self) -> usize {
        if self == Self::Fifty { 4 } else { 1 }
    }
}

/// The first layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stem {
    /// Convolution 7×7 of stride 2 and maximum pooling 3×3 of stride 2: torchvision's, for large pictures.
    Large,
    /// Convolution 3×3 of stride 1 and no pooling: the released few-shot code's, for pictures of 84×84.
    Small,
}

/// The form of a [`ResNet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNetConfig {
    /// Number of layers.
    pub depth: ResNetDepth,
    /// The first layers.
    pub stem: Stem,
    /// Stride of the last stage: 2, or 1 for maps twice as fine, as re-identification likes them.
    pub last_stride: usize,
    /// How the last maps become features.
    pub pool: GlobalPool,
}

impl ResNetConfig {
    /// torchvision's form.
    pub const fn torchvision(depth: ResNetDepth) -> Self {
        Self { depth, stem: Stem::Large, last_stride: 2, pool: GlobalPool::Average }
    }

    /// The form of the released few-shot code, whose global pooling takes the maximum.
    pub const fn few_shot(depth: ResNetDepth) -> Self {
        Self { depth, stem: Stem::Small, last_stride: 2, pool: GlobalPool::Max }
    }
}

/// A residual network without its final linear layer, for which see [`Embedded`](super::Embedded).
///
/// Parameters: torchvision's names (`conv1`, `bn1`, `layer1.0.conv1`, …, `layer4.1.bn2`, `layerS.0.downsample.0`), and
/// its initialisation.
///
/// **Source.** He et al. 2016 (arXiv 1512.03385); as in torchvision the stride of a bottleneck sits in its 3×3
/// convolution.
/// **Shapes.** input: `[batch, 3, height, width]`, output: `[batch, 512]`, or 2048 at 50 layers.
#[derive(Clone, Debug)]
pub struct ResNet {
    stem: ConvNorm,
    blocks: Vec<Block>,
    config: ResNetConfig,
}

/// Convolutions one behind the other, beside a short cut.
#[derive(Clone, Debug)]
struct Block {
    convs: Vec<ConvNorm>,
    shortcut: Option<ConvNorm>,
}

impl ResNet {
    /// Declares the parameters in `store`.
    ///
    /// # Errors
    /// [`Error::Setting`] if the last stride is neither 1 nor 2, [`Error::DuplicateParameter`] if the store has a
    /// network of these names already.
    pub fn new(store: &mut ParameterStore, config: ResNetConfig) -> Result<Self> {
        if !(1..=2).contains(&config.last_stride) {
            return Err(Error::Setting {
                setting: "last_stride",
                value: config.last_stride.to_string(),
                remedy: "it is 1 or 2",
            });
        }
        let (kernel, options) = match config.stem {
            Stem::Large => (7, ConvOptions::new(2, 3)),
            Stem::Small => (3, ConvOptions::new(1, 1)),
        };
        let stem =
            ConvNorm::new(store, ["conv1", "bn1"], [64, 3, kernel, kernel], options, &Style::RESIDUAL)?;
        let mut blocks = Vec::new();
        let mut inputs = 64;
        for (stage, count) in config.depth.blocks().into_iter().enumerate() {
            let width = 64 << stage;
            for number in 0..count {
                let stride = match (stage, number) {
                    (0, _) | (1.., 1..) => 1,
                    (3, 0) => config.last_stride,
                    _ => 2,
                };
                let name = format!("layer{}.{number}", stage + 1);
                blocks.push(Block::new(store, &name, config.depth, [inputs, width], stride)?);
                inputs = width * config.depth.expansion();
            }
        }
        Ok(Self { stem, blocks, config })
    }
}

impl Block {
    fn new(
        store: &mut ParameterStore,
        name: &str,
        depth: ResNetDepth,
        [inputs, width]: [usize; 2],
        stride: usize,
    ) -> Result<Self> {
        let outputs = width * depth.expansion();
        // Kernel, outputs and stride of each convolution.
        let plan = if depth == ResNetDepth::Fifty {
            vec![(1, width, 1), (3, width, stride), (1, outputs, 1)]
        } else {
            vec![(3, width, stride), (3, width, 1)]
        };
        let mut convs = Vec::with_capacity(plan.len());
        let mut channels = inputs;
        for (number, (kernel, outputs, stride)) in (1..).zip(plan) {
            let (conv, norm) = (format!("{name}.conv{number}"), format!("{name}.bn{number}"));
            let shape = [outputs, channels, kernel, kernel];
            let options = ConvOptions::new(stride, kernel / 2);
            convs.push(ConvNorm::new(store, [&conv, &norm], shape, options, &Style::RESIDUAL)?);
            channels = outputs;
        }
        // torchvision gives the first block of a stage a short cut of its own where anything changes.
        let shortcut = if stride != 1 || inputs != outputs {
            Some(shortcut(store, name, [inputs, outputs], stride)?)
        } else {
            None
        };
        Ok(Self { convs, shortcut })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (last, first) = self.convs.split_last().expect("invariant: a block has convolutions");
        let mut maps = x.clone();
        for conv in first {
            maps = conv.forward(&maps, Activation::Relu, train)?;
        }
        let beside = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x, Activation::None, train)?,
            None => x.clone(),
        };
        last.forward_add(&maps, &beside, Activation::Relu, train)
    }
}

/// The short cut `NAME.downsample` of a block whose output differs from its input in shape.
pub(super) fn shortcut(
    store: &mut ParameterStore,
    name: &str,
    [inputs, outputs]: [usize; 2],
    stride: usize,
) -> Result<ConvNorm> {
    let names = [format!("{name}.downsample.0"), format!("{name}.downsample.1")];
    let options = ConvOptions::new(stride, 0);
    ConvNorm::new(store, [&names[0], &names[1]], [outputs, inputs, 1, 1], options, &Style::RESIDUAL)
}

impl Backbone for ResNet {
    fn feature_dim(&self) -> usize {
        512 * self.config.depth.expansion()
    }

    fn forward(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let mut maps = match self.config.stem {
            Stem::Large => {
                let pool = PoolOptions { kernel: [3; 2], stride: [2; 2], padding: [1; 2] };
                self.stem.forward_max_pool(images, Activation::Relu, &pool, train)?
            }
            Stem::Small => self.stem.forward(images, Activation::Relu, train)?,
        };
        for block in &self.blocks {
            maps = block.forward(&maps, train)?;
        }
        self.config.pool.apply(&maps)
    }
}

//! EfficientNet-Lite0: depthwise separable blocks without squeezing, for small devices.

use super::{
    Backbone,
    block::{Activation, Borders, ConvInit, ConvNorm, GlobalPool, Style},
};
use crate::{error::Result, layer::BatchNormOptions, op::ConvOptions, parameter::ParameterStore};
use candle_core::Tensor;

/// EfficientNet-Lite0 without its classifier (`_fc`, see [`Embedded`](super::Embedded)).
///
/// Its published ImageNet weights expect pictures of 224×224 as (x − 127)/128 of the values 0…255; any size works.
/// Borders are padded as TensorFlow does, ⌈n / stride⌉ lines out of n. Training drops no blocks and no units.
///
/// Parameters: the names of the published PyTorch weights (`_conv_stem`, `_bn0`, `_blocks.B._expand_conv`, …,
/// `_conv_head`, `_bn1`), PyTorch's default initialisation, batch normalisation with ε = 1e-3 and a hundredth of each
/// batch in the running statistics; 3,371,008 of them.
///
/// **Source.** Tan and Le 2019 (arXiv 1905.11946); the Lite form of the TensorFlow model collection.
/// **Shapes.** input: `[batch, 3, height, width]`, output: `[batch, 1280]`.
#[derive(Clone, Debug)]
pub struct EfficientNetLite0 {
    stem: ConvNorm,
    blocks: Vec<Block>,
    head: ConvNorm,
}

#[derive(Clone, Debug)]
struct Block {
    expand: Option<ConvNorm>,
    depthwise: ConvNorm,
    project: ConvNorm,
    residual: bool,
}

const STYLE: Style = Style {
    bias: false,
    init: ConvInit::TorchDefault,
    norm: BatchNormOptions { eps: 1e-3, momentum: 0.01 },
    borders: Borders::Same,
};

/// Blocks, expansion, kernel, first stride and filters of each stage.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (1, 1, 3, 1, 16),
    (2, 6, 3, 2, 24),
    (2, 6, 5, 2, 40),
    (3, 6, 3, 2, 80),
    (3, 6, 5, 1, 112),
    (4, 6, 5, 2, 192),
    (1, 6, 3, 1, 320),
];

const FEATURES: usize = 1280;

impl EfficientNetLite0 {
    /// Declares the parameters in `store`.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`](crate::Error::DuplicateParameter) if the store has a network of these names
    /// already.
    pub fn new(store: &mut ParameterStore) -> Result<Self> {
        let stem =
            ConvNorm::new(store, ["_conv_stem", "_bn0"], [32, 3, 3, 3], ConvOptions::new(2, 0), &STYLE)?;
        let mut blocks = Vec::new();
        let mut inputs = 32;
        for (count, expansion, kernel, stride, outputs) in STAGES {
            for number in 0..count {
                let name = format!("_blocks.{}", blocks.len());
                let stride = if number == 0 { stride } else { 1 };
                blocks.push(Block::new(store, &name, [inputs, outputs], expansion, kernel, stride)?);
                inputs = outputs;
            }
        }
        let shape = [FEATURES, inputs, 1, 1];
        let head = ConvNorm::new(store, ["_conv_head", "_bn1"], shape, ConvOptions::default(), &STYLE)?;
        Ok(Self { stem, blocks, head })
    }
}

impl Block {
    fn new(
        store: &mut ParameterStore,
        name: &str,
        [inputs, outputs]: [usize; 2],
        expansion: usize,
        kernel: usize,
        stride: usize,
    ) -> Result<Self> {
        let mut unit = |conv: &str, norm: &str, shape: [usize; 4], options: ConvOptions| {
            let (conv, norm) = (format!("{name}.{conv}"), format!("{name}.{norm}"));
            ConvNorm::new(store, [&conv, &norm], shape, options, &STYLE)
        };
        let width = inputs * expansion;
        let expand = if expansion == 1 {
            None
        } else {
            Some(unit("_expand_conv", "_bn0", [width, inputs, 1, 1], ConvOptions::default())?)
        };
        let options = ConvOptions { groups: width, ..ConvOptions::new(stride, 0) };
        let depthwise = unit("_depthwise_conv", "_bn1", [width, 1, kernel, kernel], options)?;
        let project = unit("_project_conv", "_bn2", [outputs, width, 1, 1], ConvOptions::default())?;
        Ok(Self { expand, depthwise, project, residual: stride == 1 && inputs == outputs })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let wide = match &self.expand {
            Some(expand) => expand.forward(x, Activation::Relu6, train)?,
            None => x.clone(),
        };
        let wide = self.depthwise.forward(&wide, Activation::Relu6, train)?;
        if self.residual {
            self.project.forward_add(&wide, x, Activation::None, train)
        } else {
            self.project.forward(&wide, Activation::None, train)
        }
    }
}

impl Backbone for EfficientNetLite0 {
    fn feature_dim(&self) -> usize {
        FEATURES
    }

    fn forward(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let mut maps = self.stem.forward(images, Activation::Relu6, train)?;
        for block in &self.blocks {
            maps = block.forward(&maps, train)?;
        }
        GlobalPool::Average.apply(&self.head.forward(&maps, Activation::Relu6, train)?)
    }
}

//! The four-block convolutional network of few-shot learning.

use super::{
    Backbone,
    block::{Activation, Borders, ConvInit, ConvNorm, Style},
};
use crate::{
    error::{Error, Result},
    layer::BatchNormOptions,
    op::{self, ConvOptions, PoolOptions},
    parameter::ParameterStore,
};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// The form of a [`Conv4`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv4Config {
    /// Channels of the pictures.
    pub channels: usize,
    /// Filters of the first three blocks.
    pub hidden: usize,
    /// Filters of the last block, and so the length of the feature vector.
    pub dim: usize,
    /// Side of the maximum pooling behind the last block; `None` where its maps are single values already.
    pub final_pool: Option<usize>,
}

impl Conv4Config {
    /// For colour pictures of 84×84, as in the released code: maps of 5×5 are pooled to one value.
    pub const fn colour_84(dim: usize) -> Self {
        Self { channels: 3, hidden: 64, dim, final_pool: Some(5) }
    }

    /// For grey pictures of 28×28, as in Omniglot: 64 filters, and maps of 1×1 at the end.
    pub const fn omniglot() -> Self {
        Self { channels: 1, hidden: 64, dim: 64, final_pool: None }
    }
}

/// Four blocks of convolution 3×3 with bias, batch normalisation, rectifier and 2×2 maximum pooling, then a maximum
/// pooling of the last maps.
///
/// Parameters: `encoder.B.0` (convolution) and `encoder.B.1` (normalisation) of the blocks `B` = 0…3, and PyTorch's
/// default initialisation; 1,002,432 of them at `dim` 1600.
///
/// **Source.** Snell et al. 2017 (arXiv 1703.05175); the width of the last block and the pooling as in the paper's
/// released code.
/// **Shapes.** input: `[batch, channels, 84, 84]` or `[batch, channels, 28, 28]`, output: `[batch, dim]`.
#[derive(Clone, Debug)]
pub struct Conv4 {
    blocks: Vec<ConvNorm>,
    config: Conv4Config,
}

const STYLE: Style = Style {
    bias: true,
    init: ConvInit::TorchDefault,
    norm: BatchNormOptions::TORCH,
    borders: Borders::Fixed,
};

impl Conv4 {
    /// Declares the parameters in `store`.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`] if the store has a network of these names already.
    pub fn new(store: &mut ParameterStore, config: Conv4Config) -> Result<Self> {
        let Conv4Config { channels, hidden, dim, final_pool: _ } = config;
        let widths = [channels, hidden, hidden, hidden, dim];
        let blocks = widths.windows(2).enumerate().map(|(block, width)| {
            let names = [format!("encoder.{block}.0"), format!("encoder.{block}.1")];
            let names = [names[0].as_str(), names[1].as_str()];
            ConvNorm::new(store, names, [width[1], width[0], 3, 3], ConvOptions::new(1, 1), &STYLE)
        });
        Ok(Self { blocks: blocks.collect::<Result<_>>()?, config })
    }
}

impl Backbone for Conv4 {
    fn feature_dim(&self) -> usize {
        self.config.dim
    }

    fn forward(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let pool = PoolOptions::square(2);
        let mut maps = images.clone();
        for block in &self.blocks {
            maps = block.forward_max_pool(&maps, Activation::Relu, &pool, train)?;
        }
        if let Some(side) = self.config.final_pool {
            maps = op::max_pool2d(&maps, &PoolOptions::square(side))?;
        }
        let (_, _, height, width) = maps.dims4()?;
        if (height, width) != (1, 1) {
            return Err(Error::Setting {
                setting: "picture size",
                value: format!("{:?}", &images.dims()[2..]),
                remedy: "a Conv4 needs pictures whose last maps are pooled to 1×1: 84×84 with a final pooling of 5, \
                         or 28×28 without",
            });
        }
        Ok(maps.flatten_from(1)?)
    }
}

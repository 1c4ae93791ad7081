//! The networks that a few-shot row may name.

use hyp_nn::backbone::{AnyBackbone, Conv4, Conv4Config, ResNet, ResNet12, ResNetConfig, ResNetDepth};
use hyp_nn::{ParameterStore, Result};
use serde::{Deserialize, Serialize};

/// A network, as a config names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum BackboneTable {
    /// Four blocks of convolution, batch normalisation, rectifier and pooling.
    Conv4 {
        /// Filters of the last block.
        dim: usize,
    },
    /// The residual network of 12 layers, colour pictures of 84 × 84 only.
    Resnet12,
    /// The residual network of 18 layers with the stem for small pictures, colour only.
    Resnet18,
}

impl BackboneTable {
    /// Whether it takes colour pictures only.
    pub(crate) fn is_for_colour(self) -> bool {
        matches!(self, Self::Resnet12 | Self::Resnet18)
    }

    /// Declares the parameters in `store`, for pictures of so many channels: grey ones are 28 × 28, colour ones 84 × 84.
    pub(crate) fn build(self, store: &mut ParameterStore, channels: usize) -> Result<AnyBackbone> {
        Ok(match self {
            Self::Conv4 { dim } if channels == 1 => {
                Box::new(Conv4::new(store, Conv4Config { dim, ..Conv4Config::omniglot() })?)
            }
            Self::Conv4 { dim } => Box::new(Conv4::new(store, Conv4Config::colour_84(dim))?),
            Self::Resnet12 => Box::new(ResNet12::new(store)?),
            Self::Resnet18 => Box::new(ResNet::new(store, ResNetConfig::few_shot(ResNetDepth::Eighteen))?),
        })
    }
}

//! The networks whose features are measured, with the preparation of pictures that their weights expect.

use anyhow::Result;
use clap::ValueEnum;
use hyp_data::transform::{Filter, Normalise, Transform, recipe};
use hyp_nn::ParameterStore;
use hyp_nn::backbone::{
    AnyBackbone, EfficientNetLite0, InceptionV3, ResNet, ResNetConfig, ResNetDepth, Vgg19,
};
use hyp_nn::weights::Matching;
use serde::{Deserialize, Serialize};

/// A network with published weights; its name is that of the weights' manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum Encoder {
    /// 4096 features: the rectified second affine layer.
    Vgg19,
    /// 512 features after pooling.
    Resnet34,
    /// 2048 features after pooling.
    InceptionV3,
    /// 1280 features after pooling.
    EfficientnetLite0,
}

impl Encoder {
    /// The name of the manifest of its weights.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vgg19 => "vgg19",
            Self::Resnet34 => "resnet34",
            Self::InceptionV3 => "inception_v3",
            Self::EfficientnetLite0 => "efficientnet_lite0",
        }
    }

    /// What torchvision does before its weights see a picture: the shorter side resized, then the middle.
    pub(crate) fn prepare(self) -> Transform {
        let (resize, side) = match self {
            Self::InceptionV3 => (342, 299),
            _ => (256, 224),
        };
        recipe::few_shot_test(resize, side, Filter::Bilinear)
    }

    /// The numbers that bytes become.
    pub(crate) fn normalise(self) -> Normalise {
        match self {
            Self::Vgg19 | Self::Resnet34 => Normalise::imagenet(),
            Self::InceptionV3 => Normalise::new(&[0.5; 3], &[0.5; 3]),
            // (x − 127)/128 of the values 0 … 255.
            Self::EfficientnetLite0 => Normalise::new(&[127.0 / 255.0; 3], &[128.0 / 255.0; 3]),
        }
    }

    /// Declares its parameters in `store`.
    pub(crate) fn build(self, store: &mut ParameterStore) -> Result<AnyBackbone> {
        Ok(match self {
            Self::Vgg19 => Box::new(Vgg19::new(store)?),
            Self::Resnet34 => {
                Box::new(ResNet::new(store, ResNetConfig::torchvision(ResNetDepth::ThirtyFour))?)
            }
            Self::InceptionV3 => Box::new(InceptionV3::new(store)?),
            Self::EfficientnetLite0 => Box::new(EfficientNetLite0::new(store)?),
        })
    }

    /// How the published files name what it needs, and which of their tensors it does not.
    pub(crate) fn matching(self) -> Matching<'static> {
        let (unwanted, aliases): (&[&str], &[(&str, &str)]) = match self {
            Self::Vgg19 => (&["classifier.6.", "head."], Vgg19::HUB_ALIASES),
            Self::Resnet34 => (&["fc."], &[]),
            Self::InceptionV3 => (&["fc.", "AuxLogits."], &[]),
            Self::EfficientnetLite0 => (&["_fc."], &[]),
        };
        Matching { unwanted, aliases, ..Matching::default() }
    }
}

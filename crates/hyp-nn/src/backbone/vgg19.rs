//! VGG19: sixteen convolutions and two wide affine layers.

use super::{Backbone, block::ConvInit};
use crate::{
    error::Result,
    init::Init,
    op::{self, ConvOptions, PoolOptions},
    parameter::{Manifold, ParameterStore},
};
use candle_core::Tensor;

/// VGG19 up to the rectified second affine layer ("fc7"), in torchvision's layout without batch normalisation.
///
/// The classifier's dropout is left out, which changes nothing in evaluation, and its last layer is not built.
///
/// Parameters: torchvision's names (`features.0` … `features.34`, `classifier.0`, `classifier.3`) and initialisation;
/// 139,570,240 of them at width 4096.
///
/// **Source.** Simonyan and Zisserman 2015 (arXiv 1409.1556).
/// **Shapes.** input: `[batch, 3, 224, 224]` (other sizes are pooled to 7×7 maps), output: `[batch, 4096]`.
#[derive(Clone, Debug)]
pub struct Vgg19 {
    convs: Vec<[Tensor; 2]>,
    affine: [[Tensor; 2]; 2],
    width: usize,
}

/// Convolutions and filters of each stage; a 2×2 maximum pooling follows.
const STAGES: [(usize, usize); 5] = [(2, 64), (2, 128), (4, 256), (4, 512), (4, 512)];

impl Vgg19 {
    /// The names that the hub's safetensors (`timm/vgg19.tv_in1k`) give the affine layers, which they keep as
    /// convolutions of the same elements; for [`Matching::aliases`](crate::weights::Matching::aliases).
    pub const HUB_ALIASES: &'static [(&'static str, &'static str)] =
        &[("pre_logits.fc1.", "classifier.0."), ("pre_logits.fc2.", "classifier.3.")];

    /// The published network, whose affine layers are 4096 wide.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`](crate::Error::DuplicateParameter) if the store has a network of these names
    /// already.
    pub fn new(store: &mut ParameterStore) -> Result<Self> {
        Self::with_width(store, 4096)
    }

    /// The same with affine layers of another width.
    ///
    /// # Errors
    /// As [`Vgg19::new`].
    pub fn with_width(store: &mut ParameterStore, width: usize) -> Result<Self> {
        let mut pair = |name: String, shape: &[usize], init: Init| -> Result<[Tensor; 2]> {
            Ok([
                store.trainable(&format!("{name}.weight"), shape, init, Manifold::Euclidean)?,
                store.trainable(&format!("{name}.bias"), shape[0], Init::ZEROS, Manifold::Euclidean)?,
            ])
        };
        let (mut convs, mut inputs, mut position) = (Vec::new(), 3, 0);
        for (count, outputs) in STAGES {
            for _ in 0..count {
                let shape = [outputs, inputs, 3, 3];
                let init = ConvInit::KaimingFanOut.distribution(shape);
                convs.push(pair(format!("features.{position}"), &shape, init)?);
                inputs = outputs;
                position += 2; // the rectifier has a place of its own
            }
            position += 1; // and so has the pooling
        }
        let init = Init::Normal { std: 0.01 };
        let affine = [
            pair("classifier.0".to_owned(), &[width, inputs * 49], init)?,
            pair("classifier.3".to_owned(), &[width, width], init)?,
        ];
        Ok(Self { convs, affine, width })
    }
}

impl Backbone for Vgg19 {
    fn feature_dim(&self) -> usize {
        self.width
    }

    fn forward(&self, images: &Tensor, _train: bool) -> Result<Tensor> {
        let (options, pool) = (ConvOptions::new(1, 1), PoolOptions::square(2));
        let mut maps = images.clone();
        let mut convs = self.convs.iter();
        for (count, _) in STAGES {
            for (number, [weight, bias]) in convs.by_ref().take(count).enumerate() {
                maps = if number + 1 < count {
                    op::conv2d_relu(&maps, weight, Some(bias), &options)?
                } else {
                    op::conv2d_relu_max_pool(&maps, weight, Some(bias), &options, &pool)?
                };
            }
        }
        let mut features = op::adaptive_avg_pool2d(&maps, [7, 7])?.flatten_from(1)?;
        for [weight, bias] in &self.affine {
            features = op::linear_relu(&features, weight, Some(bias))?;
        }
        Ok(features)
    }
}

//! Networks that turn an image into a feature vector.
//!
//! Every network declares its parameters under the names of its published weights, so that
//! [`WeightsFile`](crate::weights::WeightsFile) fills it from them, and stops at its features; [`Embedded`] adds an
//! embedding or the network's own classifier.

mod block;
mod conv4;
mod efficientnet_lite;
mod embedded;
mod inception_v3;
mod lenet;
mod resnet;
mod resnet12;
mod vgg19;

pub use block::GlobalPool;
pub use conv4::{Conv4, Conv4Config};
pub use efficientnet_lite::EfficientNetLite0;
pub use embedded::Embedded;
pub use inception_v3::InceptionV3;
pub use lenet::LeNet;
pub use resnet::{ResNet, ResNetConfig, ResNetDepth, Stem};
pub use resnet12::ResNet12;
pub use vgg19::Vgg19;

use crate::error::Result;
use candle_core::Tensor;

/// A network from images to feature vectors.
pub trait Backbone {
    /// Length of the feature vector.
    fn feature_dim(&self) -> usize;

    /// Features of a batch of images; `train` selects batch statistics and updates running ones.
    ///
    /// **Shapes.** `images`: `[batch, channels, height, width]`, result: `[batch, feature_dim]`.
    ///
    /// # Errors
    /// If the images do not have the size that the network needs.
    fn forward(&self, images: &Tensor, train: bool) -> Result<Tensor>;

    /// The activations of each stage in evaluation mode, by name and in order, for a diagnosis.
    ///
    /// # Errors
    /// If the images do not have the size that the network needs.
    fn activations(&self, images: &Tensor) -> Result<Vec<(String, Tensor)>> {
        Ok(vec![("features".to_owned(), self.forward(images, false)?)])
    }
}

/// A network whose kind is chosen at run time.
pub type AnyBackbone = Box<dyn Backbone + Send + Sync>;

impl Backbone for AnyBackbone {
    fn feature_dim(&self) -> usize {
        (**self).feature_dim()
    }

    fn forward(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        (**self).forward(images, train)
    }

    fn activations(&self, images: &Tensor) -> Result<Vec<(String, Tensor)>> {
        (**self).activations(images)
    }
}

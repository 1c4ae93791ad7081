//! Networks that turn an image into a feature vector.

mod lenet;

pub use lenet::LeNet;

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

//! A backbone with one fully connected layer behind it.

use super::Backbone;
use crate::{error::Result, layer::Linear, parameter::ParameterStore};
use candle_core::Tensor;

/// A backbone and an affine layer of its features: an embedding of chosen length, or the network's own classifier.
///
/// **Shapes.** input: as the backbone, output: `[batch, dim]`.
#[derive(Clone, Debug)]
pub struct Embedded<B> {
    backbone: B,
    linear: Linear,
    dim: usize,
}

impl<B: Backbone> Embedded<B> {
    /// Declares an embedding of length `dim`, with the parameters `embedding.weight` and `embedding.bias`.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`](crate::Error::DuplicateParameter) if the store has an embedding already.
    pub fn new(store: &mut ParameterStore, backbone: B, dim: usize) -> Result<Self> {
        Self::named(store, backbone, "embedding", dim)
    }

    /// The same under another name, such as that of a published classifier: `fc` in torchvision's residual networks,
    /// `_fc` in EfficientNet-Lite.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`](crate::Error::DuplicateParameter) if the name is taken.
    pub fn named(store: &mut ParameterStore, backbone: B, name: &str, dim: usize) -> Result<Self> {
        let linear = Linear::new(store, name, backbone.feature_dim(), dim)?;
        Ok(Self { backbone, linear, dim })
    }

    /// The backbone, whose features are those before the layer.
    pub fn backbone(&self) -> &B {
        &self.backbone
    }
}

impl<B: Backbone> Backbone for Embedded<B> {
    fn feature_dim(&self) -> usize {
        self.dim
    }

    fn forward(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.linear.forward(&self.backbone.forward(images, train)?)
    }

    fn activations(&self, images: &Tensor) -> Result<Vec<(String, Tensor)>> {
        let mut all = self.backbone.activations(images)?;
        all.push(("embedding".to_owned(), self.forward(images, false)?));
        Ok(all)
    }
}

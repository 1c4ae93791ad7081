//! The small convolutional network of the MNIST experiments.

use super::Backbone;
use crate::{
    error::Result,
    layer::{Conv2d, Linear},
    op::{ConvOptions, PoolOptions},
    parameter::ParameterStore,
};
use candle_core::Tensor;

/// LeNet as the released MNIST example has it: convolutions of 5×5×20 and 5×5×50, each rectified and followed by 2×2
/// maximum pooling, a rectified layer of 500 and an affine layer of `dim`.
///
/// It has `426,070 + 501·dim` parameters: `conv1`, `conv2`, `fc1`, `fc2`.
///
/// **Shapes.** input: `[batch, 1, 28, 28]`, output: `[batch, dim]`.
#[derive(Clone, Debug)]
pub struct LeNet {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
    dim: usize,
}

impl LeNet {
    /// Declares the parameters in `store`.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`](crate::Error::DuplicateParameter) if the store has a LeNet already.
    pub fn new(store: &mut ParameterStore, dim: usize) -> Result<Self> {
        Ok(Self {
            conv1: Conv2d::new(store, "conv1", [1, 20], 5, ConvOptions::default())?,
            conv2: Conv2d::new(store, "conv2", [20, 50], 5, ConvOptions::default())?,
            fc1: Linear::new(store, "fc1", 800, 500)?,
            fc2: Linear::new(store, "fc2", 500, dim)?,
            dim,
        })
    }
}

impl Backbone for LeNet {
    fn feature_dim(&self) -> usize {
        self.dim
    }

    fn forward(&self, images: &Tensor, _train: bool) -> Result<Tensor> {
        let pool = PoolOptions::square(2);
        let maps = self.conv1.forward_relu_max_pool(images, &pool)?;
        let maps = self.conv2.forward_relu_max_pool(&maps, &pool)?;
        self.fc2.forward(&self.fc1.forward_relu(&maps.flatten_from(1)?)?)
    }

    fn activations(&self, images: &Tensor) -> Result<Vec<(String, Tensor)>> {
        let pool = PoolOptions::square(2);
        let first = self.conv1.forward_relu_max_pool(images, &pool)?;
        let second = self.conv2.forward_relu_max_pool(&first, &pool)?;
        let third = self.fc1.forward_relu(&second.flatten_from(1)?)?;
        let last = self.fc2.forward(&third)?;
        let names = ["conv1", "conv2", "fc1", "fc2"];
        Ok(names.map(str::to_owned).into_iter().zip([first, second, third, last]).collect())
    }
}

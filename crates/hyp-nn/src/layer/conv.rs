//! The ordinary convolution layer.

use crate::{
    error::Result,
    init::Init,
    op::{self, ConvOptions, PoolOptions},
    parameter::{Manifold, ParameterStore},
};
use candle_core::Tensor;

/// Two-dimensional convolution with bias and PyTorch's default initialisation.
///
/// Parameters: `NAME.weight` `[out, in / groups, kernel, kernel]`, `NAME.bias` `[out]`.
///
/// **Shapes.** input: `[batch, in, height, width]`, output: `[batch, out, height', width']`.
#[derive(Clone, Debug)]
pub struct Conv2d {
    weight: Tensor,
    bias: Tensor,
    options: ConvOptions,
}

impl Conv2d {
    /// Declares the parameters in `store`.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`](crate::Error::DuplicateParameter) if the name is taken.
    pub fn new(
        store: &mut ParameterStore,
        name: &str,
        channels: [usize; 2],
        kernel: usize,
        options: ConvOptions,
    ) -> Result<Self> {
        let [inputs, outputs] = channels;
        let inputs = inputs / options.groups;
        let init = Init::torch_default(inputs * kernel * kernel);
        let shape = (outputs, inputs, kernel, kernel);
        let weight = store.trainable(&format!("{name}.weight"), shape, init, Manifold::Euclidean)?;
        let bias = store.trainable(&format!("{name}.bias"), outputs, init, Manifold::Euclidean)?;
        Ok(Self { weight, bias, options })
    }

    /// The convolution.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        Ok(op::conv2d(input, &self.weight, Some(&self.bias), &self.options)?)
    }

    /// Convolution, rectifier and maximum pooling, fused.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward_relu_max_pool(&self, input: &Tensor, pool: &PoolOptions) -> Result<Tensor> {
        Ok(op::conv2d_relu_max_pool(input, &self.weight, Some(&self.bias), &self.options, pool)?)
    }
}

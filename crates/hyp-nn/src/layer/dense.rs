//! The ordinary affine layer.

use crate::{error::Result, init::Init, op, parameter::Manifold, parameter::ParameterStore};
use candle_core::Tensor;

/// Affine layer `x Wᵀ + b` with PyTorch's default initialisation.
///
/// Parameters: `NAME.weight` `[out, in]`, `NAME.bias` `[out]`.
///
/// **Shapes.** input: `[batch, in]`, output: `[batch, out]`.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// Declares the parameters in `store`.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`](crate::Error::DuplicateParameter) if the name is taken.
    pub fn new(store: &mut ParameterStore, name: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let init = Init::torch_default(inputs);
        let weight =
            store.trainable(&format!("{name}.weight"), (outputs, inputs), init, Manifold::Euclidean)?;
        let bias = store.trainable(&format!("{name}.bias"), outputs, init, Manifold::Euclidean)?;
        Ok(Self { weight, bias })
    }

    /// The affine map.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        Ok(op::linear(input, &self.weight, Some(&self.bias))?)
    }

    /// The affine map followed by the rectifier, fused.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward_relu(&self, input: &Tensor) -> Result<Tensor> {
        Ok(op::linear_relu(input, &self.weight, Some(&self.bias))?)
    }
}

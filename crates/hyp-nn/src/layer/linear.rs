//! The linear layer of the ball.

use super::{curvature::BallCurvature, point::BallPoint};
use crate::{
    error::Result,
    init::Init,
    op,
    parameter::{Manifold, ParameterStore},
};
use candle_core::Tensor;

/// Möbius linear layer `(M ⊗ x) ⊕ b`.
///
/// $$ M \otimes x = \frac{1}{\sqrt c}\tanh\Big(\frac{\|Mx\|}{\|x\|}\,\mathrm{artanh}(\sqrt c\|x\|)\Big)\frac{Mx}{\|Mx\|} $$
///
/// Parameters: `NAME.weight` `[out, in]` with PyTorch's default initialisation, `NAME.bias` `[out]`, the origin at first
/// (`NAME.bias_tangent` if the curvature is trained).
///
/// **Source.** Ganea et al. 2018; the paper's appendix.
/// **Shapes.** input: `[batch, in]` points of the ball, output: `[batch, out]` points of the ball.
#[derive(Clone, Debug)]
pub struct MobiusLinear {
    curvature: BallCurvature,
    weight: Tensor,
    bias: BallPoint,
}

impl MobiusLinear {
    /// Declares the parameters in `store`.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`](crate::Error::DuplicateParameter) if the name is taken.
    pub fn new(
        store: &mut ParameterStore,
        name: &str,
        curvature: BallCurvature,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self> {
        let init = Init::torch_default(inputs);
        let weight =
            store.trainable(&format!("{name}.weight"), (outputs, inputs), init, Manifold::Euclidean)?;
        let bias = BallPoint::new(store, &format!("{name}.bias"), &curvature, outputs)?;
        Ok(Self { curvature, weight, bias })
    }

    /// The image points.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(&self, points: &Tensor) -> Result<Tensor> {
        let c = self.curvature.operand(points)?;
        Ok(op::mobius_linear(points, &self.weight, Some(&self.bias.value(&c)?), &c)?)
    }
}

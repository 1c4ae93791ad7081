//! Concatenation in the ball.

use super::{curvature::BallCurvature, point::BallPoint};
use crate::{
    error::Result,
    init::Init,
    op,
    parameter::{Manifold, ParameterStore},
};
use candle_core::Tensor;

/// Joins two points of balls of one curvature into one: `(M₁ ⊗ x₁) ⊕ (M₂ ⊗ x₂) ⊕ b`.
///
/// In flat space this is an affine layer on the concatenated vectors, whose matrix is `[M₁ M₂]`; each part is drawn as a
/// part of that matrix would be.
///
/// Parameters: `NAME.weight1` `[out, in₁]`, `NAME.weight2` `[out, in₂]`, `NAME.bias` `[out]`, the origin at first
/// (`NAME.bias_tangent` if the curvature is trained).
///
/// **Source.** Ganea et al. 2018; the paper's appendix.
/// **Shapes.** inputs: `[batch, in₁]` and `[batch, in₂]`, output: `[batch, out]`.
#[derive(Clone, Debug)]
pub struct MobiusConcat {
    curvature: BallCurvature,
    weights: [Tensor; 2],
    bias: BallPoint,
}

impl MobiusConcat {
    /// Declares the parameters in `store`.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`](crate::Error::DuplicateParameter) if the name is taken.
    pub fn new(
        store: &mut ParameterStore,
        name: &str,
        curvature: BallCurvature,
        inputs: [usize; 2],
        outputs: usize,
    ) -> Result<Self> {
        let init = Init::torch_default(inputs[0] + inputs[1]);
        let mut weight = |part: usize| {
            let name = format!("{name}.weight{}", part + 1);
            store.trainable(&name, (outputs, inputs[part]), init, Manifold::Euclidean)
        };
        let weights = [weight(0)?, weight(1)?];
        let bias = BallPoint::new(store, &format!("{name}.bias"), &curvature, outputs)?;
        Ok(Self { curvature, weights, bias })
    }

    /// The joined points.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(&self, first: &Tensor, second: &Tensor) -> Result<Tensor> {
        let c = self.curvature.operand(first)?;
        let first = op::mobius_linear(first, &self.weights[0], None, &c)?;
        let second = op::mobius_linear(second, &self.weights[1], None, &c)?;
        Ok(op::mobius_add(&op::mobius_add(&first, &second, &c)?, &self.bias.value(&c)?, &c)?)
    }
}

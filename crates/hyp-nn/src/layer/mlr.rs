//! Multinomial logistic regression in the ball.

use super::curvature::BallCurvature;
use crate::{
    error::Result,
    init::Init,
    op,
    parameter::{Manifold, ParameterStore},
};
use candle_core::Tensor;

/// Hyperbolic multinomial logistic regression, the form of Ganea et al. 2018 that the paper uses.
///
/// Each class is a hyperplane through `p = exp₀(p_raw)` with normal `a`, scaled by `1 − c‖p‖²`.
///
/// Parameters: `NAME.a`, `NAME.p` (that is `p_raw`), both `[classes, dim]`, drawn as the released code draws them
/// (`kaiming_uniform_(a = √5)`).
///
/// **Shapes.** input: `[batch, dim]` points of the ball, output: `[batch, classes]`.
#[derive(Clone, Debug)]
pub struct HyperbolicMlr {
    curvature: BallCurvature,
    p: Tensor,
    a: Tensor,
}

impl HyperbolicMlr {
    /// Declares the parameters in `store`; the curvature is that of the layer that makes the points.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`](crate::Error::DuplicateParameter) if the name is taken.
    pub fn new(
        store: &mut ParameterStore,
        name: &str,
        curvature: BallCurvature,
        dim: usize,
        classes: usize,
    ) -> Result<Self> {
        let init = Init::torch_default(dim);
        let p = store.trainable(&format!("{name}.p"), (classes, dim), init, Manifold::Euclidean)?;
        let a = store.trainable(&format!("{name}.a"), (classes, dim), init, Manifold::Euclidean)?;
        Ok(Self { curvature, p, a })
    }

    /// The logits of points of the ball.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(&self, points: &Tensor) -> Result<Tensor> {
        let c = self.curvature.operand(points)?;
        Ok(op::mlr_layer_logits(points, &self.p, &self.a, &c)?)
    }

    /// The mean cross-entropy of the logits of points of the ball against `labels`, as one operation.
    ///
    /// # Errors
    /// As [`op::mlr_layer_cross_entropy`].
    pub fn cross_entropy(&self, points: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let c = self.curvature.operand(points)?;
        Ok(op::mlr_layer_cross_entropy(points, &self.p, &self.a, labels, &c)?)
    }
}

/// Hyperbolic multinomial logistic regression in the unidirectional form of Hyperbolic Neural Networks++.
///
/// Each class is a direction `z` and the signed distance `2r` of its hyperplane from the origin, half the parameters of
/// [`HyperbolicMlr`].
///
/// Parameters: `NAME.z` `[classes, dim]`, drawn as a linear layer's weight; `NAME.r` `[classes]`, zero at first.
///
/// **Source.** Shimizu et al. 2021.
/// **Shapes.** input: `[batch, dim]` points of the ball, output: `[batch, classes]`.
#[derive(Clone, Debug)]
pub struct UnidirectionalMlr {
    curvature: BallCurvature,
    z: Tensor,
    r: Tensor,
}

impl UnidirectionalMlr {
    /// Declares the parameters in `store`; the curvature is that of the layer that makes the points.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`](crate::Error::DuplicateParameter) if the name is taken.
    pub fn new(
        store: &mut ParameterStore,
        name: &str,
        curvature: BallCurvature,
        dim: usize,
        classes: usize,
    ) -> Result<Self> {
        let init = Init::torch_default(dim);
        let z = store.trainable(&format!("{name}.z"), (classes, dim), init, Manifold::Euclidean)?;
        let r = store.trainable(&format!("{name}.r"), classes, Init::ZEROS, Manifold::Euclidean)?;
        Ok(Self { curvature, z, r })
    }

    /// The logits of points of the ball.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(&self, points: &Tensor) -> Result<Tensor> {
        let c = self.curvature.operand(points)?;
        Ok(op::mlr_logits_unidirectional(points, &self.z, &self.r, &c)?)
    }
}

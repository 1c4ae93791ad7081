//! From the ball back to features.

use super::curvature::BallCurvature;
use crate::{error::Result, op};
use candle_core::Tensor;

/// Maps points of the ball to features by the logarithmic map at the origin, the inverse of
/// [`ToPoincare`](super::ToPoincare) within the margin.
///
/// **Shapes.** input and output: `[batch, dim]`.
#[derive(Clone, Debug)]
pub struct FromPoincare {
    curvature: BallCurvature,
}

impl FromPoincare {
    /// The curvature is that of the layer that made the points.
    pub fn new(curvature: BallCurvature) -> Self {
        Self { curvature }
    }

    /// The features.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward(&self, points: &Tensor) -> Result<Tensor> {
        Ok(op::from_ball(points, &self.curvature.operand(points)?)?)
    }
}

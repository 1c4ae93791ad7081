//! Distances between embeddings, one layer for every geometry.

use super::{cosine::normalise, curvature::BallCurvature};
use crate::{error::Result, op};
use candle_core::Tensor;
use hyp_math::Curvature;

/// All distances between two sets of points, in the geometry's own measure.
///
/// The flat and the hyperbolic distance are one formula: `2‖x − y‖` is the limit of the hyperbolic one for `c → 0`, so a
/// flat baseline is on the same scale.
///
/// **Shapes.** inputs: `[rows, dim]` and `[columns, dim]`, output: `[rows, columns]`.
///
/// # Examples
/// ```
/// use hyp_nn::{candle_core::{Device, Tensor}, layer::Distance};
/// let x = Tensor::new(&[[0.0_f32, 0.0]], &Device::Cpu)?;
/// let y = Tensor::new(&[[3.0_f32, 4.0], [0.0, 1.0]], &Device::Cpu)?;
/// assert_eq!(Distance::flat().forward(&x, &y)?.to_vec2::<f32>()?, [[10.0, 2.0]]);
/// # Ok::<(), hyp_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub enum Distance {
    /// Geodesic distance in the ball of this curvature; flat if it is 0.
    Geodesic(BallCurvature),
    /// `1 − cos` of the angle between the points as vectors.
    Cosine,
}

impl Distance {
    /// Twice the Euclidean distance.
    pub fn flat() -> Self {
        Self::Geodesic(BallCurvature::Fixed(Curvature::FLAT))
    }

    /// The distances.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        match self {
            Self::Geodesic(curvature) => Ok(op::distance_matrix(x, y, &curvature.operand(x)?)?),
            Self::Cosine => Ok(op::linear_exact(&normalise(x)?, &normalise(y)?, None)?.affine(-1.0, 1.0)?),
        }
    }
}

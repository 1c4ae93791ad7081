//! From features to the ball.

use super::{cosine::smooth_norm, curvature::BallCurvature, point::BallPoint};
use crate::{
    error::{Error, Result},
    op,
    parameter::ParameterStore,
};
use candle_core::Tensor;
use hyp_math::eps::BALL_MARGIN;

/// Settings of [`ToPoincare`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToPoincareConfig {
    /// Curvature parameter, its first value if it is trained.
    pub c: f64,
    /// Whether `c` is trained.
    pub trainable_c: bool,
    /// Relative distance kept from the boundary.
    pub margin: f64,
    /// Largest norm of a feature; `None` does not clip.
    pub clip: Option<f64>,
    /// Whether gradients that reach the points are scaled by `(1 − c‖x‖²)²/4`.
    pub riemannian_gradient: bool,
    /// Whether features are tangent vectors at a trained point instead of at the origin.
    pub trainable_base: bool,
}

impl ToPoincareConfig {
    /// The settings of the released code: fixed `c`, margin 1e-3, no clipping, gradients scaled.
    pub fn new(c: f64) -> Self {
        Self {
            c,
            trainable_c: false,
            margin: BALL_MARGIN,
            clip: None,
            riemannian_gradient: true,
            trainable_base: false,
        }
    }
}

/// Maps features into the Poincaré ball: clip the norm, exponential map, project behind the margin.
///
/// Parameters: `NAME.log_c` if the curvature is trained; `NAME.base` (`NAME.base_tangent` with a trained curvature) `[dim]`
/// if the base point is.
///
/// **Source.** \[HIE\] Sec. 4. The margin is the paper's own; the Riemannian gradient is what the released code always
/// applies.
/// **Shapes.** input and output: `[batch, dim]`.
#[derive(Clone, Debug)]
pub struct ToPoincare {
    curvature: BallCurvature,
    base: Option<BallPoint>,
    config: ToPoincareConfig,
}

impl ToPoincare {
    /// Declares the parameters in `store`.
    ///
    /// # Errors
    /// [`Error::Setting`] if a number is out of range, [`Error::DuplicateParameter`] if the name is taken.
    pub fn new(store: &mut ParameterStore, name: &str, dim: usize, config: ToPoincareConfig) -> Result<Self> {
        let refuse =
            |setting, value: f64, remedy| Err(Error::Setting { setting, value: value.to_string(), remedy });
        if !(0.0..1.0).contains(&config.margin) {
            return refuse("margin", config.margin, "give a number in [0, 1); the paper's is 0.001");
        }
        if let Some(clip) = config.clip
            && !(clip > 0.0 && clip.is_finite())
        {
            return refuse("clip", clip, "give a positive radius, or none");
        }
        let curvature = BallCurvature::new(store, name, config.c, config.trainable_c)?;
        let base = if config.trainable_base {
            Some(BallPoint::new(store, &format!("{name}.base"), &curvature, dim)?)
        } else {
            None
        };
        Ok(Self { curvature, base, config })
    }

    /// The curvature parameter, for the layers that follow.
    pub fn curvature(&self) -> &BallCurvature {
        &self.curvature
    }

    /// Points of the ball.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward(&self, features: &Tensor) -> Result<Tensor> {
        let c = self.curvature.operand(features)?;
        let points = match &self.base {
            None => op::to_ball(features, &c, self.config.clip, self.config.margin)?,
            Some(base) => {
                let tangent = match self.config.clip {
                    None => features.clone(),
                    Some(radius) => clip_rows(features, radius)?,
                };
                let base = base.value(&c)?.broadcast_as(features.shape())?;
                op::project(&op::exp_map_at(&base, &tangent, &c)?, &c, self.config.margin)?
            }
        };
        if self.config.riemannian_gradient {
            Ok(op::riemannian_gradient(&points, c.value())?)
        } else {
            Ok(points)
        }
    }
}

/// Rows shortened to at most `radius`: `x · r / max(r, ‖x‖)`.
///
/// **Source.** Guo et al. 2022, `clipping` of `docs/paper/equations.md`.
/// **Shapes.** `[…, dim]` to the same.
///
/// # Errors
/// If a tensor operation fails.
///
/// # Examples
/// ```
/// use hyp_nn::{candle_core::{Device, Tensor}, layer::clip_rows};
/// let x = Tensor::new(&[[3.0_f32, 4.0], [0.0, 1.0]], &Device::Cpu)?;
/// assert_eq!(clip_rows(&x, 2.5)?.to_vec2::<f32>()?, [[1.5, 2.0], [0.0, 1.0]]);
/// # Ok::<(), hyp_nn::Error>(())
/// ```
pub fn clip_rows(rows: &Tensor, radius: f64) -> Result<Tensor> {
    let longest = smooth_norm(rows)?.maximum(radius)?;
    Ok(rows.broadcast_mul(&(longest.recip()? * radius)?)?)
}

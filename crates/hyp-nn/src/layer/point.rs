//! A trained point of the ball.

use super::curvature::BallCurvature;
use crate::{
    error::Result,
    init::Init,
    op::{self, BallParameter},
    parameter::{Manifold, ParameterStore},
};
use candle_core::Tensor;

/// A trained point of the ball, the origin at first.
///
/// With a fixed curvature the parameter is the point itself, on its manifold, for a Riemannian optimiser to move.
/// With a trained one the ball changes under the point; the parameter is then the tangent vector at 0 that the
/// exponential map takes to it.
///
/// Parameter: `NAME` (point) or `NAME_tangent`, `[dim]`.
#[derive(Clone, Debug)]
pub(super) enum BallPoint {
    Point(Tensor),
    Tangent(Tensor),
}

impl BallPoint {
    pub(super) fn new(
        store: &mut ParameterStore,
        name: &str,
        curvature: &BallCurvature,
        dim: usize,
    ) -> Result<Self> {
        Ok(match curvature {
            BallCurvature::Fixed(c) => {
                let manifold = if c.is_flat() { Manifold::Euclidean } else { Manifold::Ball { c: *c } };
                Self::Point(store.trainable(name, dim, Init::ZEROS, manifold)?)
            }
            BallCurvature::Trained { .. } => {
                let name = format!("{name}_tangent");
                Self::Tangent(store.trainable(&name, dim, Init::ZEROS, Manifold::Euclidean)?)
            }
        })
    }

    /// The point, `[dim]`.
    pub(super) fn value(&self, c: &BallParameter) -> Result<Tensor> {
        match self {
            Self::Point(point) => Ok(point.clone()),
            Self::Tangent(tangent) => Ok(op::exp_map_zero(tangent, c)?),
        }
    }
}

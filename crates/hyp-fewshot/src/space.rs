//! A geometry on tensors: embedding, prototypes and logits with gradients.

use hyp_math::Curvature;
use hyp_nn::candle_core::{D, Tensor};
use hyp_nn::layer::{BallCurvature, ToPoincare, ToPoincareConfig, clip_rows, normalise};
use hyp_nn::op::{self, BallParameter};
use hyp_nn::{Error, ParameterStore, Result};

use crate::frozen::Frozen;
use crate::geometry::{Flat, Geometry};

/// A [`Geometry`] with its parameters.
///
/// The only parameter is `NAME.log_c`, if the curvature is trained.
#[derive(Clone, Debug)]
pub struct Space {
    geometry: Geometry,
    map: Map,
}

/// How a feature becomes a point.
#[derive(Clone, Debug)]
enum Map {
    Ball(ToPoincare),
    Hyperboloid { curvature: BallCurvature, clip: Option<f64> },
    Scaled(f64),
    Identity,
}

impl Space {
    /// Declares the parameters in `store`.
    ///
    /// # Errors
    /// [`Error::Setting`] if a number of the geometry is out of range, [`Error::DuplicateParameter`] if the name is taken.
    pub fn new(store: &mut ParameterStore, name: &str, geometry: Geometry, dim: usize) -> Result<Self> {
        let positive = |setting, value: f64| {
            let remedy = "give a positive number";
            if value > 0.0 && value.is_finite() {
                return Ok(value);
            }
            Err(Error::Setting { setting, value: value.to_string(), remedy })
        };
        let map = match geometry {
            Geometry::Poincare { c, trainable_c, margin, clip, riemannian_gradient } => {
                let config = ToPoincareConfig {
                    c,
                    trainable_c,
                    margin,
                    clip,
                    riemannian_gradient,
                    trainable_base: false,
                };
                Map::Ball(ToPoincare::new(store, name, dim, config)?)
            }
            Geometry::Lorentz { c, trainable_c, clip } => {
                clip.map_or(Ok(0.0), |clip| positive("clip", clip))?;
                Map::Hyperboloid { curvature: BallCurvature::new(store, name, c, trainable_c)?, clip }
            }
            Geometry::Euclidean { .. } => Map::Identity,
            Geometry::FixedRadius { radius, .. } => Map::Scaled(positive("radius", radius)?),
            Geometry::Cosine { scale } => {
                positive("scale", scale)?;
                Map::Scaled(1.0)
            }
        };
        Ok(Self { geometry, map })
    }

    /// The geometry.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The present curvature parameter; 0 where there is none.
    ///
    /// # Errors
    /// If a trained curvature cannot be read from its device.
    pub fn curvature(&self) -> Result<Curvature> {
        match &self.map {
            Map::Ball(map) => map.curvature().value(),
            Map::Hyperboloid { curvature, .. } => curvature.value(),
            Map::Scaled(_) | Map::Identity => Ok(Curvature::FLAT),
        }
    }

    /// Features as points; on the hyperboloid, space parts.
    ///
    /// **Shapes.** `[rows, dim]` to the same.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn embedding(&self, features: &Tensor) -> Result<Tensor> {
        match &self.map {
            Map::Ball(map) => map.forward(features),
            Map::Hyperboloid { curvature, clip } => {
                let clipped = match clip {
                    Some(radius) => clip_rows(features, *radius)?,
                    None => features.clone(),
                };
                // The metric of the ball has the factor 2 at the origin: twice the vector is the same point here.
                Ok(op::lorentz_exp_map_zero(&(clipped * 2.0)?, &curvature.operand(features)?)?)
            }
            Map::Scaled(radius) => Ok((normalise(features)? * *radius)?),
            Map::Identity => Ok(features.clone()),
        }
    }

    /// The prototype of each group of `shot` consecutive points.
    ///
    /// **Source.** \[HIE\] (10), HypAve, in the ball.
    /// **Shapes.** `[way · shot, dim]` to `[way, dim]`.
    ///
    /// # Errors
    /// If the rows are not whole groups.
    pub fn prototypes(&self, support: &Tensor, shot: usize) -> Result<Tensor> {
        let (rows, dim) = support.dims2()?;
        let groups = support.reshape((rows / shot.max(1), shot, dim))?;
        match &self.map {
            Map::Ball(map) => Ok(op::einstein_midpoint(&groups, None, &map.curvature().operand(support)?)?),
            Map::Hyperboloid { curvature, .. } => {
                Ok(op::lorentz_centroid(&groups, &curvature.operand(support)?)?)
            }
            Map::Scaled(_) | Map::Identity => {
                Ok(op::einstein_midpoint(&groups, None, &Curvature::FLAT.into())?)
            }
        }
    }

    /// Logits of queries against prototypes, before the temperature: −d_c, −d², −2d or scale · cos.
    ///
    /// **Shapes.** `[queries, dim]`, `[way, dim]` to `[queries, way]`; no array of queries × way × dim is made.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn logits(&self, queries: &Tensor, prototypes: &Tensor) -> Result<Tensor> {
        if let Some(c) = self.distance_curvature(queries)? {
            return Ok(op::distance_matrix(queries, prototypes, &c)?.neg()?);
        }
        let logits = match (&self.map, self.geometry) {
            (Map::Hyperboloid { curvature, .. }, _) => {
                op::lorentz_distance_matrix(queries, prototypes, &curvature.operand(queries)?)?.neg()
            }
            (_, Geometry::Cosine { scale }) => {
                op::linear_exact(queries, &normalise(prototypes)?, None)? * scale
            }
            _ => op::distance_matrix(queries, prototypes, &Curvature::FLAT.into())?.sqr()? * -0.25,
        };
        Ok(logits?)
    }

    /// The curvature of the ball, or of its flat limit, whose distances are minus the logits; none where other numbers
    /// are.
    pub(crate) fn distance_curvature(&self, points: &Tensor) -> Result<Option<BallParameter>> {
        match (&self.map, self.geometry) {
            (Map::Ball(map), _) => Ok(Some(map.curvature().operand(points)?)),
            (
                _,
                Geometry::Euclidean { distance: Flat::Twice }
                | Geometry::FixedRadius { distance: Flat::Twice, .. },
            ) => Ok(Some(Curvature::FLAT.into())),
            _ => Ok(None),
        }
    }

    /// The geometry with its present parameters, on plain numbers.
    ///
    /// # Errors
    /// If a trained curvature cannot be read from its device.
    pub fn frozen(&self) -> Result<Frozen> {
        Ok(Frozen::new(self.geometry, self.curvature()?))
    }

    /// Share of embedded points that the margin holds, in `[0, 1]`; none where there is no ball.
    ///
    /// # Errors
    /// If the tensor cannot be read.
    pub fn margin_share(&self, embedding: &Tensor) -> Result<Option<f64>> {
        let rows = embedding.detach().flatten_all()?.to_vec1::<f32>()?;
        Ok(self.frozen()?.margin_share(&rows, embedding.dim(D::Minus1)?))
    }
}

impl Geometry {
    /// Whether minus the logit is a squared distance.
    pub(crate) fn is_squared(&self) -> bool {
        let (Self::Euclidean { distance } | Self::FixedRadius { distance, .. }) = self else { return false };
        *distance == Flat::Squared
    }
}

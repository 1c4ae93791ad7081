//! The choice of geometry, and the head that makes a model hyperbolic, spherical or Euclidean and nothing else.

use crate::{
    error::{Error, Result},
    layer::{Cosine, HyperbolicMlr, Linear, ToPoincare, ToPoincareConfig, normalise},
    op,
    parameter::ParameterStore,
};
use candle_core::{D, DType, Tensor};
use hyp_math::{Curvature, distance::distance_to_origin, eps::BALL_MARGIN};
use serde::{Deserialize, Serialize};

/// The space in which embeddings live.
///
/// # Examples
/// ```
/// use hyp_nn::Geometry;
/// let text = r#"{"kind": "poincare", "c": 0.05}"#;
/// assert_eq!(serde_json::from_str::<Geometry>(text)?, Geometry::poincare(0.05));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Geometry {
    /// Flat space: the features themselves, an affine classifier.
    Euclidean,
    /// The sphere: normalised features, a classifier by cosine.
    Spherical {
        /// Factor on the cosines; logits lie in `[-scale, scale]`.
        scale: f64,
    },
    /// The Poincaré ball of curvature `−c`: features mapped by the exponential map, hyperbolic multinomial regression.
    Poincare {
        /// Curvature parameter, its first value if it is trained.
        c: f64,
        /// Whether `c` is trained.
        #[serde(default)]
        trainable_c: bool,
        /// Relative distance kept from the boundary after the exponential map.
        #[serde(default = "default_margin")]
        margin: f64,
        /// Largest norm of a feature before the exponential map; `None` does not clip.
        #[serde(default)]
        clip: Option<f64>,
        /// Whether gradients that reach the embedding are scaled by `(1 − c‖x‖²)²/4`.
        #[serde(default = "yes")]
        riemannian_gradient: bool,
    },
}

fn default_margin() -> f64 {
    BALL_MARGIN
}

fn yes() -> bool {
    true
}

impl Geometry {
    /// The ball of curvature `−c` with the settings of the released code: fixed `c`, margin 1e-3, no clipping, gradients
    /// scaled.
    pub fn poincare(c: f64) -> Self {
        Self::Poincare { c, trainable_c: false, margin: BALL_MARGIN, clip: None, riemannian_gradient: true }
    }

    /// A word for file names and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Euclidean => "euclidean",
            Self::Spherical { .. } => "spherical",
            Self::Poincare { .. } => "poincare",
        }
    }
}

/// Embedding map and classifier of one geometry.
///
/// **Shapes.** features and embedding: `[batch, dim]`, logits: `[batch, classes]`.
#[derive(Clone, Debug)]
pub struct Head {
    geometry: Geometry,
    parts: Parts,
    classes: usize,
}

#[derive(Clone, Debug)]
enum Parts {
    Euclidean(Linear),
    Spherical(Cosine),
    Poincare(ToPoincare, HyperbolicMlr),
}

impl Head {
    /// Declares the classifier's parameters as `NAME.…` in `store`.
    ///
    /// # Errors
    /// [`Error::Setting`] if a number of the geometry is out of range, [`Error::DuplicateParameter`] if the name is taken.
    pub fn new(
        store: &mut ParameterStore,
        name: &str,
        geometry: Geometry,
        dim: usize,
        classes: usize,
    ) -> Result<Self> {
        let parts = match geometry {
            Geometry::Euclidean => Parts::Euclidean(Linear::new(store, name, dim, classes)?),
            Geometry::Spherical { scale } => {
                if !(scale > 0.0 && scale.is_finite()) {
                    let remedy = "give a positive number";
                    return Err(Error::Setting { setting: "scale", value: scale.to_string(), remedy });
                }
                Parts::Spherical(Cosine::new(store, name, dim, classes, scale)?)
            }
            Geometry::Poincare { c, trainable_c, margin, clip, riemannian_gradient } => {
                let config = ToPoincareConfig {
                    c,
                    trainable_c,
                    margin,
                    clip,
                    riemannian_gradient,
                    trainable_base: false,
                };
                let map = ToPoincare::new(store, &format!("{name}.to_ball"), dim, config)?;
                let mlr = HyperbolicMlr::new(store, name, map.curvature().clone(), dim, classes)?;
                Parts::Poincare(map, mlr)
            }
        };
        Ok(Self { geometry, parts, classes })
    }

    /// The geometry.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The present curvature parameter; 0 where there is no ball.
    ///
    /// # Errors
    /// If a trained curvature cannot be read from its device.
    pub fn curvature(&self) -> Result<Curvature> {
        match &self.parts {
            Parts::Poincare(map, _) => map.curvature().value(),
            _ => Ok(Curvature::FLAT),
        }
    }

    /// Features as points of the geometry's space.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn embedding(&self, features: &Tensor) -> Result<Tensor> {
        match &self.parts {
            Parts::Euclidean(_) => Ok(features.clone()),
            Parts::Spherical(_) => normalise(features),
            Parts::Poincare(map, _) => map.forward(features),
        }
    }

    /// Logits of embedded points.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn logits(&self, embedding: &Tensor) -> Result<Tensor> {
        match &self.parts {
            Parts::Euclidean(linear) => linear.forward(embedding),
            Parts::Spherical(cosine) => cosine.forward(embedding),
            Parts::Poincare(_, mlr) => mlr.forward(embedding),
        }
    }

    /// The mean cross-entropy of the logits of embedded points against `labels`.
    ///
    /// # Errors
    /// If a shape does not fit, or a label is not below the number of classes.
    pub fn cross_entropy(&self, embedding: &Tensor, labels: &Tensor) -> Result<Tensor> {
        match &self.parts {
            Parts::Poincare(_, mlr) => mlr.cross_entropy(embedding, labels),
            _ => Ok(op::cross_entropy(&self.logits(embedding)?, labels)?),
        }
    }

    /// The distance of each embedded point to the origin of its space.
    ///
    /// Hyperbolic distance in the ball; `2‖x‖`, its limit for `c → 0`, elsewhere (so 2 throughout on the sphere).
    ///
    /// # Errors
    /// If the tensor cannot be read.
    pub fn distance_to_origin(&self, embedding: &Tensor) -> Result<Vec<f64>> {
        let c = self.curvature()?;
        let dim = embedding.dim(D::Minus1)?;
        let points = host_rows(embedding)?;
        Ok(points.chunks_exact(dim).map(|point| distance_to_origin(point, c)).collect())
    }

    /// Share of embedded points that the margin holds, in `[0, 1]`; `None` where there is no ball.
    ///
    /// A point counts from a millionth inside the margin on, which covers the rounding of `f32`.
    ///
    /// # Errors
    /// If the tensor cannot be read.
    pub fn margin_share(&self, embedding: &Tensor) -> Result<Option<f64>> {
        let Geometry::Poincare { margin, .. } = self.geometry else { return Ok(None) };
        let edge = self.curvature()?.max_norm(margin) * (1.0 - 1e-6);
        let norms = row_norms(embedding)?;
        let held = norms.iter().filter(|norm| **norm >= edge).count();
        Ok(Some(held as f64 / norms.len().max(1) as f64))
    }
}

/// Euclidean norm of each row, in `f64`.
///
/// # Errors
/// If the tensor cannot be read.
///
/// # Examples
/// ```
/// use hyp_nn::{candle_core::{Device, Tensor}, row_norms};
/// let rows = Tensor::new(&[[3.0_f32, 4.0], [0.0, 2.0]], &Device::Cpu)?;
/// assert_eq!(row_norms(&rows)?, [5.0, 2.0]);
/// # Ok::<(), hyp_nn::Error>(())
/// ```
pub fn row_norms(rows: &Tensor) -> Result<Vec<f64>> {
    let dim = rows.dim(D::Minus1)?;
    let values = host_rows(rows)?;
    Ok(values.chunks_exact(dim).map(|row| row.iter().map(|v| v * v).sum::<f64>().sqrt()).collect())
}

fn host_rows(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.detach().to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}

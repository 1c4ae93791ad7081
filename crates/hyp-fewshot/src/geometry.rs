//! The choice of geometry: the one thing in which the models of a comparison differ.

use hyp_math::eps::BALL_MARGIN;
use serde::{Deserialize, Serialize};

/// In which space features are compared, and how.
///
/// Every choice sees the same features of the same network; it decides how a feature becomes a point, how points are
/// averaged into a prototype, and what minus logit is.
///
/// | geometry | point | prototype | minus logit |
/// |--|--|--|--|
/// | Poincaré | exp₀, clipped at the margin | Einstein midpoint | d_c |
/// | Lorentz | exp₀ on the hyperboloid, no margin | Lorentz centroid | d_c |
/// | Euclidean | the feature | mean | d² or 2d |
/// | fixed radius | the feature scaled to a fixed norm | mean | d² or 2d |
/// | cosine | the feature scaled to norm 1 | mean | −scale · cos |
///
/// # Examples
/// ```
/// use hyp_fewshot::Geometry;
/// let text = r#"{"kind": "poincare", "c": 0.05}"#;
/// assert_eq!(serde_json::from_str::<Geometry>(text)?, Geometry::poincare(0.05));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Geometry {
    /// The Poincaré ball of curvature −c; at c = 0 it is flat space with twice the distance.
    Poincare {
        /// Curvature parameter, its first value if it is trained.
        c: f64,
        /// Whether `c` is trained.
        #[serde(default)]
        trainable_c: bool,
        /// Relative distance kept from the boundary after the exponential map.
        #[serde(default = "default_margin")]
        margin: f64,
        /// Largest norm of a feature before the exponential map; none does not clip.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clip: Option<f64>,
        /// Whether gradients that reach a point are scaled by (1 − c‖x‖²)²/4, as the released code always does.
        #[serde(default = "yes")]
        riemannian_gradient: bool,
    },
    /// The same space as a hyperboloid: without a boundary, and so without a margin.
    Lorentz {
        /// Curvature parameter, its first value if it is trained.
        c: f64,
        /// Whether `c` is trained.
        #[serde(default)]
        trainable_c: bool,
        /// Largest norm of a feature before the exponential map; none does not clip.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clip: Option<f64>,
    },
    /// Flat space.
    Euclidean {
        /// What of the distance is minus the logit.
        distance: Flat,
    },
    /// A sphere in flat space: every feature is scaled to one norm, distances are straight lines.
    FixedRadius {
        /// The norm.
        radius: f64,
        /// What of the distance is minus the logit.
        distance: Flat,
    },
    /// Directions only.
    Cosine {
        /// Factor on the cosine.
        scale: f64,
    },
}

/// What of a straight distance is minus the logit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flat {
    /// ‖x − p‖², as prototypical networks have it.
    Squared,
    /// 2‖x − p‖, the limit of the hyperbolic distance for c → 0.
    Twice,
}

fn default_margin() -> f64 {
    BALL_MARGIN
}

fn yes() -> bool {
    true
}

impl Geometry {
    /// The ball of curvature −c with the settings of the released code: fixed c, margin 1e-3, no clipping, gradients
    /// scaled.
    pub fn poincare(c: f64) -> Self {
        Self::Poincare { c, trainable_c: false, margin: BALL_MARGIN, clip: None, riemannian_gradient: true }
    }

    /// The curvature parameter, its first value if it is trained; none where there is no curvature.
    pub fn c(&self) -> Option<f64> {
        match self {
            Self::Poincare { c, .. } | Self::Lorentz { c, .. } => Some(*c),
            _ => None,
        }
    }

    /// The largest norm of a feature before the exponential map; none where nothing is clipped.
    pub fn clip(&self) -> Option<f64> {
        match self {
            Self::Poincare { clip, .. } | Self::Lorentz { clip, .. } => *clip,
            _ => None,
        }
    }

    /// The same geometry with another curvature parameter, not trained if that is 0; the same where there is none.
    pub fn with_c(self, value: f64) -> Self {
        match self {
            Self::Poincare { trainable_c, margin, clip, riemannian_gradient, .. } => {
                let trainable_c = trainable_c && value > 0.0;
                Self::Poincare { c: value, trainable_c, margin, clip, riemannian_gradient }
            }
            Self::Lorentz { trainable_c, clip, .. } => {
                Self::Lorentz { c: value, trainable_c: trainable_c && value > 0.0, clip }
            }
            other => other,
        }
    }

    /// The same geometry with another largest norm of a feature; the same where nothing can be clipped.
    ///
    /// # Examples
    /// ```
    /// use hyp_fewshot::{Flat, Geometry};
    /// assert_eq!(Geometry::poincare(0.05).with_clip(Some(2.3)).clip(), Some(2.3));
    /// let flat = Geometry::Euclidean { distance: Flat::Twice };
    /// assert_eq!(flat.with_clip(Some(2.3)), flat);
    /// ```
    pub fn with_clip(self, clip: Option<f64>) -> Self {
        match self {
            Self::Poincare { c, trainable_c, margin, riemannian_gradient, .. } => {
                Self::Poincare { c, trainable_c, margin, clip, riemannian_gradient }
            }
            Self::Lorentz { c, trainable_c, .. } => Self::Lorentz { c, trainable_c, clip },
            other => other,
        }
    }

    /// The same geometry with its curvature trained or fixed; the same where there is none.
    ///
    /// # Examples
    /// ```
    /// use hyp_fewshot::Geometry;
    /// assert!(Geometry::poincare(0.05).with_trained_c(true).trains_c());
    /// assert!(!Geometry::Cosine { scale: 10.0 }.with_trained_c(true).trains_c());
    /// ```
    pub fn with_trained_c(self, trainable_c: bool) -> Self {
        match self {
            Self::Poincare { c, margin, clip, riemannian_gradient, .. } => {
                Self::Poincare { c, trainable_c, margin, clip, riemannian_gradient }
            }
            Self::Lorentz { c, clip, .. } => Self::Lorentz { c, trainable_c, clip },
            other => other,
        }
    }

    /// Whether the curvature is trained.
    pub fn trains_c(&self) -> bool {
        matches!(self, Self::Poincare { trainable_c: true, .. } | Self::Lorentz { trainable_c: true, .. })
    }

    /// A word for plots and messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Poincare { clip: Some(_), .. } => "clipped poincare",
            Self::Poincare { .. } => "poincare",
            Self::Lorentz { .. } => "lorentz",
            Self::Euclidean { distance: Flat::Squared } => "euclidean d²",
            Self::Euclidean { distance: Flat::Twice } => "euclidean 2d",
            Self::FixedRadius { .. } => "fixed radius",
            Self::Cosine { .. } => "cosine",
        }
    }
}

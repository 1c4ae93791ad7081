//! The prototypical network: a backbone and a space.

use hyp_data::sample::EpisodeShape;
use hyp_nn::backbone::Backbone;
use hyp_nn::candle_core::Tensor;
use hyp_nn::{ParameterStore, Result, op};
use serde::{Deserialize, Serialize};

use crate::episode::EpisodeBatch;
use crate::geometry::Geometry;
use crate::space::Space;

/// How support and queries pass through the encoder in training.
///
/// In evaluation mode there is no difference: an embedding then depends on its picture alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Two calls, so that each part is normalised by its own batch statistics, as in the released code.
    #[default]
    Separate,
    /// One call for both.
    Together,
}

/// A backbone whose features are compared in a space.
#[derive(Clone, Debug)]
pub struct ProtoNet<B> {
    /// Parameters and buffers of both.
    pub store: ParameterStore,
    /// Images to features.
    pub backbone: B,
    /// Features to points, prototypes and logits.
    pub space: Space,
    /// What logits are divided by.
    pub temperature: f64,
}

/// What a network makes of one episode.
#[derive(Clone, Debug)]
pub struct EpisodePoints {
    /// Embedded support and queries, `[way · (shot + query), dim]`.
    pub all: Tensor,
    /// The queries among them, `[way · query, dim]`.
    pub queries: Tensor,
    /// One prototype a class, `[way, dim]`.
    pub prototypes: Tensor,
}

impl EpisodePoints {
    /// The same numbers, through which no gradient goes.
    pub fn detach(&self) -> Self {
        let [all, queries, prototypes] = [&self.all, &self.queries, &self.prototypes].map(Tensor::detach);
        Self { all, queries, prototypes }
    }
}

impl<B: Backbone> ProtoNet<B> {
    /// A network of a backbone whose parameters stand in `store`; declares those of the space as `space.…`.
    ///
    /// # Errors
    /// [`hyp_nn::Error::Setting`] if a number of the geometry or the temperature is out of range.
    pub fn new(mut store: ParameterStore, backbone: B, geometry: Geometry, temperature: f64) -> Result<Self> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(hyp_nn::Error::Setting {
                setting: "temperature",
                value: temperature.to_string(),
                remedy: "give a positive number; the paper's is 1",
            });
        }
        let space = Space::new(&mut store, "space", geometry, backbone.feature_dim())?;
        Ok(Self { store, backbone, space, temperature })
    }

    /// Features of the pictures of an episode.
    ///
    /// **Shapes.** result: `[way · (shot + query), dim]`.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn features(&self, episode: &EpisodeBatch, encoding: Encoding, train: bool) -> Result<Tensor> {
        let EpisodeShape { way, shot, query } = episode.shape;
        match encoding {
            Encoding::Together => self.backbone.forward(&episode.images, train),
            Encoding::Separate => {
                let support = episode.images.narrow(0, 0, way * shot)?;
                let queries = episode.images.narrow(0, way * shot, way * query)?;
                let parts =
                    [self.backbone.forward(&support, train)?, self.backbone.forward(&queries, train)?];
                Ok(Tensor::cat(&parts, 0)?)
            }
        }
    }

    /// Points of the pictures of an episode, and the prototypes of its classes.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn episode(&self, episode: &EpisodeBatch, encoding: Encoding, train: bool) -> Result<EpisodePoints> {
        let EpisodeShape { way, shot, query } = episode.shape;
        let all = self.space.embedding(&self.features(episode, encoding, train)?)?;
        let prototypes = self.space.prototypes(&all.narrow(0, 0, way * shot)?, shot)?;
        let queries = all.narrow(0, way * shot, way * query)?;
        Ok(EpisodePoints { all, queries, prototypes })
    }

    /// Logits of the queries of an episode.
    ///
    /// $$ z_{qk} = -d(x_q, p_k) / T $$
    ///
    /// **Source.** \[HIE\] Sec. 5.2; Snell et al. 2017.
    /// **Shapes.** result: `[way · query, way]`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn logits(&self, points: &EpisodePoints) -> Result<Tensor> {
        let logits = self.space.logits(&points.queries, &points.prototypes)?;
        Ok(if self.temperature == 1.0 { logits } else { (logits / self.temperature)? })
    }

    /// Mean softmax cross-entropy of the [`ProtoNet::logits`] against integer `labels`, as one operation where there is
    /// one.
    ///
    /// **Shapes.** `labels`: `[way · query]`, `u32`; result: a scalar.
    ///
    /// # Errors
    /// If the shapes do not fit or a label is not below the way.
    pub fn cross_entropy(&self, points: &EpisodePoints, labels: &Tensor) -> Result<Tensor> {
        match self.space.distance_curvature(&points.queries)? {
            Some(c) => {
                let EpisodePoints { queries, prototypes, .. } = points;
                Ok(op::distance_cross_entropy(queries, prototypes, labels, &c, self.temperature)?)
            }
            None => Ok(op::cross_entropy(&self.logits(points)?, labels)?),
        }
    }
}

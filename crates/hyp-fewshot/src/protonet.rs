//! The prototypical network: a backbone and a space.

use hyp_data::sample::EpisodeShape;
use hyp_nn::backbone::Backbone;
use hyp_nn::candle_core::Tensor;
use hyp_nn::{ParameterStore, Result};
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

/// What a network says about one episode.
#[derive(Clone, Debug)]
pub struct EpisodeOutput {
    /// Embedded support and queries, `[way · (shot + query), dim]`.
    pub points: Tensor,
    /// Logits of the queries, `[way · query, way]`.
    pub logits: Tensor,
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

    /// Points of the pictures of an episode, and the logits of its queries.
    ///
    /// $$ z_{qk} = -d(x_q, p_k) / T $$
    ///
    /// **Source.** \[HIE\] Sec. 5.2; Snell et al. 2017.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn episode(&self, episode: &EpisodeBatch, encoding: Encoding, train: bool) -> Result<EpisodeOutput> {
        let EpisodeShape { way, shot, query } = episode.shape;
        let points = self.space.embedding(&self.features(episode, encoding, train)?)?;
        let prototypes = self.space.prototypes(&points.narrow(0, 0, way * shot)?, shot)?;
        let logits = self.space.logits(&points.narrow(0, way * shot, way * query)?, &prototypes)?;
        let logits = if self.temperature == 1.0 { logits } else { (logits / self.temperature)? };
        Ok(EpisodeOutput { points, logits })
    }
}

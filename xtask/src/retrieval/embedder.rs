//! A trained or published network that turns pictures into points.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use hyp_fewshot::Geometry as FewShotGeometry;
use hyp_nn::backbone::{AnyBackbone, Backbone as _};
use hyp_nn::candle_core::{DType, Device};
use hyp_reid::Metric;
use serde::{Deserialize, Serialize};

use super::{Seen, Sight, stack};
use crate::experiment::{
    FewShotModel, MODEL_FILE, ReidModel, SavedFewShot, SavedReid, data_root, reid_metric_of,
};
use crate::features::{Encoder, Weights, published, sha256_of};
use crate::fetch;

/// Where a model is: what an index remembers of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Place {
    /// The folder of a run.
    Run {
        /// It.
        folder: PathBuf,
    },
    /// A published network.
    Published {
        /// Which.
        encoder: Encoder,
        /// The file of its weights.
        weights: PathBuf,
    },
}

impl Place {
    /// A run, as a person names it: below the current folder or the workspace.
    pub(crate) fn run(root: &Path, named: &Path) -> Result<Self> {
        let folder = if named.is_dir() { named.to_path_buf() } else { root.join(named) };
        if !folder.join(MODEL_FILE).is_file() {
            bail!(
                "{} holds no {MODEL_FILE}, so it is not the folder of a trained model; name one such as \
                 runs/TABLE.SCALE/ROW/seed0, or train one with `cargo xtask train reid` or `train fewshot`",
                named.display()
            );
        }
        Ok(Self::Run { folder: std::path::absolute(&folder).unwrap_or(folder) })
    }
}

/// Which model a person has chosen.
#[derive(Clone, Debug, Args)]
pub(crate) struct Chosen {
    /// The folder of a run, as `train` leaves it, or of one row and seed of a table.
    #[arg(long, value_name = "RUN", required_unless_present = "encoder", conflicts_with = "encoder")]
    model: Option<PathBuf>,
    /// A published network in place of a run; its features are points of flat space.
    #[arg(long, value_enum, value_name = "NAME")]
    encoder: Option<Encoder>,
    /// The published network's weights, .pth or .safetensors; those that `fetch` brings when absent.
    #[arg(long, value_name = "FILE", requires = "encoder", conflicts_with = "model")]
    weights: Option<PathBuf>,
    /// The folder that holds the weights; `HYP_DATA` names the same thing [default: data/cache].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_root: Option<PathBuf>,
}

impl Chosen {
    /// Where the model is.
    pub(crate) fn place(&self, root: &Path) -> Result<Place> {
        let Some(encoder) = self.encoder else {
            let run = self.model.as_ref().context("invariant: a run is named where no encoder is")?;
            return Place::run(root, run);
        };
        let data_root = data_root(root, self.data_root.as_deref())?;
        let found = self.weights.clone().or_else(|| published(encoder.name(), data_root.as_deref()));
        let weights = found.ok_or_else(|| {
            fetch::missing(encoder.name(), data_root.as_deref(), "where they lie elsewhere: --weights FILE")
        })?;
        Ok(Place::Published { encoder, weights: std::path::absolute(&weights).unwrap_or(weights) })
    }
}

/// A model with its weights.
pub(crate) struct Embedder {
    network: Network,
    pub(crate) sight: Sight,
    /// The distance of its space.
    pub(crate) metric: Metric,
    /// The checksum of its weights.
    pub(crate) weights_sha256: String,
    device: Device,
}

enum Network {
    FewShot(Box<FewShotModel>),
    Reid(Box<ReidModel>),
    Published(AnyBackbone),
}

impl Embedder {
    /// Reads a model.
    pub(crate) fn open(place: &Place, device: &str) -> Result<Self> {
        let device = hyp_nn::device::by_name(device)?;
        let (network, sight, metric, weights) = match place {
            Place::Run { folder } => of_run(folder, &device)?,
            Place::Published { encoder, weights } => {
                let network = Weights::File(weights.clone()).network(*encoder, &device)?;
                let sight = Sight { prepare: encoder.prepare(), normalise: encoder.normalise() };
                (Network::Published(network), sight, Metric::Euclidean, weights.clone())
            }
        };
        Ok(Self { network, sight, metric, weights_sha256: sha256_of(&weights)?, device })
    }

    /// Numbers of a point.
    pub(crate) fn dim(&self) -> usize {
        match &self.network {
            Network::FewShot(model) => model.backbone.feature_dim(),
            Network::Reid(model) => model.backbone.feature_dim(),
            Network::Published(network) => network.feature_dim(),
        }
    }

    /// The points of some pictures, row after row.
    pub(crate) fn points(&self, seen: &[&Seen]) -> Result<Vec<f32>> {
        let images = stack(seen, &self.device)?;
        let points = match &self.network {
            Network::FewShot(model) => model.space.embedding(&model.backbone.forward(&images, false)?)?,
            Network::Reid(model) => model.embedding(&images, false)?,
            Network::Published(network) => network.forward(&images, false)?,
        };
        Ok(points.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    }
}

/// The model of a run, how it sees pictures and compares them, and the file of its weights.
fn of_run(folder: &Path, device: &Device) -> Result<(Network, Sight, Metric, PathBuf)> {
    let unfit = || format!("the model of {} cannot be used", folder.display());
    if let Some(saved) = SavedReid::read(folder)? {
        let model = saved.load(folder, device).with_context(unfit)?;
        let metric = reid_metric_of(&model.head)?;
        return Ok((Network::Reid(Box::new(model)), saved.sight(), metric, folder.join(&saved.weights)));
    }
    let saved = SavedFewShot::read(folder)?;
    let model = saved.load(folder, device).with_context(unfit)?;
    let c = model.space.curvature()?;
    let metric = match model.space.geometry() {
        FewShotGeometry::Poincare { .. } => Metric::Hyperbolic(c),
        FewShotGeometry::Lorentz { .. } => Metric::Lorentz(c),
        FewShotGeometry::Euclidean { .. } | FewShotGeometry::FixedRadius { .. } => Metric::Euclidean,
        FewShotGeometry::Cosine { .. } => Metric::Cosine,
    };
    Ok((Network::FewShot(Box::new(model)), saved.sight(), metric, folder.join(&saved.weights)))
}

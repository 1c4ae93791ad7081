//! What a trained model leaves beside its weights, so that `predict` can use it.

use std::path::Path;

use anyhow::{Context, Result, bail};
use hyp_data::transform::Transform;
use hyp_fewshot::{Geometry, ProtoNet};
use hyp_nn::ParameterStore;
use hyp_nn::candle_core::Device;
use hyp_nn::train::{BEST, load_weights};
use serde::{Deserialize, Serialize};

use super::FINISHED;
use super::backbone::BackboneTable;
use super::config::FewShotRow;
use super::model::Model;
use super::pictures::{ChannelScale, Pictures};
use crate::retrieval::Sight;
use crate::workspace;

/// The file in the folder of a run.
pub(crate) const FILE: &str = "model.json";

/// How a model is built and what it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    /// Its network.
    pub(crate) backbone: BackboneTable,
    /// Its space.
    pub(crate) geometry: Geometry,
    /// What logits are divided by.
    pub(crate) temperature: f64,
    /// What becomes of a picture before it is embedded.
    pub(crate) prepare: Transform,
    /// Which numbers bytes become.
    pub(crate) scale: ChannelScale,
    /// The file of weights, relative to this one.
    pub(crate) weights: String,
}

impl Saved {
    /// The description of a row's model.
    pub(crate) fn new(row: &FewShotRow, pictures: &Pictures) -> Self {
        Self {
            backbone: row.backbone,
            geometry: row.geometry,
            temperature: row.train.temperature,
            prepare: pictures.prepare.clone(),
            scale: pictures.scale,
            weights: BEST.to_owned(),
        }
    }

    /// Writes the description into `folder`; the weights lie in `training`.
    pub(crate) fn write(self, folder: &Path, training: &Path) -> Result<()> {
        // Both lie below one run folder: up to where they part, then down.
        let shared = folder.components().zip(training.components()).take_while(|(a, b)| a == b).count();
        let up = folder.components().skip(shared).map(|_| "..".to_owned());
        let down =
            training.components().skip(shared).map(|part| part.as_os_str().to_string_lossy().into_owned());
        let parts: Vec<String> = up.chain(down).chain([BEST.to_owned()]).collect();
        let saved = Self { weights: parts.join("/"), ..self };
        let text = serde_json::to_string_pretty(&saved).context("invariant: a description is plain data")?;
        workspace::write_atomic(&folder.join(FILE), text.as_bytes())
    }

    /// Reads the description in the folder of a run.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        serde_json::from_str(&workspace::read(&path)?).with_context(|| {
            format!(
                "{} is not the description of a few-shot model; train one with `cargo xtask train fewshot`",
                path.display()
            )
        })
    }

    /// How it sees pictures.
    pub(crate) fn sight(&self) -> Sight {
        Sight { prepare: self.prepare.clone(), normalise: self.scale.normalise() }
    }

    /// The model with its weights; `folder` is where the description was read.
    pub(crate) fn load(&self, folder: &Path, device: &Device) -> Result<Model> {
        let mut store = ParameterStore::new(0, device);
        let backbone = self.backbone.build(&mut store, self.scale.channels())?;
        let model = ProtoNet::new(store, backbone, self.geometry, self.temperature)?;
        let weights = folder.join(&self.weights);
        let training = weights.parent().unwrap_or(folder);
        if !training.is_dir() {
            bail!(
                "its weights are not there: {}; the folder of a row names those of its training, so keep both where the \
                 run left them",
                weights.display()
            );
        }
        // Rows share trainings: that of this one may have been begun anew for another, and not ended.
        if self.weights != BEST && !training.join(FINISHED).is_file() {
            bail!(
                "its training in {} was begun anew and has not come to its end; `cargo xtask reproduce` with `--resume` \
                 ends it",
                training.display()
            );
        }
        load_weights(&weights, &model.store)?;
        Ok(model)
    }
}

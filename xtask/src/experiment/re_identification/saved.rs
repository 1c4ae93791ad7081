//! What a trained model leaves beside its weights, so that others can use it.

use std::path::Path;

use anyhow::{Context, Result};
use hyp_data::transform::recipe;
use hyp_nn::candle_core::Device;
use hyp_nn::train::{LAST, load_weights};
use hyp_nn::{Classifier, Geometry, ParameterStore};
use serde::{Deserialize, Serialize};

use super::config::{BackboneTable, ReidRow};
use super::model::{Model, Recipe, assemble};
use crate::experiment::MODEL_FILE;
use crate::retrieval::Sight;
use crate::workspace;

/// How a model is built and what it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    /// Tells it from a model of another task.
    task: Task,
    backbone: BackboneTable,
    /// Height and width of a picture.
    size: [usize; 2],
    dim: usize,
    geometry: Geometry,
    /// Identities that it was trained to tell apart.
    classes: usize,
    /// The file of weights, beside this one.
    pub(crate) weights: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Task {
    ReIdentification,
}

impl Saved {
    /// The description of a row's model.
    pub(super) fn new(row: &ReidRow, recipe: &Recipe, classes: usize) -> Self {
        Self {
            task: Task::ReIdentification,
            backbone: recipe.backbone,
            size: recipe.size,
            dim: row.dim,
            geometry: row.geometry,
            classes,
            weights: LAST.to_owned(),
        }
    }

    /// Writes the description beside the weights.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("invariant: a description is plain data")?;
        workspace::write_atomic(&folder.join(MODEL_FILE), text.as_bytes())
    }

    /// The description in the folder of a run; none if it is that of another task.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(MODEL_FILE);
        let text = workspace::read(&path)?;
        let damaged = || format!("{} is not the description of a model; train again", path.display());
        let value: serde_json::Value = serde_json::from_str(&text).with_context(damaged)?;
        if value.get("task").is_none() {
            return Ok(None);
        }
        serde_json::from_value(value).with_context(damaged).map(Some)
    }

    /// How it sees pictures.
    pub(crate) fn sight(&self) -> Sight {
        let [height, width] = self.size;
        Sight { prepare: recipe::reid_test(height, width), normalise: self.backbone.normalise() }
    }

    /// The model with its weights; `folder` is where the description was read.
    pub(crate) fn load(&self, folder: &Path, device: &Device) -> Result<Model> {
        let mut store = ParameterStore::blank(device);
        let (backbone, head) = assemble(&mut store, self.backbone, self.geometry, self.dim, self.classes)?;
        load_weights(&folder.join(&self.weights), &store)?;
        Ok(Classifier { store, backbone, head })
    }
}

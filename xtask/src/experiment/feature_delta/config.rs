//! The tables of an experiment that measures the hyperbolicity of features.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::pictures::PictureSet;
use crate::experiment::contract::{RowTable, ScaleTable};
use crate::features::Encoder;

/// What a scale decides.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeatureScale {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seeds: Option<usize>,
    /// Published weights, or drawn ones.
    pub(crate) weights: WeightsKind,
    /// Draws of the protocol.
    pub(crate) draws: usize,
    /// Points of a draw.
    pub(crate) size: usize,
    /// The pictures that stand for each name of the rows.
    pub(crate) data: BTreeMap<String, PictureSet>,
}

/// Where weights come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WeightsKind {
    /// Trained on ImageNet.
    Published,
    /// Drawn from the seed: the numbers only show that the path works.
    Random,
}

impl ScaleTable for FeatureScale {
    fn rows(&self) -> Option<&[String]> {
        self.rows.as_deref()
    }

    fn seeds(&self) -> Option<usize> {
        self.seeds
    }
}

/// One data set under one encoder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeatureRow {
    id: String,
    /// The network.
    pub(crate) encoder: Encoder,
    /// A name of the scale's `data`.
    pub(crate) data: String,
}

impl RowTable for FeatureRow {
    fn id(&self) -> &str {
        &self.id
    }
}

//! The tables of an MNIST experiment's config.

use hyp_data::transform::Filter;
use hyp_nn::Geometry;
use serde::{Deserialize, Serialize};

use crate::experiment::contract::{RowTable, ScaleTable};

/// What a scale decides.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OodScale {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seeds: Option<usize>,
    /// The digits to learn.
    pub(crate) in_domain: InDomain,
    /// The pictures that are no digits.
    pub(crate) out_of_domain: OutOfDomain,
    /// Times through the training part.
    pub(crate) epochs: usize,
    /// Use the first so many training pictures only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) train_limit: Option<usize>,
}

impl ScaleTable for OodScale {
    fn rows(&self) -> Option<&[String]> {
        self.rows.as_deref()
    }

    fn seeds(&self) -> Option<usize> {
        self.seeds
    }
}

/// The digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InDomain {
    /// The 5,000 digits of `data/mnist_5k`.
    Mnist5k,
    /// The whole of MNIST; the last 5,000 of the training part are for validation.
    Mnist,
}

/// The pictures that are no digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum OutOfDomain {
    /// Random characters of a few strokes, made on the spot.
    StrokeGlyphs { classes: usize, per_class: usize },
    /// Omniglot's evaluation part, inverted and resized.
    Omniglot {
        /// The filter of the reported numbers.
        filter: Filter,
        /// A second filter, to show how much the choice matters.
        other_filter: Filter,
    },
}

/// One classifier.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OodRow {
    id: String,
    /// Where the embeddings live.
    pub(crate) geometry: Geometry,
    /// Dimension of the embedding.
    pub(crate) dim: usize,
    /// How it is trained.
    pub(crate) train: TrainTable,
}

impl RowTable for OodRow {
    fn id(&self) -> &str {
        &self.id
    }
}

/// How a classifier is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainTable {
    /// Pictures in a step.
    pub(crate) batch: usize,
    /// Adam's learning rate.
    pub(crate) adam_lr: f64,
}

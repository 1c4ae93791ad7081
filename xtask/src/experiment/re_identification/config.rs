//! The tables of a re-identification experiment's config.

use clap::ValueEnum;
use hyp_nn::Geometry;
use serde::{Deserialize, Serialize};

use crate::experiment::contract::{RowTable, ScaleTable};

/// What a scale decides.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReidScale {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seeds: Option<usize>,
    /// Where the people of each data set of a row come from.
    pub(crate) market1501: People,
    /// The same for the withdrawn data set, which only those have who hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) duke: Option<People>,
    /// The network.
    pub(crate) backbone: BackboneTable,
    /// Height and width of a picture.
    pub(crate) size: [usize; 2],
    /// Times through the training part; the decays of a row come at its 200th and 270th three-hundredth.
    pub(crate) epochs: usize,
    /// Use the first so many batches of an epoch only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) batches: Option<usize>,
    /// Pictures of a step, in place of what the rows say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<usize>,
}

impl ScaleTable for ReidScale {
    fn rows(&self) -> Option<&[String]> {
        self.rows.as_deref()
    }

    fn seeds(&self) -> Option<usize> {
        self.seeds
    }
}

/// Pictures of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum People {
    /// Invented people: clothing is the identity, a colour cast the camera.
    Synthetic {
        people: usize,
        cameras: usize,
        pictures: usize,
        /// The first so many people are for training.
        train: usize,
    },
    /// The published parts.
    Published,
    /// The training part alone, cut by identity: the first so many for training, the others for queries and gallery.
    CutTrainingPart { train: usize },
}

/// The networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BackboneTable {
    /// As torchvision has it, with the weights of ImageNet.
    #[serde(rename = "resnet50")]
    #[value(name = "resnet50")]
    ResNet50,
    /// With the weights of ImageNet; smaller, for a processor.
    #[serde(rename = "efficientnet-lite0")]
    #[value(name = "efficientnet-lite0")]
    EfficientNetLite0,
    /// Four small blocks with weights drawn from the seed, for smoke runs.
    Conv4,
}

/// One classifier of identities, and the ranking by its embedding.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReidRow {
    id: String,
    /// Of whom.
    pub(crate) people: DataSet,
    /// Where the embeddings live.
    pub(crate) geometry: Geometry,
    /// Dimension of the embedding.
    pub(crate) dim: usize,
    /// How it is trained.
    pub(crate) train: TrainTable,
}

impl ReidRow {
    /// A person's own row, which no config names.
    pub(crate) fn own(geometry: Geometry, dim: usize, train: TrainTable) -> Self {
        Self { id: "own".to_owned(), people: DataSet::Market1501, geometry, dim, train }
    }
}

impl RowTable for ReidRow {
    fn id(&self) -> &str {
        &self.id
    }
}

/// The data sets of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DataSet {
    #[serde(rename = "market1501")]
    Market1501,
    Duke,
}

/// How a classifier is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainTable {
    /// Pictures of a step.
    pub(crate) batch: usize,
    /// Adam's learning rate before the first decay.
    pub(crate) adam_lr: f64,
    /// Pictures of each person in a batch; pictures are shuffled without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pictures_per_person: Option<usize>,
    /// How often a window of a training picture is erased.
    #[serde(default)]
    pub(crate) erasing: f64,
}

//! The tables of a few-shot experiment's config.

use std::path::PathBuf;

use hyp_data::sample::EpisodeShape;
use hyp_data::source::cub::Frame;
use hyp_data::transform::Filter;
use hyp_fewshot::{Encoding, Geometry};
use serde::{Deserialize, Serialize};

use super::backbone::BackboneTable;
use crate::experiment::contract::{RowTable, ScaleTable};

/// What a scale decides.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FewShotScale {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seeds: Option<usize>,
    /// The pictures, for rows that name none of their own.
    pub(crate) data: DataTable,
    /// Epochs of training.
    pub(crate) epochs: usize,
    /// Episodes of an epoch.
    pub(crate) episodes: usize,
    /// Episodes that validate each epoch.
    pub(crate) validation_episodes: usize,
    /// Episodes of the test.
    pub(crate) test_episodes: usize,
    /// More classes than this do not go into a training episode, whatever the recipe says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) train_way_at_most: Option<usize>,
}

impl ScaleTable for FewShotScale {
    fn rows(&self) -> Option<&[String]> {
        self.rows.as_deref()
    }

    fn seeds(&self) -> Option<usize> {
        self.seeds
    }
}

/// Which pictures, and in which form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum DataTable {
    /// The 5,000 shipped digits: 0 to 4 for training, 5 to 9 for testing.
    Digits,
    /// Coloured noise in mini-ImageNet's layout of folders, made on the spot.
    SyntheticFolder,
    /// Omniglot with rotations as classes.
    Omniglot {
        /// How drawings are made small.
        filter: FilterName,
    },
    /// mini-ImageNet.
    MiniImagenet {
        /// A folder of the data root that holds some of its classes; the whole data set without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part: Option<String>,
    },
    /// CUB-200-2011.
    Cub {
        /// A folder of the data root that holds some of its classes; the whole data set without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part: Option<String>,
        /// What is shown of a picture.
        #[serde(default, skip_serializing_if = "FrameName::is_whole")]
        frame: FrameName,
    },
}

impl DataTable {
    /// Whether its pictures have one channel.
    pub(crate) fn is_grey(&self) -> bool {
        matches!(self, Self::Digits | Self::Omniglot { .. })
    }
}

/// What is shown of a picture of a bird.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FrameName {
    /// All of it, as the paper has it.
    #[default]
    Whole,
    /// The bounding box of the bird, as many others have it.
    BoundingBox,
}

impl FrameName {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    fn is_whole(&self) -> bool {
        *self == Self::Whole
    }
}

impl From<FrameName> for Frame {
    fn from(name: FrameName) -> Self {
        match name {
            FrameName::Whole => Self::Whole,
            FrameName::BoundingBox => Self::BoundingBox,
        }
    }
}

/// [`Filter`] with an order, so that data can be kept by their table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FilterName {
    /// Linear between pixels.
    Bilinear,
    /// Lanczos with three lobes.
    Lanczos3,
}

impl From<FilterName> for Filter {
    fn from(name: FilterName) -> Self {
        match name {
            FilterName::Bilinear => Self::Bilinear,
            FilterName::Lanczos3 => Self::Lanczos3,
        }
    }
}

/// One model, and what it is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FewShotRow {
    id: String,
    /// The space in which pictures are compared.
    pub(crate) geometry: Geometry,
    /// The network.
    pub(crate) backbone: BackboneTable,
    /// How it is trained.
    pub(crate) train: TrainTable,
    /// The episodes that test it.
    pub(crate) test: ShapeTable,
    /// The episodes that choose its best epoch, where they are not as those of the test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    validate: Option<ShapeTable>,
    /// The pictures, where they are not those of the scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<DataTable>,
    /// A file of test episodes, from the folder of the workspace, in place of those that are drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replay: Option<PathBuf>,
}

impl RowTable for FewShotRow {
    fn id(&self) -> &str {
        &self.id
    }
}

impl FewShotRow {
    /// The size of the episodes that choose the best epoch.
    pub(crate) fn validate(&self) -> ShapeTable {
        self.validate.unwrap_or(self.test)
    }

    /// The same row under another name and with another curvature parameter.
    pub(crate) fn at_c(&self, id: String, c: f64) -> Self {
        Self { id, geometry: self.geometry.with_c(c), ..self.clone() }
    }

    /// The same row with validation and test episodes of no more classes than these.
    pub(crate) fn with_way_at_most(&self, [validation, test]: [usize; 2]) -> Self {
        let narrowed = |shape: ShapeTable, most: usize| ShapeTable { way: shape.way.min(most), ..shape };
        let validate = narrowed(self.validate(), validation);
        Self { test: narrowed(self.test, test), validate: Some(validate), ..self.clone() }
    }

    /// A row of a person's own making.
    pub(crate) fn own(
        geometry: Geometry,
        backbone: BackboneTable,
        train: TrainTable,
        test: ShapeTable,
    ) -> Self {
        Self {
            id: "own".to_owned(),
            geometry,
            backbone,
            train,
            test,
            validate: None,
            data: None,
            replay: None,
        }
    }
}

/// How many of what an episode has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShapeTable {
    /// Classes.
    pub(crate) way: usize,
    /// Pictures of each class that are shown.
    pub(crate) shot: usize,
    /// Pictures of each class that are asked about.
    pub(crate) query: usize,
}

impl From<ShapeTable> for EpisodeShape {
    fn from(table: ShapeTable) -> Self {
        Self { way: table.way, shot: table.shot, query: table.query }
    }
}

/// How a network is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainTable {
    /// Classes of a training episode.
    pub(crate) way: usize,
    /// Pictures of each class that are shown.
    pub(crate) shot: usize,
    /// Pictures of each class that are asked about.
    pub(crate) query: usize,
    /// How support and queries pass through the network.
    #[serde(default)]
    pub(crate) encoding: Encoding,
    /// What logits are divided by.
    #[serde(default = "one")]
    pub(crate) temperature: f64,
    /// Adam's learning rate at the start.
    pub(crate) adam_lr: f64,
    /// After which share of all epochs, and again after each such share, the rate is multiplied by `gamma`.
    pub(crate) decay_every: f64,
    /// Factor of each decay.
    pub(crate) gamma: f64,
}

fn one() -> f64 {
    1.0
}

impl TrainTable {
    /// The size of the training episodes when there are so many classes and the scale sets a bound.
    pub(crate) fn shape(&self, classes: usize, at_most: Option<usize>) -> EpisodeShape {
        let way = self.way.min(classes).min(at_most.unwrap_or(usize::MAX));
        EpisodeShape { way, shot: self.shot, query: self.query }
    }

    /// Epochs between two decays in a training of so many epochs.
    pub(crate) fn decay_epochs(&self, epochs: usize) -> usize {
        ((self.decay_every * epochs as f64).round() as usize).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Encoding, TrainTable};

    #[test]
    fn a_recipe_keeps_its_proportions_at_every_scale() {
        let recipe = TrainTable {
            way: 30,
            shot: 1,
            query: 15,
            encoding: Encoding::Separate,
            temperature: 1.0,
            adam_lr: 0.005,
            decay_every: 0.4,
            gamma: 0.5,
        };
        assert_eq!([200, 12, 2, 1].map(|epochs| recipe.decay_epochs(epochs)), [80, 5, 1, 1]);
        assert_eq!(recipe.shape(64, None).way, 30);
        assert_eq!(recipe.shape(14, None).way, 14);
        assert_eq!(recipe.shape(64, Some(20)).way, 20);
    }
}

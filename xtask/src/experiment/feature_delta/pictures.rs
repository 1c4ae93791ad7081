//! The pictures whose features are measured.

use std::sync::Arc;

use anyhow::{Result, bail};
use hyp_data::source::cub::Frame;
use hyp_data::source::{cifar, mnist_5k};
use hyp_data::{Dataset, Image, Index, Split};
use serde::{Deserialize, Serialize};

use crate::experiment::Environment;
use crate::experiment::part::{cifar_of, cub_of, mini_imagenet_of};

/// A set of pictures, as a config names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum PictureSet {
    /// The first of the shipped digits, in three equal channels, in the place of another data set.
    Digits {
        /// How many.
        count: usize,
    },
    /// CIFAR-10.
    Cifar10(Part),
    /// CIFAR-100.
    Cifar100(Part),
    /// CUB-200-2011.
    Cub(Part),
    /// mini-ImageNet.
    MiniImagenet(Part),
}

/// What of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// A folder of the data root that holds a part of the data set; the whole without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) folder: Option<String>,
    /// Only the pictures for training.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) train_only: bool,
}

impl PictureSet {
    /// Reads the pictures; `id` is the experiment to name in the message about missing data.
    pub(crate) fn read(&self, environment: &Environment, id: &str) -> Result<Arc<Dataset>> {
        let (dataset, part) = match self {
            Self::Digits { count } => return digits(environment, *count).map(Arc::new),
            Self::Cifar10(part) => {
                (cifar_of(environment, id, cifar::Variant::Cifar10, part.folder.as_deref())?, part)
            }
            Self::Cifar100(part) => {
                (cifar_of(environment, id, cifar::Variant::Cifar100, part.folder.as_deref())?, part)
            }
            Self::Cub(part) => (cub_of(environment, id, part.folder.as_deref(), Frame::Whole)?, part),
            Self::MiniImagenet(part) => (mini_imagenet_of(environment, id, part.folder.as_deref())?, part),
        };
        if !part.train_only {
            return Ok(Arc::new(dataset));
        }
        let train = dataset.index().positions(Split::Train);
        if train.is_empty() {
            bail!("{} has no pictures for training", self.title());
        }
        Ok(Arc::new(dataset.subset(&train)))
    }

    /// The name in prose.
    pub(crate) fn title(&self) -> String {
        let (name, part) = match self {
            Self::Digits { count } => return format!("{count} shipped MNIST digits"),
            Self::Cifar10(part) => ("CIFAR-10", part),
            Self::Cifar100(part) => ("CIFAR-100", part),
            Self::Cub(part) => ("CUB-200-2011", part),
            Self::MiniImagenet(part) => ("mini-ImageNet", part),
        };
        match (&part.folder, part.train_only) {
            (Some(folder), _) => format!("{name}, the pictures of {folder}"),
            (None, true) => format!("{name}, training part"),
            (None, false) => name.to_owned(),
        }
    }
}

/// The first digits, grey in three equal channels.
fn digits(environment: &Environment, count: usize) -> Result<Dataset> {
    let all = mnist_5k::load(&environment.root.join("data"))?;
    let first = all.subset(&(0..count.min(all.len())).collect::<Vec<_>>());
    let coloured = |n: usize| -> Result<Image> {
        let grey = first.image(n)?;
        let data = grey.data().iter().flat_map(|&value| [value; 3]).collect();
        Ok(Image::new(grey.height(), grey.width(), 3, data))
    };
    let images: Vec<Image> = (0..first.len()).map(coloured).collect::<Result<_>>()?;
    let index = Index::new(first.index().items().to_vec(), first.index().classes().to_vec());
    Ok(Dataset::from_images(index, &images))
}

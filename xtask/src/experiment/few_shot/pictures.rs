//! The pictures of a few-shot experiment: three parts of different classes, ready for their network.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use hyp_data::sample::EpisodeList;
use hyp_data::source::{mini_imagenet, mnist_5k, omniglot, synthetic};
use hyp_data::transform::{Filter, Normalise, Transform, recipe};
use hyp_data::{Dataset, Index, Item, Loader, LoaderOptions, Split, sample};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::config::{DataTable, FrameName};
use crate::experiment::part::{cub_of, mini_imagenet_of};
use crate::experiment::{Environment, Held};
use crate::record::{DataFacts, hexadecimal};

/// Pictures of a side in the paper.
pub(crate) const SIDE: usize = 84;
/// Pictures embedded at a time.
const BATCH: usize = 100;
/// With fewer test classes than four times the five of an episode, every episode takes nearly the same ones.
const FEW_CLASSES: usize = 20;

/// Three parts of one data set.
pub(crate) struct Pictures {
    /// Training pictures, not yet augmented.
    pub(crate) train: Arc<Dataset>,
    /// Validation pictures as the network sees them.
    pub(crate) validation: Arc<Dataset>,
    /// Test pictures as the network sees them.
    pub(crate) test: Arc<Dataset>,
    /// What becomes of a training picture.
    pub(crate) augment: Transform,
    /// What becomes of every other picture.
    pub(crate) prepare: Transform,
    /// Mean and deviation of each channel.
    pub(crate) scale: ChannelScale,
    /// What a record says of them.
    pub(crate) facts: BTreeMap<String, DataFacts>,
}

/// Which numbers bytes become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ChannelScale {
    /// 0 to 1, one channel.
    GreyUnit,
    /// As MNIST's recipe has it, one channel.
    Mnist,
    /// By the means and deviations of ImageNet, three channels.
    Imagenet,
}

impl ChannelScale {
    /// The step of the loader.
    pub(crate) fn normalise(self) -> Normalise {
        match self {
            Self::GreyUnit => Normalise::unit(1),
            Self::Mnist => Normalise::mnist(),
            Self::Imagenet => Normalise::imagenet(),
        }
    }

    /// Channels of a picture.
    pub(crate) fn channels(self) -> usize {
        if self == Self::Imagenet { 3 } else { 1 }
    }
}

impl Pictures {
    /// Reads what a table asks for; `id` is the experiment to name in the message about missing data.
    pub(crate) fn read(environment: &Environment, id: &str, table: &DataTable) -> Result<Self> {
        let (dataset, form) = match table {
            DataTable::Digits => (digits(environment)?, Form::digits()),
            DataTable::SyntheticFolder => {
                (synthetic_folder(environment, id)?, Form::photographs(Form::resized_92()))
            }
            DataTable::Omniglot { filter } => {
                let read = |root: &Path| omniglot::load_few_shot(root);
                let form = Form { prepare: omniglot::like_mnist((*filter).into()), ..Form::omniglot() };
                (environment.found("omniglot", id, read)?, form)
            }
            DataTable::MiniImagenet { part } => {
                (mini_imagenet_of(environment, id, part.as_deref())?, Form::photographs(Form::resized_92()))
            }
            DataTable::Cub { part, frame } => {
                let birds = cub_of(environment, id, part.as_deref(), (*frame).into())?;
                (birds, Form::photographs(Form::bicubic_84()))
            }
        };
        Self::new(&dataset, form, table.name())
    }

    /// The three parts of a data set in the form its network needs.
    pub(crate) fn new(dataset: &Dataset, form: Form, name: &str) -> Result<Self> {
        classes_differ(dataset.index(), form.note.is_some(), name)?;
        let part = |split: Split| dataset.subset(&dataset.index().positions(split));
        let prepared = |split: Split| -> Result<Arc<Dataset>> {
            let part = part(split);
            if part.is_empty() {
                bail!("{name} has no {split} pictures");
            }
            Ok(Arc::new(part.preload(&form.prepare)?))
        };
        let (validation, test) = (prepared(Split::Validation)?, prepared(Split::Test)?);
        // Without augmentation the training pictures are made once as well.
        let (train, augment) = match form.augment {
            Some(augment) => (Arc::new(part(Split::Train)), augment),
            None => (prepared(Split::Train)?, Transform::default()),
        };
        let mut facts = BTreeMap::new();
        for (part, dataset) in [("train", &train), ("validation", &validation), ("test", &test)] {
            let mut facts_of_part = describe(dataset)?;
            let classes = facts_of_part.classes;
            if part == "test" && classes < FEW_CLASSES {
                let few =
                    format!("with {classes} classes the interval over episodes covers pictures, not classes");
                facts_of_part.note = Some(few);
            }
            if part == "validation" {
                facts_of_part.note.clone_from(&form.note);
            }
            facts.insert(format!("{name}, {part}"), facts_of_part);
        }
        Ok(Self { train, validation, test, augment, prepare: form.prepare, scale: form.scale, facts })
    }

    /// The pictures of a prepared part in their order.
    pub(crate) fn in_order(&self, part: &Arc<Dataset>) -> Loader {
        let items = (0..part.len()).collect();
        let sampler = sample::Sequential { items, batch_size: BATCH };
        let options = LoaderOptions { workers: 1, ..LoaderOptions::default() };
        Loader::new(Arc::clone(part), sampler, Transform::default(), self.scale.normalise(), options)
    }

    /// The test pictures of episodes, prepared as [`Pictures::in_order`] prepares them.
    pub(crate) fn test_episodes(&self, episodes: EpisodeList) -> Loader {
        let test = Arc::clone(&self.test);
        Loader::new(test, episodes, Transform::default(), self.scale.normalise(), LoaderOptions::default())
    }

    /// The training pictures in their order, without augmentation.
    pub(crate) fn train_in_order(&self) -> Loader {
        let items = (0..self.train.len()).collect();
        let sampler = sample::Sequential { items, batch_size: BATCH };
        let steps = if self.augment.is_identity() { Transform::default() } else { self.prepare.clone() };
        let train = Arc::clone(&self.train);
        Loader::new(train, sampler, steps, self.scale.normalise(), LoaderOptions::default())
    }
}

/// Refuses a class in two parts: a few-shot classifier is validated and tested on classes that it has not seen. Validation
/// may share those of the training where the form of the pictures says so.
fn classes_differ(index: &Index, shares_validation: bool, name: &str) -> Result<()> {
    let mut part_of: BTreeMap<u32, Split> = BTreeMap::new();
    for item in index.items() {
        let Some(mut split) = item.split else { continue };
        if shares_validation && split == Split::Validation {
            split = Split::Train;
        }
        let first = *part_of.entry(item.class).or_insert(split);
        if first != split {
            bail!(
                "the class `{}` of {name} is in the {first} and in the {split} part; a few-shot classifier is tested on classes \
                 that it has not seen, so give the parts different classes, or class folders without parts",
                index.classes()[item.class as usize]
            );
        }
    }
    Ok(())
}

/// How pictures are made ready.
pub(crate) struct Form {
    /// What becomes of a training picture; without it, what becomes of every picture.
    pub(crate) augment: Option<Transform>,
    /// What becomes of every other picture.
    pub(crate) prepare: Transform,
    /// Which numbers bytes become.
    pub(crate) scale: ChannelScale,
    /// What a reader must know of the validation pictures.
    pub(crate) note: Option<String>,
}

impl Form {
    fn digits() -> Self {
        let note = "pictures of the training digits, for want of a third set of digits";
        Self {
            augment: None,
            prepare: Transform::default(),
            scale: ChannelScale::Mnist,
            note: Some(note.to_owned()),
        }
    }

    fn omniglot() -> Self {
        Self { augment: None, prepare: Transform::default(), scale: ChannelScale::GreyUnit, note: None }
    }

    /// Colour pictures of 84 × 84 with the augmentation of the released code.
    pub(crate) fn photographs(prepare: Transform) -> Self {
        let augment = recipe::few_shot_train(SIDE);
        Self { augment: Some(augment), prepare, scale: ChannelScale::Imagenet, note: None }
    }

    /// The shorter side to 92 pixels, then the middle.
    pub(crate) fn resized_92() -> Transform {
        recipe::few_shot_test(92, SIDE, Filter::Bilinear)
    }

    fn bicubic_84() -> Transform {
        recipe::few_shot_test(SIDE, SIDE, Filter::CatmullRom)
    }
}

impl DataTable {
    fn name(&self) -> &'static str {
        match self {
            Self::Digits => "MNIST digits (5,000)",
            Self::SyntheticFolder => "synthetic folder",
            Self::Omniglot { .. } => "Omniglot with rotations",
            Self::MiniImagenet { part: None } => "mini-ImageNet",
            Self::MiniImagenet { part: Some(_) } => "mini-ImageNet, some classes",
            Self::Cub { part: None, frame: FrameName::Whole } => "CUB-200-2011",
            Self::Cub { part: Some(_), frame: FrameName::Whole } => "CUB-200-2011, some classes",
            Self::Cub { part: None, frame: FrameName::BoundingBox } => "CUB-200-2011, bounding boxes",
            Self::Cub { part: Some(_), frame: FrameName::BoundingBox } => {
                "CUB-200-2011, bounding boxes, some classes"
            }
        }
    }
}

/// Digits 0 to 4 for training, with their validation pictures, and 5 to 9 for testing.
fn digits(environment: &Environment) -> Result<Dataset> {
    let digits = mnist_5k::load(&environment.root.join("data"))?;
    let split = |item: &Item| match (item.class < 5, item.split) {
        (true, Some(Split::Validation)) => Split::Validation,
        (true, _) => Split::Train,
        (false, _) => Split::Test,
    };
    let items = digits.index().items().iter().map(|item| item.clone().in_split(split(item))).collect();
    let images: Vec<_> = (0..digits.len()).map(|n| digits.image(n)).collect::<Result<_, _>>()?;
    Ok(Dataset::from_images(Index::new(items, digits.index().classes().to_vec()), &images))
}

/// Coloured noise written as `train/n9000…/0000.png` and read back by the reader of mini-ImageNet, all of it: another run
/// may write the folder anew.
fn synthetic_folder(environment: &Environment, id: &str) -> Result<Dataset> {
    const CLASSES: [usize; 3] = [8, 5, 5];
    const PER_CLASS: usize = 20;
    let folder = environment.root.join("runs").join(format!("{id}.smoke")).join("synthetic_mini_imagenet");
    let _held = Held::take(&folder, &environment.stop)?;
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    let classes: usize = CLASSES.iter().sum();
    let made = synthetic::coloured(classes, PER_CLASS, 64, 0);
    // Every third colour goes to another part, so that each part sees the whole circle of hues.
    let split = |class: u32| match class as usize % 18 {
        1 | 5 | 9 | 13 | 17 => Split::Validation,
        3 | 7 | 11 | 15 | 0 => Split::Test,
        _ => Split::Train,
    };
    let items = made.index().items().iter().map(|item| item.clone().in_split(split(item.class))).collect();
    let names = (0..classes).map(|class| format!("n9{class:07}")).collect();
    let images: Vec<_> = (0..made.len()).map(|n| made.image(n)).collect::<Result<_, _>>()?;
    synthetic::write_folder(&Dataset::from_images(Index::new(items, names), &images), &folder)?;
    let read = mini_imagenet::read(&folder)?;
    let images: Vec<_> = (0..read.len()).map(|n| read.image(n)).collect::<Result<_, _>>()?;
    Ok(Dataset::from_images(read.index().clone(), &images))
}

/// Counts, and a hash of the pixels and class names in their order.
pub(crate) fn describe(dataset: &Dataset) -> Result<DataFacts> {
    let index = dataset.index();
    let of_picture = |position: usize| -> Result<Vec<u8>> {
        let mut hash = Sha256::new();
        hash.update(index.classes()[index.items()[position].class as usize].as_bytes());
        hash.update(dataset.image(position)?.data());
        Ok(hash.finalize().to_vec())
    };
    let hashes: Vec<Result<Vec<u8>>> = (0..dataset.len()).into_par_iter().map(of_picture).collect();
    let mut hash = Sha256::new();
    for of_picture in hashes {
        hash.update(of_picture?);
    }
    let sha256 = hexadecimal(&hash.finalize());
    Ok(DataFacts { sha256, images: dataset.len(), classes: index.classes().len(), note: None })
}

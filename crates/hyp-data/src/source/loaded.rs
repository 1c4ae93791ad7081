//! What a reader does with files that cannot be used, and what it hands over.

use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dataset::Dataset;
use crate::error::DataError;
use crate::image::Colour;

/// What becomes of a file that cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unusable {
    /// It is an error that names it: at once for its name or place, when it is read for its contents.
    #[default]
    Refuse,
    /// It is left out and listed.
    Skip,
    /// It is left out and listed for its name or place, and for its contents an error when it is read: for those who read
    /// every picture once anyway.
    SkipNames,
}

/// How a person's own pictures are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// What pictures are decoded to.
    pub colour: Colour,
    /// What becomes of files that cannot be used.
    pub unusable: Unusable,
}

/// A data set, and what was left out of it.
#[derive(Debug)]
pub struct Loaded {
    /// The pictures that can be used.
    pub dataset: Dataset,
    /// What was left out, each with its name and reason; empty where they are refused.
    pub skipped: Vec<DataError>,
}

impl Loaded {
    /// A data set with the problems of its listing; `root` is where it lies.
    pub(crate) fn new(
        dataset: Dataset,
        mut problems: Vec<DataError>,
        unusable: Unusable,
        root: &Path,
    ) -> Result<Self, DataError> {
        if unusable == Unusable::Refuse {
            return if problems.is_empty() {
                Ok(Self { dataset, skipped: problems })
            } else {
                Err(problems.swap_remove(0))
            };
        }
        let look = |n| if unusable == Unusable::Skip { dataset.checked_image(n).err() } else { None };
        let failures: Vec<Option<DataError>> = (0..dataset.len()).into_par_iter().map(look).collect();
        let usable: Vec<usize> = (0..dataset.len()).filter(|&n| failures[n].is_none()).collect();
        problems.extend(failures.into_iter().flatten());
        let kept = dataset.subset(&usable);
        if kept.is_empty() {
            let first = problems.first().map(ToString::to_string).unwrap_or_default();
            let remedy = format!("{} files could not be used, the first because {first}", problems.len());
            return Err(DataError::missing("usable picture", root, remedy));
        }
        for class in dataset.index().classes() {
            if kept.index().classes().binary_search(class).is_err() {
                let remedy = "the class is left out; replace its pictures";
                problems.push(DataError::missing(format!("usable picture of class `{class}`"), root, remedy));
            }
        }
        Ok(Self { dataset: kept, skipped: problems })
    }
}

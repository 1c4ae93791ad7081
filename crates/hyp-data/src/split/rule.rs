//! The file `splits.toml`: how the items of an index are shared out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::error::DataError;
use crate::index::{Index, Item};
use crate::split::{Split, identity};

/// The contents of a `splits.toml`: how the items of an [`Index`] are shared out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum SplitRule {
    /// By the position of an item among those of its class, in the data set's order: `[from, to)` for each part.
    PerClass {
        /// The range of each part; every position must lie in exactly one.
        ranges: BTreeMap<Split, [usize; 2]>,
    },
    /// By class: each part has classes of its own.
    Classes {
        /// Class names of the training part.
        train: Vec<String>,
        /// Class names of the validation part.
        validation: Vec<String>,
        /// Class names of the test part.
        test: Vec<String>,
    },
    /// By the beginning of the class name; what begins with none of these is for training.
    ClassPrefixes {
        /// Beginnings of the class names of the validation part.
        validation: Vec<String>,
        /// Beginnings of the class names of the test part.
        test: Vec<String>,
    },
    /// By identity: the first ones by name are for training; of the others, the first picture by each camera is a
    /// query and the rest the gallery, to which pictures without an identity belong as well.
    Identities {
        /// Identities for training.
        train: usize,
    },
}

/// What becomes of a class that the rule names and the data set lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absent {
    Refuse,
    PassOver,
}

impl SplitRule {
    /// Reads a `splits.toml`.
    ///
    /// # Errors
    /// [`DataError::Io`] if the file cannot be read, [`DataError::Invalid`] if it is not of the expected form.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let text = fs::read_to_string(path).map_err(DataError::io("read", path))?;
        toml::from_str(&text).map_err(|error| DataError::invalid(path, None, error.to_string()))
    }

    /// The rule that this crate carries for a data set: the split of the literature.
    ///
    /// # Examples
    /// ```
    /// use hyp_data::SplitRule;
    /// let Some(SplitRule::Classes { train, test, .. }) = SplitRule::builtin("cub") else { panic!() };
    /// assert_eq!((train.len(), test.len()), (100, 50));
    /// ```
    pub fn builtin(name: &str) -> Option<Self> {
        let text = match name {
            "cub" => include_str!("../../../../data/cub/splits.toml"),
            "mini_imagenet" => include_str!("../../../../data/mini_imagenet/splits.toml"),
            "omniglot" => include_str!("../../../../data/omniglot/splits.toml"),
            _ => return None,
        };
        Some(toml::from_str(text).expect("invariant: the rules of the repository are read by a test"))
    }

    /// Gives every item of `index` its part; `path` is the rule's file, for the message of a failure.
    ///
    /// # Errors
    /// [`DataError::Invalid`] if an item falls into no part or into two, a class of the rule is not in the index, or
    /// identities or cameras that the rule needs are missing.
    pub fn apply(&self, index: &Index, path: &Path) -> Result<Index, DataError> {
        self.share_out(index, Absent::Refuse).map_err(|reason| DataError::invalid(path, None, reason))
    }

    /// As [`SplitRule::apply`] for a data set that may lack some of the classes that the rule names.
    ///
    /// # Errors
    /// As [`SplitRule::apply`], without the classes that are missing.
    pub fn apply_to_present(&self, index: &Index, path: &Path) -> Result<Index, DataError> {
        self.share_out(index, Absent::PassOver).map_err(|reason| DataError::invalid(path, None, reason))
    }

    fn share_out(&self, index: &Index, absent: Absent) -> Result<Index, String> {
        let items = match self {
            Self::PerClass { ranges } => by_position(index, ranges)?,
            Self::Classes { train, validation, test } => {
                let parts = [train, validation, test].map(Vec::as_slice);
                in_parts_of_classes(index, &class_parts(index, parts, absent)?)?
            }
            Self::ClassPrefixes { validation, test } => {
                in_parts_of_classes(index, &prefix_parts(index, validation, test, absent)?)?
            }
            Self::Identities { train } => identity::cut(index, *train)?,
        };
        Ok(index.with_items(items))
    }
}

fn by_position(index: &Index, ranges: &BTreeMap<Split, [usize; 2]>) -> Result<Vec<Item>, String> {
    let mut seen = vec![0_usize; index.classes().len()];
    let mut items = index.items().to_vec();
    for item in &mut items {
        let class = item.class as usize;
        let position = seen[class];
        seen[class] += 1;
        let mut parts =
            ranges.iter().filter(|(_, [from, to])| (*from..*to).contains(&position)).map(|(s, _)| *s);
        item.split = match (parts.next(), parts.next()) {
            (Some(split), None) => Some(split),
            (none, _) => {
                let count = if none.is_none() { "no part" } else { "two parts" };
                let name = &index.classes()[class];
                return Err(format!(
                    "item {position} of class `{name}` falls into {count}; correct the ranges"
                ));
            }
        };
    }
    Ok(items)
}

/// The part of each class of the index that one of three lists names.
fn class_parts(index: &Index, lists: [&[String]; 3], absent: Absent) -> Result<Vec<Option<Split>>, String> {
    let mut parts = vec![None; index.classes().len()];
    for (split, names) in Split::CLASSIFICATION.into_iter().zip(lists) {
        for name in names {
            let Ok(class) = index.classes().binary_search(name) else {
                if absent == Absent::PassOver {
                    continue;
                }
                return Err(format!(
                    "class `{name}` is not in the data set; correct the name or obtain the data again"
                ));
            };
            if parts[class].replace(split).is_some() {
                return Err(format!("class `{name}` is named twice; leave it in one part"));
            }
        }
    }
    Ok(parts)
}

fn prefix_parts(
    index: &Index,
    validation: &[String],
    test: &[String],
    absent: Absent,
) -> Result<Vec<Option<Split>>, String> {
    let begins = |name: &String, prefixes: &[String]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if absent == Absent::Refuse {
        let unused = |prefix: &&String| !index.classes().iter().any(|name| name.starts_with(prefix.as_str()));
        if let Some(prefix) = validation.iter().chain(test).find(unused) {
            return Err(format!(
                "no class of the data set begins with `{prefix}`; correct it or obtain the data again"
            ));
        }
    }
    let part = |name: &String| match (begins(name, validation), begins(name, test)) {
        (true, true) => Err(format!("class `{name}` falls into two parts; make the beginnings longer")),
        (true, false) => Ok(Some(Split::Validation)),
        (false, true) => Ok(Some(Split::Test)),
        (false, false) => Ok(Some(Split::Train)),
    };
    index.classes().iter().map(part).collect()
}

fn in_parts_of_classes(index: &Index, parts: &[Option<Split>]) -> Result<Vec<Item>, String> {
    let item = |item: &Item| {
        let name = &index.classes()[item.class as usize];
        let split = parts[item.class as usize]
            .ok_or_else(|| format!("class `{name}` of the data set is in no part; name it in one"))?;
        Ok(item.clone().in_split(split))
    };
    index.items().iter().map(item).collect()
}

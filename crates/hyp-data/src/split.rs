//! Which part of a data set a picture belongs to, and the file `splits.toml` that says so.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::index::Index;

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// For training.
    Train,
    /// For choosing settings and checkpoints.
    Validation,
    /// For the reported numbers, and nothing else.
    Test,
}

impl Split {
    /// All parts, in the order train, validation, test.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The part that a folder or a CSV cell names: `train`, `val`, `valid`, `validation` or `test`.
    ///
    /// # Examples
    /// ```
    /// use hyp_data::Split;
    /// assert_eq!(Split::from_name("val"), Some(Split::Validation));
    /// assert_eq!(Split::from_name("holdout"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "train" => Some(Self::Train),
            "val" | "valid" | "validation" => Some(Self::Validation),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

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

    /// Gives every item of `index` its part; `path` is the rule's file, for the message of a failure.
    ///
    /// # Errors
    /// [`DataError::Invalid`] if an item falls into no part or into two, or a class of the rule is not in the index.
    pub fn apply(&self, index: &Index, path: &Path) -> Result<Index, DataError> {
        let mut items = index.items().to_vec();
        match self {
            Self::PerClass { ranges } => {
                let mut seen = vec![0_usize; index.classes().len()];
                for item in &mut items {
                    let class = item.class as usize;
                    let position = seen[class];
                    seen[class] += 1;
                    let mut parts = ranges
                        .iter()
                        .filter(|(_, [from, to])| (*from..*to).contains(&position))
                        .map(|(s, _)| *s);
                    item.split = match (parts.next(), parts.next()) {
                        (Some(split), None) => Some(split),
                        (none, _) => {
                            let count = if none.is_none() { "no part" } else { "two parts" };
                            let name = &index.classes()[class];
                            return Err(DataError::invalid(
                                path,
                                None,
                                format!(
                                    "item {position} of class `{name}` falls into {count}; correct the ranges"
                                ),
                            ));
                        }
                    };
                }
            }
            Self::Classes { train, validation, test } => {
                let mut part = vec![None; index.classes().len()];
                for (split, names) in Split::ALL.into_iter().zip([train, validation, test]) {
                    for name in names {
                        let Ok(class) = index.classes().binary_search(name) else {
                            return Err(DataError::invalid(
                                path,
                                None,
                                format!(
                                    "class `{name}` is not in the data set; correct the name or obtain the data again"
                                ),
                            ));
                        };
                        if part[class].replace(split).is_some() {
                            let reason = format!("class `{name}` is named twice; leave it in one part");
                            return Err(DataError::invalid(path, None, reason));
                        }
                    }
                }
                for item in &mut items {
                    let class = item.class as usize;
                    let Some(split) = part[class] else {
                        let name = &index.classes()[class];
                        let reason = format!("class `{name}` of the data set is in no part; name it in one");
                        return Err(DataError::invalid(path, None, reason));
                    };
                    item.split = Some(split);
                }
            }
        }
        Ok(index.with_items(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Item, Source};

    fn index(classes: &[&str], labels: &[u32]) -> Index {
        let items = labels
            .iter()
            .enumerate()
            .map(|(n, class)| Item::new(Source::Generated { generator: "test", number: n }, *class))
            .collect();
        Index::new(items, classes.iter().map(ToString::to_string).collect())
    }

    fn parts(index: &Index) -> Vec<Split> {
        index.items().iter().map(|item| item.split.unwrap()).collect()
    }

    #[test]
    fn ranges_count_within_each_class() {
        let rule: SplitRule =
            toml::from_str("kind = \"per-class\"\n[ranges]\ntrain = [0, 2]\ntest = [2, 3]\n").unwrap();
        let index = index(&["a", "b"], &[0, 1, 0, 1, 0, 1]);
        use Split::{Test, Train};
        let done = rule.apply(&index, Path::new("splits.toml")).unwrap();
        assert_eq!(parts(&done), [Train, Train, Train, Train, Test, Test]);
    }

    #[test]
    fn a_gap_and_an_overlap_are_refused() {
        let index = index(&["a"], &[0, 0, 0]);
        for (ranges, word) in [("train = [0, 2]", "no part"), ("train = [0, 3]\ntest = [2, 3]", "two parts")]
        {
            let rule: SplitRule =
                toml::from_str(&format!("kind = \"per-class\"\n[ranges]\n{ranges}\n")).unwrap();
            let text = rule.apply(&index, Path::new("splits.toml")).unwrap_err().to_string();
            assert!(text.contains(word) && text.contains("splits.toml"), "{text}");
        }
    }

    #[test]
    fn classes_are_shared_out_by_name_and_none_is_forgotten() {
        let index = index(&["ant", "bee", "cat"], &[0, 1, 2, 1]);
        let rule = |train: &[&str], test: &[&str]| SplitRule::Classes {
            train: train.iter().map(ToString::to_string).collect(),
            validation: vec!["bee".to_owned()],
            test: test.iter().map(ToString::to_string).collect(),
        };
        let apply = |rule: SplitRule| rule.apply(&index, Path::new("splits.toml"));
        use Split::{Test, Train, Validation};
        assert_eq!(parts(&apply(rule(&["cat"], &["ant"])).unwrap()), [Test, Validation, Train, Validation]);
        assert!(apply(rule(&["cat"], &[])).unwrap_err().to_string().contains("`ant`"));
        assert!(apply(rule(&["cat", "dog"], &["ant"])).unwrap_err().to_string().contains("`dog`"));
        assert!(apply(rule(&["cat", "bee"], &["ant"])).unwrap_err().to_string().contains("twice"));
    }
}

//! Which part of a data set a picture belongs to, and the rules that say so.

mod identity;
mod rule;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::rule::SplitRule;

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
    /// Pictures that are looked for in the gallery.
    Query,
    /// Pictures among which they are looked for.
    Gallery,
}

impl Split {
    /// All parts.
    pub const ALL: [Self; 5] = [Self::Train, Self::Validation, Self::Test, Self::Query, Self::Gallery];
    /// The parts of a classification data set.
    pub const CLASSIFICATION: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The part that a folder or a CSV cell names: `train`, `val` (`valid`, `validation`), `test`, `query` or `gallery`.
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
            "query" => Some(Self::Query),
            "gallery" => Some(Self::Gallery),
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
            Self::Query => "query",
            Self::Gallery => "gallery",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::index::{Index, Item, Source};

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

    #[test]
    fn a_rule_may_name_more_than_is_there_only_when_asked() {
        let index = index(&["ant", "bee"], &[0, 1]);
        let rule = SplitRule::Classes {
            train: vec!["ant".to_owned(), "cat".to_owned()],
            validation: Vec::new(),
            test: vec!["bee".to_owned()],
        };
        let path = Path::new("splits.toml");
        assert!(rule.apply(&index, path).unwrap_err().to_string().contains("`cat`"));
        assert_eq!(parts(&rule.apply_to_present(&index, path).unwrap()), [Split::Train, Split::Test]);
        let prefixes =
            SplitRule::ClassPrefixes { validation: vec!["x/".to_owned()], test: vec!["b".to_owned()] };
        assert!(prefixes.apply(&index, path).unwrap_err().to_string().contains("`x/`"));
        assert_eq!(parts(&prefixes.apply_to_present(&index, path).unwrap()), [Split::Train, Split::Test]);
    }

    #[test]
    fn people_are_cut_by_identity_and_the_first_picture_by_each_camera_is_the_query() {
        let person = |number: usize, identity: Option<u32>, camera: u32| Item {
            identity,
            camera: Some(camera),
            ..Item::new(Source::Generated { generator: "test", number }, 0)
        };
        let items = vec![
            person(0, Some(0), 0),
            person(1, Some(1), 0),
            person(2, Some(1), 1),
            person(3, Some(1), 0),
            person(4, None, 1),
            person(5, Some(0), 1),
        ];
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let index = Index::with_names(items, names(&["person"]), names(&["a", "b"]), names(&["c1", "c2"]));
        let path = Path::new("splits.toml");
        use Split::{Gallery, Query, Train};
        let rule: SplitRule = toml::from_str("kind = \"identities\"\ntrain = 1\n").unwrap();
        let cut = rule.apply(&index, path).unwrap();
        assert_eq!(parts(&cut), [Train, Query, Query, Gallery, Gallery, Train]);
        for train in [0, 2] {
            let text = SplitRule::Identities { train }.apply(&index, path).unwrap_err().to_string();
            assert!(text.contains("between 1 and 1"), "{text}");
        }
    }

    #[test]
    fn the_rules_of_the_repository_have_their_published_sizes() {
        for (name, sizes) in [("cub", [100, 50, 50]), ("mini_imagenet", [64, 16, 20])] {
            let Some(SplitRule::Classes { train, validation, test }) = SplitRule::builtin(name) else {
                panic!("{name}")
            };
            assert_eq!([train.len(), validation.len(), test.len()], sizes, "{name}");
        }
        let Some(SplitRule::ClassPrefixes { validation, test }) = SplitRule::builtin("omniglot") else {
            panic!("omniglot")
        };
        assert_eq!((validation.len(), test.len()), (5, 16));
        assert!(SplitRule::builtin("mnist").is_none());
    }
}

//! What a data set's files, terms and counts are: `manifest.toml`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::DataError;
use crate::index::Index;
use crate::split::Split;
use crate::verify::ends_by_itself;

/// A data set, or a file of published weights, as its `manifest.toml` describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this form, 1.
    pub schema: u32,
    /// Pictures or weights.
    #[serde(default)]
    pub kind: Kind,
    /// The name on the command line and, unless [`Manifest::folder`] says otherwise, of the folder.
    pub name: String,
    /// The folder below the data root, where it is not the name.
    pub folder: Option<String>,
    /// The name in prose.
    pub title: String,
    /// The licence, as its holders name it.
    pub licence: String,
    /// What the licence asks, shown before anything is fetched.
    pub terms: String,
    /// Why a person is asked once more before anything is fetched.
    pub ask: Option<String>,
    /// Where the data set is described.
    pub homepage: String,
    /// How to obtain the files by hand.
    pub by_hand: String,
    /// The files.
    #[serde(default, rename = "file")]
    pub files: Vec<ManifestFile>,
    /// How many pictures and classes there must be.
    #[serde(default, rename = "count")]
    pub counts: Vec<Count>,
}

/// What a manifest describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Pictures.
    #[default]
    Data,
    /// The weights of a network.
    Weights,
}

/// One file of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Its name in the data set's folder.
    pub name: String,
    /// Addresses to fetch it from, the first first.
    #[serde(default)]
    pub mirrors: Vec<String>,
    /// The file that this one stands in for when that one cannot be fetched.
    pub instead_of: Option<String>,
    /// Its size; binding if the origin is verified, otherwise for estimates.
    pub bytes: Option<u64>,
    /// Its checksum.
    pub sha256: Option<String>,
    /// The first digits of its checksum, which some publishers put into the name.
    pub sha256_start: Option<String>,
    /// Its published checksum of the older kind.
    pub md5: Option<String>,
    /// Size and checksum of what it holds, whatever its compression.
    pub content: Option<Content>,
    /// How far the size and the checksums of the file itself can be trusted.
    #[serde(default)]
    pub origin: Origin,
    /// What is taken out of it, if it is an archive that is not read in place.
    pub unpack: Option<Unpack>,
}

/// What is taken out of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unpack {
    /// The folder or file within the archive.
    pub from: String,
    /// What it becomes beside the archive.
    pub to: String,
    /// The most bytes that may come out.
    pub bytes: u64,
    /// The most entries that the archive may have.
    pub entries: u64,
    /// Size and checksum, where `to` is a single file.
    pub content: Option<Content>,
}

/// Size and checksum of a file's contents after decompression.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Bytes after decompression.
    pub bytes: u64,
    /// Checksum after decompression.
    pub sha256: String,
}

/// Where a checksum is known from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Computed from the file itself.
    Verified,
    /// Published elsewhere and not yet compared with a file: a mismatch is a reason to ask, not a proof of harm.
    #[default]
    Recalled,
}

/// The number of pictures and classes of a part.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// The part's name: of a split, or of a file where the data set comes in several.
    pub part: String,
    /// Pictures.
    pub pictures: usize,
    /// Classes that have at least one picture.
    pub classes: usize,
}

/// The manifests that this crate carries: name and text.
const BUILTIN: &[(&str, &str)] = &[
    ("cifar10", include_str!("../../../data/cifar10/manifest.toml")),
    ("cifar100", include_str!("../../../data/cifar100/manifest.toml")),
    ("cub", include_str!("../../../data/cub/manifest.toml")),
    ("duke", include_str!("../../../data/duke/manifest.toml")),
    ("efficientnet_lite0", include_str!("../../../data/efficientnet_lite0/manifest.toml")),
    ("inception_v3", include_str!("../../../data/inception_v3/manifest.toml")),
    ("market1501", include_str!("../../../data/market1501/manifest.toml")),
    ("mini_imagenet", include_str!("../../../data/mini_imagenet/manifest.toml")),
    ("mnist", include_str!("../../../data/mnist/manifest.toml")),
    ("mnist_5k", include_str!("../../../data/mnist_5k/manifest.toml")),
    ("omniglot", include_str!("../../../data/omniglot/manifest.toml")),
    ("resnet18", include_str!("../../../data/resnet18/manifest.toml")),
    ("resnet34", include_str!("../../../data/resnet34/manifest.toml")),
    ("resnet50", include_str!("../../../data/resnet50/manifest.toml")),
    ("vgg19", include_str!("../../../data/vgg19/manifest.toml")),
];

impl Manifest {
    /// Reads a `manifest.toml`.
    ///
    /// # Errors
    /// [`DataError::Io`] if it cannot be read, [`DataError::Invalid`] if it is not of the expected form.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let text = fs::read_to_string(path).map_err(DataError::io("read", path))?;
        Self::parse(&text, path)
    }

    /// The names of the manifests that this crate carries, sorted.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, _)| *name)
    }

    /// The manifest that this crate carries for a data set or for weights.
    ///
    /// # Examples
    /// ```
    /// use hyp_data::Manifest;
    /// let mnist = Manifest::builtin("mnist").unwrap();
    /// assert_eq!(mnist.count("test").unwrap().pictures, 10_000);
    /// assert!(Manifest::builtin("no such set").is_none());
    /// ```
    pub fn builtin(name: &str) -> Option<Self> {
        let (_, text) = BUILTIN.iter().find(|(known, _)| *known == name)?;
        let path = PathBuf::from(format!("data/{name}/manifest.toml"));
        Some(Self::parse(text, &path).expect("invariant: the manifests of the repository are read by a test"))
    }

    /// Reads the text of a manifest; `path` is for messages.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, DataError> {
        let manifest: Self =
            toml::from_str(text).map_err(|error| DataError::invalid(path, None, error.to_string()))?;
        manifest.check(path)?;
        Ok(manifest)
    }

    /// Refuses what the form allows and sense does not.
    fn check(&self, path: &Path) -> Result<(), DataError> {
        let refuse = |reason: String| Err(DataError::invalid(path, None, reason));
        if self.schema != 1 {
            return refuse(format!("schema {} is not known; this version reads schema 1", self.schema));
        }
        let targets = self.files.iter().filter_map(|file| file.unpack.as_ref()).map(|unpack| &unpack.to);
        let names = self.files.iter().map(|file| &file.name);
        for name in names.chain(targets).chain(&self.folder) {
            if !is_plain_name(name) {
                return refuse(format!(
                    "`{name}` is no plain name of a file or folder; leave out `/`, `\\` and a leading dot"
                ));
            }
        }
        for file in &self.files {
            if let Some(other) = &file.instead_of
                && !self.files.iter().any(|file| file.name == *other && file.instead_of.is_none())
            {
                return refuse(format!(
                    "`{}` stands in for `{other}`, which is not there; add it",
                    file.name
                ));
            }
            if !file.mirrors.is_empty() && !file.has_checksum() {
                if !ends_by_itself(&file.name) {
                    return refuse(format!(
                        "nothing tells whether `{}` is whole when it has come; add its sha256",
                        file.name
                    ));
                }
                if let Some(url) = file.mirrors.iter().find(|url| !url.starts_with("https://")) {
                    return refuse(format!(
                        "anybody on the way could change what comes from {url}; add the sha256 of `{}`",
                        file.name
                    ));
                }
            }
            for (what, digits, lengths) in [
                ("sha256", &file.sha256, 64..=64),
                ("sha256_start", &file.sha256_start, 8..=64),
                ("md5", &file.md5, 32..=32),
            ] {
                let plain = |digit: char| digit.is_ascii_hexdigit() && !digit.is_ascii_uppercase();
                if let Some(digits) = digits
                    && !(lengths.contains(&digits.len()) && digits.chars().all(plain))
                {
                    return refuse(format!(
                        "`{}`: {what} `{digits}` is not of its form; write it in lower-case hexadecimal",
                        file.name
                    ));
                }
            }
        }
        Ok(())
    }

    /// The folder of the files below the data root.
    pub fn folder_name(&self) -> &str {
        self.folder.as_deref().unwrap_or(&self.name)
    }

    /// The count of a part.
    pub fn count(&self, part: &str) -> Option<&Count> {
        self.counts.iter().find(|count| count.part == part)
    }

    /// Compares the pictures and classes of each split that has a count with the published ones.
    ///
    /// # Errors
    /// [`DataError::Count`] of the first split that differs; `path` is where the data set lies.
    pub fn check_splits(&self, index: &Index, path: &Path) -> Result<(), DataError> {
        for split in Split::ALL {
            if self.count(&split.to_string()).is_some() {
                let counts = index.class_counts(Some(split));
                self.check_part(&split.to_string(), &counts, path)?;
            }
        }
        Ok(())
    }

    /// Compares the pictures of each class of a part with the published counts.
    ///
    /// # Errors
    /// [`DataError::Count`] if they differ.
    ///
    /// # Panics
    /// If the manifest has no count of that name.
    pub fn check_part(&self, part: &str, class_counts: &[usize], path: &Path) -> Result<(), DataError> {
        let count = self.count(part).expect("invariant: the caller names a part of the manifest");
        let pictures: usize = class_counts.iter().sum();
        let classes = class_counts.iter().filter(|count| **count > 0).count();
        let wrong = |what: &str, expected: usize, actual: usize| DataError::Count {
            path: path.to_owned(),
            what: format!("{what} in its {part} part"),
            expected,
            actual,
        };
        if classes != count.classes {
            return Err(wrong("classes", count.classes, classes));
        }
        if pictures != count.pictures {
            return Err(wrong("pictures", count.pictures, pictures));
        }
        Ok(())
    }
}

impl ManifestFile {
    /// Whether anything is known that tells the right file from another one.
    pub fn has_checksum(&self) -> bool {
        self.sha256.is_some() || self.sha256_start.is_some() || self.md5.is_some() || self.content.is_some()
    }
}

/// Whether a name is one part of a path, visible, and the same on every system.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manifest_of_the_repository_is_of_the_form() {
        for name in Manifest::builtin_names() {
            let manifest = Manifest::builtin(name).unwrap();
            assert_eq!(manifest.name, name);
            assert!(!manifest.by_hand.is_empty() && !manifest.terms.is_empty(), "{name}");
            assert_eq!(manifest.counts.is_empty(), manifest.kind == Kind::Weights, "{name}");
        }
        assert!(Manifest::builtin("duke").unwrap().files.is_empty(), "withdrawn by its authors");
    }

    #[test]
    fn every_manifest_in_the_data_folder_is_built_in() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
        let mut names: Vec<String> = fs::read_dir(data)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().join("manifest.toml").is_file())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, Manifest::builtin_names().collect::<Vec<_>>());
    }

    #[test]
    fn a_manifest_that_contradicts_itself_is_refused() {
        let head = "schema = 1\nname = \"t\"\ntitle = \"T\"\nlicence = \"none\"\nterms = \"\"\nhomepage = \"\"\n\
                    by_hand = \"write it\"\n";
        for (rest, word) in [
            ("[[file]]\nname = \"../a\"\n", "plain name"),
            ("[[file]]\nname = \".a\"\n", "plain name"),
            ("[[file]]\nname = \"a\"\nsha256 = \"ABC\"\n", "hexadecimal"),
            ("[[file]]\nname = \"a\"\ninstead_of = \"b\"\n", "not there"),
            (
                "[[file]]\nname = \"a\"\nunpack = { from = \"x\", to = \"x/y\", bytes = 1, entries = 1 }\n",
                "plain name",
            ),
            ("[[file]]\nname = \"a\"\nsize = 3\n", "unknown field"),
            ("[[file]]\nname = \"a.bin\"\nmirrors = [\"https://x/a\"]\n", "add its sha256"),
            ("[[file]]\nname = \"a.zip\"\nmirrors = [\"http://x/a\"]\n", "http://x/a; add the sha256"),
        ] {
            let text =
                Manifest::parse(&format!("{head}{rest}"), Path::new("m.toml")).unwrap_err().to_string();
            assert!(text.contains(word) && text.contains("m.toml"), "{text}");
        }
        let text = Manifest::parse(&head.replace("= 1", "= 2"), Path::new("m.toml")).unwrap_err().to_string();
        assert!(text.contains("schema 2"), "{text}");
    }

    #[test]
    fn a_wrong_count_says_which() {
        let manifest = Manifest::builtin("omniglot").unwrap();
        let text = manifest.check_part("background", &[20; 963], Path::new("x")).unwrap_err().to_string();
        assert!(text.contains("963 classes") && text.contains("964"), "{text}");
        manifest.check_part("background", &[20; 964], Path::new("x")).unwrap();
    }
}

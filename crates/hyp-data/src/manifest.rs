//! What a data set's files, terms and counts are: `manifest.toml`, read and compared with what lies on disk.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::error::DataError;
use crate::index::Index;
use crate::split::Split;

/// A data set as its `manifest.toml` describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this form, 1.
    pub schema: u32,
    /// The name on the command line and of the folder.
    pub name: String,
    /// The name in prose.
    pub title: String,
    /// The licence, as its holders name it.
    pub licence: String,
    /// What the licence asks, to be shown before anything is fetched.
    pub terms: String,
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

/// One file of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Its name in the data set's folder.
    pub name: String,
    /// Addresses to fetch it from, the first first.
    #[serde(default)]
    pub mirrors: Vec<String>,
    /// Its size.
    pub bytes: Option<u64>,
    /// Its checksum.
    pub sha256: Option<String>,
    /// Its published checksum of the older kind.
    pub md5: Option<String>,
    /// Size and checksum of what it holds, whatever its compression.
    pub content: Option<Content>,
    /// How far the checksums of the file itself can be trusted.
    #[serde(default)]
    pub origin: Origin,
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

impl Manifest {
    /// Reads a `manifest.toml`.
    ///
    /// # Errors
    /// [`DataError::Io`] if it cannot be read, [`DataError::Invalid`] if it is not of the expected form.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let text = fs::read_to_string(path).map_err(DataError::io("read", path))?;
        Self::parse(&text, path)
    }

    /// The manifest that this crate carries for a data set it has a reader for.
    ///
    /// # Examples
    /// ```
    /// use hyp_data::Manifest;
    /// let mnist = Manifest::builtin("mnist").unwrap();
    /// assert_eq!(mnist.count("test").unwrap().pictures, 10_000);
    /// assert!(Manifest::builtin("no such set").is_none());
    /// ```
    pub fn builtin(name: &str) -> Option<Self> {
        let text = match name {
            "mnist" => include_str!("../../../data/mnist/manifest.toml"),
            "mnist_5k" => include_str!("../../../data/mnist_5k/manifest.toml"),
            "omniglot" => include_str!("../../../data/omniglot/manifest.toml"),
            _ => return None,
        };
        let path = PathBuf::from(format!("data/{name}/manifest.toml"));
        Some(Self::parse(text, &path).expect("invariant: the manifests of the repository are read by a test"))
    }

    fn parse(text: &str, path: &Path) -> Result<Self, DataError> {
        let manifest: Self =
            toml::from_str(text).map_err(|error| DataError::invalid(path, None, error.to_string()))?;
        if manifest.schema != 1 {
            let reason = format!("schema {} is not known; this version reads schema 1", manifest.schema);
            return Err(DataError::invalid(path, None, reason));
        }
        Ok(manifest)
    }

    /// The count of a part.
    pub fn count(&self, part: &str) -> Option<&Count> {
        self.counts.iter().find(|count| count.part == part)
    }

    /// Compares every listed file in `folder` with its size and checksums.
    ///
    /// A recalled checksum is not compared; [`ManifestFile::content`] is, after decompression.
    ///
    /// # Errors
    /// [`DataError::Missing`], [`DataError::Truncated`] or [`DataError::Checksum`] of the first file that fails.
    pub fn verify(&self, folder: &Path) -> Result<(), DataError> {
        for file in &self.files {
            let path = folder.join(&file.name);
            if !path.is_file() {
                return Err(DataError::missing(
                    format!("file of {}", self.title),
                    &path,
                    self.by_hand.trim(),
                ));
            }
            if let Some(expected) = file.sha256.as_ref().filter(|_| file.origin == Origin::Verified) {
                compare(&path, expected, file.bytes, open(&path)?)?;
            }
            if let Some(content) = &file.content {
                let gzipped = path.extension().is_some_and(|extension| extension == "gz");
                let reader: Box<dyn Read> = if gzipped {
                    Box::new(MultiGzDecoder::new(open(&path)?))
                } else {
                    Box::new(open(&path)?)
                };
                compare(&path, &content.sha256, Some(content.bytes), reader)?;
            }
        }
        Ok(())
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

/// The sha256 of everything a reader gives, as lower-case hexadecimal, with the number of bytes.
///
/// # Errors
/// The reader's own.
pub fn sha256(mut reader: impl Read) -> std::io::Result<(String, u64)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        bytes += count as u64;
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).expect("invariant: four bits are a digit"));
        }
    }
    Ok((text, bytes))
}

fn open(path: &Path) -> Result<BufReader<File>, DataError> {
    Ok(BufReader::new(File::open(path).map_err(DataError::io("open", path))?))
}

fn compare(path: &Path, expected: &str, bytes: Option<u64>, reader: impl Read) -> Result<(), DataError> {
    let (actual, count) = sha256(reader).map_err(|error| {
        DataError::corrupt(
            path,
            format!("it cannot be read to its end ({error})"),
            crate::error::OBTAIN_AGAIN,
        )
    })?;
    if let Some(expected) = bytes.filter(|expected| count < *expected) {
        return Err(DataError::Truncated { path: path.to_owned(), expected, actual: count });
    }
    if actual != expected {
        return Err(DataError::Checksum { path: path.to_owned(), expected: expected.to_owned(), actual });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_checksum_of_abc() {
        let (text, bytes) = sha256(&b"abc"[..]).unwrap();
        assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(bytes, 3);
    }

    #[test]
    fn every_manifest_of_the_repository_is_of_the_form() {
        for name in ["mnist", "mnist_5k", "omniglot"] {
            let manifest = Manifest::builtin(name).unwrap();
            assert_eq!(manifest.name, name);
            assert!(!manifest.counts.is_empty() && !manifest.by_hand.is_empty(), "{name}");
        }
    }

    #[test]
    fn files_are_compared_and_the_first_wrong_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Manifest::parse(
            "schema = 1\nname = \"t\"\ntitle = \"T\"\nlicence = \"none\"\nterms = \"\"\nhomepage = \"\"\n\
             by_hand = \"write it\"\n[[file]]\nname = \"a.bin\"\nbytes = 3\norigin = \"verified\"\n\
             sha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\n",
            Path::new("m.toml"),
        )
        .unwrap();
        let verify = |bytes: Option<&[u8]>| {
            if let Some(bytes) = bytes {
                fs::write(folder.path().join("a.bin"), bytes).unwrap();
            }
            manifest.verify(folder.path()).map_err(|error| error.to_string())
        };
        assert!(verify(None).unwrap_err().ends_with("write it"));
        assert!(verify(Some(b"ab")).unwrap_err().contains("3 bytes, it holds 2"));
        assert!(verify(Some(b"abd")).unwrap_err().contains("sha256"));
        verify(Some(b"abc")).unwrap();
    }

    #[test]
    fn a_wrong_count_says_which() {
        let manifest = Manifest::builtin("omniglot").unwrap();
        let text = manifest.check_part("background", &[20; 963], Path::new("x")).unwrap_err().to_string();
        assert!(text.contains("963 classes") && text.contains("964"), "{text}");
        manifest.check_part("background", &[20; 964], Path::new("x")).unwrap();
    }
}

//! CUB-200-2011 as it is published, whole or in part.
//!
//! ```text
//! CUB_200_2011/images/001.Black_footed_Albatross/Black_Footed_Albatross_0001_796111.jpg     (or images.zip)
//! CUB_200_2011/images.txt  classes.txt  train_test_split.txt  bounding_boxes.txt            (optional lists)
//! ```
//!
//! The class folders may also lie there alone, without the lists.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::dataset::Dataset;
use crate::error::{DataError, OBTAIN_AGAIN};
use crate::image::Colour;
use crate::index::{Region, View};
use crate::manifest::Manifest;
use crate::source::cub_lists::{self, Lists};
use crate::source::listed::{self, Listed};
use crate::source::tree::{self, Tree};
use crate::source::{self, data_folder};
use crate::split::{Split, SplitRule};

/// What is shown of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frame {
    /// The whole picture, as the paper does.
    #[default]
    Whole,
    /// The bird's bounding box, as many others do.
    BoundingBox,
}

/// Which pictures are for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parts {
    /// The few-shot split by class: 100 classes for training, 50 for validation, 50 for testing.
    #[default]
    FewShot,
    /// The published split by picture: half of every class for training, half for testing.
    Published,
}

/// How the data set is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What is shown of a picture.
    pub frame: Frame,
    /// Which pictures are for what.
    pub parts: Parts,
}

/// Loads the data set from `root/cub` or from `root` and checks the published counts.
///
/// # Errors
/// [`DataError`] naming what is missing or damaged, or the count that differs.
///
/// # Examples
/// ```no_run
/// # use std::path::Path;
/// use hyp_data::{Split, source::cub};
/// let birds = cub::load(Path::new("data/cache"), cub::Options::default())?;
/// assert_eq!(birds.index().positions(Split::Train).len(), 5_891);
/// # Ok::<(), hyp_data::DataError>(())
/// ```
pub fn load(root: &Path, options: Options) -> Result<Dataset, DataError> {
    let manifest = Manifest::builtin("cub").expect("invariant: the manifest is part of the crate");
    let here = data_folder(root, "cub", |folder| home(folder).is_some());
    if home(&here).is_none() {
        let archive = here.join("CUB_200_2011.tgz");
        if archive.is_file() {
            let remedy =
                "`cargo xtask fetch cub` checks and unpacks the archive that lies there; or unpack it there";
            return Err(DataError::missing("folder CUB_200_2011", &here, remedy));
        }
        return Err(DataError::missing(&manifest.title, &here, manifest.by_hand.trim()));
    }
    let dataset = read(&here, options)?;
    if options.parts == Parts::FewShot {
        manifest.check_splits(dataset.index(), &here)?;
    }
    Ok(dataset)
}

/// Reads a folder of the published form with any of the 200 classes; `folder` may also hold the class folders
/// themselves, if no list is needed.
///
/// # Errors
/// As [`load`], without the counts: a picture that no list names or the other way round, a list with a line that
/// cannot be, a missing list where `options` need it, a class that the few-shot split does not know.
pub fn read(folder: &Path, options: Options) -> Result<Dataset, DataError> {
    let home = home(folder).unwrap_or_else(|| Home { lists: folder.to_owned(), images: folder.to_owned() });
    let tree = source::whole(Tree::open(&home.images, 1)?)?;
    let lists = Lists::read(&home.lists)?;
    let needs = |what: &str, name: &str, is_there: bool| {
        if is_there {
            return Ok(());
        }
        let remedy = "obtain it with the archive of the pictures, or read without it";
        Err(DataError::missing(what, &home.lists.join(name), remedy))
    };
    needs("list of pictures", cub_lists::IMAGES, lists.is_some() || options == Options::default())?;
    let is_listed = lists.is_some();
    let mut lists = lists.unwrap_or_default();
    needs(
        "list of bounding boxes",
        cub_lists::BOXES,
        !lists.boxes.is_empty() || options.frame == Frame::Whole,
    )?;
    needs(
        "list of training pictures",
        cub_lists::SPLIT,
        !lists.training.is_empty() || options.parts == Parts::FewShot,
    )?;
    let mut listed = Vec::with_capacity(tree.files.len());
    for entry in tree.files {
        let path = entry.source.path();
        let name = entry.parts.join("/");
        if entry.parts.len() != 2 || !tree::is_picture(&entry.parts[1]) {
            let reason = "it is not of the form class/picture.jpg";
            return Err(DataError::corrupt(&path, reason, "move it out of the folder"));
        }
        let number = lists.numbers.remove(&name);
        if number.is_none() && is_listed {
            let reason = format!("`{}` does not list it", cub_lists::IMAGES);
            return Err(DataError::corrupt(&path, reason, OBTAIN_AGAIN));
        }
        let region = match (options.frame, number) {
            (Frame::BoundingBox, Some(number)) => Some(found(&lists.boxes, number, &path, cub_lists::BOXES)?),
            _ => None,
        };
        let split = match (options.parts, number) {
            (Parts::Published, Some(number)) => {
                let training = found(&lists.training, number, &path, cub_lists::SPLIT)?;
                Some(if training { Split::Train } else { Split::Test })
            }
            _ => None,
        };
        let view = View { region, quarter_turns: 0 };
        listed.push(Listed { split, view, ..Listed::new(entry.source, &entry.parts[0]) });
    }
    if listed.is_empty() {
        return Err(DataError::missing("picture", &home.images, "put the class folders there"));
    }
    if let Some(name) = lists.numbers.keys().next() {
        let remedy = format!("it stands in {}; obtain the pictures again", cub_lists::IMAGES);
        return Err(DataError::missing("picture", &home.images.join(name), remedy));
    }
    let index = listed::index(listed);
    let dataset = Dataset::encoded(index, Colour::Rgb, tree.archive.into_iter().collect());
    match options.parts {
        Parts::Published => Ok(dataset),
        Parts::FewShot => {
            let rule = SplitRule::builtin("cub").expect("invariant: the split is part of the crate");
            dataset.with_split_of_present(&rule, Path::new("data/cub/splits.toml"))
        }
    }
}

fn found<T: Copy>(list: &BTreeMap<u32, T>, number: u32, picture: &Path, name: &str) -> Result<T, DataError> {
    list.get(&number).copied().ok_or_else(|| {
        DataError::corrupt(picture, format!("`{name}` has no line for it (number {number})"), OBTAIN_AGAIN)
    })
}

/// Where the lists and the pictures lie.
struct Home {
    lists: PathBuf,
    images: PathBuf,
}

fn home(folder: &Path) -> Option<Home> {
    let published = [folder.join("CUB_200_2011"), folder.to_owned()].into_iter().find_map(|lists| {
        let images =
            [lists.join("images"), lists.join("images.zip")].into_iter().find(|path| path.exists())?;
        Some(Home { lists, images })
    });
    published
        .or_else(|| has_classes(folder).then(|| Home { lists: folder.to_owned(), images: folder.to_owned() }))
}

/// Whether a class folder lies there, such as `001.Black_footed_Albatross`.
fn has_classes(folder: &Path) -> bool {
    let is_class = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.split_once('.')).map(|(number, _)| number);
        let counts = |number: &str| number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit());
        number.is_some_and(counts) && entry.path().is_dir()
    };
    std::fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(is_class))
}

/// A region in whole pixels that covers a box given in fractions of pixels.
pub(super) fn covering(left: f64, top: f64, width: f64, height: f64) -> Option<Region> {
    let fits = |v: f64| v.is_finite() && (0.0..=1e6).contains(&v);
    if !(fits(left) && fits(top) && fits(width) && fits(height) && width > 0.0 && height > 0.0) {
        return None;
    }
    let (first_column, first_row) = (left.floor(), top.floor());
    Some(Region {
        left: first_column as u32,
        top: first_row as u32,
        width: ((left + width).ceil() - first_column) as u32,
        height: ((top + height).ceil() - first_row) as u32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_was_not_unpacked_is_named_with_the_command_that_does() {
        let folder = tempfile::tempdir().unwrap();
        let missing = || load(folder.path(), Options::default()).unwrap_err().to_string();
        assert!(missing().contains("data.caltech.edu"), "{}", missing());
        std::fs::create_dir_all(folder.path().join("cub")).unwrap();
        std::fs::write(folder.path().join("cub/CUB_200_2011.tgz"), "").unwrap();
        assert!(missing().contains("cargo xtask fetch cub"), "{}", missing());
    }

    #[test]
    fn class_folders_alone_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let cub = folder.path().join("cub");
        std::fs::create_dir_all(cub.join("some.thing")).unwrap();
        assert!(home(&cub).is_none());
        std::fs::create_dir_all(cub.join("001.Black_footed_Albatross")).unwrap();
        std::fs::write(cub.join("001.Black_footed_Albatross/a.jpg"), "").unwrap();
        let found = home(&cub).unwrap();
        assert_eq!((found.lists, found.images), (cub.clone(), cub));
        // One class of 200: it is the count that is wrong now.
        let error = load(folder.path(), Options::default()).unwrap_err();
        assert!(!matches!(error, DataError::Missing { .. }), "{error}");
    }
}

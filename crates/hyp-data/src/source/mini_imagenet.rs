//! mini-ImageNet in the forms that people have it.
//!
//! ```text
//! images.zip or a folder:  train/n01532829/*.jpg, val/…, test/…      parts and class folders
//!                          n01532829/*.jpg                           class folders; the parts are Ravi's
//!                          n0153282900000005.jpg                     one folder; the class begins the name
//! mini-imagenet-cache-train.pkl, -val.pkl (-validation.pkl), -test.pkl        84 × 84 pictures, read as data
//! ```

use std::path::{Path, PathBuf};

use crate::dataset::Dataset;
use crate::error::DataError;
use crate::image::Colour;
use crate::manifest::Manifest;
use crate::source::listed::{self, Listed};
use crate::source::tree::{self, Entry, Tree};
use crate::source::{self, data_folder, folder, mini_imagenet_pickle as pickle};
use crate::split::{Split, SplitRule};

/// Loads the data set from `root/mini_imagenet` or from `root` and checks the published counts.
///
/// # Errors
/// [`DataError`] naming what is missing or damaged, or the count that differs.
///
/// # Examples
/// ```no_run
/// # use std::path::Path;
/// use hyp_data::{Split, source::mini_imagenet};
/// let pictures = mini_imagenet::load(Path::new("data/cache"))?;
/// assert_eq!(pictures.index().positions(Split::Train).len(), 38_400);
/// # Ok::<(), hyp_data::DataError>(())
/// ```
pub fn load(root: &Path) -> Result<Dataset, DataError> {
    let manifest = Manifest::builtin("mini_imagenet").expect("invariant: the manifest is part of the crate");
    let here = data_folder(root, "mini_imagenet", |folder| find(folder).is_some());
    if find(&here).is_none() {
        return Err(DataError::missing(&manifest.title, &here, manifest.by_hand.trim()));
    }
    let dataset = read(&here)?;
    manifest.check_splits(dataset.index(), &here)?;
    Ok(dataset)
}

/// Reads any of the forms with any number of classes and pictures.
///
/// Parts given by folders must not contradict the split of Ravi and Larochelle; without them that split decides, and
/// every class must stand in it.
///
/// # Errors
/// As [`load`], without the counts.
pub fn read(path: &Path) -> Result<Dataset, DataError> {
    match find(path) {
        Some(Form::Pickles(files)) => pickle::read(&files),
        Some(Form::Pictures(pictures)) => read_pictures(&pictures),
        None => read_pictures(path),
    }
}

enum Form {
    Pickles(Vec<(PathBuf, Split)>),
    Pictures(PathBuf),
}

fn find(folder: &Path) -> Option<Form> {
    let pickles = pickle::find(folder);
    if !pickles.is_empty() {
        return Some(Form::Pickles(pickles));
    }
    let pictures = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
    let found = pictures("images.zip").or_else(|| pictures("images"));
    found.or_else(|| holds_classes(folder).then(|| folder.to_owned())).map(Form::Pictures)
}

/// Whether the folders of the three parts lie in it, or those of all classes of Ravi's split.
fn holds_classes(folder: &Path) -> bool {
    let is_there = |name: &str| folder.join(name).is_dir();
    let validation = ["val", "valid", "validation"];
    if is_there("train") && is_there("test") && validation.iter().any(|name| is_there(name)) {
        return true;
    }
    let SplitRule::Classes { train, validation, test } = ravi() else { return false };
    [train, validation, test].concat().iter().all(|name| is_there(name))
}

fn read_pictures(path: &Path) -> Result<Dataset, DataError> {
    if !path.exists() {
        let remedy = "name a folder or zip archive of class folders, or the folder of the pickles";
        return Err(DataError::missing("mini-ImageNet", path, remedy));
    }
    let tree = source::whole(Tree::open(path, 0)?)?;
    let has_parts = folder::has_split_folders(&tree);
    let mut listed = Vec::with_capacity(tree.files.len());
    for entry in &tree.files {
        let class = class_of(entry, has_parts).ok_or_else(|| {
            let reason = "it is neither in the folder of its class (part/class/picture or class/picture) nor is its \
                          name that of a picture that begins with its class, as n0153282900000005.jpg does";
            DataError::corrupt(&entry.source.path(), reason, "move it out of the folder")
        })?;
        let split = if has_parts { Split::from_name(&entry.parts[0]) } else { None };
        listed.push(Listed { split, ..Listed::new(entry.source.clone(), class) });
    }
    if listed.is_empty() {
        return Err(DataError::missing("picture", path, "put the class folders there"));
    }
    let dataset = Dataset::encoded(listed::index(listed), Colour::Rgb, tree.archive.into_iter().collect());
    if has_parts { agree_with_ravi(&dataset, path).map(|()| dataset) } else { by_ravi(dataset) }
}

/// The class of a picture; nothing if it is not in its place.
fn class_of(entry: &Entry, has_parts: bool) -> Option<&str> {
    let above = usize::from(has_parts);
    let file = entry.parts.last().filter(|name| tree::is_picture(name))?;
    match entry.parts.len() - above {
        2 => Some(&entry.parts[above]),
        1 => {
            let (class, rest) = file.split_at_checked(9)?;
            let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let stem = rest.rsplit_once('.').map(|(stem, _)| stem)?;
            (class.strip_prefix('n').is_some_and(is_digits) && is_digits(stem)).then_some(class)
        }
        _ => None,
    }
}

const RULE: &str = "data/mini_imagenet/splits.toml";

fn ravi() -> SplitRule {
    SplitRule::builtin("mini_imagenet").expect("invariant: the split is part of the crate")
}

pub(super) fn by_ravi(dataset: Dataset) -> Result<Dataset, DataError> {
    dataset.with_split_of_present(&ravi(), Path::new(RULE))
}

/// Refuses a class that stands in another part than the split of the literature gives it; other classes are free.
pub(super) fn agree_with_ravi(dataset: &Dataset, path: &Path) -> Result<(), DataError> {
    let SplitRule::Classes { train, validation, test } = ravi() else {
        unreachable!("the rule of mini-ImageNet lists classes")
    };
    let index = dataset.index();
    for (split, names) in Split::CLASSIFICATION.into_iter().zip([train, validation, test]) {
        for item in index.items() {
            let name = &index.classes()[item.class as usize];
            if item.split != Some(split) && names.contains(name) {
                let found = item.split.map_or("no part".to_owned(), |split| split.to_string());
                let reason = format!(
                    "class `{name}` lies in {found}, the split of Ravi and Larochelle has it in {split}"
                );
                return Err(DataError::corrupt(
                    path,
                    reason,
                    "move its folder, or read it as a folder of your own",
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_folders_are_found_with_parts_and_without() {
        let folder = tempfile::tempdir().unwrap();
        let make =
            |name: &str| std::fs::create_dir_all(folder.path().join("mini_imagenet").join(name)).unwrap();
        let SplitRule::Classes { train, validation, test } = ravi() else { panic!("the rule lists classes") };
        for class in [&train[..], &validation, &test[1..]].concat() {
            make(&class);
        }
        let said = || load(folder.path()).unwrap_err().to_string();
        assert!(said().contains("mini-ImageNet"), "a class is not there: {}", said());
        make(&test[0]);
        assert!(said().contains("class folders"), "all are there, and empty: {}", said());

        let folder = tempfile::tempdir().unwrap();
        for name in ["train/n01532829", "valid/n01855672", "test/n01930112"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        assert!(find(folder.path()).is_some(), "the parts lie in the data root itself");
    }
}

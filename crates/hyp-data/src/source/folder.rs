//! A folder (or zip archive) of pictures, one folder a class: the reference source.
//!
//! ```text
//! root/cat/001.png            or, with parts of its own,     root/train/cat/001.png
//! root/dog/001.png                                            root/test/dog/001.png
//! ```

use std::collections::BTreeSet;
use std::path::Path;

use crate::dataset::Dataset;
use crate::error::DataError;
use crate::image::Colour;
use crate::index::{Index, Item};
use crate::source::tree::{self, Tree};
use crate::split::Split;

/// Lists a folder of class folders; nothing is decoded yet.
///
/// - A class is a folder directly below the root; pictures in deeper folders belong to it as well.
/// - If every folder below the root is called `train`, `val` (`valid`, `validation`) or `test` and holds folders
///   itself, these are the parts, and the classes lie below them; classes need not occur in every part.
/// - Classes and items are sorted by name; hidden files are passed over; links are followed.
/// - A zip archive is read in place; a folder that holds everything else in it is passed through.
///
/// # Errors
/// [`DataError`] naming the file or folder: a root that does not exist or holds no class folder, a picture outside
/// a class folder, a file that is no picture by its name, a class folder without pictures, a link that leads nowhere
/// or into itself.
///
/// # Examples
/// ```
/// use hyp_data::source::{folder, synthetic};
/// use hyp_data::Colour;
/// let root = tempfile::tempdir()?;
/// synthetic::write_folder(&synthetic::coloured(2, 3, 16, 0), root.path())?;
/// let dataset = folder::load(root.path(), Colour::Rgb)?;
/// assert_eq!(dataset.index().class_counts(None), [3, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load(root: &Path, colour: Colour) -> Result<Dataset, DataError> {
    if !root.exists() {
        let remedy = "name a folder that holds one folder of pictures for each class";
        return Err(DataError::missing("folder of pictures", root, remedy));
    }
    let tree = Tree::open(root, 1)?;
    let index = index(&tree)?;
    Ok(Dataset::encoded(index, colour, tree.archive.into_iter().collect()))
}

fn index(tree: &Tree) -> Result<Index, DataError> {
    let has_splits = has_split_folders(tree);
    let above = usize::from(has_splits);
    if let Some(parts) = tree.empty_folders.iter().find(|parts| parts.len() == above + 1) {
        let folder = parts.iter().fold(tree.root.clone(), |path, part| path.join(part));
        return Err(DataError::corrupt(
            &folder,
            "the class folder is empty",
            "put pictures into it or remove it",
        ));
    }
    for entry in &tree.files {
        let path = entry.source.path();
        if !tree::is_picture(&entry.parts[entry.parts.len() - 1]) {
            let reason = "its name is not that of a PNG, JPEG, GIF, BMP or WebP picture";
            return Err(DataError::corrupt(&path, reason, "convert it or move it out of the folder"));
        }
        if entry.parts.len() < above + 2 {
            return Err(DataError::corrupt(
                &path,
                "it lies outside a class folder",
                "move it into the folder of its class",
            ));
        }
    }
    let classes: BTreeSet<&String> = tree.files.iter().map(|entry| &entry.parts[above]).collect();
    if classes.is_empty() {
        let remedy = "name a folder that holds one folder of pictures for each class";
        return Err(DataError::missing("class folder", &tree.root, remedy));
    }
    let classes: Vec<String> = classes.into_iter().cloned().collect();
    let items = tree.files.iter().map(|entry| {
        let class = classes.binary_search(&entry.parts[above]).expect("invariant: every class was collected");
        let item = Item::new(entry.source.clone(), class as u32);
        let split = has_splits
            .then(|| Split::from_name(&entry.parts[0]).expect("invariant: every top folder is a part"));
        Item { split, ..item }
    });
    Ok(Index::new(items.collect(), classes))
}

/// Whether every top folder names a part and holds folders itself (a class may well be called `train`).
fn has_split_folders(tree: &Tree) -> bool {
    let all =
        |parts: &[String], folders: usize| parts.len() > folders && Split::from_name(&parts[0]).is_some();
    !tree.files.is_empty()
        && tree.files.iter().all(|entry| all(&entry.parts, 2))
        && tree.empty_folders.iter().all(|parts| all(parts, 0))
}

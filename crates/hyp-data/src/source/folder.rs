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
use crate::index::Index;
use crate::source::listed::{self, Listed};
use crate::source::tree::{self, Entry, Tree};
use crate::source::{Loaded, ReadOptions, Unusable};
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
    Ok(load_with(root, ReadOptions { colour, unusable: Unusable::Refuse })?.dataset)
}

/// As [`load`], with a choice of what becomes of files that cannot be used.
///
/// With [`Unusable::Skip`] every picture is decoded once, and what cannot be used is listed in [`Loaded::skipped`].
///
/// # Errors
/// As [`load`]; with [`Unusable::Skip`] only if the root cannot be read or nothing usable is left.
pub fn load_with(root: &Path, options: ReadOptions) -> Result<Loaded, DataError> {
    read(root, options, (1, REMEDY), index)
}

/// Lists the pictures below a folder (or in a zip archive), at any depth, or one picture, as one class: for questions that
/// need none.
///
/// Items are sorted by path; hidden files are passed over; links are followed.
///
/// # Errors
/// As [`load_with`], except that a picture may lie anywhere.
///
/// # Examples
/// ```
/// use hyp_data::source::{ReadOptions, folder, synthetic};
/// let root = tempfile::tempdir()?;
/// synthetic::write_folder(&synthetic::coloured(2, 3, 16, 0), root.path())?;
/// let loaded = folder::load_unlabelled(root.path(), ReadOptions::default())?;
/// assert_eq!(loaded.dataset.index().class_counts(None), [6]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load_unlabelled(root: &Path, options: ReadOptions) -> Result<Loaded, DataError> {
    const HOLDS_NONE: &str = "name a folder that holds pictures";
    read(root, options, (0, HOLDS_NONE), |tree, problems| {
        let files: Vec<&Entry> =
            tree.files.iter().filter(|entry| has_picture_name(entry, problems)).collect();
        if files.is_empty() && problems.is_empty() {
            return Err(DataError::missing("picture", &tree.root, HOLDS_NONE));
        }
        let listed = files.into_iter().map(|entry| Listed::new(entry.source.clone(), "pictures"));
        Ok(listed::index(listed.collect()))
    })
}

/// What `index` makes of the files below `root`, of which `depth` folders have a meaning.
pub(super) fn read(
    root: &Path,
    options: ReadOptions,
    (depth, remedy): (usize, &str),
    index: impl FnOnce(&Tree, &mut Vec<DataError>) -> Result<Index, DataError>,
) -> Result<Loaded, DataError> {
    if !root.exists() {
        return Err(DataError::missing("folder of pictures", root, remedy));
    }
    let mut tree = Tree::open(root, depth)?;
    let mut problems = std::mem::take(&mut tree.problems);
    let index = index(&tree, &mut problems)?;
    let dataset = Dataset::encoded(index, options.colour, tree.archive.into_iter().collect());
    Loaded::new(dataset, problems, options.unusable, root)
}

/// Whether the name is that of a picture; if not, that is one problem more.
pub(super) fn has_picture_name(entry: &Entry, problems: &mut Vec<DataError>) -> bool {
    let is_picture = tree::is_picture(&entry.parts[entry.parts.len() - 1]);
    if !is_picture {
        let reason = "its name is not that of a PNG, JPEG, GIF, BMP or WebP picture";
        problems.push(DataError::corrupt(
            &entry.source.path(),
            reason,
            "convert it or move it out of the folder",
        ));
    }
    is_picture
}

const REMEDY: &str = "name a folder that holds one folder of pictures for each class";

fn index(tree: &Tree, problems: &mut Vec<DataError>) -> Result<Index, DataError> {
    let has_splits = has_split_folders(tree);
    let above = usize::from(has_splits);
    for parts in tree.empty_folders.iter().filter(|parts| parts.len() == above + 1) {
        let folder = parts.iter().fold(tree.root.clone(), |path, part| path.join(part));
        let reason = "the class folder is empty";
        problems.push(DataError::corrupt(&folder, reason, "put pictures into it or remove it"));
    }
    let usable = |entry: &&Entry| {
        if !has_picture_name(entry, problems) {
            return false;
        }
        let is_of_a_class = entry.parts.len() >= above + 2;
        if !is_of_a_class {
            let (reason, remedy) = ("it lies outside a class folder", "move it into the folder of its class");
            problems.push(DataError::corrupt(&entry.source.path(), reason, remedy));
        }
        is_of_a_class
    };
    let files: Vec<&Entry> = tree.files.iter().filter(usable).collect();
    if files.is_empty() && problems.is_empty() {
        return Err(DataError::missing("class folder", &tree.root, REMEDY));
    }
    let listed = files.into_iter().map(|entry| Listed {
        split: has_splits.then(|| Split::from_name(&entry.parts[0])).flatten(),
        ..Listed::new(entry.source.clone(), &entry.parts[above])
    });
    Ok(listed::index(listed.collect()))
}

/// Whether every top folder names a part and holds folders itself (a class may well be called `train`).
pub(super) fn has_split_folders(tree: &Tree) -> bool {
    let below = tree.files.iter().filter(|entry| entry.parts.len() > 1);
    let tops: BTreeSet<&String> = below.map(|entry| &entry.parts[0]).collect();
    let empty = tree.empty_folders.iter().filter(|parts| !parts.is_empty()).map(|parts| &parts[0]);
    let holds_folders = |top: &String| tree.files.iter().any(|e| e.parts.len() > 2 && e.parts[0] == *top);
    !tops.is_empty()
        && tops.iter().all(|top| Split::from_name(top).is_some() && holds_folders(top))
        && empty.into_iter().all(|top| Split::from_name(top).is_some())
}

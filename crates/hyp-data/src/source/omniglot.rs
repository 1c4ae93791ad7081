//! Omniglot from its two archives, zipped or unpacked.
//!
//! ```text
//! images_background/Greek/character01/0394_01.png      30 alphabets, 964 characters × 20 drawings
//! images_evaluation/Angelic/character01/0965_01.png    20 alphabets, 659 characters × 20 drawings
//! ```

use std::collections::BTreeSet;
use std::path::Path;

use crate::dataset::Dataset;
use crate::error::{DataError, OBTAIN_AGAIN};
use crate::image::Colour;
use crate::index::{Index, Item};
use crate::manifest::Manifest;
use crate::source::{data_folder, tree};
use crate::transform::{Filter, Step, Transform};

/// One of the two published archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `images_background`: 30 alphabets.
    Background,
    /// `images_evaluation`: 20 alphabets.
    Evaluation,
}

impl Part {
    /// The part's name in the manifest's counts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::Evaluation => "evaluation",
        }
    }
}

/// Loads a part from the data root and checks the published counts.
///
/// It is looked for as `omniglot/images_<part>` (a folder) and `omniglot/images_<part>.zip` below `root`, or directly
/// in `root`. The pictures stay as drawn, 105 × 105, black on white; [`like_mnist`] turns them.
///
/// # Errors
/// [`DataError`] naming what is missing or damaged, or the count that differs.
///
/// # Examples
/// ```no_run
/// # use std::path::Path;
/// use hyp_data::source::omniglot::{self, Part};
/// use hyp_data::transform::Filter;
/// let drawings = omniglot::load(Path::new("data/cache"), Part::Evaluation)?;
/// let small = drawings.preload(&omniglot::like_mnist(Filter::Bilinear))?; // 13,180 pictures of 28 × 28
/// # Ok::<(), hyp_data::DataError>(())
/// ```
pub fn load(root: &Path, part: Part) -> Result<Dataset, DataError> {
    let manifest = Manifest::builtin("omniglot").expect("invariant: the manifest is part of the crate");
    let stem = format!("images_{}", part.name());
    let unpacked = |folder: &Path| folder.join(&stem);
    let zipped = |folder: &Path| folder.join(format!("{stem}.zip"));
    let here = data_folder(root, "omniglot", |folder| unpacked(folder).is_dir() || zipped(folder).is_file());
    let path = match (unpacked(&here), zipped(&here)) {
        (folder, _) if folder.is_dir() => folder,
        (_, zip) if zip.is_file() => zip,
        (_, zip) => return Err(DataError::missing("Omniglot archive", &zip, manifest.by_hand.trim())),
    };
    let dataset = read(&path)?;
    manifest.check_part(part.name(), &dataset.index().class_counts(None), &path)?;
    Ok(dataset)
}

/// Reads any folder or zip of the form `alphabet/character/drawing.png`; a class is `alphabet/character`.
///
/// # Errors
/// [`DataError`] naming a file that is not in its place; [`DataError::Missing`] if there is none at all.
pub fn read(path: &Path) -> Result<Dataset, DataError> {
    let mut tree = tree::Tree::open(path, 2)?;
    if !tree.problems.is_empty() {
        return Err(tree.problems.remove(0));
    }
    for entry in &tree.files {
        if entry.parts.len() != 3 || !tree::is_picture(&entry.parts[2]) {
            let reason = "it is not of the form alphabet/character/drawing.png";
            return Err(DataError::corrupt(&entry.source.path(), reason, OBTAIN_AGAIN));
        }
    }
    let class = |parts: &[String]| parts[..2].join("/");
    let classes: BTreeSet<String> = tree.files.iter().map(|entry| class(&entry.parts)).collect();
    if classes.is_empty() {
        return Err(DataError::missing("drawing", path, "unpack or fetch Omniglot there"));
    }
    let classes: Vec<String> = classes.into_iter().collect();
    let items = tree.files.into_iter().map(|entry| {
        let class =
            classes.binary_search(&class(&entry.parts)).expect("invariant: every class was collected");
        Item::new(entry.source, class as u32)
    });
    let index = Index::new(items.collect(), classes);
    Ok(Dataset::encoded(index, Colour::Grey, tree.archive.into_iter().collect()))
}

/// White strokes on black at 28 × 28, as MNIST's digits are.
pub fn like_mnist(filter: Filter) -> Transform {
    Transform::new([Step::Invert, Step::Resize { height: 28, width: 28, filter }])
}

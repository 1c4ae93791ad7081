//! Omniglot from its two archives, zipped or unpacked.
//!
//! ```text
//! images_background/Greek/character01/0394_01.png      30 alphabets, 964 characters × 20 drawings
//! images_evaluation/Angelic/character01/0965_01.png    20 alphabets, 659 characters × 20 drawings
//! ```

use std::path::Path;

use crate::dataset::Dataset;
use crate::error::{DataError, OBTAIN_AGAIN};
use crate::image::Colour;
use crate::index::View;
use crate::manifest::Manifest;
use crate::source::listed::{self, Listed};
use crate::source::{self, data_folder, tree};
use crate::split::SplitRule;
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
    let tree = source::whole(tree::Tree::open(path, 2)?)?;
    for entry in &tree.files {
        if entry.parts.len() != 3 || !tree::is_picture(&entry.parts[2]) {
            let reason = "it is not of the form alphabet/character/drawing.png";
            return Err(DataError::corrupt(&entry.source.path(), reason, OBTAIN_AGAIN));
        }
    }
    if tree.files.is_empty() {
        return Err(DataError::missing("drawing", path, "unpack or fetch Omniglot there"));
    }
    let listed = tree.files.into_iter().map(|entry| Listed::new(entry.source, entry.parts[..2].join("/")));
    let index = listed::index(listed.collect());
    Ok(Dataset::encoded(index, Colour::Grey, tree.archive.into_iter().collect()))
}

/// Loads both parts for few-shot classification: every character four times as a class of its own, turned by 0, 90,
/// 180 and 270 degrees, 6,492 classes of 20 drawings, in the parts of Vinyals et al. (4,112 classes for training, 688
/// for validation, 1,692 for testing).
///
/// # Errors
/// As [`load`].
///
/// # Examples
/// ```no_run
/// # use std::path::Path;
/// use hyp_data::{Split, source::omniglot, transform::Filter};
/// let drawings = omniglot::load_few_shot(Path::new("data/cache"))?;
/// let small = drawings.preload(&omniglot::like_mnist(Filter::Bilinear))?; // about 100 MB
/// assert_eq!(small.index().positions(Split::Test).len(), 4 * 423 * 20);
/// # Ok::<(), hyp_data::DataError>(())
/// ```
pub fn load_few_shot(root: &Path) -> Result<Dataset, DataError> {
    let both = load(root, Part::Background)?.joined(load(root, Part::Evaluation)?);
    let rule = SplitRule::builtin("omniglot").expect("invariant: the split is part of the crate");
    with_rotations(&both).with_split(&rule, Path::new("data/omniglot/splits.toml"))
}

/// Every picture four times, turned anticlockwise by 0, 90, 180 and 270 degrees; the class of a turned picture has
/// `/rot000`, `/rot090`, `/rot180` or `/rot270` behind its name. Parts are kept.
///
/// # Examples
/// ```
/// use hyp_data::source::{omniglot, synthetic};
/// let turned = omniglot::with_rotations(&synthetic::stroke_glyphs(3, 5, 0));
/// assert_eq!(turned.index().class_counts(None), [5; 12]);
/// assert_eq!(turned.index().classes()[1], "0/rot090");
/// ```
pub fn with_rotations(drawings: &Dataset) -> Dataset {
    let index = drawings.index();
    // Sorted by class, then in the former order.
    let mut order: Vec<(u32, u8, usize)> = (0..4_u8)
        .flat_map(|turns| (0..index.len()).map(move |n| (turns, n)))
        .map(|(turns, n)| (index.items()[n].class, turns, n))
        .collect();
    order.sort_unstable();
    let name = |class: u32, turns: u8| {
        format!("{}/rot{:03}", index.classes()[class as usize], 90 * u32::from(turns))
    };
    let listed = order.iter().map(|&(class, turns, n)| {
        let item = &index.items()[n];
        let quarter_turns = (item.view.quarter_turns + turns) % 4;
        Listed {
            split: item.split,
            view: View { quarter_turns, ..item.view },
            ..Listed::new(item.source.clone(), name(class, turns))
        }
    });
    let positions: Vec<usize> = order.iter().map(|&(_, _, n)| n).collect();
    drawings.subset(&positions).with_index(listed::index(listed.collect()))
}

/// White strokes on black at 28 × 28, as MNIST's digits are.
pub fn like_mnist(filter: Filter) -> Transform {
    Transform::new([Step::Invert, Step::Resize { height: 28, width: 28, filter }])
}

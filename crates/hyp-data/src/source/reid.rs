//! Market-1501 and DukeMTMC-reID: folders of pictures whose names say who is seen by which camera.
//!
//! ```text
//! bounding_box_train/0002_c1s1_000451_03.jpg     Market-1501: identity 2, camera 1, sequence 1
//! query/0001_c2_f0046182.jpg                     DukeMTMC-reID: identity 1, camera 2
//! bounding_box_test/-1_c3s2_013243_04.jpg        a detection that shows nobody in particular: dropped
//! bounding_box_test/0000_c1s1_000151_01.jpg      somebody who is in no query: kept as a distractor
//! ```

use std::path::{Path, PathBuf};

use crate::dataset::Dataset;
use crate::error::{DataError, OBTAIN_AGAIN};
use crate::index::Index;
use crate::manifest::Manifest;
use crate::source::listed::{self, Listed};
use crate::source::tree::{self, Entry, Tree};
use crate::source::{Loaded, ReadOptions, data_folder, folder};
use crate::split::{Split, SplitRule};

/// One of the two data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Market-1501.
    Market1501,
    /// DukeMTMC-reID; withdrawn by its authors, for those who hold it lawfully.
    Duke,
}

impl Variant {
    /// The name of its manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Market1501 => "market1501",
            Self::Duke => "duke",
        }
    }

    /// Folders that the published archive puts around the three parts.
    fn wrapper(self) -> &'static str {
        match self {
            Self::Market1501 => "Market-1501-v15.09.15",
            Self::Duke => "DukeMTMC-reID",
        }
    }
}

/// The folders of the parts.
pub const FOLDERS: [(&str, Split); 3] =
    [("bounding_box_train", Split::Train), ("query", Split::Query), ("bounding_box_test", Split::Gallery)];

/// Folders of the published archives whose pictures show the same people once more: drawn by hand, for another protocol.
const BESIDE: [&str; 2] = ["gt_bbox", "gt_query"];

/// The identity of pictures that show nobody in particular.
pub(super) const NOBODY: &str = "-1";

/// The class and identity of distractors.
pub const DISTRACTOR: &str = "0000";

/// Loads a data set from `root/market1501` or `root/duke`, or from `root`, and checks the published counts.
///
/// Class and identity are one and the same; subsets of a part number their classes from 0.
/// Pictures of identity −1 are left out; pictures of identity 0 stay in the gallery without an identity.
///
/// # Errors
/// [`DataError`] naming what is missing, a name that does not parse, or the count that differs.
///
/// # Examples
/// ```no_run
/// # use std::path::Path;
/// use hyp_data::{Split, source::reid};
/// let market = reid::load(Path::new("data/cache"), reid::Variant::Market1501)?;
/// assert_eq!(market.index().positions(Split::Query).len(), 3_368);
/// # Ok::<(), hyp_data::DataError>(())
/// ```
pub fn load(root: &Path, variant: Variant) -> Result<Dataset, DataError> {
    let manifest = Manifest::builtin(variant.name()).expect("invariant: the manifest is part of the crate");
    let has_parts = |folder: &Path| FOLDERS.iter().all(|(name, _)| part(folder, name, variant).is_some());
    let here = data_folder(root, variant.name(), has_parts);
    let mut all: Option<Dataset> = None;
    for (name, split) in FOLDERS {
        let Some(path) = part(&here, name, variant) else {
            let what = format!("folder of {}", manifest.title);
            return Err(DataError::missing(what, &here.join(name), manifest.by_hand.trim()));
        };
        let part = read(&path)?;
        let items = part.index().items().iter().map(|item| item.clone().in_split(split));
        let index = part.index().with_items(items.collect());
        let part = part.with_index(index);
        all = Some(match all {
            None => part,
            Some(before) => before.joined(part),
        });
    }
    let dataset = all.expect("invariant: there are three parts");
    manifest.check_splits(dataset.index(), &here)?;
    Ok(dataset)
}

/// Reads one folder or zip archive of pictures with names of either form; no parts are given.
///
/// # Errors
/// [`DataError`] naming a file whose name does not parse; [`DataError::Missing`] if there is none at all.
///
/// # Examples
/// ```no_run
/// # use std::path::Path;
/// use hyp_data::{SplitRule, source::reid};
/// // Market-1501's training part alone: 501 people for training, 250 to be found.
/// let people = reid::read(Path::new("market1501/bounding_box_train"))?;
/// let people = people.with_split(&SplitRule::Identities { train: 501 }, Path::new("the command line"))?;
/// # Ok::<(), hyp_data::DataError>(())
/// ```
pub fn read(path: &Path) -> Result<Dataset, DataError> {
    Ok(read_with(path, ReadOptions::default())?.dataset)
}

/// As [`read`], with a choice of what becomes of files that cannot be used; folders called `train`, `query` and
/// `gallery`, or as in the published archives, are the parts. A folder that holds all others is passed through, and what
/// the published archives have beside their parts is passed over.
///
/// # Errors
/// As [`read`]; where files are skipped, only if the root cannot be read or nothing usable is left.
pub fn read_with(path: &Path, options: ReadOptions) -> Result<Loaded, DataError> {
    folder::read(path, options, (0, "name a folder or zip archive of pictures"), index)
}

/// The pictures whose names say identity and camera.
fn index(tree: &Tree, problems: &mut Vec<DataError>) -> Result<Index, DataError> {
    let parts = Parts::of(tree);
    let mut listed = Vec::with_capacity(tree.files.len());
    for entry in tree.files.iter().filter(|entry| !parts.is_beside(entry)) {
        let Some(name) = name_of(entry) else {
            let reason = "its name does not say identity and camera, as `0002_c1s1_000451_03.jpg` does";
            let remedy = "rename it, or list such pictures in a CSV file";
            problems.push(DataError::corrupt(&entry.source.path(), reason, remedy));
            continue;
        };
        if name.identity == Identity::Nobody {
            continue;
        }
        let (identity, camera) = (name.person(), Some(name.camera()));
        let class = identity.clone().unwrap_or_else(|| DISTRACTOR.to_owned());
        let split = parts.split_of(entry);
        listed.push(Listed { identity, camera, split, ..Listed::new(entry.source.clone(), class) });
    }
    if listed.is_empty() && problems.is_empty() {
        return Err(DataError::missing("picture of a person", &tree.root, OBTAIN_AGAIN));
    }
    Ok(listed::index(listed))
}

/// What the name of a picture says.
fn name_of(entry: &Entry) -> Option<Name> {
    let file = &entry.parts[entry.parts.len() - 1];
    parse(file).filter(|_| tree::is_picture(file))
}

/// Whether most pictures of a tree have names that say identity and camera.
pub(super) fn has_names(tree: &Tree) -> bool {
    let pictures = tree.files.iter().filter(|entry| tree::is_picture(&entry.parts[entry.parts.len() - 1]));
    let (all, named) =
        pictures.fold((0, 0), |(all, named), entry| (all + 1, named + usize::from(name_of(entry).is_some())));
    2 * named > all
}

/// Which folders of a tree are parts.
pub(super) struct Parts {
    /// Folders around everything else.
    around: usize,
    /// Whether the folders below those are parts.
    are_named: bool,
}

impl Parts {
    /// By the folders of the pictures.
    pub(super) fn of(tree: &Tree) -> Self {
        let folders: Vec<&[String]> = tree
            .files
            .iter()
            .filter_map(|entry| entry.parts.split_last())
            .filter(|(file, _)| tree::is_picture(file))
            .map(|(_, folders)| folders)
            .collect();
        let is_part = |folders: &&[String], around: usize| {
            folders.get(around).is_some_and(|name| part_named(name).is_some())
        };
        let mut around = 0;
        loop {
            if folders.iter().any(|folders| is_part(folders, around)) {
                return Self { around, are_named: true };
            }
            let mut tops = folders.iter().map(|folders| folders.get(around));
            match tops.next() {
                Some(Some(first)) if tops.all(|top| top == Some(first)) => around += 1,
                _ => return Self { around: 0, are_named: false },
            }
        }
    }

    /// Folders above those that say who is seen.
    pub(super) fn depth(&self) -> usize {
        self.around + usize::from(self.are_named)
    }

    /// The part of a picture; none where there are no parts, or where it lies beside them.
    pub(super) fn split_of(&self, entry: &Entry) -> Option<Split> {
        let (_, folders) = entry.parts.split_last().filter(|_| self.are_named)?;
        part_named(folders.get(self.around)?)
    }

    /// Whether a file belongs to what the published archives have beside their parts.
    fn is_beside(&self, entry: &Entry) -> bool {
        self.are_named && entry.parts.get(self.around).is_some_and(|name| BESIDE.contains(&name.as_str()))
    }
}

/// The part that the name of a folder means.
fn part_named(folder: &str) -> Option<Split> {
    let published = FOLDERS.iter().find(|(name, _)| *name == folder).map(|(_, split)| *split);
    published.or_else(|| Split::from_name(folder))
}

/// The identity and camera that the name of a file says, as in `0002_c1s1_000451_03.jpg`; none if it says neither, and no
/// identity for somebody who is nobody in particular.
///
/// # Examples
/// ```
/// use hyp_data::source::reid::tags_of_name;
/// let (identity, camera) = tags_of_name("0002_c1s1_000451_03.jpg").unwrap();
/// assert_eq!((identity.as_deref(), camera.as_str()), (Some("0002"), "c1"));
/// assert_eq!(tags_of_name("holiday.jpg"), None);
/// ```
pub fn tags_of_name(file: &str) -> Option<(Option<String>, String)> {
    let name = parse(file)?;
    Some((name.person(), name.camera()))
}

/// As [`read`], then cut by identity: see [`SplitRule::Identities`].
///
/// # Errors
/// As [`read`]; [`DataError::Invalid`] if `train` leaves nobody for one of the sides.
pub fn read_cut(path: &Path, train: usize) -> Result<Dataset, DataError> {
    read(path)?.with_split(&SplitRule::Identities { train }, path)
}

/// A part's folder or archive below `folder`, with or without the published archive's own folder.
fn part(folder: &Path, name: &str, variant: Variant) -> Option<PathBuf> {
    [folder.to_owned(), folder.join(variant.wrapper())]
        .iter()
        .flat_map(|home| [home.join(name), home.join(format!("{name}.zip"))])
        .find(|path| path.exists())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    /// −1: a false detection.
    Nobody,
    /// A number; 0 is a distractor.
    Person(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    identity: Identity,
    camera: u32,
}

impl Name {
    /// Who is seen; none if it is nobody in particular.
    fn person(self) -> Option<String> {
        match self.identity {
            Identity::Person(number) if number > 0 => Some(format!("{number:04}")),
            _ => None,
        }
    }

    fn camera(self) -> String {
        format!("c{}", self.camera)
    }
}

/// `<identity>_c<camera>[s<sequence>]_…`
fn parse(file: &str) -> Option<Name> {
    let (identity, rest) = file.split_once('_')?;
    let identity = match identity {
        NOBODY => Identity::Nobody,
        digits => Identity::Person(number(digits)?),
    };
    let (camera, _) = rest.strip_prefix('c')?.split_once('_')?;
    let camera = number(camera.split_once('s').map_or(camera, |(camera, _)| camera))?;
    Some(Name { identity, camera })
}

/// Digits only, no sign.
fn number(digits: &str) -> Option<u32> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_data_sets_parse_and_others_do_not() {
        let person = |number, camera| Some(Name { identity: Identity::Person(number), camera });
        assert_eq!(parse("0002_c1s1_000451_03.jpg"), person(2, 1));
        assert_eq!(parse("1501_c6s4_002052_01.jpg"), person(1501, 6));
        assert_eq!(parse("0001_c2_f0046182.jpg"), person(1, 2));
        assert_eq!(parse("0000_c12_f1.jpg"), person(0, 12));
        assert_eq!(parse("-1_c3s2_013243_04.jpg"), Some(Name { identity: Identity::Nobody, camera: 3 }));
        for bad in [
            "",
            "_c1_",
            "2",
            "-2_c1s1_1.jpg",
            "+2_c1s1_1.jpg",
            "0002_1_2.jpg",
            "0002_cs1_2.jpg",
            "0002_c1.jpg",
            "99999999999_c1_1.jpg",
            "二_c1_1.jpg",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        /// Both forms of a name say what was written into them, and no text makes the reader panic.
        #[test]
        fn a_name_says_who_and_where(
            identity in 0_u32..100_000,
            camera in 0_u32..1000,
            sequence in 0_u32..100,
            text in ".{0,40}",
        ) {
            let want = Some(Name { identity: Identity::Person(identity), camera });
            proptest::prop_assert_eq!(parse(&format!("{identity:04}_c{camera}s{sequence}_000451_03.jpg")), want);
            proptest::prop_assert_eq!(parse(&format!("{identity:04}_c{camera}_f0046182.jpg")), want);
            let told = tags_of_name(&format!("{identity}_c{camera}_{text}"));
            let person = (identity > 0).then(|| format!("{identity:04}"));
            proptest::prop_assert_eq!(told, Some((person, format!("c{camera}"))));
            let _ = tags_of_name(&text);
        }
    }
}

//! The list of a data set's pictures: where each lies, its class, and the part it belongs to.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use crate::checksum::sha256;
use crate::split::Split;

/// Where a picture comes from; shown in messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Source {
    /// A file of its own.
    File(PathBuf),
    /// An entry of a zip archive.
    Entry {
        /// The archive.
        archive: Arc<PathBuf>,
        /// The entry's name.
        entry: String,
    },
    /// One of many pictures in a file.
    Record {
        /// The file.
        file: Arc<PathBuf>,
        /// Its position in the file, from 0.
        record: usize,
    },
    /// Made on the spot.
    Generated {
        /// The generator's name.
        generator: &'static str,
        /// Its position among the pictures made, from 0.
        number: usize,
    },
}

impl Source {
    /// The source as one path for a message, `archive.zip/entry` and `file/record` included.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(self.to_string())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Entry { archive, entry } => write!(f, "{}/{entry}", archive.display()),
            Self::Record { file, record } => write!(f, "{}[{record}]", file.display()),
            Self::Generated { generator, number } => write!(f, "{generator}[{number}]"),
        }
    }
}

/// A rectangle of a picture, in its own pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Region {
    /// The first column.
    pub left: u32,
    /// The first row.
    pub top: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// How the picture of a source is shown; one source may stand in an index several times, each time otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct View {
    /// The part that is kept; the whole picture where there is none.
    pub region: Option<Region>,
    /// Quarter turns anticlockwise (0 to 3) after the region is cut.
    pub quarter_turns: u8,
}

/// One picture of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it comes from.
    pub source: Source,
    /// Its class, an index into [`Index::classes`].
    pub class: u32,
    /// Who or what is seen, an index into [`Index::identities`].
    pub identity: Option<u32>,
    /// By which camera, an index into [`Index::cameras`].
    pub camera: Option<u32>,
    /// The part it belongs to.
    pub split: Option<Split>,
    /// What is seen of it.
    pub view: View,
}

impl Item {
    /// An item with a source and a class only.
    pub fn new(source: Source, class: u32) -> Self {
        Self { source, class, identity: None, camera: None, split: None, view: View::default() }
    }

    /// The same item in a part.
    pub fn in_split(self, split: Split) -> Self {
        Self { split: Some(split), ..self }
    }
}

/// The sorted items of a data set with the names of its classes.
///
/// The order of the items is part of the data set: it decides what a seed means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    items: Vec<Item>,
    classes: Vec<String>,
    identities: Vec<String>,
    cameras: Vec<String>,
}

impl Index {
    /// An index of items whose classes are positions in `classes`.
    ///
    /// # Panics
    /// If an item names a class beyond the list.
    ///
    /// # Examples
    /// ```
    /// use hyp_data::{Index, Item, Source, Split};
    /// let cat = Item::new(Source::File("cat/1.png".into()), 0).in_split(Split::Train);
    /// let dog = Item::new(Source::File("dog/1.png".into()), 1).in_split(Split::Test);
    /// let index = Index::new(vec![cat, dog], vec!["cat".into(), "dog".into()]);
    /// assert_eq!(index.positions(Split::Test), [1]);
    /// assert_eq!(index.class_counts(Some(Split::Train)), [1, 0]);
    /// ```
    pub fn new(items: Vec<Item>, classes: Vec<String>) -> Self {
        Self::with_names(items, classes, Vec::new(), Vec::new())
    }

    /// An index of items that also name identities and cameras.
    ///
    /// # Panics
    /// If an item names a class, an identity or a camera beyond its list.
    pub fn with_names(
        items: Vec<Item>,
        classes: Vec<String>,
        identities: Vec<String>,
        cameras: Vec<String>,
    ) -> Self {
        let within =
            |number: Option<u32>, names: &[String]| number.is_none_or(|n| (n as usize) < names.len());
        for item in &items {
            assert!(within(Some(item.class), &classes), "class of {}", item.source);
            assert!(within(item.identity, &identities), "identity of {}", item.source);
            assert!(within(item.camera, &cameras), "camera of {}", item.source);
        }
        Self { items, classes, identities, cameras }
    }

    /// The same names with other items.
    ///
    /// # Panics
    /// As [`Index::with_names`].
    pub fn with_items(&self, items: Vec<Item>) -> Self {
        Self::with_names(items, self.classes.clone(), self.identities.clone(), self.cameras.clone())
    }

    /// The same items with their identities as classes; pictures of nobody in particular are the class `nobody`.
    ///
    /// # Examples
    /// ```
    /// use hyp_data::source::synthetic;
    /// let people = synthetic::people(3, 2, 1, 0);
    /// let index = people.index().with_identities_as_classes("0000");
    /// assert_eq!(index.classes(), people.index().identities());
    /// ```
    pub fn with_identities_as_classes(&self, nobody: &str) -> Self {
        let named = |item: &Item| item.identity.map_or(nobody, |n| &self.identities[n as usize]).to_owned();
        let classes: BTreeSet<String> = self.items.iter().map(named).collect();
        let classes: Vec<String> = classes.into_iter().collect();
        let class = |item: &Item| {
            classes.binary_search(&named(item)).expect("invariant: every name was collected") as u32
        };
        let items = self.items.iter().map(|item| Item { class: class(item), ..item.clone() });
        Self::with_names(items.collect(), classes.clone(), self.identities.clone(), self.cameras.clone())
    }

    /// The items at some positions, with only those classes that still have one.
    ///
    /// # Panics
    /// If a position is not in the index.
    pub fn subset(&self, positions: &[usize]) -> Self {
        let mut items: Vec<Item> = positions.iter().map(|&n| self.items[n].clone()).collect();
        let kept: BTreeSet<u32> = items.iter().map(|item| item.class).collect();
        let kept: Vec<u32> = kept.into_iter().collect();
        for item in &mut items {
            item.class = kept.binary_search(&item.class).expect("invariant: the item's class is kept") as u32;
        }
        let classes = kept.iter().map(|&class| self.classes[class as usize].clone()).collect();
        Self::with_names(items, classes, self.identities.clone(), self.cameras.clone())
    }

    /// The items, in the data set's order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The names of the identities.
    pub fn identities(&self) -> &[String] {
        &self.identities
    }

    /// The names of the cameras.
    pub fn cameras(&self) -> &[String] {
        &self.cameras
    }

    /// The class of every item.
    pub fn labels(&self) -> Vec<u32> {
        self.items.iter().map(|item| item.class).collect()
    }

    /// The items of both, the names merged and sorted, and the items numbered anew.
    pub(crate) fn joined(&self, other: &Self) -> Self {
        let merged = |own: &[String], others: &[String]| -> Vec<String> {
            own.iter().chain(others).collect::<BTreeSet<_>>().into_iter().cloned().collect()
        };
        let classes = merged(&self.classes, &other.classes);
        let identities = merged(&self.identities, &other.identities);
        let cameras = merged(&self.cameras, &other.cameras);
        let renumber = |all: &[String], name: &String| {
            all.binary_search(name).expect("invariant: every name was merged") as u32
        };
        let items = [self, other].into_iter().flat_map(|index| {
            index.items.iter().map(|item| Item {
                class: renumber(&classes, &index.classes[item.class as usize]),
                identity: item.identity.map(|n| renumber(&identities, &index.identities[n as usize])),
                camera: item.camera.map(|n| renumber(&cameras, &index.cameras[n as usize])),
                ..item.clone()
            })
        });
        let items = items.collect();
        Self::with_names(items, classes, identities, cameras)
    }

    /// The same items in their parts, each shown whole and upright: for pictures that were cut and turned already.
    pub(crate) fn with_plain_views(&self) -> Self {
        let items = self.items.iter().map(|item| Item { view: View::default(), ..item.clone() });
        self.with_items(items.collect())
    }

    /// A hash of what a list of positions means: the names of the classes, and the file name, class, identity, camera,
    /// part and view of every item, in order. Where the data set lies does not matter.
    pub fn fingerprint(&self) -> String {
        let mut text = String::new();
        for name in self.classes.iter().chain(&self.identities).chain(&self.cameras) {
            text.push_str(name);
            text.push('\n');
        }
        for item in &self.items {
            let source = item.source.to_string();
            let name = source.rsplit(['/', '\\']).next().unwrap_or_default();
            let Item { class, identity, camera, split, view, .. } = item;
            let _ = writeln!(text, "{name} {class} {identity:?} {camera:?} {split:?} {view:?}");
        }
        sha256(text.as_bytes()).expect("invariant: memory can be read").0
    }

    /// The positions of the items of a part, ascending.
    pub fn positions(&self, split: Split) -> Vec<usize> {
        (0..self.len()).filter(|&n| self.items[n].split == Some(split)).collect()
    }

    /// How many items each class has, in one part or in all.
    pub fn class_counts(&self, split: Option<Split>) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for item in self.items.iter().filter(|item| split.is_none() || item.split == split) {
            counts[item.class as usize] += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subset_forgets_classes_that_have_no_item_left() {
        let item = |n: usize, class| Item::new(Source::Generated { generator: "test", number: n }, class);
        let classes = ["ant", "bee", "cat"].map(String::from).to_vec();
        let index = Index::new(vec![item(0, 0), item(1, 1), item(2, 2), item(3, 0)], classes);
        let subset = index.subset(&[3, 2]);
        assert_eq!(subset.classes(), ["ant", "cat"]);
        assert_eq!(subset.labels(), [0, 1]);
        assert_eq!(subset.items()[0].source, index.items()[3].source);
    }
}

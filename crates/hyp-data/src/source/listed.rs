//! From pictures with names to an index with numbers: every reader ends here.

use std::collections::BTreeSet;

use crate::index::{Index, Item, Source, View};
use crate::split::Split;

/// A picture whose class, identity and camera are still names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) source: Source,
    pub(super) class: String,
    pub(super) identity: Option<String>,
    pub(super) camera: Option<String>,
    pub(super) split: Option<Split>,
    pub(super) view: View,
}

impl Listed {
    /// A picture with a class only.
    pub(super) fn new(source: Source, class: impl Into<String>) -> Self {
        let class = class.into();
        Self { source, class, identity: None, camera: None, split: None, view: View::default() }
    }
}

/// The index of the pictures in the order given; classes, identities and cameras are sorted by name.
pub(super) fn index(listed: Vec<Listed>) -> Index {
    let classes = names(listed.iter().map(|one| &one.class));
    let identities = names(listed.iter().filter_map(|one| one.identity.as_ref()));
    let cameras = names(listed.iter().filter_map(|one| one.camera.as_ref()));
    let items = listed.into_iter().map(|one| Item {
        source: one.source,
        class: number(&classes, &one.class),
        identity: one.identity.map(|name| number(&identities, &name)),
        camera: one.camera.map(|name| number(&cameras, &name)),
        split: one.split,
        view: one.view,
    });
    let items = items.collect();
    Index::with_names(items, classes, identities, cameras)
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    names.collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

fn number(names: &[String], name: &String) -> u32 {
    names.binary_search(name).expect("invariant: every name was collected") as u32
}

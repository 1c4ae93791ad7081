//! A re-identification protocol cut from one folder: people for training, the others for query and gallery.

use std::collections::{BTreeMap, BTreeSet};

use crate::index::{Index, Item};
use crate::split::Split;

/// The first `train` identities by name are for training.
/// Of each other identity, the first picture by each camera is a query and the rest the gallery; pictures without an
/// identity are the gallery's distractors.
///
/// The reason of a refusal is text for a person.
pub(super) fn cut(index: &Index, train: usize) -> Result<Vec<Item>, String> {
    let present: BTreeSet<u32> = index.items().iter().filter_map(|item| item.identity).collect();
    if train == 0 || train >= present.len() {
        return Err(format!(
            "{train} of {} identities for training leave nobody to train on or to look for; \
             give a number between 1 and {}",
            present.len(),
            present.len().saturating_sub(1)
        ));
    }
    // Identities are numbered in the order of their names.
    let for_training: BTreeSet<u32> = present.into_iter().take(train).collect();
    let mut seen: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let part = |item: &Item| {
        let Some(identity) = item.identity else { return Ok(Split::Gallery) };
        if for_training.contains(&identity) {
            return Ok(Split::Train);
        }
        let camera = item.camera.ok_or_else(|| {
            format!("`{}` names no camera; a query is one picture of each identity and camera", item.source)
        })?;
        let first = seen.entry(identity).or_default().insert(camera);
        Ok(if first { Split::Query } else { Split::Gallery })
    };
    let parts = index.items().iter().map(part).collect::<Result<Vec<Split>, String>>()?;
    Ok(index.items().iter().zip(parts).map(|(item, split)| item.clone().in_split(split)).collect())
}

//! The people of a re-identification experiment: a training part, queries and a gallery.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use hyp_data::source::{reid, synthetic};
use hyp_data::transform::{Normalise, recipe};
use hyp_data::{Dataset, Item, Loader, LoaderOptions, Split, SplitRule, sample};
use hyp_reid::Tag;

use super::config::{DataSet, People};
use crate::experiment::Environment;
use crate::experiment::few_shot::pictures::describe;
use crate::record::DataFacts;

/// Pictures embedded at a time.
const BATCH: usize = 100;

/// Three parts of one data set.
pub(crate) struct Pictures {
    pub(crate) train: Arc<Dataset>,
    pub(crate) query: Arc<Dataset>,
    pub(crate) gallery: Arc<Dataset>,
    /// What a record says of them.
    pub(crate) facts: BTreeMap<String, DataFacts>,
}

impl Pictures {
    /// Reads the people that a scale asks for under the name of a data set.
    pub(super) fn read(environment: &Environment, id: &str, set: DataSet, people: People) -> Result<Self> {
        let variant = match set {
            DataSet::Market1501 => reid::Variant::Market1501,
            DataSet::Duke => reid::Variant::Duke,
        };
        let name = variant.name();
        let (dataset, title) = match people {
            People::Synthetic { people, cameras, pictures, train } => {
                let all = synthetic::people(people, cameras, pictures, 0);
                let cut = all.with_split(&SplitRule::Identities { train }, Path::new("invented people"))?;
                (cut, "invented people".to_owned())
            }
            People::Published => {
                (environment.found(name, id, |root| reid::load(root, variant))?, name.to_owned())
            }
            People::CutTrainingPart { train } => {
                let read = |root: &Path| reid::read_cut(&training_part(root, name), train);
                (environment.found(name, id, read)?, format!("{name}, training part cut by identity"))
            }
        };
        Self::new(&dataset, &title)
    }

    /// The three parts of a data set; `title` is its name in records and messages.
    ///
    /// Pictures of nobody in particular are no class to train: they are left out of the training part.
    pub(crate) fn new(dataset: &Dataset, title: &str) -> Result<Self> {
        let part = |split: Split| -> Result<Arc<Dataset>> {
            let index = dataset.index();
            let is_used = |at: &usize| split != Split::Train || index.items()[*at].identity.is_some();
            let positions: Vec<usize> = index.positions(split).into_iter().filter(is_used).collect();
            let part = dataset.subset(&positions);
            if part.is_empty() {
                bail!(
                    "{title} has no {split} pictures; check the folders, or the number of people for training"
                );
            }
            Ok(Arc::new(part))
        };
        let (train, query, gallery) = (part(Split::Train)?, part(Split::Query)?, part(Split::Gallery)?);
        can_be_ranked(&query, &gallery, title)?;
        let mut facts = BTreeMap::new();
        for (part, dataset) in [("train", &train), ("query", &query), ("gallery", &gallery)] {
            facts.insert(format!("{title}, {part}"), describe(dataset)?);
        }
        Ok(Self { train, query, gallery, facts })
    }
}

/// Refuses queries of nobody in particular, for which everything would be wrong, and pictures without a camera, of which
/// nobody can say whether the query's camera took them.
fn can_be_ranked(query: &Dataset, gallery: &Dataset, title: &str) -> Result<()> {
    let without_identity = query.index().items().iter().filter(|item| item.identity.is_none());
    let count = without_identity.clone().count();
    if let Some(first) = without_identity.clone().next() {
        bail!(
            "{count} of the {} queries of {title} show nobody in particular, such as {}, so that no answer to them is \
             right; say who is seen, or move them to the gallery",
            query.len(),
            first.source
        );
    }
    let all = || query.index().items().iter().chain(gallery.index().items());
    if let Some(first) = all().find(|item| item.camera.is_none()) {
        bail!(
            "{} of the {} queries and gallery pictures of {title} name no camera, such as {}; pictures by the query's own \
             camera are left out of a ranking, so give each picture its camera",
            all().filter(|item| item.camera.is_none()).count(),
            query.len() + gallery.len(),
            first.source
        );
    }
    Ok(())
}

/// Where the training part may lie: alone in a folder of its own, or where the whole data set does.
fn training_part(root: &Path, name: &str) -> std::path::PathBuf {
    let alone = root.join(format!("{name}_train")).join("bounding_box_train.zip");
    if alone.is_file() { alone } else { root.join(name).join("bounding_box_train") }
}

/// The pictures of a part in their order, as the network sees them.
pub(super) fn in_order(part: &Arc<Dataset>, [height, width]: [usize; 2], normalise: Normalise) -> Loader {
    let items = (0..part.len()).collect();
    let sampler = sample::Sequential { items, batch_size: BATCH };
    let steps = recipe::reid_test(height, width);
    Loader::new(Arc::clone(part), sampler, steps, normalise, LoaderOptions::default())
}

/// Who is on each picture of a query or gallery part, and which camera took it; distractors are one more identity, which no
/// query has.
pub(crate) fn tags(part: &Dataset) -> Vec<Tag> {
    let index = part.index();
    let nobody = index.identities().len() as u32;
    let tag = |item: &Item| Tag {
        identity: item.identity.unwrap_or(nobody),
        camera: item.camera.expect("invariant: Pictures::new has looked"),
    };
    index.items().iter().map(tag).collect()
}

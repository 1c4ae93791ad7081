//! Who or what is seen on a picture, as far as it is known.

use std::collections::BTreeSet;

use hyp_reid::Tag;

use super::index::Entries;

/// What is known of a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Its identity, or its class where there are no identities.
    pub(super) identity: Option<String>,
    /// Its camera.
    pub(super) camera: Option<String>,
}

impl Known {
    /// What an index says of one of its pictures.
    pub(super) fn of_row(entries: &Entries, row: usize) -> Self {
        let identity = match (&entries.identities[row], &entries.cameras[row]) {
            // With a camera, a picture without an identity shows nobody in particular.
            (None, None) => entries.classes[row].clone(),
            (identity, _) => identity.clone(),
        };
        Self { identity, camera: entries.cameras[row].clone() }
    }

    /// Whether one camera is known to have taken both.
    pub(super) fn by_one_camera(&self, other: &Self) -> bool {
        self.camera.is_some() && self.camera == other.camera
    }

    /// Whether both show the same; none if one of them is not known.
    pub(super) fn same(&self, other: &Self) -> Option<bool> {
        Some(self.identity.as_ref()? == other.identity.as_ref()?)
    }
}

/// Names as the numbers that a ranking takes.
pub(super) struct Numbers {
    identities: Vec<String>,
    cameras: Vec<String>,
}

impl Numbers {
    pub(super) fn new<'a>(all: impl Iterator<Item = &'a Known>) -> Self {
        let (mut identities, mut cameras) = (BTreeSet::new(), BTreeSet::new());
        for known in all {
            identities.extend(known.identity.clone());
            cameras.extend(known.camera.clone());
        }
        Self { identities: identities.into_iter().collect(), cameras: cameras.into_iter().collect() }
    }

    /// The tag of a picture; of what is not known, one that no other picture has.
    pub(super) fn tag(&self, known: &Known, picture: usize) -> Tag {
        let number = |names: &[String], name: &Option<String>| {
            let found = name.as_ref().and_then(|name| names.binary_search(name).ok());
            found.unwrap_or(names.len() + picture) as u32
        };
        Tag {
            identity: number(&self.identities, &known.identity),
            camera: number(&self.cameras, &known.camera),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(identity: Option<&str>, camera: Option<&str>) -> Known {
        Known { identity: identity.map(Into::into), camera: camera.map(Into::into) }
    }

    #[test]
    fn what_is_not_known_is_like_nothing_else() {
        let all = [known(Some("a"), Some("c1")), known(None, Some("c1")), known(None, Some("c1"))];
        let numbers = Numbers::new(all.iter());
        let tags: Vec<Tag> = all.iter().enumerate().map(|(at, one)| numbers.tag(one, at)).collect();
        assert!(tags[1].identity != tags[2].identity && tags[0].identity != tags[1].identity);
        assert_eq!(tags[1].camera, tags[0].camera);
        assert_eq!(all[0].same(&all[0]), Some(true));
        assert_eq!(all[0].same(&all[1]), None);
        assert!(
            all[0].by_one_camera(&all[1]) && !known(Some("a"), None).by_one_camera(&known(Some("a"), None))
        );
    }

    #[test]
    fn a_class_stands_in_for_an_identity_only_where_there_are_no_people() {
        let name = |text: &str| Some(text.to_owned());
        let entries = Entries {
            paths: vec![String::new(); 3],
            classes: vec![name("owl"), name("0000"), name("7")],
            identities: vec![None, None, name("7")],
            cameras: vec![None, name("c1"), name("c2")],
            embeddings: Vec::new(),
        };
        let all: Vec<Known> = (0..3).map(|row| Known::of_row(&entries, row)).collect();
        assert_eq!(all, [known(Some("owl"), None), known(None, Some("c1")), known(Some("7"), Some("c2"))]);
    }
}

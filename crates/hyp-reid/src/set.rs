//! Embedded pictures with the labels that retrieval is judged by.

use crate::{Error, Result};

/// Who is on a picture, and which camera took it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tag {
    /// The identity. Distractors, which are nobody in particular, have one that no query has.
    pub identity: u32,
    /// The camera.
    pub camera: u32,
}

impl Tag {
    /// Whether a gallery entry of this tag says nothing about a query of that one: the same person, seen by the same
    /// camera. The protocol leaves such entries out of the ranking.
    pub fn is_junk_for(self, query: Self) -> bool {
        self == query
    }

    /// Whether a gallery entry of this tag is what a query of that one looks for.
    pub fn is_match_for(self, query: Self) -> bool {
        self.identity == query.identity && self.camera != query.camera
    }
}

/// Features of some pictures, row after row, and their tags.
#[derive(Clone, Copy, Debug)]
pub struct Set<'a> {
    name: &'static str,
    features: &'a [f32],
    tags: &'a [Tag],
    dim: usize,
}

impl<'a> Set<'a> {
    /// A set of queries.
    ///
    /// **Shapes.** `features`: `[tags.len(), dim]`.
    ///
    /// # Errors
    /// If the lengths do not fit, or a number is not finite.
    pub fn queries(features: &'a [f32], tags: &'a [Tag], dim: usize) -> Result<Self> {
        Self::new("queries", features, tags, dim)
    }

    /// A gallery.
    ///
    /// # Errors
    /// As [`Set::queries`].
    pub fn gallery(features: &'a [f32], tags: &'a [Tag], dim: usize) -> Result<Self> {
        Self::new("gallery", features, tags, dim)
    }

    fn new(name: &'static str, features: &'a [f32], tags: &'a [Tag], dim: usize) -> Result<Self> {
        if dim == 0 || features.len() != tags.len() * dim {
            return Err(Error::Shape { set: name, features: features.len(), tags: tags.len(), dim });
        }
        match features.iter().position(|v| !v.is_finite()) {
            Some(at) => Err(Error::NotFinite { set: name, entry: at / dim }),
            None => Ok(Self { name, features, tags, dim }),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn features(&self) -> &'a [f32] {
        self.features
    }

    /// The labels, in order.
    pub fn tags(&self) -> &'a [Tag] {
        self.tags
    }

    /// Numbers of one entry.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }
}

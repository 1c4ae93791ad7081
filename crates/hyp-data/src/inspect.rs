//! A look at every picture before a long run: what cannot be decoded, what is there twice, which classes are thin.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rayon::prelude::*;

use crate::checksum::sha256;
use crate::dataset::Dataset;
use crate::error::DataError;

/// What [`inspect`] found; shown as a few lines of text.
#[derive(Debug)]
pub struct Inspection {
    /// Pictures looked at.
    pub pictures: usize,
    /// Pictures that cannot be decoded: their position and why.
    pub unusable: Vec<(usize, DataError)>,
    /// Groups of positions whose decoded pixels are the same.
    pub duplicates: Vec<Vec<usize>>,
    /// The groups of [`Inspection::duplicates`] that stand in two parts: the test has been seen in training.
    pub leaks: Vec<Vec<usize>>,
    /// The groups of [`Inspection::duplicates`] that stand in two classes: one of the labels is wrong.
    pub contradictions: Vec<Vec<usize>>,
    /// Classes with a single picture: no query is left beside a shot, no pair can be drawn.
    pub single: Vec<String>,
}

/// Decodes every picture of a data set on all cores and compares them.
///
/// # Examples
/// ```
/// use hyp_data::inspect::inspect;
/// use hyp_data::source::synthetic;
/// let found = inspect(&synthetic::stroke_glyphs(3, 4, 0));
/// assert!(found.unusable.is_empty() && found.duplicates.is_empty());
/// assert!(found.to_string().starts_with("12 pictures, 0 unusable"));
/// ```
pub fn inspect(dataset: &Dataset) -> Inspection {
    let looked: Vec<Result<String, DataError>> = (0..dataset.len())
        .into_par_iter()
        .map(|n| {
            let image = dataset.checked_image(n)?;
            let shape =
                [image.height(), image.width()].map(|side| side as u64).map(u64::to_le_bytes).concat();
            let bytes = std::io::Read::chain(&shape[..], image.data());
            Ok(sha256(bytes).expect("invariant: memory can be read").0)
        })
        .collect();
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut unusable = Vec::new();
    for (position, outcome) in looked.into_iter().enumerate() {
        match outcome {
            Ok(hash) => groups.entry(hash).or_default().push(position),
            Err(error) => unusable.push((position, error)),
        }
    }
    let mut duplicates: Vec<Vec<usize>> = groups.into_values().filter(|group| group.len() > 1).collect();
    duplicates.sort();
    let items = dataset.index().items();
    let contradictions = differing(&duplicates, |n| items[n].class);
    let leaks = differing(&duplicates, |n| items[n].split);
    let counts = dataset.index().class_counts(None);
    let classes = dataset.index().classes().iter();
    let single = classes.zip(counts).filter(|(_, count)| *count == 1).map(|(name, _)| name.clone()).collect();
    Inspection { pictures: dataset.len(), unusable, duplicates, leaks, contradictions, single }
}

/// The groups whose members do not all have one value.
fn differing<T: Ord>(groups: &[Vec<usize>], value: impl Fn(usize) -> T) -> Vec<Vec<usize>> {
    let differs = |group: &&Vec<usize>| group.iter().map(|&n| value(n)).collect::<BTreeSet<T>>().len() > 1;
    groups.iter().filter(differs).cloned().collect()
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} pictures, {} unusable, {} groups of duplicates ({} across parts, {} across classes), \
             {} classes with a single picture",
            self.pictures,
            self.unusable.len(),
            self.duplicates.len(),
            self.leaks.len(),
            self.contradictions.len(),
            self.single.len(),
        )?;
        for (_, error) in self.unusable.iter().take(10) {
            write!(f, "\n  {error}")?;
        }
        if self.unusable.len() > 10 {
            write!(f, "\n  and {} more", self.unusable.len() - 10)?;
        }
        Ok(())
    }
}

//! Pictures and classes of a data set as the readers find them, compared with its manifest.

use std::path::Path;

use crate::dataset::Dataset;
use crate::error::DataError;
use crate::manifest::Manifest;
use crate::source::{cifar, cub, mini_imagenet, mnist, mnist_5k, omniglot, reid};
use crate::split::Split;

/// What was counted in a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The part's name in the manifest.
    pub name: String,
    /// Pictures.
    pub pictures: usize,
    /// Classes that have at least one.
    pub classes: usize,
}

/// Counts a data set below the data root through its reader; none if there is no reader for it.
///
/// # Errors
/// [`DataError::Count`] if a part differs from the manifest, and whatever the reader finds.
///
/// # Examples
/// ```
/// use std::path::Path;
/// use hyp_data::{Manifest, count::count};
/// let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
/// let parts = count(&Manifest::builtin("mnist_5k").unwrap(), &data)?.unwrap();
/// assert!(parts.iter().any(|part| part.name == "test" && part.pictures == 1000 && part.classes == 10));
/// # Ok::<(), hyp_data::DataError>(())
/// ```
pub fn count(manifest: &Manifest, root: &Path) -> Result<Option<Vec<Part>>, DataError> {
    let splits = |dataset: Dataset| {
        let of = |split: Split| Part::of(&split.to_string(), &dataset.index().class_counts(Some(split)));
        Split::ALL.into_iter().map(of).filter(|part| part.pictures > 0).collect()
    };
    let parts = match manifest.name.as_str() {
        "cifar10" => splits(cifar::load(root, cifar::Variant::Cifar10)?),
        "cifar100" => splits(cifar::load(root, cifar::Variant::Cifar100)?),
        "cub" => splits(cub::load(root, cub::Options::default())?),
        "duke" => splits(reid::load(root, reid::Variant::Duke)?),
        "market1501" => splits(reid::load(root, reid::Variant::Market1501)?),
        "mini_imagenet" => splits(mini_imagenet::load(root)?),
        "mnist" => splits(mnist::load(root)?),
        "mnist_5k" => splits(mnist_5k::load(root)?),
        "omniglot" => {
            let of = |part: omniglot::Part| {
                let dataset = omniglot::load(root, part)?;
                Ok(Part::of(part.name(), &dataset.index().class_counts(None)))
            };
            [omniglot::Part::Background, omniglot::Part::Evaluation]
                .into_iter()
                .map(of)
                .collect::<Result<Vec<_>, DataError>>()?
        }
        _ => return Ok(None),
    };
    Ok(Some(parts))
}

impl Part {
    fn of(name: &str, class_counts: &[usize]) -> Self {
        let classes = class_counts.iter().filter(|count| **count > 0).count();
        Self { name: name.to_owned(), pictures: class_counts.iter().sum(), classes }
    }
}

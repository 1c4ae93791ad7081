//! The pictures of an MNIST experiment, as numbers and as what a record says of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use hyp_data::source::{mnist, mnist_5k, omniglot, synthetic};
use hyp_data::transform::{Filter, Normalise};
use hyp_data::{Dataset, Split};
use sha2::{Digest, Sha256};

use super::config::{InDomain, OodScale, OutOfDomain};
use crate::experiment::Environment;
use crate::record::{DataFacts, hexadecimal};

/// Pixels on a side.
pub(crate) const SIDE: usize = 28;
/// Validation pictures cut from the end of the training part where the data set has no such part.
const SMALL_VALIDATION: usize = 500;

/// The pictures, held in memory.
pub(crate) struct Pictures {
    /// Digits: training, validation and test part.
    pub(crate) digits: Arc<Dataset>,
    /// Positions of the training part.
    pub(crate) train: Vec<usize>,
    /// Positions of the validation part.
    pub(crate) validation: Vec<usize>,
    /// Positions of the test part.
    pub(crate) test: Vec<usize>,
    /// Pictures that are no digits.
    pub(crate) outside: Dataset,
    /// The same through a second filter.
    pub(crate) outside_other: Option<Dataset>,
    /// What they are called in plots.
    pub(crate) names: (&'static str, &'static str),
    /// What a record says of them.
    pub(crate) facts: BTreeMap<String, DataFacts>,
}

impl Pictures {
    /// Reads what the scale asks for; `id` is the experiment to name in the message about missing data.
    pub(crate) fn read(environment: &Environment, id: &str, scale: &OodScale) -> Result<Self> {
        let root = environment.data_root.as_deref();
        let (digits, in_name) = match scale.in_domain {
            InDomain::Mnist5k => (mnist_5k::load(&environment.root.join("data"))?, "MNIST (5,000)"),
            InDomain::Mnist => {
                let root = root.ok_or_else(|| environment.missing_data("MNIST", id))?;
                (found(environment, "MNIST", id, mnist::load(root))?, "MNIST")
            }
        };
        let mut train = digits.index().positions(Split::Train);
        let mut validation = digits.index().positions(Split::Validation);
        if validation.is_empty() {
            validation = train.split_off(train.len().saturating_sub(SMALL_VALIDATION));
        }
        train.truncate(scale.train_limit.unwrap_or(train.len()));
        let test = digits.index().positions(Split::Test);
        let (outside, outside_other, out_name, note) = match scale.out_of_domain {
            OutOfDomain::StrokeGlyphs { classes, per_class } => {
                let note = "synthetic characters made of strokes, not Omniglot".to_owned();
                (synthetic::stroke_glyphs(classes, per_class, 0), None, "synthetic glyphs", note)
            }
            OutOfDomain::Omniglot { filter, other_filter } => {
                let root = root.ok_or_else(|| environment.missing_data("Omniglot", id))?;
                let raw =
                    found(environment, "Omniglot", id, omniglot::load(root, omniglot::Part::Evaluation))?;
                let resized = |filter: Filter| raw.preload(&omniglot::like_mnist(filter));
                let note =
                    format!("evaluation part, inverted, 28×28 by {filter:?}; other filter {other_filter:?}");
                (resized(filter)?, Some(resized(other_filter)?), "Omniglot", note)
            }
        };
        let mut facts = BTreeMap::new();
        facts.insert("in_domain".to_owned(), describe(&digits, Some(in_name.to_owned()))?);
        facts.insert("out_of_domain".to_owned(), describe(&outside, Some(note))?);
        let digits = Arc::new(digits);
        Ok(Self {
            digits,
            train,
            validation,
            test,
            outside,
            outside_other,
            names: (in_name, out_name),
            facts,
        })
    }
}

/// A data set that a person was to provide: absent data get one message, damaged data keep their own.
fn found(
    environment: &Environment,
    what: &str,
    id: &str,
    loaded: Result<Dataset, hyp_data::DataError>,
) -> Result<Dataset> {
    match loaded {
        Err(error @ hyp_data::DataError::Missing { .. }) => {
            Err(anyhow::Error::from(error).context(environment.missing_data(what, id).to_string()))
        }
        other => other.with_context(|| format!("{what} cannot be used")),
    }
}

/// Counts, and a hash of the pixels and classes in their order.
fn describe(dataset: &Dataset, note: Option<String>) -> Result<DataFacts> {
    let mut hash = Sha256::new();
    for position in 0..dataset.len() {
        hash.update(dataset.index().items()[position].class.to_le_bytes());
        hash.update(dataset.image(position)?.data());
    }
    let sha256 = hexadecimal(&hash.finalize());
    Ok(DataFacts { sha256, images: dataset.len(), classes: dataset.index().classes().len(), note })
}

/// The bytes of some pictures, one after the other.
pub(crate) fn bytes(dataset: &Dataset, positions: &[usize]) -> Result<Vec<u8>> {
    let mut all = Vec::with_capacity(positions.len() * SIDE * SIDE);
    for position in positions {
        all.extend_from_slice(dataset.image(*position)?.data());
    }
    Ok(all)
}

/// The numbers that a network sees for those bytes.
pub(crate) fn normalised(bytes: &[u8]) -> Vec<f32> {
    let mut numbers = vec![0.0; bytes.len()];
    Normalise::mnist().write(bytes, &mut numbers);
    numbers
}

/// The classes of some pictures.
pub(crate) fn labels(dataset: &Dataset, positions: &[usize]) -> Vec<u32> {
    positions.iter().map(|position| dataset.index().items()[*position].class).collect()
}

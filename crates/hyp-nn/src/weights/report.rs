//! What became of the tensors of a file and of a model.

use super::Entry;
use std::fmt;

/// A tensor that file and model have in different shapes, or that holds no floats.
#[derive(Clone, Debug, PartialEq)]
pub struct Misshaped {
    /// Its name in the model.
    pub name: String,
    /// What the file has.
    pub file: Entry,
    /// The shape that the model needs.
    pub model: Vec<usize>,
}

/// The outcome of matching a file with a model, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadReport {
    /// Filled from the file (names of the model).
    pub loaded: Vec<String>,
    /// Not in the file, as was allowed; their values stay.
    pub fresh: Vec<String>,
    /// Not in the file, and needed.
    pub missing: Vec<String>,
    /// In the file, but not in the model (names of the file).
    pub unexpected: Vec<String>,
    /// In both, but of another shape or type.
    pub misshaped: Vec<Misshaped>,
    /// In the file and known to be of no use: counters of batches and what the caller does not want.
    pub ignored: Vec<String>,
}

/// Names that a message lists of each kind.
const LISTED: usize = 8;

impl LoadReport {
    /// Whether the model has all that it needs.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.misshaped.is_empty()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tensors found", self.loaded.len())?;
        let lists = [
            ("missing", &self.missing),
            ("kept as they were", &self.fresh),
            ("left over in the file", &self.unexpected),
        ];
        for (what, names) in lists {
            list(f, what, names)?;
        }
        let describe = |m: &Misshaped| {
            let (shape, dtype) = (&m.file.shape, m.file.dtype.map_or("integers", |dtype| dtype.as_str()));
            format!("{} is {shape:?} ({dtype}) where the model has {:?}", m.name, m.model)
        };
        list(f, "of another shape", &self.misshaped.iter().map(describe).collect::<Vec<_>>())
    }
}

fn list(f: &mut fmt::Formatter<'_>, what: &str, names: &[String]) -> fmt::Result {
    if names.is_empty() {
        return Ok(());
    }
    write!(f, "; {} {what}: {}", names.len(), names[..names.len().min(LISTED)].join(", "))?;
    if names.len() > LISTED { write!(f, ", …") } else { Ok(()) }
}

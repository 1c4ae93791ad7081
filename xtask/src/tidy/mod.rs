//! The house rules: each problem names a file and what mends it.

mod docs;
mod edges;
mod equations;
mod pictures;
mod sources;

use std::fmt;
use std::path::Path;

use anyhow::Result;

use crate::workspace;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The file, relative to the workspace, with `:line` where there is one.
    place: String,
    /// What is wrong.
    what: String,
    /// What mends it.
    remedy: String,
}

impl Problem {
    /// A problem of a whole file.
    pub(crate) fn new(place: &str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { place: place.to_owned(), what: what.into(), remedy: remedy.into() }
    }

    /// A problem of one line, counted from 0.
    pub(crate) fn at(file: &str, line: usize, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(&format!("{file}:{}", line + 1), what, remedy)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}; {}", self.place, self.what, self.remedy)
    }
}

/// Checks every rule; an empty list is a tidy house.
pub(crate) fn check(root: &Path) -> Result<Vec<Problem>> {
    let files = workspace::files(root)?;
    let mut problems = Vec::new();
    edges::check(root, &files, &mut problems)?;
    sources::check(root, &files, &mut problems)?;
    docs::check(root, &files, &mut problems)?;
    equations::check(root, &files, &mut problems)?;
    pictures::check(root, &files, &mut problems)?;
    Ok(problems)
}

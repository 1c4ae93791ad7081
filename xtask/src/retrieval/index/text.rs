//! An index as CSV, for programs that read nothing else: a column for each number.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context, Result};

use super::draft::Draft;
use super::{About, Entries, derived};

/// The file as it is written.
pub(crate) struct Writer {
    lines: csv::Writer<BufWriter<Draft>>,
    about: About,
}

const FAILED: &str = "the index cannot be written; make room on that disk";

impl Writer {
    pub(super) fn create(path: &Path, about: About) -> Result<Self> {
        let mut lines = csv::Writer::from_writer(BufWriter::new(Draft::create(path)?));
        let fixed = ["path", "class", "identity", "camera", "distance_to_origin"].map(str::to_owned);
        let numbers = (0..about.dim).map(|n| format!("embedding_{n}"));
        let vectors = (0..=about.dim).map(|n| format!("lorentz_{n}"));
        lines.write_record(fixed.into_iter().chain(numbers).chain(vectors)).context(FAILED)?;
        Ok(Self { lines, about })
    }

    pub(super) fn write(&mut self, entries: &Entries) -> Result<()> {
        let (distances, vectors) = derived(entries, &self.about)?;
        let dim = self.about.dim;
        for row in 0..entries.len() {
            let labels = entries.labels().map(|(_, column)| column[row].clone().unwrap_or_default());
            let fixed = [vec![entries.paths[row].clone()], labels.to_vec(), vec![distances[row].to_string()]];
            let numbers = entries.embeddings[row * dim..(row + 1) * dim].iter();
            let vectors = vectors[row * (dim + 1)..(row + 1) * (dim + 1)].iter();
            let record = fixed.into_iter().flatten().chain(numbers.chain(vectors).map(ToString::to_string));
            self.lines.write_record(record).context(FAILED)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<u64> {
        let mut buffered =
            self.lines.into_inner().map_err(csv::IntoInnerError::into_error).context(FAILED)?;
        buffered.flush().context(FAILED)?;
        buffered.into_inner().map_err(std::io::IntoInnerError::into_error).context(FAILED)?.finish()
    }
}

//! The values that the paper prints: `docs/paper/<id>.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::provenance::sha256;
use crate::workspace;

/// How sure the transcription is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// Read in the paper's text.
    Confirmed,
    /// Remembered or found elsewhere; never shown as verified.
    Unconfirmed,
}

/// One printed table or figure.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "some fields are for the readers of the file; the parser checks them")]
pub(crate) struct Paper {
    /// Format number.
    pub(crate) schema: u32,
    /// The experiment that reproduces it.
    pub(crate) id: String,
    /// What it shows.
    pub(crate) title: String,
    /// Where it is printed.
    pub(crate) source: String,
    /// How sure the transcription is.
    pub(crate) status: Status,
    /// What a reader must know about the printed values.
    #[serde(default)]
    pub(crate) note: Option<String>,
    /// Largest difference that is still a match, for each metric; fixed before any run.
    #[serde(default)]
    pub(crate) tolerance: BTreeMap<String, f64>,
    /// The printed values.
    #[serde(default, rename = "cell")]
    pub(crate) cells: Vec<Cell>,
    /// Values of other work that the paper quotes; shown nowhere as ours to reproduce.
    #[serde(default, rename = "cited")]
    pub(crate) cited: Vec<Cited>,
    /// Hash of the file.
    #[serde(skip)]
    pub(crate) sha256: String,
}

/// One printed value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "some fields are for the readers of the file; the parser checks them")]
pub(crate) struct Cell {
    /// The row of the experiment, or the leading parts of its name.
    pub(crate) row: String,
    /// Name of the metric.
    pub(crate) metric: String,
    /// The printed value.
    pub(crate) mean: f64,
    /// Half width of the printed 95 % interval.
    #[serde(default)]
    pub(crate) ci95: Option<f64>,
    /// The printed standard deviation.
    #[serde(default)]
    pub(crate) std: Option<f64>,
    /// A bound that the paper gives for the standard deviation.
    #[serde(default)]
    pub(crate) std_at_most: Option<f64>,
    /// How sure the transcription of this value is, where it differs from the file's.
    #[serde(default)]
    pub(crate) status: Option<Status>,
    /// What theory says the value would be.
    #[serde(default)]
    pub(crate) theory: Option<f64>,
    /// Page of the paper.
    #[serde(default)]
    pub(crate) page: Option<u32>,
    /// What a reader must know about this value.
    #[serde(default)]
    pub(crate) note: Option<String>,
}

/// A line that the paper quotes from other work.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "some fields are for the readers of the file; the parser checks them")]
pub(crate) struct Cited {
    /// Name of the method.
    pub(crate) method: String,
    /// Number in the paper's list of references.
    #[serde(default)]
    pub(crate) reference: Option<u32>,
    /// Its network.
    #[serde(default)]
    pub(crate) backbone: Option<String>,
    /// Accuracy with one picture a class.
    #[serde(default)]
    pub(crate) one_shot: Option<PaperValue>,
    /// Accuracy with five pictures a class.
    #[serde(default)]
    pub(crate) five_shot: Option<PaperValue>,
}

/// The printed value as a record repeats it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PaperValue {
    /// The printed value.
    pub(crate) mean: f64,
    /// Half width of the printed 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ci95: Option<f64>,
    /// The printed standard deviation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) std: Option<f64>,
    /// Whether the value was remembered and not read; it then has no part in a verdict.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unconfirmed: bool,
}

impl PaperValue {
    /// The printed interval; a standard deviation is taken as it is printed, for want of a count.
    pub(crate) fn interval(&self) -> f64 {
        self.ci95.or(self.std).unwrap_or(0.0)
    }
}

impl Paper {
    /// Reads and checks the text of one file.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut paper: Self = toml::from_str(text)?;
        if paper.schema != 1 {
            bail!("schema {} is not known; write `schema = 1`", paper.schema);
        }
        for (at, cell) in paper.cells.iter().enumerate() {
            if !cell.mean.is_finite() {
                bail!("cell {} {} is not a finite number", cell.row, cell.metric);
            }
            if paper.cells[..at].iter().any(|other| other.row == cell.row && other.metric == cell.metric) {
                bail!("cell {} {} is given twice; keep one", cell.row, cell.metric);
            }
        }
        paper.sha256 = sha256(text.as_bytes());
        Ok(paper)
    }

    /// The printed values of that experiment, when there are any.
    pub(crate) fn read(root: &Path, id: &str) -> Result<Option<Self>> {
        let file = format!("docs/paper/{id}.toml");
        if !root.join(&file).is_file() {
            return Ok(None);
        }
        let paper = Self::parse(&workspace::read(&root.join(&file))?).with_context(|| file.clone())?;
        if paper.id != id {
            bail!("{file} says id = \"{}\"; write id = \"{id}\"", paper.id);
        }
        Ok(Some(paper))
    }

    /// Every file of `docs/paper`, in the order of their names.
    pub(crate) fn read_all(root: &Path) -> Result<Vec<Self>> {
        let files = workspace::files(root)?;
        let ids = files.iter().filter_map(|file| file.strip_prefix("docs/paper/")?.strip_suffix(".toml"));
        ids.filter_map(|id| Self::read(root, id).transpose()).collect()
    }

    /// The printed value for a row: that of the longest cell name that begins it.
    pub(crate) fn value(&self, row: &str, metric: &str) -> Option<PaperValue> {
        let begins = |cell: &&Cell| {
            row.strip_prefix(cell.row.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let cells = self.cells.iter().filter(|cell| cell.metric == metric).filter(begins);
        let cell = cells.max_by_key(|cell| cell.row.len())?;
        let unconfirmed = cell.status.unwrap_or(self.status) == Status::Unconfirmed;
        Some(PaperValue { mean: cell.mean, ci95: cell.ci95, std: cell.std, unconfirmed })
    }
}

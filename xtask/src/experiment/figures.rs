//! Figures 1 and 5: what the classifiers of Table 3 say of each picture, drawn.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Environment;
use super::contract::{Experiment, Finished, Job, Metrics, Plots, RowTable, ScaleTable};
use super::mnist_ood::scores::Evaluation;
use super::mnist_ood::{disk, histograms};
use super::trained::Trained;
use crate::record::{DataFacts, Scale};

/// The runner of Figures 1 and 5.
pub(crate) struct Figure {
    trained: Trained,
}

/// What a scale decides; the data and epochs are those of the other experiment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LookScale {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seeds: Option<usize>,
    /// The experiment whose classifiers are looked at.
    pub(crate) of: String,
}

impl ScaleTable for LookScale {
    fn rows(&self) -> Option<&[String]> {
        self.rows.as_deref()
    }

    fn seeds(&self) -> Option<usize> {
        self.seeds
    }
}

/// One picture.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FigureRow {
    id: String,
    /// The row of the other experiment.
    model: String,
    picture: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// Distributions of d(x, 0).
    Histogram,
    /// Two-dimensional embeddings.
    Disk,
}

impl RowTable for FigureRow {
    fn id(&self) -> &str {
        &self.id
    }
}

/// The metrics of a classifier that a figure shows.
const SHOWN: &[&str] =
    &["test_accuracy", "ks_distance_to_origin", "margin_share", "median_distance_in", "median_distance_out"];

impl Experiment for Figure {
    type Scale = LookScale;
    type Row = FigureRow;

    fn prepare(environment: &Environment, id: &str, scale: Scale, table: &LookScale) -> Result<Self> {
        Ok(Self { trained: Trained::prepare(environment, id, &table.of, scale)? })
    }

    fn data(&self) -> BTreeMap<String, DataFacts> {
        self.trained.ood.pictures.facts.clone()
    }

    fn job(&self, job: &Job<'_, FigureRow>) -> Result<Metrics> {
        let found = self.trained.finished(job, &job.row.model)?;
        let evaluation = Evaluation::read(&found.folder)?;
        evaluation.write(&job.folder)?;
        let shown = found.metrics.into_iter().filter(|(name, _)| SHOWN.contains(&name.as_str()));
        Ok(shown.collect())
    }

    fn draw(&self, done: &[Finished<FigureRow>], plots: &Plots) -> Result<()> {
        let names = self.trained.ood.pictures.names;
        let first = done.iter().map(|job| job.seed).min().unwrap_or(0);
        let mut panels = Vec::new();
        for job in done.iter().filter(|job| job.seed == first) {
            let evaluation = Evaluation::read(&job.folder)?;
            let title = job.row.model.rsplit('/').next().context("invariant: a name has a last part")?;
            let title = title.replacen('n', "n = ", 1);
            match job.row.picture {
                Kind::Histogram => panels.push((title, evaluation)),
                Kind::Disk => {
                    let title = format!("Embeddings of {} and {}, {title}", names.0, names.1);
                    disk(&evaluation, names, &title, &plots.stem(""))?;
                }
            }
        }
        if !panels.is_empty() {
            histograms(&panels, names, &plots.stem(""))?;
        }
        Ok(())
    }
}

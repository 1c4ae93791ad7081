//! The plot of a few-shot run: validation over the epochs.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::config::FewShotRow;
use crate::experiment::contract::{Finished, Plots, RowTable};
use crate::experiment::tally::line;
use crate::plot::{Bands, Chart, Lines, Series, save};
use crate::workspace;

/// The file of validation accuracies in a job's folder.
const CURVE: &str = "validation.json";

/// Leaves the accuracy of each epoch, in `[0, 1]`, in a job's folder.
pub(super) fn write_curve(folder: &Path, accuracies: &[f64]) -> Result<()> {
    let text = serde_json::to_string(accuracies).context("invariant: accuracies are finite")?;
    workspace::write_atomic(&folder.join(CURVE), text.as_bytes())
}

fn read_curve(folder: &Path) -> Result<Vec<f64>> {
    let path = folder.join(CURVE);
    serde_json::from_str(&workspace::read(&path)?).with_context(|| {
        format!("{} is damaged; delete the folder and run again with `--resume`", path.display())
    })
}

/// The course of validation, one line a row, the mean over the seeds.
pub(super) fn draw(done: &[Finished<FewShotRow>], plots: &Plots) -> Result<()> {
    let mut lines: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
    for job in done {
        for (epoch, accuracy) in read_curve(&job.folder)?.into_iter().enumerate() {
            lines.entry(job.row.id().to_owned()).or_default().push((epoch as i64 + 1, 100.0 * accuracy));
        }
    }
    let series: Vec<Series> = lines
        .into_iter()
        .map(|(name, points)| line(name, points.into_iter(), |epoch| epoch as f64))
        .collect();
    if series.is_empty() {
        return Ok(());
    }
    let chart = Chart {
        title: "Validation".to_owned(),
        x_label: "epoch".to_owned(),
        y_label: "accuracy, percent".to_owned(),
        series,
        levels: Vec::new(),
    };
    save(&Lines { charts: vec![chart], columns: 1, bands: Bands::Seeds }, &plots.stem(""))
}

//! Does the distance to the origin fall as a digit gets harder to read?

mod corrupt;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context, Result};
use hyp_math::stats;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Environment;
use super::contract::{Experiment, Finished, Job, Metrics, Plots, RowTable};
use super::figures::LookScale;
use super::mnist_ood::model;
use super::mnist_ood::pictures::{self, SIDE};
use super::mnist_ood::scores::{Evaluation, accuracy, wide};
use super::tally::line;
use super::trained::Trained;
use crate::plot::{Bands, Chart, ContactSheet, Lines, save, save_png};
use crate::record::{DataFacts, Scale};

/// Pictures of each tenth on the contact sheet.
const SHEET_COLUMNS: usize = 24;

/// What is drawn of each measurement, with its words.
const METRICS: &[(&str, &str)] = &[
    ("distance_to_origin", "mean d(x, 0)"),
    ("pre_map_norm", "mean pre-map norm"),
    ("p_max", "mean p_max"),
    ("accuracy", "accuracy, percent"),
];

/// The runner.
pub(crate) struct Degradation {
    trained: Trained,
    /// The test digits, one after the other.
    test: Vec<u8>,
    labels: Vec<u32>,
}

/// One classifier under one kind and amount of damage.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DamageRow {
    id: String,
    /// The row of the other experiment.
    model: String,
    measure: Measure,
}

impl RowTable for DamageRow {
    fn id(&self) -> &str {
        &self.id
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Measure {
    /// Gaussian blur; pixels.
    Blur { sigma: f64 },
    /// Gaussian noise; share of the full range.
    Noise { std: f64 },
    /// A black square; pixels on a side.
    Occlusion { side: usize },
    /// The undamaged digits of one tenth, 1 being nearest to the origin.
    RadiusDecile { decile: usize },
}

impl Measure {
    /// The amount, for an axis.
    fn amount(self) -> f64 {
        match self {
            Self::Blur { sigma } => sigma,
            Self::Noise { std } => std,
            Self::Occlusion { side } => side as f64,
            Self::RadiusDecile { decile } => decile as f64,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Blur { .. } => "blur: standard deviation, pixels",
            Self::Noise { .. } => "noise: standard deviation, share of the range",
            Self::Occlusion { .. } => "occlusion: side of the square, pixels",
            Self::RadiusDecile { .. } => "tenth of the test digits by radius",
        })
    }
}

impl Experiment for Degradation {
    type Scale = LookScale;
    type Row = DamageRow;

    fn prepare(environment: &Environment, id: &str, scale: Scale, table: &LookScale) -> Result<Self> {
        let trained = Trained::prepare(environment, id, &table.of, scale)?;
        let found = &trained.ood.pictures;
        let test = pictures::bytes(&found.digits, &found.test)?;
        let labels = pictures::labels(&found.digits, &found.test);
        Ok(Self { trained, test, labels })
    }

    fn data(&self) -> BTreeMap<String, DataFacts> {
        let facts = self.trained.ood.pictures.facts.clone();
        facts.into_iter().filter(|(name, _)| name == "in_domain").collect()
    }

    fn job(&self, job: &Job<'_, DamageRow>) -> Result<Metrics> {
        let found = self.trained.finished(job, &job.row.model)?;
        if let Measure::RadiusDecile { decile } = job.row.measure {
            let evaluation = Evaluation::read(&found.folder)?;
            if decile == 1 {
                // For the contact sheet, which shows all tenths.
                evaluation.write(&job.folder)?;
            }
            return decile_metrics(&evaluation, decile);
        }
        let damaged = self.damaged(job.row.measure, job.seed);
        let model = model::load(&found.row, &found.folder, &self.trained.ood.device)?;
        let scores = model::scores(&model, &damaged)?;
        let mut metrics = Metrics::from([
            ("accuracy".to_owned(), 100.0 * accuracy(&scores.predicted, &self.labels)),
            ("p_max".to_owned(), stats::mean(&wide(&scores.p_max))?),
            ("pre_map_norm".to_owned(), stats::mean(&wide(&scores.pre_map_norm))?),
        ]);
        if !scores.distance.is_empty() {
            metrics.insert("distance_to_origin".to_owned(), stats::mean(&wide(&scores.distance))?);
        }
        Ok(metrics)
    }

    fn draw(&self, done: &[Finished<DamageRow>], plots: &Plots) -> Result<()> {
        save(&Lines { charts: charts(done), columns: METRICS.len(), bands: Bands::Seeds }, &plots.stem(""))?;
        let first = done.iter().find(|job| job.row.measure == Measure::RadiusDecile { decile: 1 });
        if let Some(job) = first {
            let evaluation = Evaluation::read(&job.folder)?;
            let sheet = self.sheet(&evaluation, &job.row.model);
            save_png(&sheet, &plots.stem("sheet").with_added_extension("png"))?;
        }
        Ok(())
    }
}

impl Degradation {
    /// The test digits, each damaged by its own random numbers.
    fn damaged(&self, measure: Measure, seed: u64) -> Vec<u8> {
        let pictures: Vec<&[u8]> = self.test.chunks_exact(SIDE * SIDE).collect();
        let damaged: Vec<Vec<u8>> = pictures
            .par_iter()
            .enumerate()
            .map(|(at, picture)| {
                let seed = seed.wrapping_mul(1 << 32).wrapping_add(at as u64);
                match measure {
                    Measure::Blur { sigma } => corrupt::blur(picture, SIDE, sigma),
                    Measure::Noise { std } => corrupt::noise(picture, std, seed),
                    Measure::Occlusion { side } => corrupt::occlude(picture, SIDE, side, seed),
                    Measure::RadiusDecile { .. } => picture.to_vec(),
                }
            })
            .collect();
        damaged.concat()
    }

    /// Digits of each tenth, nearest to the origin first.
    fn sheet(&self, evaluation: &Evaluation, model: &str) -> ContactSheet {
        let order = by_radius(evaluation);
        let mut rows = Vec::new();
        for decile in 1..=10 {
            let members = tenth(&order, decile);
            let step = members.len().div_ceil(SHEET_COLUMNS).max(1);
            let chosen = members.iter().step_by(step).take(SHEET_COLUMNS);
            let picture = |at: &usize| self.test[at * SIDE * SIDE..(at + 1) * SIDE * SIDE].to_vec();
            let far = members.last().map_or(0.0, |at| evaluation.inside.distance[*at]);
            rows.push((format!("{decile}: d ≤ {far:.2}"), chosen.map(picture).collect()));
        }
        ContactSheet { title: format!("Test digits by distance to the origin, {model}"), side: SIDE, rows }
    }
}

/// The test digits from the origin outwards; those of equal distance in their own order.
fn by_radius(evaluation: &Evaluation) -> Vec<usize> {
    let distance = &evaluation.inside.distance;
    let mut order: Vec<usize> = (0..distance.len()).collect();
    order.sort_by(|a, b| distance[*a].total_cmp(&distance[*b]));
    order
}

/// One tenth of an order, from 1 to 10.
fn tenth(order: &[usize], decile: usize) -> &[usize] {
    let at = |part: usize| part * order.len() / 10;
    &order[at(decile - 1)..at(decile)]
}

fn decile_metrics(evaluation: &Evaluation, decile: usize) -> Result<Metrics> {
    anyhow::ensure!((1..=10).contains(&decile), "there is no tenth number {decile}; give 1 to 10");
    anyhow::ensure!(
        !evaluation.inside.distance.is_empty(),
        "only a model in the ball has a radius to sort by"
    );
    let order = by_radius(evaluation);
    let members = tenth(&order, decile);
    let pick = |values: &[f32]| -> Vec<f64> { members.iter().map(|at| f64::from(values[*at])).collect() };
    let predicted: Vec<u32> = members.iter().map(|at| evaluation.inside.predicted[*at]).collect();
    let labels: Vec<u32> = members.iter().map(|at| evaluation.labels[*at]).collect();
    let mean = |values: &[f32]| stats::mean(&pick(values)).context("a tenth holds no digit");
    Ok(Metrics::from([
        ("accuracy".to_owned(), 100.0 * accuracy(&predicted, &labels)),
        ("distance_to_origin".to_owned(), mean(&evaluation.inside.distance)?),
        ("p_max".to_owned(), mean(&evaluation.inside.p_max)?),
        ("pre_map_norm".to_owned(), mean(&evaluation.inside.pre_map_norm)?),
    ]))
}

/// One chart for each kind of damage and metric, one line for each classifier.
fn charts(done: &[Finished<DamageRow>]) -> Vec<Chart> {
    let kinds: BTreeSet<String> = done.iter().map(|job| job.row.measure.to_string()).collect();
    let models: BTreeSet<&str> = done.iter().map(|job| job.row.model.as_str()).collect();
    let mut charts = Vec::new();
    for kind in &kinds {
        for (metric, y_label) in METRICS {
            let mut series = Vec::new();
            for model in &models {
                let jobs =
                    done.iter().filter(|job| job.row.model == *model && job.row.measure.to_string() == *kind);
                let values = jobs.filter_map(|job| {
                    let value = job.metrics.get(*metric)?;
                    // A whole number as key, so that the seeds of one amount are one point.
                    Some(((job.row.measure.amount() * 1e6).round() as i64, *value))
                });
                let line = line((*model).to_owned(), values, |amount| amount as f64 / 1e6);
                if !line.points.is_empty() {
                    series.push(line);
                }
            }
            let title = kind.split(':').next().unwrap_or(kind).to_owned();
            let (x_label, y_label) = (kind.clone(), (*y_label).to_owned());
            charts.push(Chart { title, x_label, y_label, series, levels: Vec::new() });
        }
    }
    charts
}

#[cfg(test)]
mod tests {
    use super::tenth;

    #[test]
    fn tenths_cover_everything_once() {
        for count in [10, 13, 1000] {
            let order: Vec<usize> = (0..count).collect();
            let parts: Vec<usize> = (1..=10).flat_map(|decile| tenth(&order, decile).to_vec()).collect();
            assert_eq!(parts, order);
        }
    }
}

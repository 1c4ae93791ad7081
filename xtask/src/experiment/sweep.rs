//! A grid search over the curvature parameter of one row, with the values that theory suggests among its cells.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};
use clap::Args;
use hyp_delta::sample::estimate_features_while;
use hyp_delta::{BallConstant, Metric, Protocol, Replacement, suggested_curvature};
use hyp_fewshot::{Flat, Geometry, Space};
use hyp_nn::ParameterStore;
use hyp_nn::backbone::Backbone as _;
use sha2::{Digest, Sha256};

use super::config::{Config, Plan};
use super::contract::{Experiment, Interrupted, Job, Metrics, RowTable};
use super::drive::diverged;
use super::few_shot::FewShot;
use super::few_shot::config::{FewShotRow, FewShotScale};
use super::few_shot::model::embedded;
use super::outcome::{complete, is_done};
use super::{Environment, Options};
use crate::compute::On;
use crate::features::watch;
use crate::plot::{Bands, Chart, Lines, Series, save};
use crate::record::{ConfigFile, Scale, hexadecimal};
use crate::{metric, workspace};

/// The values that the paper speaks of; every sweep has them.
const RECOMMENDED: [f64; 2] = [0.33, 0.05];

/// Curvature parameters beyond these are flat, or beyond what `f32` can hold.
const SMALLEST: f64 = 1e-12;
const LARGEST: f64 = 1e6;

/// Options of `sweep`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SweepOptions {
    /// The few-shot experiment whose row is varied.
    id: String,
    /// The values to try, as `c=0.001,0.01`; 0 (flat), 0.05, 0.33 and the c suggested by δ are always tried.
    #[arg(long, value_name = "c=VALUES")]
    grid: Grid,
    /// The row to vary; the first one with a curvature without it.
    #[arg(long, value_name = "ROW")]
    row: Option<String>,
    /// How much of the protocol to do.
    #[arg(long, value_enum, default_value_t = Scale::Reduced)]
    scale: Scale,
    /// The folder that holds the data sets; `HYP_DATA` names the same thing.
    #[arg(long, value_name = "DIR")]
    data_root: Option<std::path::PathBuf>,
    /// The seed of every cell.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    device: On,
}

/// Values of c.
#[derive(Clone, Debug, PartialEq)]
struct Grid(Vec<f64>);

impl FromStr for Grid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(values) = text.strip_prefix("c=") else {
            return Err(format!("`{text}` is not a grid over c; write c=0.001,0.01,0.05"));
        };
        let number = |word: &str| {
            let value: Option<f64> = word.trim().parse().ok();
            let value = value.filter(|value| *value == 0.0 || (SMALLEST..=LARGEST).contains(value));
            value.ok_or_else(|| {
                format!("`{word}` is no curvature parameter to try; give 0 or numbers from {SMALLEST:e} to {LARGEST:e}")
            })
        };
        values.split(',').map(number).collect::<Result<_, _>>().map(Self)
    }
}

/// One finished cell.
struct Cell {
    c: f64,
    metrics: Metrics,
}

/// What δ says of the training features.
struct Suggestion {
    delta_rel: f64,
    printed: f64,
    consistent: f64,
}

/// Runs the cells that are not there yet and shows all of them.
pub(crate) fn sweep(root: &Path, options: &SweepOptions) -> Result<ExitCode> {
    match run(root, options) {
        Err(error) if error.downcast_ref::<Interrupted>().is_some() => {
            println!("stopped; the same command goes on");
            Ok(ExitCode::from(crate::experiment::INTERRUPTED))
        }
        Err(error) => Err(error.context(format!("sweep of {}", options.id))),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn run(root: &Path, options: &SweepOptions) -> Result<()> {
    let file = ConfigFile::read(root, &options.id)?.with_context(|| {
        format!("there is no experiment {}; few-shot ones are table4, table5, table7", options.id)
    })?;
    if file.word("runner") != Some("few-shot") {
        bail!("{} is not a few-shot experiment; table4, table5 and table7 are", options.id);
    }
    let asked = Options::of_one(
        &options.id,
        options.scale,
        options.row.clone(),
        options.data_root.clone(),
        &options.device,
    );
    let environment = Environment::new(root, &asked)?;
    let plan: Plan<FewShotScale, FewShotRow> = Config::parse(&file)?.plan(&asked, &file)?;
    let row = plan.rows.iter().find(|row| row.geometry.c().is_some());
    let row = row.context("no row asked for has a curvature; name one such as hyp-protonet/conv4/1shot")?;
    let experiment = FewShot::prepare(&environment, &plan.id, options.scale, &plan.table)?;
    let folder = environment.run_folder(&format!("sweep/{}", plan.id), options.scale).join(row.id());
    let base = file.row_sha256(row.id(), options.scale).context("invariant: the row is in the file")?;
    println!("{} ({}): {} over c, in {}", plan.id, options.scale, row.id(), environment.shown(&folder));

    let row_at = |c: f64| row.at_c(format!("{}/c={c}", row.id()), c);
    let sha256_at = |c: f64| hexadecimal(&Sha256::digest(format!("{base} c={c}").as_bytes()));
    let mut known = ascending([&[0.0], &options.grid.0[..], &RECOMMENDED].concat());
    let rows: Vec<(f64, FewShotRow)> = known.iter().map(|c| (*c, row_at(*c))).collect();
    let mut waiting = Vec::new();
    for (c, row) in &rows {
        let job = job_of(row, *c, options.seed, &folder, &environment);
        if !is_done(&experiment, &job, &sha256_at(*c))? {
            waiting.push(job);
        }
    }
    if let Some(text) = experiment.forecast(&waiting.iter().collect::<Vec<_>>())? {
        println!(
            "{text}; besides, one training at the c that δ suggests; Ctrl-C stops, the same command goes on"
        );
    }
    let cell = |c: f64| -> Result<Option<Cell>> {
        let cell = row_at(c);
        let job = job_of(&cell, c, options.seed, &folder, &environment);
        let sha256 = sha256_at(c);
        let outcome = complete(&experiment, &job, &sha256, &environment).with_context(|| format!("c = {c}"));
        if let Err(error) = &outcome
            && diverged(error)
        {
            println!("{error:#}");
            return Ok(None);
        }
        let outcome = outcome?;
        println!(
            "c = {c}: validation {:.2} %, test {:.2} %",
            outcome.metrics["validation_accuracy"], outcome.metrics["accuracy"]
        );
        Ok(Some(Cell { c, metrics: outcome.metrics }))
    };
    // The flat limit comes first: its features know nothing of a curvature, and their δ suggests one.
    let mut cells =
        vec![cell(0.0)?.context("the flat model diverged, so that nothing suggests a curvature")?];
    let suggestion = suggested(&experiment, row, options.seed, &folder, &environment)?;
    println!(
        "δ_rel of the training features of the flat model: {:.3}; c(X) = {:.4} with 0.144, {:.4} with 0.0568",
        suggestion.delta_rel, suggestion.printed, suggestion.consistent
    );
    known.push(suggestion.printed);
    let mut lost = Vec::new();
    for c in ascending(known).into_iter().filter(|c| *c > 0.0) {
        match cell(c)? {
            Some(cell) => cells.push(cell),
            None => lost.push(c),
        }
    }
    let stem = folder.join(format!("sweep.seed{}", options.seed));
    finish(&cells, &lost, &suggestion, &stem, &environment)
}

/// Each value once.
fn ascending(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

fn job_of<'a>(
    row: &'a FewShotRow,
    c: f64,
    seed: u64,
    folder: &Path,
    environment: &'a Environment,
) -> Job<'a, FewShotRow> {
    let folder = folder.join(format!("c={c}")).join(format!("seed{seed}"));
    Job { row, seed, folder, resume: true, side_by_side: false, stop: &environment.stop }
}

/// δ_rel of the training pictures' features under the flat model, by the paper's protocol, and the c it suggests.
///
/// The features are those of the network, also where the row clips them: clipped ones would have the δ of a sphere.
fn suggested(
    experiment: &FewShot,
    row: &FewShotRow,
    seed: u64,
    folder: &Path,
    environment: &Environment,
) -> Result<Suggestion> {
    let flat = row.at_c(format!("{}/c=0", row.id()), 0.0);
    let pictures = experiment.pictures_for(&flat)?;
    let (trained, _) = experiment.trained(&job_of(&flat, 0.0, seed, folder, environment), &pictures)?;
    let mut model = trained.model;
    let (mut none, dim) = (ParameterStore::new(seed, model.store.device()), model.backbone.feature_dim());
    model.space = Space::new(&mut none, "features", Geometry::Euclidean { distance: Flat::Twice }, dim)?;
    let shown = watch("features", pictures.train.len(), true, &environment.stop);
    let features = embedded(&model, &pictures.train_in_order(), shown)?;
    let size = Protocol::khrulkov2020(seed).size.min(features.len());
    let protocol = Protocol { size, replacement: Replacement::Without, ..Protocol::khrulkov2020(seed) };
    let goes_on = |_| !environment.stop.load(Ordering::SeqCst);
    let found =
        estimate_features_while(&features.points, features.dim, Metric::Euclidean, &protocol, &goes_on)?;
    if !goes_on(0) {
        return Err(Interrupted.into());
    }
    // δ = 0, a tree, suggests no bound; what a cell can be is bounded as the grid is.
    let c = |constant| rounded(suggested_curvature(found.mean, constant).clamp(SMALLEST, LARGEST));
    Ok(Suggestion {
        delta_rel: found.mean,
        printed: c(BallConstant::Printed),
        consistent: c(BallConstant::Consistent),
    })
}

/// Three significant digits: more would make a cell of its own for each rounding.
fn rounded(value: f64) -> f64 {
    format!("{value:.2e}").parse().expect("invariant: a printed number can be read")
}

/// The cell of the best validation; of equal ones, the one with the smallest c.
fn best(cells: &[Cell]) -> Option<&Cell> {
    let of = |cell: &Cell| cell.metrics["validation_accuracy"];
    cells.iter().reduce(|best, cell| if of(cell) > of(best) { cell } else { best })
}

/// Writes the table and the plot, and compares the suggested c with the best.
fn finish(
    cells: &[Cell],
    diverged: &[f64],
    suggestion: &Suggestion,
    stem: &Path,
    environment: &Environment,
) -> Result<()> {
    let shown =
        ["validation_accuracy", "accuracy", "accuracy_interval", "best_epoch", "margin_share", "clip_share"];
    let words = |name: &str| metric::find(name).map_or(name, |metric| metric.words).to_owned();
    let header: Vec<String> = std::iter::once("c".to_owned()).chain(shown.map(words)).collect();
    println!("| {} |\n|{}", header.join(" | "), " --- |".repeat(header.len()));
    let mut csv = format!("c,{},suggested\n", shown.join(","));
    let is_suggested = |c: f64| c == suggestion.printed;
    let named = |c: f64| if is_suggested(c) { format!("{c} = c(X)") } else { c.to_string() };
    for cell in cells {
        let value = |name: &str| cell.metrics.get(name).copied();
        let table = shown.map(|name| value(name).map_or("—".to_owned(), |v| metric::format(name, v)));
        println!("| {} | {} |", named(cell.c), table.join(" | "));
        let numbers = shown.map(|name| value(name).map_or(String::new(), |v| v.to_string()));
        let _ = writeln!(csv, "{},{},{}", cell.c, numbers.join(","), is_suggested(cell.c));
    }
    for c in diverged {
        println!("| {} | diverged |{}", named(*c), " |".repeat(shown.len() - 1));
        let _ = writeln!(csv, "{c}{},{}", ",".repeat(shown.len()), is_suggested(*c));
    }
    workspace::write_atomic(&stem.with_added_extension("csv"), csv.as_bytes())?;
    let best = best(cells).context("invariant: the flat cell is always there")?;
    let predicted = cells.iter().find(|cell| cell.c == suggestion.printed);
    if predicted.is_none() {
        println!(
            "the model of the predicted c(X) = {} diverged, so that it is not compared",
            suggestion.printed
        );
    }
    println!("best c by validation: {} (test {:.2} %)", best.c, best.metrics["accuracy"]);
    if let Some(predicted) = predicted {
        println!(
            "predicted c(X) = {} (test {:.2} %): {:+.2} points on the test against the best by validation",
            predicted.c,
            predicted.metrics["accuracy"],
            predicted.metrics["accuracy"] - best.metrics["accuracy"]
        );
    }
    let series = |name: &str, metric: &str, width: Option<&str>| Series {
        name: name.to_owned(),
        points: curved(cells).map(|cell| (cell.c.log10(), cell.metrics[metric])).collect(),
        half_widths: width
            .map_or(Vec::new(), |width| curved(cells).map(|cell| cell.metrics[width]).collect()),
    };
    let mut lines = vec![
        series("validation", "validation_accuracy", None),
        series("test", "accuracy", Some("accuracy_interval")),
    ];
    lines.extend(predicted.map(|cell| Series {
        name: "test, c(X)".to_owned(),
        points: vec![(cell.c.log10(), cell.metrics["accuracy"])],
        half_widths: Vec::new(),
    }));
    let chart = Chart {
        title: "Accuracy over c".to_owned(),
        x_label: "log10 c".to_owned(),
        y_label: "accuracy, percent".to_owned(),
        series: lines,
        levels: vec![("flat, test".to_owned(), cells[0].metrics["accuracy"])],
    };
    save(&Lines { charts: vec![chart], columns: 1, bands: Bands::Episodes }, stem)?;
    println!("table and plot: {}.*; one record a cell beside them", environment.shown(stem));
    Ok(())
}

fn curved(cells: &[Cell]) -> impl Iterator<Item = &Cell> {
    cells.iter().filter(|cell| cell.c > 0.0)
}

#[cfg(test)]
mod tests {
    use super::{Cell, Grid, best, rounded};
    use crate::experiment::contract::Metrics;

    #[test]
    fn the_smaller_c_is_the_best_of_equal_ones() {
        let cell =
            |c, accuracy| Cell { c, metrics: Metrics::from([("validation_accuracy".to_owned(), accuracy)]) };
        assert_eq!(best(&[cell(0.0, 40.0), cell(0.01, 50.0), cell(0.05, 50.0)]).unwrap().c, 0.01);
        assert_eq!(best(&[cell(0.0, 50.0), cell(0.01, 50.0)]).unwrap().c, 0.0);
    }

    #[test]
    fn a_grid_is_a_list_of_curvatures() {
        assert_eq!("c=0.001,0.5".parse(), Ok(Grid(vec![0.001, 0.5])));
        for wrong in ["lr=1", "c=", "c=-1", "c=nan", "0.1", "c=1e-300", "c=1e300"] {
            assert!(wrong.parse::<Grid>().is_err(), "{wrong}");
        }
        assert_eq!(rounded(0.123_456), 0.123);
    }
}

//! The way every experiment goes: config, data, jobs, record, plots.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use hyp_math::stats;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Environment, Options, pool};
use crate::metric;
use crate::record::{self, ConfigFile, DataFacts, Ours, Paper, Record, Row, Run, SCHEMA, Scale, Verdict};
use crate::{report, workspace};

/// What one job measured, by the names of `metric.rs`.
pub(crate) type Metrics = BTreeMap<String, f64>;

/// One kind of experiment. It knows its data and rows, and nothing of printed values.
pub(crate) trait Experiment: Sized + Sync {
    /// What a scale decides: data, epochs, seeds.
    type Scale: ScaleTable;
    /// One row of the config.
    type Row: RowTable;

    /// Reads what all jobs share.
    fn prepare(environment: &Environment, id: &str, scale: &Self::Scale) -> Result<Self>;

    /// What the data are.
    fn data(&self) -> BTreeMap<String, DataFacts>;

    /// Measures one row with one seed.
    fn job(&self, job: &Job<'_, Self::Row>) -> Result<Metrics>;

    /// Draws what the finished jobs have left in their folders.
    fn draw(&self, done: &[Finished<Self::Row>], plots: &Plots) -> Result<()>;
}

/// The table of a scale in a config.
pub(crate) trait ScaleTable: DeserializeOwned + Serialize + Sync {
    /// The rows that run at this scale unless others are asked for; `None` for all.
    fn rows(&self) -> Option<&[String]>;
    /// How many of the config's seeds run at this scale unless asked otherwise; `None` for all.
    fn seeds(&self) -> Option<usize>;
}

/// The table of a row in a config.
pub(crate) trait RowTable: DeserializeOwned + Serialize + Clone + Sync + Send {
    /// The name of the row.
    fn id(&self) -> &str;
}

/// The whole of `docs/experiments/<id>.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config<S, R> {
    schema: u32,
    id: String,
    title: String,
    #[serde(rename = "runner")]
    _runner: String,
    #[serde(default, rename = "cost")]
    _cost: Option<String>,
    seeds: Vec<u64>,
    #[serde(default)]
    deviations: Vec<String>,
    #[serde(default)]
    not_comparable: Option<String>,
    smoke: S,
    reduced: Option<S>,
    full: S,
    row: Vec<R>,
}

/// What is printed by `--print-config` for one row.
#[derive(Serialize)]
struct Resolved<'a, S, R> {
    id: &'a str,
    title: &'a str,
    seeds: &'a [u64],
    config_sha256: String,
    scale: BTreeMap<String, &'a S>,
    row: &'a R,
}

/// One row with one seed, and where it works.
pub(crate) struct Job<'a, R> {
    /// The row.
    pub(crate) row: &'a R,
    /// The seed.
    pub(crate) seed: u64,
    /// The folder of this job alone.
    pub(crate) folder: PathBuf,
    /// Whether an interrupted job goes on.
    pub(crate) resume: bool,
    /// Whether other jobs print at the same time.
    pub(crate) side_by_side: bool,
    /// Set when the job is to stop.
    pub(crate) stop: &'a std::sync::Arc<AtomicBool>,
}

/// A job that left its outcome.
pub(crate) struct Finished<R> {
    /// The row.
    pub(crate) row: R,
    /// The seed.
    pub(crate) seed: u64,
    /// The job's folder.
    pub(crate) folder: PathBuf,
    /// What it measured.
    pub(crate) metrics: Metrics,
}

/// What a job leaves in its folder when it is done.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    config_sha256: String,
    run: Run,
    wall_s: f64,
    metrics: Metrics,
}

/// The error of a job that was asked to stop.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Where plots go: beside the records at full scale, else to the run folder.
pub(crate) struct Plots {
    folder: PathBuf,
    id: String,
}

impl Plots {
    /// The path of a plot without its ending.
    pub(crate) fn stem(&self, name: &str) -> PathBuf {
        self.folder.join(if name.is_empty() { self.id.clone() } else { format!("{}.{name}", self.id) })
    }
}

/// Runs one experiment from its config to its record and plots.
pub(crate) fn run<E: Experiment>(
    file: &ConfigFile,
    options: &Options,
    environment: &Environment,
) -> Result<()> {
    let config: Config<E::Scale, E::Row> = toml::from_str(&file.text).with_context(|| file.file.clone())?;
    let Config {
        schema,
        id,
        title,
        _runner,
        _cost,
        seeds,
        deviations,
        not_comparable,
        smoke,
        reduced,
        full,
        row,
    } = config;
    if schema != 1 {
        bail!("{} has schema {schema}; write `schema = 1`", file.file);
    }
    let scale = options.scale;
    let table = match scale {
        Scale::Smoke => smoke,
        Scale::Reduced => reduced.with_context(|| format!("{} has no [reduced] table", file.file))?,
        Scale::Full => full,
    };
    let rows = chosen_rows(&row, table.rows(), options, file)?;
    let wanted = options.seeds.or(table.seeds()).unwrap_or(seeds.len());
    if wanted > seeds.len() || seeds.is_empty() {
        bail!("{} lists {} seeds, {wanted} are asked for; add seeds to the list", file.file, seeds.len());
    }
    let seeds = &seeds[..wanted];
    let sha256 = |row: &E::Row| file.row_sha256(row.id(), scale).context("invariant: the row is in the file");
    if options.print_config {
        for row in &rows {
            let config_sha256 = sha256(row)?;
            let scale = BTreeMap::from([(scale.to_string(), &table)]);
            let resolved = Resolved { id: &id, title: &title, seeds, config_sha256, scale, row };
            println!("{}", toml::to_string(&resolved).context("the row cannot be printed as TOML")?);
        }
        return Ok(());
    }
    println!("{id} ({scale}): {title}");
    let experiment = E::prepare(environment, &id, &table)?;
    let folder = environment.run_folder(&id, scale);
    let mut jobs = Vec::new();
    for row in &rows {
        for seed in seeds {
            let folder = folder.join(row.id()).join(format!("seed{seed}"));
            let job = Job {
                row,
                seed: *seed,
                folder,
                resume: options.resume,
                side_by_side: options.jobs > 1,
                stop: &environment.stop,
            };
            jobs.push((job, sha256(row)?));
        }
    }
    let progress = Progress::new(&rows, seeds.len());
    let outcomes = pool::run(&jobs, options.jobs, &environment.stop, |(job, config_sha256)| {
        let outcome = perform(&experiment, job, config_sha256, environment)
            .with_context(|| format!("row {}, seed {}", job.row.id(), job.seed))?;
        progress.note(job.row.id(), job.seed, &outcome);
        Ok(outcome)
    })?;
    if outcomes.len() < jobs.len() || environment.stop.load(Ordering::SeqCst) {
        return Err(Interrupted.into());
    }
    let mut rows_out = Vec::new();
    let mut runs: Vec<Run> = Vec::new();
    for (row, of_row) in rows.iter().zip(outcomes.chunks(seeds.len())) {
        rows_out.extend(record_rows(row.id(), seeds, of_row, not_comparable.as_ref(), &mut runs)?);
    }
    let record = Record {
        schema: SCHEMA,
        id: id.clone(),
        scale,
        paper_sha256: None,
        deviations,
        runs,
        data: experiment.data(),
        rows: rows_out,
    };
    save(record, file, options, environment)?;
    let in_results = scale == Scale::Full && !options.no_record;
    let plots =
        Plots { folder: if in_results { environment.root.join("docs/results") } else { folder.clone() }, id };
    let finished = finished_jobs(&row, &folder, sha256)?;
    experiment.draw(&finished, &plots)?;
    println!("plots: {}.*", plots.stem("").display());
    Ok(())
}

/// The rows asked for, in the order of the config.
fn chosen_rows<R: RowTable>(
    rows: &[R],
    at_scale: Option<&[String]>,
    options: &Options,
    file: &ConfigFile,
) -> Result<Vec<R>> {
    let asked = |row: &&R, prefixes: &[String]| {
        prefixes.iter().any(|prefix| {
            row.id()
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let all: Vec<&str> = rows.iter().map(RowTable::id).collect();
    for prefix in options.rows.iter().chain(at_scale.into_iter().flatten()) {
        if !rows.iter().any(|row| asked(&row, std::slice::from_ref(prefix))) {
            bail!("{} has no row {prefix}; there are: {}", file.file, all.join(", "));
        }
    }
    let prefixes = if options.rows.is_empty() { at_scale } else { Some(options.rows.as_slice()) };
    Ok(rows.iter().filter(|row| prefixes.is_none_or(|prefixes| asked(row, prefixes))).cloned().collect())
}

/// Does one job, or takes its outcome from its folder when it was done before and `--resume` was given.
fn perform<E: Experiment>(
    experiment: &E,
    job: &Job<'_, E::Row>,
    config_sha256: &str,
    environment: &Environment,
) -> Result<Outcome> {
    if job.resume
        && let Some(outcome) = read_outcome(&job.folder, config_sha256)?
    {
        return Ok(outcome);
    }
    prepare_folder(job, config_sha256)?;
    let start = Instant::now();
    let metrics = experiment.job(job)?;
    let wall_s = start.elapsed().as_secs_f64();
    if let Some((name, value)) = metrics.iter().find(|(_, value)| !value.is_finite()) {
        bail!("{name} is {value}; nothing is recorded");
    }
    if let Some(name) = metrics.keys().find(|name| metric::find(name).is_none()) {
        bail!("the metric {name} has no line in metric.rs; add one");
    }
    let outcome =
        Outcome { config_sha256: config_sha256.to_owned(), run: environment.run.clone(), wall_s, metrics };
    let text = serde_json::to_string_pretty(&outcome).context("invariant: an outcome is plain data")?;
    workspace::write_atomic(&job.folder.join("outcome.json"), text.as_bytes())?;
    Ok(outcome)
}

/// Empties the job's folder unless it is to go on with the same config.
fn prepare_folder<R>(job: &Job<'_, R>, config_sha256: &str) -> Result<()> {
    let mark = job.folder.join("config.sha256");
    let same = std::fs::read_to_string(&mark).is_ok_and(|text| text.trim() == config_sha256);
    if job.folder.is_dir() && !(job.resume && same) {
        std::fs::remove_dir_all(&job.folder)
            .with_context(|| format!("cannot empty {}", job.folder.display()))?;
    }
    workspace::write_atomic(&mark, config_sha256.as_bytes())
}

/// The outcome in a job's folder, when it was measured with this config.
fn read_outcome(folder: &Path, config_sha256: &str) -> Result<Option<Outcome>> {
    let path = folder.join("outcome.json");
    if !path.is_file() {
        return Ok(None);
    }
    let outcome: Outcome = serde_json::from_str(&workspace::read(&path)?)
        .with_context(|| format!("{} is damaged; delete it", path.display()))?;
    Ok((outcome.config_sha256 == config_sha256).then_some(outcome))
}

/// Every job of this experiment that was done with the config as it stands, in the order of rows and seeds.
pub(super) fn finished_jobs<R: RowTable>(
    rows: &[R],
    folder: &Path,
    sha256: impl Fn(&R) -> Result<String>,
) -> Result<Vec<Finished<R>>> {
    let mut finished = Vec::new();
    for row in rows {
        let config_sha256 = sha256(row)?;
        let Ok(entries) = std::fs::read_dir(folder.join(row.id())) else {
            continue;
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut seeds: Vec<u64> = names.filter_map(|name| name.strip_prefix("seed")?.parse().ok()).collect();
        seeds.sort_unstable();
        for seed in seeds {
            let folder = folder.join(row.id()).join(format!("seed{seed}"));
            if let Some(outcome) = read_outcome(&folder, &config_sha256)? {
                finished.push(Finished { row: row.clone(), seed, folder, metrics: outcome.metrics });
            }
        }
    }
    Ok(finished)
}

/// The record's rows for one row of the config: one for each metric that every seed has.
fn record_rows(
    id: &str,
    seeds: &[u64],
    outcomes: &[Outcome],
    not_comparable: Option<&String>,
    runs: &mut Vec<Run>,
) -> Result<Vec<Row>> {
    let mut used = Vec::new();
    for outcome in outcomes {
        let at = runs.iter().position(|run| *run == outcome.run).unwrap_or_else(|| {
            runs.push(outcome.run.clone());
            runs.len() - 1
        });
        if !used.contains(&at) {
            used.push(at);
        }
    }
    let mut rows = Vec::new();
    for metric in metric::METRICS {
        let values: Option<Vec<f64>> =
            outcomes.iter().map(|outcome| outcome.metrics.get(metric.name).copied()).collect();
        let Some(per_seed) = values else {
            continue;
        };
        let summary = summarise(&per_seed).with_context(|| format!("row {id}, {}", metric.name))?;
        rows.push(Row {
            id: id.to_owned(),
            metric: metric.name.to_owned(),
            unit: metric.unit.to_owned(),
            direction: metric.direction,
            ours: Ours {
                mean: summary.mean,
                ci95: summary.ci95,
                std: summary.std,
                seeds: seeds.to_vec(),
                per_seed,
                episodes: None,
            },
            paper: None,
            delta: None,
            verdict: Verdict::NotRun,
            reason: None,
            not_comparable: not_comparable.cloned(),
            config_sha256: outcomes[0].config_sha256.clone(),
            runs: used.clone(),
            wall_s: outcomes.iter().map(|outcome| outcome.wall_s).sum(),
        });
    }
    Ok(rows)
}

fn save(new: Record, file: &ConfigFile, options: &Options, environment: &Environment) -> Result<()> {
    let path = if options.no_record {
        environment.run_folder(&new.id, new.scale).join("record.json")
    } else {
        record::path(&environment.root, &new.id, new.scale)
    };
    let old = record::read(&path)?;
    let paper = Paper::read(&environment.root, &new.id)?;
    let rows: Vec<String> = new.rows.iter().map(|row| row.id.clone()).collect();
    let mut merged = record::merge(old, new, file);
    record::write(&path, &mut merged, paper.as_ref())?;
    let shown = path.strip_prefix(&environment.root).unwrap_or(&path).display().to_string();
    let now =
        Record { rows: merged.rows.iter().filter(|row| rows.contains(&row.id)).cloned().collect(), ..merged };
    report::print(&environment.root, &shown, now)?;
    println!("record: {shown}");
    Ok(())
}

/// Mean, spread and interval of the values of the seeds.
struct Summary {
    mean: f64,
    std: Option<f64>,
    ci95: Option<f64>,
}

fn summarise(values: &[f64]) -> Result<Summary> {
    let mean = stats::mean(values).context("a metric has no finite mean")?;
    let (std, ci95) = match values {
        [_] => (None, None),
        _ => (Some(stats::std(values)?), Some(stats::t_interval(values)?.half_width)),
    };
    Ok(Summary { mean, std, ci95 })
}

/// Mean and standard deviation (0 for one value) of the values of each key.
pub(super) fn means<K: Ord>(values: impl Iterator<Item = (K, f64)>) -> BTreeMap<K, (f64, f64)> {
    let mut groups: BTreeMap<K, Vec<f64>> = BTreeMap::new();
    for (key, value) in values {
        groups.entry(key).or_default().push(value);
    }
    let summary =
        |values: Vec<f64>| (stats::mean(&values).unwrap_or(f64::NAN), stats::std(&values).unwrap_or(0.0));
    groups.into_iter().map(|(key, values)| (key, summary(values))).collect()
}

/// Says a line when the last seed of a row is done.
struct Progress {
    left: Mutex<BTreeMap<String, usize>>,
    rows: usize,
}

impl Progress {
    fn new<R: RowTable>(rows: &[R], seeds: usize) -> Self {
        let left = rows.iter().map(|row| (row.id().to_owned(), seeds)).collect();
        Self { left: Mutex::new(left), rows: rows.len() }
    }

    fn note(&self, row: &str, seed: u64, outcome: &Outcome) {
        let mut left = self.left.lock().expect("invariant: no worker panics with the lock held");
        if let Some(seeds) = left.get_mut(row) {
            *seeds -= 1;
        }
        let done = left.values().filter(|seeds| **seeds == 0).count();
        if outcome.wall_s > 1.0 || left.get(row) == Some(&0) {
            println!("{row}, seed {seed}: {:.1} s; {done} of {} rows done", outcome.wall_s, self.rows);
        }
    }
}

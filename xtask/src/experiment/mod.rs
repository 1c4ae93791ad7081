//! Experiments: a config, a runner that never sees what is expected of it, a record.

mod config;
mod constructions;
mod contract;
mod degradation;
mod drive;
mod environment;
mod feature_delta;
mod few_shot;
mod figures;
mod grid;
mod held;
mod mnist_ood;
mod outcome;
mod own;
mod part;
mod pool;
mod re_identification;
mod sweep;
mod tally;
mod trained;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::compute::On;
use crate::record::{ConfigFile, Scale};

pub(crate) use contract::Interrupted;
pub(crate) use environment::{Environment, INTERRUPTED, data_root, stop_by_interrupt};
pub(crate) use few_shot::model::Model as FewShotModel;
pub(crate) use few_shot::pictures::describe;
pub(crate) use few_shot::saved::{FILE as MODEL_FILE, Saved as SavedFewShot};
pub(crate) use held::Held;
pub(crate) use own::{PredictOptions, TrainOptions, TrainReidOptions, predict, train, train_reid};
pub(crate) use re_identification::{Model as ReidModel, Saved as SavedReid, metric_of as reid_metric_of};
pub(crate) use sweep::{SweepOptions, sweep};

/// Options of `reproduce`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// The experiments, by the names of `docs/experiments/`.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// How much of the paper's protocol to do.
    #[arg(long, value_enum, default_value_t = Scale::Full)]
    scale: Scale,
    /// Only the row of this name, or those of the scale whose names begin with it; may be given more than once.
    #[arg(long = "row", value_name = "ROW")]
    rows: Vec<String>,
    /// The folder that holds the data sets; `HYP_DATA` names the same thing [default: data/cache].
    #[arg(long, value_name = "DIR")]
    data_root: Option<PathBuf>,
    /// Use the first N seeds of the config.
    #[arg(long, value_name = "N")]
    seeds: Option<usize>,
    #[command(flatten)]
    device: On,
    /// Go on from the run folder: finished jobs are kept, an interrupted one continues. Without it a folder that holds work
    /// is refused, and at `smoke` done anew.
    #[arg(long)]
    resume: bool,
    /// Run N rows or seeds side by side, each with its share of the threads.
    #[arg(long, default_value_t = 1, value_name = "N")]
    jobs: usize,
    /// Print what would run, and run nothing.
    #[arg(long)]
    print_config: bool,
    /// Leave `docs/results` alone; the record goes to the run folder.
    #[arg(long)]
    no_record: bool,
}

impl Options {
    /// What a command that is about one experiment asks for; nothing of it becomes a record.
    fn of_one(id: &str, scale: Scale, row: Option<String>, data_root: Option<PathBuf>, device: &str) -> Self {
        Self {
            ids: vec![id.to_owned()],
            scale,
            rows: row.into_iter().collect(),
            data_root,
            seeds: None,
            device: device.into(),
            resume: true,
            jobs: 1,
            print_config: false,
            no_record: true,
        }
    }
}

/// Runs the experiments one after the other.
pub(crate) fn reproduce(root: &Path, options: &Options) -> Result<ExitCode> {
    if options.jobs == 0 {
        bail!("`--jobs 0` would run nothing; give at least 1");
    }
    if options.seeds == Some(0) {
        bail!("`--seeds 0` would run nothing; give at least 1");
    }
    let mut configs = Vec::new();
    for id in &options.ids {
        match ConfigFile::read(root, id)? {
            Some(config) => configs.push(config),
            None => {
                bail!("there is no experiment {id}; there are: {}", ConfigFile::all_ids(root)?.join(", "))
            }
        }
    }
    let environment = Environment::new(root, options)?;
    let mut options = options.clone();
    if options.scale != Scale::Smoke && !options.resume && !options.print_config {
        for config in &configs {
            refuse_begun(config, &options, &environment)?;
        }
        // What one of them makes, the next may use.
        options.resume = true;
    }
    let options = &options;
    for config in &configs {
        let result = run(config, options, &environment).with_context(|| config.id.clone());
        if let Err(error) = result {
            if error.downcast_ref::<Interrupted>().is_some() {
                println!("stopped; the same command with `--resume` goes on");
                return Ok(ExitCode::from(INTERRUPTED));
            }
            return Err(error);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses to begin anew what may have taken hours: a missing word should not throw it away.
fn refuse_begun(config: &ConfigFile, options: &Options, environment: &Environment) -> Result<()> {
    let folder = environment.run_folder(&config.id, options.scale);
    if !outcome::is_begun(&folder, &options.rows) {
        return Ok(());
    }
    bail!(
        "{} holds work of an earlier run; `--resume` keeps what has the same configuration and data, and goes on; to begin \
         anew, delete that folder",
        environment.shown(&folder)
    )
}

/// Gives the config to its runner.
fn run(config: &ConfigFile, options: &Options, environment: &Environment) -> Result<()> {
    match config.word("runner") {
        Some("delta-grid") => drive::run::<grid::DeltaGrid>(config, options, environment),
        Some("feature-delta") => drive::run::<feature_delta::FeatureDelta>(config, options, environment),
        Some("mnist-ood") => drive::run::<mnist_ood::MnistOod>(config, options, environment),
        Some("mnist-ood-figure") => drive::run::<figures::Figure>(config, options, environment),
        Some("degradation") => drive::run::<degradation::Degradation>(config, options, environment),
        Some("re-identification") => {
            drive::run::<re_identification::ReIdentification>(config, options, environment)
        }
        Some("few-shot") => drive::run::<few_shot::FewShot>(config, options, environment),
        Some("constructions") => drive::run::<constructions::Constructions>(config, options, environment),
        Some(other) => bail!("{} names the runner {other}, which does not exist", config.file),
        None => bail!("{} names no runner; write `runner = \"…\"`", config.file),
    }
}

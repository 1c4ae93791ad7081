//! The trained classifiers of another experiment, for experiments that only look at them.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Environment;
use super::config::Config;
use super::contract::{Experiment, Finished, Job, RowTable};
use super::mnist_ood::MnistOod;
use super::mnist_ood::config::{OodRow, OodScale};
use super::outcome::{complete, note_runs};
use crate::record::{ConfigFile, Scale};

/// The experiment whose classifiers are looked at, at one scale.
pub(crate) struct Trained {
    /// The experiment, with its pictures.
    pub(crate) ood: MnistOod,
    file: ConfigFile,
    rows: Vec<OodRow>,
    scale: Scale,
    folder: PathBuf,
    environment: Environment,
}

impl Trained {
    /// Reads the other experiment's config and data; `asking` is the experiment to name in messages.
    pub(crate) fn prepare(environment: &Environment, asking: &str, of: &str, scale: Scale) -> Result<Self> {
        let file = ConfigFile::read(&environment.root, of)?
            .with_context(|| format!("there is no experiment {of} to take classifiers from"))?;
        let config: Config<OodScale, OodRow> = Config::parse(&file)?;
        let (table, rows) = config.at(scale, &file)?;
        let ood = MnistOod::prepare(environment, asking, scale, &table)?;
        let folder = environment.run_folder(of, scale);
        Ok(Self { ood, file, rows, scale, folder, environment: environment.clone() })
    }

    /// The finished job of that row with the seed of the job that asks; it is trained here when its run folder has none for
    /// the present config. The runs that trained it are noted with the job that asks.
    pub(crate) fn finished<R>(&self, asking: &Job<'_, R>, row_id: &str) -> Result<Finished<OodRow>> {
        let row = self.rows.iter().find(|row| row.id() == row_id);
        let row = row.with_context(|| format!("{} has no row {row_id}", self.file.file))?;
        let sha256 = self.file.row_sha256(row_id, self.scale).context("invariant: the row is in the file")?;
        let seed = asking.seed;
        let folder = self.folder.join(row_id).join(format!("seed{seed}"));
        let (side_by_side, stop) = (asking.side_by_side, asking.stop);
        let job = Job { row, seed, folder: folder.clone(), resume: true, side_by_side, stop };
        let outcome = complete(&self.ood, &job, &sha256, &self.environment)?;
        note_runs(&asking.folder, &outcome.runs)?;
        Ok(Finished { row: row.clone(), seed, folder, metrics: outcome.metrics })
    }
}

//! What an experiment is to the rest of the program.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Environment;
use crate::record::{DataFacts, Scale};

/// What one job measured, by the names of `metric.rs`.
pub(crate) type Metrics = BTreeMap<String, f64>;

/// One kind of experiment. It knows its data and rows, and nothing of printed values.
pub(crate) trait Experiment: Sized + Sync {
    /// What a scale decides: data, epochs, seeds.
    type Scale: ScaleTable;
    /// One row of the config.
    type Row: RowTable;

    /// Reads what all jobs share.
    fn prepare(environment: &Environment, id: &str, scale: Scale, table: &Self::Scale) -> Result<Self>;

    /// What the data are.
    fn data(&self) -> BTreeMap<String, DataFacts>;

    /// What the data of one row are that somebody may have otherwise: an outcome stands for these alone.
    fn data_of(&self, _: &Self::Row) -> Result<BTreeMap<String, DataFacts>> {
        Ok(BTreeMap::new())
    }

    /// Says how long those jobs will take on this device, where that is long and can be measured in a few steps; how the
    /// command is stopped and gone on with, it adds itself.
    fn forecast(&self, _: &[&Job<'_, Self::Row>]) -> Result<Option<String>> {
        Ok(None)
    }

    /// Why a row that nobody has asked for by name is left out, such as data that not everybody can have.
    fn left_out(&self, _: &Self::Row) -> Result<Option<String>> {
        Ok(None)
    }

    /// The folder of work that a job shares with others, such as a training: whoever comes second waits for the first.
    fn shared_work(&self, _: &Job<'_, Self::Row>) -> Result<Option<PathBuf>> {
        Ok(None)
    }

    /// Whether the work that a done job shares with others is still there, so that its outcome may be taken.
    fn is_whole(&self, _: &Job<'_, Self::Row>) -> Result<bool> {
        Ok(true)
    }

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
    pub(crate) stop: &'a Arc<AtomicBool>,
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

/// The error of a job that was asked to stop.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Where plots go: beside the records, or to the run folder where no record is kept.
pub(crate) struct Plots {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// Name of the experiment, and of the scale where it is not the full one.
    pub(crate) id: String,
}

impl Plots {
    /// The path of a plot without its ending.
    pub(crate) fn stem(&self, name: &str) -> PathBuf {
        self.folder.join(if name.is_empty() { self.id.clone() } else { format!("{}.{name}", self.id) })
    }
}

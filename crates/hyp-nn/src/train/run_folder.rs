//! The files of one run.

use super::{checkpoint, checkpoint::Position, log::Log, tensorboard::EventFile};
use crate::{
    error::{Error, Result},
    optim::Optimizer,
    parameter::ParameterStore,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// File name of the last checkpoint.
pub const LAST: &str = "last.safetensors";
/// File name of the checkpoint of the best epoch.
pub const BEST: &str = "best.safetensors";
/// File name of the log, one JSON object a line.
pub const LOG: &str = "log.jsonl";
/// Beginning of the names of TensorBoard's event files.
pub const EVENTS: &str = "events.out.tfevents";

/// A run's folder with its open logs.
pub(super) struct RunFolder {
    folder: PathBuf,
    log: Log,
    events: EventFile,
}

impl RunFolder {
    /// Opens `folder` to continue after `step`, or empties it of an earlier run if `step` is `None`.
    pub(super) fn open(folder: &Path, step: Option<u64>) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::io("cannot create", folder))?;
        if step.is_none() {
            remove_earlier_run(folder)?;
        }
        let log = Log::open(&folder.join(LOG), step)?;
        let name = format!("{EVENTS}.{:010}", step.unwrap_or(0));
        let events = EventFile::create(&folder.join(name))?;
        Ok(Self { folder: folder.to_owned(), log, events })
    }

    /// Writes one line of numbers to both logs.
    pub(super) fn record(
        &mut self,
        event: &str,
        epoch: usize,
        step: u64,
        numbers: &[(&str, f64)],
    ) -> Result<()> {
        self.log.write(event, epoch, step, numbers)?;
        for (name, value) in numbers {
            self.events.scalar(&format!("{event}/{name}"), step, *value)?;
        }
        Ok(())
    }

    /// Writes the last checkpoint; the logs reach the disk before it.
    pub(super) fn save_last(
        &mut self,
        store: &ParameterStore,
        optimizer: &Optimizer,
        at: &Position,
    ) -> Result<()> {
        self.log.flush()?;
        self.events.flush()?;
        checkpoint::write(&self.folder.join(LAST), store, optimizer, at)
    }

    /// Writes the best checkpoint.
    pub(super) fn save_best(
        &self,
        store: &ParameterStore,
        optimizer: &Optimizer,
        at: &Position,
    ) -> Result<()> {
        checkpoint::write(&self.folder.join(BEST), store, optimizer, at)
    }
}

/// Deletes the files that this module writes, and nothing else.
fn remove_earlier_run(folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(Error::io("cannot list", folder))?;
    for entry in entries {
        let entry = entry.map_err(Error::io("cannot list", folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if [LAST, BEST, LOG].contains(&&*name) || name.starts_with(EVENTS) {
            fs::remove_file(entry.path()).map_err(Error::io("cannot delete", entry.path()))?;
        }
    }
    Ok(())
}

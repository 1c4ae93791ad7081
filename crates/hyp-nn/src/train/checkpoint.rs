//! Checkpoints: safetensors files that are either whole or not there.
//!
//! Parameters and buffers stand under their own names, so any reader of safetensors finds the weights; the optimiser's
//! state stands under `optimizer/…`, and the position of the run is JSON in the file's metadata.

use super::{config::Fingerprint, task::EpochReport};
use crate::{
    error::{Error, Result},
    optim::Optimizer,
    parameter::ParameterStore,
};
use candle_core::{Device, Tensor, safetensors::Load};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, io::Write, path::Path};

/// Version of the layout, in the metadata.
const VERSION: u32 = 1;
const OPTIMIZER: &str = "optimizer/";
const METADATA_KEY: &str = "hyp-nn";

/// The position of a run: everything but the tensors.
///
/// There is no generator state: all randomness of a run is a function of (seed, epoch) or (seed, step).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) settings: Fingerprint,
    /// Epoch under way, from 0.
    pub(super) epoch: usize,
    /// Batches of it already consumed.
    pub(super) batch: usize,
    /// Steps since the start of the run.
    pub(super) step: u64,
    /// Sum of loss × rows over the epoch under way.
    pub(super) loss_sum: f64,
    /// Rows of the epoch under way.
    pub(super) rows: u64,
    /// Epoch and value of the best monitored metric.
    pub(super) best: Option<(usize, f64)>,
    pub(super) epochs: Vec<EpochReport>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    position: Option<Position>,
}

/// A checkpoint or weights file read into memory.
#[derive(Debug)]
pub struct Checkpoint {
    /// Parameters and buffers by name.
    pub weights: BTreeMap<String, Tensor>,
    pub(super) optimizer: BTreeMap<String, Tensor>,
    pub(super) position: Option<Position>,
}

impl Checkpoint {
    /// Reads a file written by a training run or by [`save_weights`].
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Checkpoint`] if it is damaged or of another kind.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(Error::io("cannot read", path))?;
        let refuse = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let damaged = |error: &dyn std::fmt::Display| {
            refuse(format!(
                "not a whole safetensors file ({error}); delete it and start again, or restore a copy"
            ))
        };
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(&error))?;
        let header = metadata.metadata().as_ref().and_then(|map| map.get(METADATA_KEY));
        let header: Header = match header {
            Some(json) => serde_json::from_str(json).map_err(|error| damaged(&error))?,
            None => Header { version: VERSION, position: None },
        };
        if header.version != VERSION {
            return Err(refuse(format!("layout version {}, this build reads {VERSION}", header.version)));
        }
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| damaged(&error))?;
        let (mut weights, mut optimizer) = (BTreeMap::new(), BTreeMap::new());
        for (name, view) in tensors.iter() {
            let tensor = view.load(&Device::Cpu)?;
            let group = if name.starts_with(OPTIMIZER) { &mut optimizer } else { &mut weights };
            group.insert(name.to_owned(), tensor);
        }
        Ok(Self { weights, optimizer, position: header.position })
    }

    /// Puts weights and optimiser state back and gives the position.
    pub(super) fn restore(
        self,
        path: &Path,
        store: &ParameterStore,
        optimizer: &mut Optimizer,
        settings: &Fingerprint,
    ) -> Result<Position> {
        let refuse = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let position = self.position.ok_or_else(|| {
            refuse(
                "weights only, without the position of a run; give the last checkpoint of a run".to_owned(),
            )
        })?;
        if let Some(setting) = settings.difference(&position.settings) {
            return Err(refuse(format!(
                "the run was started with another {setting}; use the same settings, or another folder"
            )));
        }
        optimizer.restore(store, &self.optimizer).map_err(refuse)?;
        store.assign(&self.weights).map_err(refuse)?;
        Ok(position)
    }
}

/// Writes a checkpoint of a run.
pub(super) fn write(
    path: &Path,
    store: &ParameterStore,
    optimizer: &Optimizer,
    position: &Position,
) -> Result<()> {
    let mut tensors = store.snapshot()?;
    tensors.extend(optimizer.state()?);
    write_file(path, tensors, &Header { version: VERSION, position: Some(position.clone()) })
}

/// Writes parameters and buffers alone.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written.
pub fn save_weights(path: &Path, store: &ParameterStore) -> Result<()> {
    write_file(path, store.snapshot()?, &Header { version: VERSION, position: None })
}

/// Reads parameters and buffers from a checkpoint or a weights file into `store`.
///
/// # Errors
/// [`Error::Io`] or [`Error::Checkpoint`], the latter also if names or shapes are those of another model.
pub fn load_weights(path: &Path, store: &ParameterStore) -> Result<()> {
    let checkpoint = Checkpoint::read(path)?;
    store.assign(&checkpoint.weights).map_err(|reason| Error::Checkpoint { path: path.to_owned(), reason })
}

fn write_file(path: &Path, tensors: BTreeMap<String, Tensor>, header: &Header) -> Result<()> {
    let json = serde_json::to_string(header).expect("invariant: plain data of finite numbers");
    let metadata = [(METADATA_KEY.to_owned(), json)].into();
    let tensors: BTreeMap<String, Tensor> = tensors
        .into_iter()
        .map(|(name, tensor)| Ok((name, tensor.to_device(&Device::Cpu)?)))
        .collect::<Result<_>>()?;
    let bytes = safetensors::serialize(&tensors, Some(metadata))
        .map_err(|error| Error::Checkpoint { path: path.to_owned(), reason: error.to_string() })?;
    write_whole(path, &bytes)
}

/// Writes `bytes` so that at every moment, power cuts included, `path` is the old file or the new one:
/// a temporary name beside it, synchronised, then renamed.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            // Not every system can synchronise a folder; the rename itself has succeeded.
            let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    };
    write().map_err(|error| {
        // On a full disk the half of a file would only be in the way.
        let _ = fs::remove_file(&temporary);
        Error::io("cannot write", path)(error)
    })
}

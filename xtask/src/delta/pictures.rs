//! Features of a folder of pictures under a published network.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use hyp_data::source::{ReadOptions, folder};
use hyp_nn::candle_core::Device;

use super::Options;
use super::read::Table;
use crate::experiment::describe;
use crate::features::{Encoder, Place, Weights, extract};
use crate::{fetch, workspace};

/// The features of every picture, in the order of their names; kept in `runs/delta/features`, so that the next command
/// on the same pictures begins with them, and one that was interrupted goes on.
pub(super) fn features(root: &Path, options: &Options, encoder: Encoder) -> Result<Table> {
    let dataset = Arc::new(folder::load_unlabelled(&options.file, ReadOptions::default())?.dataset);
    println!("{} pictures under {}", dataset.len(), encoder.name());
    let weights = if let Some(path) = &options.weights {
        Weights::File(path.clone())
    } else {
        let data_root = workspace::data_root(root, options.data_root.as_deref());
        let found = Weights::published(encoder, Some(&data_root));
        found.ok_or_else(|| {
            fetch::missing(encoder.name(), Some(&data_root), "where they lie elsewhere: --weights FILE")
        })?
    };
    let name = options.file.file_stem().unwrap_or_default();
    let place = Place {
        folder: root.join("runs/delta/features").join(name).join(encoder.name()),
        device: &Device::Cpu,
        progress: true,
        stop: &Arc::new(AtomicBool::new(false)),
    };
    extract(&dataset, &describe(&dataset)?.sha256, encoder, &weights, &place)
}

//! Features computed batch by batch into a NumPy file, which an interrupted run goes on filling.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use hyp_data::{Dataset, Loader, LoaderOptions, sample};
use hyp_nn::backbone::Backbone as _;
use hyp_nn::candle_core::{Device, Tensor};
use hyp_nn::device::{Products, products};
use sha2::{Digest as _, Sha256};

use super::{Encoder, Weights, bar};
use crate::delta::read::{self, Table};
use crate::experiment::Interrupted;
use crate::record::hexadecimal;
use crate::workspace;

/// Pictures that pass through the network together.
const BATCH: usize = 16;
/// The whole file.
const WHOLE: &str = "features.npy";
/// The file as long as it is not whole; its rows are in order.
const PART: &str = "features.npy.part";
/// What the file was computed from.
const KEY: &str = "features.key";

/// Where features are kept, and how their computation goes.
pub(crate) struct Place<'a> {
    /// The folder of these features alone.
    pub(crate) folder: PathBuf,
    /// Where the network computes.
    pub(crate) device: &'a Device,
    /// Whether a progress bar is shown.
    pub(crate) progress: bool,
    /// Set when it is to stop.
    pub(crate) stop: &'a Arc<AtomicBool>,
}

/// Features of every picture in their order, `[pictures, features]`: from the folder, or computed into it.
///
/// `pixels` tells the pictures from others; what is in the folder counts only for the same pictures, network and weights.
///
/// # Errors
/// [`Interrupted`] if `stop` was set, after which the same call goes on where it stopped.
pub(crate) fn extract(
    dataset: &Arc<Dataset>,
    pixels: &str,
    encoder: Encoder,
    weights: &Weights,
    place: &Place<'_>,
) -> Result<Table> {
    let key = key(dataset, pixels, encoder, weights)?;
    let (whole, part, of) = (place.folder.join(WHOLE), place.folder.join(PART), place.folder.join(KEY));
    let same = fs::read_to_string(&of).is_ok_and(|text| text.trim() == key);
    if !same {
        for path in [&whole, &part] {
            if path.exists() {
                fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        workspace::write_atomic(&of, key.as_bytes())?;
    }
    if !whole.is_file() {
        let network = weights.network(encoder, place.device)?;
        fill(dataset, encoder, &network, &part, place)?;
        fs::rename(&part, &whole).with_context(|| format!("cannot rename {} into place", part.display()))?;
    }
    let table = read::read(&whole, None)?;
    if table.rows != dataset.len() {
        bail!("{} holds {} rows for {} pictures; delete it", whole.display(), table.rows, dataset.len());
    }
    Ok(table)
}

/// A hash of all that decides the numbers.
fn key(dataset: &Dataset, pixels: &str, encoder: Encoder, weights: &Weights) -> Result<String> {
    let text = format!(
        "{} {pixels} {} {:?} {:?} {}{}",
        dataset.len(),
        encoder.name(),
        encoder.prepare(),
        encoder.normalise(),
        weights.fingerprint()?,
        if products() == Products::Bfloat16 { " bf16" } else { "" }
    );
    Ok(hexadecimal(&Sha256::digest(text.as_bytes())))
}

/// Appends the rows that the file does not have yet.
fn fill(
    dataset: &Arc<Dataset>,
    encoder: Encoder,
    network: &hyp_nn::backbone::AnyBackbone,
    part: &Path,
    place: &Place<'_>,
) -> Result<()> {
    let dim = network.feature_dim();
    let header = header(dataset.len(), dim);
    let writes = |what: &str| format!("cannot {what} {}; is the disk full", part.display());
    let batch_bytes = BATCH * dim * size_of::<f32>();
    let there = fs::metadata(part).map_or(0, |data| data.len() as usize);
    let done = there.saturating_sub(header.len()) / batch_bytes;
    let mut file = File::options().create(true).append(true).open(part).with_context(|| writes("open"))?;
    // The end of a run may have cut a batch in two.
    let keep = if there < header.len() { 0 } else { header.len() + done * batch_bytes };
    file.set_len(keep as u64).with_context(|| writes("shorten"))?;
    if keep == 0 {
        file.write_all(&header).with_context(|| writes("write"))?;
    }
    let items = (0..dataset.len()).collect();
    let sampler = sample::Sequential { items, batch_size: BATCH };
    let options = LoaderOptions { workers: 1, ..LoaderOptions::default() };
    let loader = Loader::new(Arc::clone(dataset), sampler, encoder.prepare(), encoder.normalise(), options);
    let bar = bar(encoder.name(), dataset.len(), done * BATCH, place.progress);
    let mut bytes = Vec::with_capacity(batch_bytes);
    for batch in loader.epoch_from(0, done) {
        if place.stop.load(Ordering::SeqCst) {
            bar.finish_and_clear();
            return Err(Interrupted.into());
        }
        let batch = batch?;
        let images = Tensor::from_vec(batch.pixels, &batch.shape, place.device)?;
        let features = network.forward(&images, false)?.flatten_all()?.to_vec1::<f32>()?;
        bytes.clear();
        bytes.extend(features.iter().flat_map(|value| value.to_le_bytes()));
        file.write_all(&bytes).with_context(|| writes("write"))?;
        bar.inc(batch.shape[0] as u64);
    }
    bar.finish_and_clear();
    Ok(())
}

/// NumPy's header of an array of that shape.
fn header(rows: usize, columns: usize) -> Vec<u8> {
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // The whole header is a multiple of 64 bytes and ends its line.
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{text:<width$}\n", width = length - 1).as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use hyp_data::source::synthetic;

    use super::*;
    use crate::delta::read::Values;

    /// One small network run whole, and interrupted in the middle of a batch.
    #[test]
    fn an_interrupted_computation_goes_on_to_the_same_numbers() {
        let dataset = Arc::new(synthetic::coloured(2, 10, 16, 0));
        let folder = tempfile::tempdir().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let place = |name: &str| Place {
            folder: folder.path().join(name),
            device: &Device::Cpu,
            progress: false,
            stop: &stop,
        };
        let run = |name: &str, weights: Weights| {
            extract(&dataset, "pixels", Encoder::EfficientnetLite0, &weights, &place(name))
        };
        let table = run("whole", Weights::Random(1)).unwrap();
        assert_eq!((table.rows, table.columns), (20, 1280));
        let Values::Single(values) = &table.values else { panic!("features are of single precision") };
        assert!(values.iter().all(|v| v.is_finite()) && values.iter().any(|v| *v > 0.0));

        let bytes = fs::read(folder.path().join("whole").join(WHOLE)).unwrap();
        assert_eq!(bytes.len(), 128 + 20 * 1280 * 4);
        fs::create_dir_all(folder.path().join("part")).unwrap();
        fs::copy(folder.path().join("whole").join(KEY), folder.path().join("part").join(KEY)).unwrap();
        fs::write(folder.path().join("part").join(PART), &bytes[..128 + 17 * 1280 * 4 + 3]).unwrap();
        stop.store(true, Ordering::SeqCst);
        let error = run("part", Weights::Random(1)).unwrap_err();
        assert!(error.downcast_ref::<Interrupted>().is_some());
        stop.store(false, Ordering::SeqCst);
        assert_eq!(run("part", Weights::Random(1)).unwrap(), table);
        // Other weights begin anew.
        assert_ne!(run("part", Weights::Random(2)).unwrap(), table);
    }
}

//! Training pictures from files to batches of numbers, against torchvision on Pillow pictures.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use hyp_data::sample::Shuffled;
use hyp_data::source::{cub, folder, mini_imagenet, synthetic};
use hyp_data::transform::{Normalise, recipe};
use hyp_data::{Colour, Dataset, Loader, LoaderOptions, Source};
use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};

use super::Part;
use super::measure::{Bench, Row, Work};
use crate::workspace;

/// What there is.
pub(super) const PARTS: &[Part] = &[("training", measure)];

/// Pictures of each set; one run reads all of them.
const PICTURES: usize = 600;
/// Where both sides find them, below the workspace; the build folder is never committed.
const FOLDER: &str = "target/bench/data";
const BATCH: usize = 100;

/// Sets of pictures: the row, the name in the table, and the folder below `HYP_DATA` where it is real.
const SETS: [(&str, &str, Option<&str>); 3] = [
    ("training-synthetic", "synthetic JPEG, 84 × 84", None),
    ("training-mini-imagenet", "mini-ImageNet JPEG, 64 × 64", Some("mini_imagenet_25")),
    ("training-cub", "CUB JPEG, shorter side 100", Some("cub_50")),
];

fn measure(bench: &mut Bench) -> Result<()> {
    let root = workspace::find_root(None)?;
    for (row, title, real) in SETS {
        if !bench.wants(row) {
            continue;
        }
        let folder = root.join(FOLDER).join(row);
        if !prepare(&folder, real)? {
            eprintln!("{row}: not measured; set HYP_DATA to the folder that holds the data sets");
            continue;
        }
        let dataset = Arc::new(folder::load(&folder, Colour::Rgb)?);
        let items = (0..dataset.len()).collect();
        let workers = rayon::current_num_threads();
        let loader = Loader::new(
            Arc::clone(&dataset),
            Shuffled { items, batch_size: BATCH, seed: 0, drop_last: false },
            recipe::few_shot_train(84),
            Normalise::imagenet(),
            LoaderOptions { seed: 0, workers, prefetch: 2 * workers },
        );
        let mut epoch = 0;
        let work = Work::Items(dataset.len() as f64, "pictures");
        bench.row(Row::new(row, title).work(work), || {
            for batch in loader.epoch(epoch) {
                std::hint::black_box(batch?);
            }
            epoch += 1;
            Ok(())
        })?;
    }
    Ok(())
}

/// Puts the pictures where both sides read them; tells whether there are any.
fn prepare(folder: &Path, real: Option<&str>) -> Result<bool> {
    let mark = folder.with_extension("done");
    if mark.exists() {
        return Ok(true);
    }
    let dataset = match real {
        None => synthetic::objects(6, PICTURES / 6, 84, 0),
        Some(name) => {
            let home = std::env::var_os("HYP_DATA").map(|root| PathBuf::from(root).join(name));
            let Some(home) = home.filter(|home| home.is_dir()) else { return Ok(false) };
            if name.starts_with("cub") {
                cub::read(&home, cub::Options::default())?
            } else {
                mini_imagenet::read(&home)?
            }
        }
    };
    // Every so many pictures, so that all classes take part.
    let step = (dataset.len() / PICTURES).max(1);
    for position in (0..dataset.len()).step_by(step).take(PICTURES) {
        let class = dataset.index().items()[position].class;
        let path = folder.join(format!("{class:03}")).join(format!("{position:06}.jpg"));
        workspace::write_atomic(&path, &encoded(&dataset, position)?)?;
    }
    fs::write(&mark, "").with_context(|| format!("{} cannot be written", mark.display()))?;
    Ok(true)
}

/// The bytes of the file, or of a JPEG made of the picture.
fn encoded(dataset: &Dataset, position: usize) -> Result<Vec<u8>> {
    let image = dataset.image(position)?;
    if let Source::File(path) = &dataset.index().items()[position].source {
        return fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
    }
    let mut bytes = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut bytes, 90).encode(
        image.data(),
        image.width() as u32,
        image.height() as u32,
        ExtendedColorType::Rgb8,
    )?;
    Ok(bytes.into_inner())
}

//! Features of a folder of pictures under a published network.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use hyp_data::source::{ReadOptions, folder};
use hyp_nn::candle_core::Device;
use sha2::{Digest as _, Sha256};

use super::Options;
use super::read::Table;
use crate::experiment::{Held, describe};
use crate::features::{Encoder, Place, Weights, extract};
use crate::record::hexadecimal;
use crate::{fetch, workspace};

/// The features of every picture, in the order of their names; kept in `runs/delta/features`, so that the next command
/// on the same pictures begins with them, and one that was interrupted goes on.
pub(super) fn features(
    root: &Path,
    options: &Options,
    encoder: Encoder,
    stop: &Arc<AtomicBool>,
) -> Result<Table> {
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
    let folder = root.join("runs/delta/features").join(name_of(&options.file)?).join(encoder.name());
    let _held = Held::take(&folder, stop)?;
    let place = Place { folder, device: &Device::Cpu, progress: true, stop };
    extract(&dataset, &describe(&dataset)?.sha256, encoder, &weights, &place)
}

/// A name that no other folder's pictures have: that of the folder, and a hash of where it lies.
fn name_of(pictures: &Path) -> Result<String> {
    let place = std::fs::canonicalize(pictures)
        .with_context(|| format!("cannot find {}; check the path", pictures.display()))?;
    let hash = hexadecimal(&Sha256::digest(place.as_os_str().as_encoded_bytes()));
    let stem = place.file_stem().unwrap_or_default().to_string_lossy();
    Ok(format!("{stem}-{}", &hash[..8]))
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn folders_of_one_name_have_features_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        let [a, b] = ["a/pics", "b/pics"].map(|name| root.path().join(name));
        for folder in [&a, &b] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let of = |folder: &std::path::Path| name_of(folder).unwrap();
        assert!(of(&a).starts_with("pics-") && of(&a) != of(&b));
        // By whatever way it is reached.
        assert_eq!(of(&a), of(&root.path().join("b/../a/pics")));
        assert!(name_of(&root.path().join("none")).is_err());
    }
}

//! Where the weights of an encoder come from.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hyp_data::{Manifest, checksum};
use hyp_nn::ParameterStore;
use hyp_nn::backbone::AnyBackbone;
use hyp_nn::candle_core::Device;
use hyp_nn::weights::{LoadReport, WeightsFile};

use super::Encoder;

/// The weights of one encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Weights {
    /// Drawn from a seed: the features mean nothing and only show that the path works.
    Random(u64),
    /// A file of published weights.
    File(PathBuf),
}

impl Weights {
    /// The published weights in a data root; none if they are not there.
    pub(crate) fn published(encoder: Encoder, data_root: Option<&Path>) -> Option<Self> {
        published(encoder.name(), data_root).map(Self::File)
    }

    /// What tells these weights from others.
    pub(super) fn fingerprint(&self) -> Result<String> {
        Ok(match self {
            Self::Random(seed) => format!("random {seed}"),
            Self::File(path) => sha256_of(path)?,
        })
    }

    /// The network with these weights.
    pub(crate) fn network(&self, encoder: Encoder, device: &Device) -> Result<AnyBackbone> {
        match self {
            Self::Random(seed) => encoder.build(&mut ParameterStore::new(*seed, device)),
            Self::File(path) => {
                let mut store = ParameterStore::blank(device);
                let network = encoder.build(&mut store)?;
                let report = WeightsFile::open(path)?.load(&store, &encoder.matching())?;
                refuse_strangers(&report, path, encoder.name())?;
                Ok(network)
            }
        }
    }
}

/// Refuses a file with tensors that the network does not have: it is that of another, perhaps deeper one.
pub(crate) fn refuse_strangers(report: &LoadReport, path: &Path, network: &str) -> Result<()> {
    const SHOWN: usize = 5;
    let strangers = &report.unexpected;
    if strangers.is_empty() {
        return Ok(());
    }
    let more = if strangers.len() > SHOWN {
        format!(" and {} more", strangers.len() - SHOWN)
    } else {
        String::new()
    };
    bail!(
        "{} holds tensors that {network} does not have ({}{more}); give the weights of that network",
        path.display(),
        strangers[..strangers.len().min(SHOWN)].join(", ")
    )
}

/// The file of the weights that a manifest describes, in a data root; none if it is not there.
pub(crate) fn published(name: &str, data_root: Option<&Path>) -> Option<PathBuf> {
    let manifest = Manifest::builtin(name).expect("invariant: only manifests of the crate are asked for");
    let root = data_root?;
    let folders = [root.join(manifest.folder.as_ref().unwrap_or(&manifest.name)), root.to_owned()];
    let mut paths =
        folders.iter().flat_map(|folder| manifest.files.iter().map(|file| folder.join(&file.name)));
    paths.find(|path| path.is_file())
}

/// The checksum of a file.
pub(crate) fn sha256_of(path: &Path) -> Result<String> {
    let file = std::fs::File::open(path)
        .with_context(|| format!("cannot open {}; check the path", path.display()))?;
    let (sha256, _) = checksum::sha256(std::io::BufReader::new(file))
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(sha256)
}

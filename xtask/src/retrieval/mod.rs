//! Pictures embedded into an index, and searched: `embed` and `search`.
//!
//! What an index holds, and how an engine of inner products is fed from it, stands in `docs/retrieval.md`.

#[cfg(feature = "parquet")]
mod agreement;
#[cfg(feature = "parquet")]
mod embed;
mod embedder;
#[cfg(feature = "parquet")]
mod found;
#[cfg(feature = "parquet")]
mod index;
#[cfg(feature = "parquet")]
mod labels;
#[cfg(feature = "parquet")]
mod search;
mod sight;

use clap::ValueEnum;
use hyp_data::DataError;
use hyp_data::source::own::Labels;

#[cfg(feature = "parquet")]
pub(crate) use embed::{EmbedOptions, embed};
pub(crate) use embedder::{Chosen, Embedder, Place};
#[cfg(feature = "parquet")]
pub(crate) use search::{SearchOptions, search};
pub(crate) use sight::{Seen, Sight, stack};

/// Where it stands who or what is seen on a person's own pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Where {
    /// In the names of the files: `0002_c1s1_000451_03.jpg`.
    Names,
    /// In folders: `IDENTITY/CAMERA/PICTURE`.
    Cameras,
    /// In folders: `CLASS/PICTURE`.
    Classes,
    /// Nowhere.
    Nowhere,
}

impl From<Where> for Labels {
    fn from(place: Where) -> Self {
        match place {
            Where::Names => Self::Names,
            Where::Cameras => Self::Cameras,
            Where::Classes => Self::Classes,
            Where::Nowhere => Self::Nowhere,
        }
    }
}

/// Says which files were left out and why: the first ones, and how many more.
pub(crate) fn left_out(problems: &[DataError]) {
    const SHOWN: usize = 10;
    for problem in problems.iter().take(SHOWN) {
        println!("left out: {problem}");
    }
    if problems.len() > SHOWN {
        println!("left out: {} more", problems.len() - SHOWN);
    }
}

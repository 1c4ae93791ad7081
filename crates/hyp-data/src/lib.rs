//! Image data sets: files to an index, an index to batches of plain numbers.
//!
//! ```text
//! bytes on disk ─ source ─► Dataset (Index + pixels) ─ sampler, transform ─► Loader ─► Batch of f32 (NCHW)
//! ```
//!
//! - [`source`] turns what lies on disk into a [`Dataset`]: a folder of pictures, a CSV list, idx files, Omniglot,
//!   pictures made on the spot.
//!   A person's own folder and a built-in data set give the same [`Index`]; nothing later can tell them apart.
//! - [`transform`] holds the steps between a decoded picture and the numbers of a batch.
//! - [`Loader`] prepares batches ahead of the training step on all cores, in an order that the seed alone decides.
//! - [`pickle`] reads Python's pickles as data, without running them.
//! - [`torch`] reads PyTorch's weight files as plain tensors.
//! - [`Manifest`] says what a data set's files and counts must be.
//!
//! - [`fetch`] brings what a manifest names, and is the only module that opens a connection; [`unpack`] and [`verify`]
//!   see to it that what stands on disk is whole.
//!
//! This crate knows nothing of tensors or models.
//!
//! # Examples
//! ```
//! use std::sync::Arc;
//! use hyp_data::sample::Shuffled;
//! use hyp_data::transform::{Normalise, Transform};
//! use hyp_data::{Loader, LoaderOptions, Split, source::synthetic};
//!
//! let dataset = Arc::new(synthetic::coloured(3, 4, 8, 0)); // 3 classes of 4 pictures, 8 × 8
//! let sampler = Shuffled { items: (0..12).collect(), batch_size: 5, seed: 7, drop_last: false };
//! let loader = Loader::new(dataset, sampler, Transform::default(), Normalise::unit(3), LoaderOptions::default());
//! let shapes: Vec<_> = loader.epoch(0).map(|batch| batch.map(|b| b.shape)).collect::<Result<_, _>>()?;
//! assert_eq!(shapes, [[5, 3, 8, 8], [5, 3, 8, 8], [2, 3, 8, 8]]);
//! # Ok::<(), hyp_data::DataError>(())
//! ```

mod archive;
mod dataset;
mod disk;
mod error;
mod image;
mod index;
mod jpeg;
mod loader;
mod seed;
mod split;

pub mod checksum;
pub mod count;
pub mod fetch;
pub mod inspect;
pub mod manifest;
pub mod pickle;
pub mod sample;
pub mod source;
pub mod torch;
pub mod transform;
pub mod unpack;
pub mod verify;

pub use crate::dataset::Dataset;
pub use crate::error::DataError;
pub use crate::image::{Colour, Image};
pub use crate::index::{Index, Item, Region, Source, View};
pub use crate::loader::{Batch, Epoch, Loader, LoaderOptions};
pub use crate::manifest::Manifest;
pub use crate::seed::Random;
pub use crate::split::{Split, SplitRule};

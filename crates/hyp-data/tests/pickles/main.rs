//! Pickles and PyTorch's weight files as Python writes them, damaged ones and hostile ones.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../miniature/mod.rs"]
mod miniature;
mod plain;
mod torch_files;
mod torch_round_trip;

use miniature::golden_pickles as golden;

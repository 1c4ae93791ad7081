//! Pickles and PyTorch's weight files as Python writes them, damaged ones and hostile ones.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mutated;
mod plain;
mod torch_files;

use std::collections::BTreeMap;

/// The files of `golden/make_pickles.py` by name.
fn golden() -> BTreeMap<String, Vec<u8>> {
    let files: BTreeMap<String, String> = toml::from_str(include_str!("../golden/pickles.toml")).unwrap();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let bytes = |hex: String| hex.as_bytes().chunks_exact(2).map(byte).collect();
    files.into_iter().map(|(name, hex)| (name, bytes(hex))).collect()
}

//! Readers: from what lies on disk, or from a seed, to a [`Dataset`](crate::Dataset).

pub mod csv;
pub mod folder;
pub mod idx;
mod loaded;
pub mod mnist;
pub mod mnist_5k;
pub mod omniglot;
pub mod synthetic;
mod tree;

use std::path::{Path, PathBuf};

pub use self::loaded::{Loaded, ReadOptions, Unusable};

/// The folder of a data set below a data root: `root/name`, or `root` itself if that is where its files lie.
pub(crate) fn data_folder(root: &Path, name: &str, has_files: impl Fn(&Path) -> bool) -> PathBuf {
    let below = root.join(name);
    if !has_files(&below) && has_files(root) { root.to_owned() } else { below }
}

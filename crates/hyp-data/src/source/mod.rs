//! Readers: from what lies on disk, or from a seed, to a [`Dataset`](crate::Dataset).

pub mod cifar;
pub mod csv;
pub mod cub;
mod cub_lists;
pub mod folder;
pub mod idx;
mod listed;
mod loaded;
pub mod mini_imagenet;
mod mini_imagenet_pickle;
pub mod mnist;
pub mod mnist_5k;
pub mod omniglot;
pub mod own;
pub mod reid;
pub mod synthetic;
mod tree;

use std::path::{Path, PathBuf};

use crate::error::DataError;

pub use self::loaded::{Loaded, ReadOptions, Unusable};

/// The refusal of a tree that could not be listed whole.
pub(crate) fn whole(mut tree: tree::Tree) -> Result<tree::Tree, DataError> {
    if tree.problems.is_empty() { Ok(tree) } else { Err(tree.problems.swap_remove(0)) }
}

/// The folder of a data set below a data root: `root/name`, or `root` itself if that is where its files lie.
pub(crate) fn data_folder(root: &Path, name: &str, has_files: impl Fn(&Path) -> bool) -> PathBuf {
    let below = root.join(name);
    if !has_files(&below) && has_files(root) { root.to_owned() } else { below }
}

//! The 5,000 real MNIST digits that ship with the repository.

use std::path::Path;

use crate::dataset::{Dataset, Packed};
use crate::error::DataError;
use crate::index::Index;
use crate::manifest::Manifest;
use crate::source::{data_folder, mnist};
use crate::split::{Split, SplitRule};

/// The file of pictures.
pub const IMAGES: &str = "images-idx3-ubyte.gz";
/// The file of labels.
pub const LABELS: &str = "labels-idx1-ubyte.gz";

/// Loads the digits from `root/mnist_5k`, where `root` is the repository's `data` folder.
///
/// The checksums of the files are compared with the manifest.
/// `splits.toml` beside them gives 3,500 digits for training, 500 for validation and 1,000 for testing, each with
/// equally many of every class.
///
/// # Errors
/// [`DataError`] naming the file that is missing, changed or damaged.
///
/// # Examples
/// ```
/// # use std::path::Path;
/// use hyp_data::{Split, source::mnist_5k};
/// let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
/// let digits = mnist_5k::load(&data)?;
/// assert_eq!(digits.len(), 5_000);
/// assert_eq!(digits.index().class_counts(Some(Split::Test)), [100; 10]);
/// # Ok::<(), hyp_data::DataError>(())
/// ```
pub fn load(root: &Path) -> Result<Dataset, DataError> {
    let manifest = Manifest::builtin("mnist_5k").expect("invariant: the manifest is part of the crate");
    let folder = data_folder(root, "mnist_5k", |folder| folder.join(IMAGES).is_file());
    manifest.verify(&folder)?;
    let pair = mnist::Pair::from_files(&folder.join(IMAGES), &folder.join(LABELS))?;
    let index = Index::new(pair.items(|_| Split::Train), mnist::digits());
    let packed = Packed { height: pair.height, width: pair.width, channels: 1, data: pair.data.into() };
    let rule_path = folder.join("splits.toml");
    let dataset = Dataset::packed(index, packed).with_split(&SplitRule::read(&rule_path)?, &rule_path)?;
    manifest.check_splits(dataset.index(), &folder)?;
    Ok(dataset)
}

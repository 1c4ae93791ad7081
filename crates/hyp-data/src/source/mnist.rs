//! MNIST from its four idx files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dataset::{Dataset, Packed};
use crate::error::DataError;
use crate::index::{Index, Item, Source};
use crate::manifest::Manifest;
use crate::source::{data_folder, idx};
use crate::split::Split;

/// The pictures at the end of the training file that make up the validation part.
pub const VALIDATION: usize = 5_000;

/// Loads MNIST from `root/mnist`, or from `root` if the files lie there, and checks the published counts.
///
/// The files may be gzipped or not, and be named `train-images-idx3-ubyte` or `train-images.idx3-ubyte`.
/// The last [`VALIDATION`] digits of the training file are the validation part, the rest are for training;
/// the `t10k` files are the test part.
///
/// # Errors
/// [`DataError`] naming the file that is missing, truncated or damaged, or the count that differs.
///
/// # Examples
/// ```no_run
/// # use std::path::Path;
/// use hyp_data::{Split, source::mnist};
/// let mnist = mnist::load(Path::new("data/cache"))?;
/// assert_eq!(mnist.index().positions(Split::Train).len(), 55_000);
/// # Ok::<(), hyp_data::DataError>(())
/// ```
pub fn load(root: &Path) -> Result<Dataset, DataError> {
    let manifest = Manifest::builtin("mnist").expect("invariant: the manifest is part of the crate");
    let folder =
        data_folder(root, "mnist", |folder| candidates(folder, TRAIN.0).iter().any(|path| path.is_file()));
    let dataset = read(&folder, VALIDATION)?;
    manifest.check_splits(dataset.index(), &folder)?;
    Ok(dataset)
}

/// Reads a folder of MNIST's form with any number of pictures; the last `validation` of the training file are the
/// validation part.
///
/// # Errors
/// As [`load`], without the counts; [`DataError::Setting`] if the training file is not longer than `validation`.
pub fn read(folder: &Path, validation: usize) -> Result<Dataset, DataError> {
    let train = Pair::read(folder, TRAIN)?;
    let test = Pair::read(folder, TEST)?;
    if (train.height, train.width) != (test.height, test.width) {
        return Err(DataError::corrupt(
            &test.path,
            format!(
                "its pictures are {} × {}, those for training {} × {}",
                test.height, test.width, train.height, train.width
            ),
            "put files of one data set together",
        ));
    }
    let Some(training) = train.labels.len().checked_sub(validation).filter(|count| *count > 0) else {
        let reason = format!(
            "`{}` has {} pictures, which leaves none for training beside {validation} for validation; ask for fewer",
            train.path.display(),
            train.labels.len()
        );
        return Err(DataError::Setting { reason });
    };
    let mut items = train.items(|n| if n < training { Split::Train } else { Split::Validation });
    items.extend(test.items(|_| Split::Test));
    let mut data = train.data;
    data.extend_from_slice(&test.data);
    let index = Index::new(items, digits());
    Ok(Dataset::packed(
        index,
        Packed { height: train.height, width: train.width, channels: 1, data: data.into() },
    ))
}

/// The names of the ten classes.
pub(crate) fn digits() -> Vec<String> {
    ('0'..='9').map(String::from).collect()
}

const TRAIN: (&str, &str) = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
const TEST: (&str, &str) = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte");

/// The names under which a file is looked for: with a dot for the second dash, and gzipped.
fn candidates(folder: &Path, name: &str) -> [PathBuf; 4] {
    let dotted = name.replace("-idx", ".idx");
    [name.to_owned(), format!("{name}.gz"), dotted.clone(), format!("{dotted}.gz")]
        .map(|name| folder.join(name))
}

/// Pictures and labels of one part.
pub(crate) struct Pair {
    pub(crate) path: Arc<PathBuf>,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) data: Vec<u8>,
    pub(crate) labels: Vec<u8>,
}

impl Pair {
    fn read(folder: &Path, (images, labels): (&str, &str)) -> Result<Self, DataError> {
        let find = |name: &str| {
            candidates(folder, name).into_iter().find(|path| path.is_file()).ok_or_else(|| {
                let remedy =
                    "put MNIST's four idx files there (gzipped or not), or name their folder as data root";
                DataError::missing("MNIST file", &folder.join(name), remedy)
            })
        };
        Self::from_files(&find(images)?, &find(labels)?)
    }

    /// Reads a file of pictures and its file of labels below 10.
    pub(crate) fn from_files(images: &Path, labels: &Path) -> Result<Self, DataError> {
        let pictures = idx::read(images, 3)?;
        let classes = idx::read(labels, 1)?;
        let [count, height, width] = pictures.dims[..] else { unreachable!("the reader checked the rank") };
        if count != classes.data.len() {
            return Err(DataError::corrupt(
                labels,
                format!(
                    "it has {} labels for the {count} pictures of `{}`",
                    classes.data.len(),
                    images.display()
                ),
                "put files of one data set together",
            ));
        }
        if count == 0 || height == 0 || width == 0 {
            let reason = format!("it holds no pixels ({count} pictures of {height} × {width})");
            return Err(DataError::corrupt(images, reason, crate::error::OBTAIN_AGAIN));
        }
        if let Some(at) = classes.data.iter().position(|label| *label > 9) {
            let reason = format!("label {at} is {}, not a digit", classes.data[at]);
            return Err(DataError::corrupt(labels, reason, crate::error::OBTAIN_AGAIN));
        }
        let path = Arc::new(images.to_owned());
        Ok(Self { path, height, width, data: pictures.data, labels: classes.data })
    }

    /// The items of the part, each with the split of its position.
    pub(crate) fn items(&self, split: impl Fn(usize) -> Split) -> Vec<Item> {
        let item = |(record, label): (usize, &u8)| {
            let source = Source::Record { file: Arc::clone(&self.path), record };
            Item::new(source, u32::from(*label)).in_split(split(record))
        };
        self.labels.iter().enumerate().map(item).collect()
    }
}

//! CIFAR-10 and CIFAR-100: the official binary files, or folders of PNG pictures.
//!
//! ```text
//! cifar-10-batches-bin/data_batch_1.bin … data_batch_5.bin, test_batch.bin     label, then 3 planes of 32 × 32
//! cifar-100-binary/train.bin, test.bin                     coarse label, fine label, then 3 planes of 32 × 32
//! train/<class>/*.png, test/<class>/*.png                                     the folder form, also as images.zip
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dataset::{Dataset, Packed};
use crate::error::{DataError, OBTAIN_AGAIN};
use crate::image::Colour;
use crate::index::{Index, Item, Source};
use crate::manifest::Manifest;
use crate::source::{data_folder, folder};
use crate::split::Split;

/// The side of every picture.
pub const SIDE: usize = 32;
const PIXELS: usize = SIDE * SIDE;
/// The most bytes of one binary file; the largest published one has 153,700,000.
const MAX_BYTES: u64 = 1 << 30;

/// One of the two data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Ten classes.
    Cifar10,
    /// A hundred classes (the fine labels).
    Cifar100,
}

/// The ten classes in the order of their labels, which is that of their names.
const CIFAR10: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// What differs between the two.
struct Form {
    name: &'static str,
    folder: &'static str,
    train: &'static [&'static str],
    test: &'static str,
    names: &'static str,
    /// Bytes before the pixels; the last of them is the label.
    labels: usize,
    classes: usize,
}

impl Variant {
    fn form(self) -> Form {
        match self {
            Self::Cifar10 => Form {
                name: "cifar10",
                folder: "cifar-10-batches-bin",
                train: &[
                    "data_batch_1.bin",
                    "data_batch_2.bin",
                    "data_batch_3.bin",
                    "data_batch_4.bin",
                    "data_batch_5.bin",
                ],
                test: "test_batch.bin",
                names: "batches.meta.txt",
                labels: 1,
                classes: 10,
            },
            Self::Cifar100 => Form {
                name: "cifar100",
                folder: "cifar-100-binary",
                train: &["train.bin"],
                test: "test.bin",
                names: "fine_label_names.txt",
                labels: 2,
                classes: 100,
            },
        }
    }
}

/// Loads a data set from `root/cifar10` or `root/cifar100`, or from `root` itself, and checks the published counts.
///
/// # Errors
/// [`DataError`] naming the file that is missing, truncated or damaged, or the count that differs.
///
/// # Examples
/// ```no_run
/// # use std::path::Path;
/// use hyp_data::{Split, source::cifar};
/// let cifar = cifar::load(Path::new("data/cache"), cifar::Variant::Cifar10)?;
/// assert_eq!(cifar.index().positions(Split::Test).len(), 10_000);
/// # Ok::<(), hyp_data::DataError>(())
/// ```
pub fn load(root: &Path, variant: Variant) -> Result<Dataset, DataError> {
    let form = variant.form();
    let manifest = Manifest::builtin(form.name).expect("invariant: the manifest is part of the crate");
    let here = data_folder(root, form.name, |folder| lies_in(folder, &form));
    if !lies_in(&here, &form) {
        return Err(DataError::missing(&manifest.title, &here, manifest.by_hand.trim()));
    }
    let dataset = read(&here, variant)?;
    manifest.check_splits(dataset.index(), &here)?;
    Ok(dataset)
}

/// Reads a folder of either form with any number of pictures; a part that is absent stays empty.
///
/// The binary form lies in `folder` or in the archive's own folder below it; otherwise `folder` is a folder (or a zip
/// archive, or a folder that holds `images.zip`) of the form `part/class/picture.png`.
///
/// # Errors
/// As [`load`], without the counts.
pub fn read(folder: &Path, variant: Variant) -> Result<Dataset, DataError> {
    let form = variant.form();
    match binary_folder(folder, &form) {
        Some(binary) => read_binary(&binary, &form),
        None => folder::load(&images(folder), Colour::Rgb),
    }
}

fn lies_in(folder: &Path, form: &Form) -> bool {
    binary_folder(folder, form).is_some()
        || ["images.zip", "train", "test"].iter().any(|name| folder.join(name).exists())
}

/// The archive or folder of pictures that `folder` names.
fn images(folder: &Path) -> PathBuf {
    let zip = folder.join("images.zip");
    if zip.is_file() { zip } else { folder.to_owned() }
}

fn binary_folder(folder: &Path, form: &Form) -> Option<PathBuf> {
    let holds =
        |folder: &PathBuf| form.train.iter().chain([&form.test]).any(|name| folder.join(name).is_file());
    [folder.join(form.folder), folder.to_owned()].into_iter().find(holds)
}

fn read_binary(folder: &Path, form: &Form) -> Result<Dataset, DataError> {
    let classes = class_names(folder, form)?;
    let train: Vec<PathBuf> = form.train.iter().map(|name| folder.join(name)).collect();
    let absent: Vec<&PathBuf> = train.iter().filter(|path| !path.is_file()).collect();
    if !absent.is_empty() && absent.len() < train.len() {
        let remedy = "put all files of the archive together";
        return Err(DataError::missing("file of the training part", absent[0], remedy));
    }
    let mut items = Vec::new();
    let mut data = Vec::new();
    let files = train.into_iter().map(|path| (path, Split::Train));
    let files = files.chain([(folder.join(form.test), Split::Test)]).filter(|(path, _)| path.is_file());
    for (path, split) in files {
        let bytes = fs::metadata(&path).map_err(DataError::io("read", &path))?.len();
        if bytes > MAX_BYTES {
            let reason = format!("at {bytes} bytes it is larger than any file of this kind");
            return Err(DataError::corrupt(&path, reason, OBTAIN_AGAIN));
        }
        let bytes = fs::read(&path).map_err(DataError::io("read", &path))?;
        let labels = decode(&bytes, form.labels, form.classes, &path, &mut data)?;
        let file = Arc::new(path);
        items.extend(labels.into_iter().enumerate().map(|(record, label)| {
            let source = Source::Record { file: Arc::clone(&file), record };
            Item::new(source, u32::from(label)).in_split(split)
        }));
    }
    let packed = Packed { height: SIDE, width: SIDE, channels: 3, data: data.into() };
    Ok(Dataset::packed(Index::new(items, classes), packed))
}

/// Appends the pictures of a file to `data`, height × width × channel, and gives their labels.
fn decode(
    bytes: &[u8],
    labels: usize,
    classes: usize,
    path: &Path,
    data: &mut Vec<u8>,
) -> Result<Vec<u8>, DataError> {
    let size = labels + 3 * PIXELS;
    if bytes.is_empty() {
        return Err(DataError::corrupt(path, "the file is empty", OBTAIN_AGAIN));
    }
    if !bytes.len().is_multiple_of(size) {
        let whole = bytes.len().div_ceil(size) * size;
        return Err(DataError::Truncated {
            path: path.to_owned(),
            expected: whole as u64,
            actual: bytes.len() as u64,
        });
    }
    data.reserve(bytes.len() / size * 3 * PIXELS);
    let mut found = Vec::with_capacity(bytes.len() / size);
    for (number, record) in bytes.chunks_exact(size).enumerate() {
        let label = record[labels - 1];
        if usize::from(label) >= classes {
            let reason = format!("label {number} is {label}, there are {classes} classes");
            return Err(DataError::corrupt(path, reason, OBTAIN_AGAIN));
        }
        found.push(label);
        let planes = &record[labels..];
        for at in 0..PIXELS {
            data.extend([planes[at], planes[PIXELS + at], planes[2 * PIXELS + at]]);
        }
    }
    Ok(found)
}

/// The names of the classes in the order of their labels: from the file beside the pictures, or else the known ones.
fn class_names(folder: &Path, form: &Form) -> Result<Vec<String>, DataError> {
    let path = folder.join(form.names);
    if !path.is_file() {
        if form.classes == CIFAR10.len() {
            return Ok(CIFAR10.map(String::from).to_vec());
        }
        return Err(DataError::missing(
            "list of class names",
            &path,
            "put all files of the archive together",
        ));
    }
    let text = fs::read_to_string(&path).map_err(DataError::io("read", &path))?;
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
    if names.len() != form.classes {
        let reason = format!("it names {} classes, {} are expected", names.len(), form.classes);
        return Err(DataError::invalid(&path, None, format!("{reason}; {OBTAIN_AGAIN}")));
    }
    if !names.is_sorted() {
        let reason =
            "its names are not in alphabetical order, so labels and names would part; obtain it again";
        return Err(DataError::invalid(&path, None, reason));
    }
    Ok(names)
}

//! The 84 × 84 pictures of mini-ImageNet from their Python pickles, read as data; nothing in them is executed.
//!
//! ```text
//! {"image_data": uint8 array [pictures, height, width, 3], "class_dict": {"n01532829": [0, 1, …], …}}
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dataset::{Dataset, Packed};
use crate::error::{DataError, OBTAIN_AGAIN};
use crate::index::Source;
use crate::pickle::numpy::{self, Array, Kind, NUMPY};
use crate::pickle::{Pickle, Value};
use crate::source::listed::{self, Listed};
use crate::split::Split;

/// The names of the files.
const FILES: [(&str, Split); 4] = [
    ("mini-imagenet-cache-train.pkl", Split::Train),
    ("mini-imagenet-cache-val.pkl", Split::Validation),
    ("mini-imagenet-cache-validation.pkl", Split::Validation),
    ("mini-imagenet-cache-test.pkl", Split::Test),
];
/// The largest file that is read; the largest published one has 1.15 GB.
const MAX_BYTES: u64 = 4 << 30;

/// The files that lie in a folder; of two files of one part the first counts.
pub(super) fn find(folder: &Path) -> Vec<(PathBuf, Split)> {
    let files = FILES.iter().map(|(name, split)| (folder.join(name), *split));
    let mut found: Vec<(PathBuf, Split)> = files.filter(|(path, _)| path.is_file()).collect();
    found.dedup_by_key(|(_, split)| *split);
    found
}

/// Reads the files of the parts that are there.
pub(super) fn read(files: &[(PathBuf, Split)]) -> Result<Dataset, DataError> {
    let mut listed = Vec::new();
    let mut all: Option<([usize; 3], Vec<u8>)> = None;
    for (path, split) in files {
        let bytes = fs::metadata(path).map_err(DataError::io("read", path))?.len();
        if bytes > MAX_BYTES {
            let reason = format!("at {bytes} bytes it is larger than any file of this kind");
            return Err(DataError::corrupt(path, reason, OBTAIN_AGAIN));
        }
        let bytes = fs::read(path).map_err(DataError::io("read", path))?;
        let Cache { shape, classes, pictures } =
            parse(&bytes).map_err(|reason| DataError::corrupt(path, reason, OBTAIN_AGAIN))?;
        match &mut all {
            None => all = Some((shape, pictures)),
            Some((first, data)) if *first == shape => data.extend_from_slice(&pictures),
            Some((first, _)) => {
                let reason = format!("its pictures are {shape:?}, those of the other files {first:?}");
                return Err(DataError::corrupt(path, reason, "put files of one data set together"));
            }
        }
        let file = Arc::new(path.clone());
        listed.extend(classes.into_iter().enumerate().map(|(record, class)| Listed {
            split: Some(*split),
            ..Listed::new(Source::Record { file: Arc::clone(&file), record }, class)
        }));
    }
    let ([height, width, channels], data) = all.expect("invariant: at least one file was found");
    let index = listed::index(listed);
    Ok(Dataset::packed(index, Packed { height, width, channels, data: data.into() }))
}

/// What one file holds.
struct Cache {
    /// Height, width and channels.
    shape: [usize; 3],
    /// The class of every picture.
    classes: Vec<String>,
    pictures: Vec<u8>,
}

fn parse(bytes: &[u8]) -> Result<Cache, String> {
    let pickle = Pickle::parse(bytes, NUMPY).map_err(|error| error.to_string())?;
    let root = pickle.root();
    let entry = |key: &str| {
        root.get(key).ok_or_else(|| format!("it holds no `{key}`, as a cache of mini-ImageNet does"))
    };
    let array = Array::of(entry("image_data")?)?;
    let [count, height, width, 3] = array.shape[..] else {
        return Err(format!("its pictures have the shape {:?}, not [n, height, width, 3]", array.shape));
    };
    if array.dtype.kind != Kind::Unsigned || array.dtype.size != 1 {
        return Err("its pictures are not made of bytes".to_owned());
    }
    if count == 0 || height == 0 || width == 0 {
        return Err("it holds no pixels".to_owned());
    }
    let classes = classes(entry("class_dict")?, count)?;
    Ok(Cache { shape: [height, width, 3], classes, pictures: array.bytes.into_owned() })
}

/// The class of each of `count` pictures.
fn classes(dict: Value<'_>, count: usize) -> Result<Vec<String>, String> {
    let entries = dict.entries().ok_or_else(|| "its `class_dict` is no dict".to_owned())?;
    let mut classes: Vec<Option<&str>> = vec![None; count];
    for (name, members) in entries {
        let name = name.as_str().ok_or_else(|| "a class has no name".to_owned())?;
        for number in numbers(members).ok_or_else(|| format!("the pictures of class `{name}` are no list"))? {
            let place = usize::try_from(number).ok().and_then(|number| classes.get_mut(number));
            let place =
                place.ok_or_else(|| format!("class `{name}` lists picture {number}; there are {count}"))?;
            if place.replace(name).is_some() {
                return Err(format!("picture {number} is listed twice"));
            }
        }
    }
    let named = classes.into_iter().enumerate().map(|(number, class)| {
        class.map(String::from).ok_or_else(|| format!("picture {number} is in no class"))
    });
    named.collect()
}

/// Whole numbers, be they a list or an array.
fn numbers(value: Value<'_>) -> Option<Vec<i64>> {
    match value.items() {
        Some(items) => items.map(numpy::integer).collect(),
        None => Array::of(value).ok()?.integers(),
    }
}

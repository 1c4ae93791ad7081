//! The text files beside the pictures of CUB-200-2011: a number, a space, what belongs to the picture of that number.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::error::DataError;
use crate::index::Region;
use crate::source::cub::covering;

/// Which number each picture has: `1 class/picture.jpg`.
pub(super) const IMAGES: &str = "images.txt";
/// Whether each picture is for training: `1 0`.
pub(super) const SPLIT: &str = "train_test_split.txt";
/// Where the bird is: `1 left top width height`.
pub(super) const BOXES: &str = "bounding_boxes.txt";
/// The names of the classes: `1 001.Black_footed_Albatross`.
const CLASSES: &str = "classes.txt";
/// The most bytes of a list; the longest published one has under 1 MB.
const MAX_BYTES: u64 = 64 << 20;

/// The lists that are there.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// The number of each picture by its `class/name`.
    pub(super) numbers: BTreeMap<String, u32>,
    /// Whether the picture of a number is for training.
    pub(super) training: BTreeMap<u32, bool>,
    /// The bounding box of the picture of a number.
    pub(super) boxes: BTreeMap<u32, Region>,
}

impl Lists {
    /// Reads what lies in `folder`; nothing if there is no list of pictures.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, DataError> {
        let Some(images) = lines(&folder.join(IMAGES))? else { return Ok(None) };
        let classes = lines(&folder.join(CLASSES))?.map(|classes| classes.into_values().collect::<Vec<_>>());
        let mut numbers = BTreeMap::new();
        for (number, (line, name)) in images {
            let wrong = |reason: String| DataError::invalid(&folder.join(IMAGES), Some(line), reason);
            let class = name.split_once('/').map(|(class, _)| class).unwrap_or_default();
            if let Some(classes) = &classes
                && !classes.iter().any(|(_, known)| known == class)
            {
                return Err(wrong(format!("class `{class}` does not stand in {CLASSES}; obtain both again")));
            }
            if numbers.insert(name.clone(), number).is_some() {
                return Err(wrong(format!("`{name}` is listed twice; obtain the list again")));
            }
        }
        let mut training = BTreeMap::new();
        for (number, (line, text)) in lines(&folder.join(SPLIT))?.unwrap_or_default() {
            let part = match text.as_str() {
                "0" => false,
                "1" => true,
                other => {
                    let reason = format!("`{other}` is neither 1 (training) nor 0; obtain the list again");
                    return Err(DataError::invalid(&folder.join(SPLIT), Some(line), reason));
                }
            };
            training.insert(number, part);
        }
        let mut boxes = BTreeMap::new();
        for (number, (line, text)) in lines(&folder.join(BOXES))?.unwrap_or_default() {
            let values: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            let region = match (&values[..], text.split_whitespace().count()) {
                (&[left, top, width, height], 4) => covering(left, top, width, height),
                _ => None,
            };
            let Some(region) = region else {
                let reason =
                    format!("`{text}` is no box of left, top, width and height; obtain the list again");
                return Err(DataError::invalid(&folder.join(BOXES), Some(line), reason));
            };
            boxes.insert(number, region);
        }
        Ok(Some(Self { numbers, training, boxes }))
    }
}

/// The text that belongs to each number, with its line in the file.
type Lines = BTreeMap<u32, (u64, String)>;

/// The lines of a list by their number, each with its line in the file; nothing if there is no such file.
fn lines(path: &Path) -> Result<Option<Lines>, DataError> {
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = fs::metadata(path).map_err(DataError::io("read", path))?.len();
    if bytes > MAX_BYTES {
        let reason = format!("at {bytes} bytes it is larger than any list of this kind; obtain it again");
        return Err(DataError::invalid(path, None, reason));
    }
    let text = fs::read(path).map_err(DataError::io("read", path))?;
    let text = String::from_utf8(text)
        .map_err(|_| DataError::invalid(path, None, "it is not text in UTF-8; obtain it again"))?;
    parse(&text).map_err(|(line, reason)| DataError::invalid(path, Some(line), reason)).map(Some)
}

fn parse(text: &str) -> Result<Lines, (u64, String)> {
    let mut lines = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let at = at as u64 + 1;
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let parts = line.split_once(' ').and_then(|(number, rest)| Some((number.parse().ok()?, rest.trim())));
        let Some((number, rest)) = parts else {
            return Err((at, format!("`{line}` is not a number, a space and a text; obtain the list again")));
        };
        if lines.insert(number, (at, rest.to_owned())).is_some() {
            return Err((at, format!("number {number} stands there twice; obtain the list again")));
        }
    }
    Ok(lines)
}

//! The list of what was unpacked, in the form of `sha256sum`, so that it can be checked without the archive.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use crate::checksum::sha256;
use crate::disk::{Disk, write_error};
use crate::error::DataError;
use crate::verify::Finding;

/// The file's name within the unpacked folder.
pub(crate) const NAME: &str = ".unpacked.sha256";

/// Checksums by path.
#[derive(Debug, Default)]
pub(super) struct Receipt(BTreeMap<String, String>);

impl Receipt {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes a file by its path below the unpacked folder.
    pub(super) fn add(&mut self, path: &Path, sha256: String) {
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        self.0.insert(parts.join("/"), sha256);
    }

    /// Writes the list into the folder.
    pub(super) fn write(&self, disk: &dyn Disk, folder: &Path) -> Result<(), DataError> {
        let path = folder.join(NAME);
        let lines: Vec<String> = self.0.iter().map(|(path, sha256)| format!("{sha256}  {path}\n")).collect();
        let written = disk.create(&path).and_then(|mut file| {
            file.write_all(lines.concat().as_bytes())?;
            file.sync()
        });
        written.map_err(|error| write_error(&path, error))
    }
}

/// Checksum and path of every file on a list.
fn entries(list: &Path) -> Result<Vec<(String, String)>, DataError> {
    let text = fs::read_to_string(list).map_err(DataError::io("read", list))?;
    let entry = |(number, line): (usize, &str)| {
        let pair = line.split_once("  ").map(|(sha256, path)| (sha256.to_owned(), path.to_owned()));
        pair.ok_or_else(|| {
            let reason = "it is not of the form `sha256  path`; remove the folder and fetch it again";
            DataError::invalid(list, Some(number as u64 + 1), reason)
        })
    };
    text.lines().enumerate().map(entry).collect()
}

/// The bytes that [`compare`] will read, as far as that is known without reading them.
pub(crate) fn bytes(folder: &Path) -> u64 {
    let listed = entries(&folder.join(NAME)).unwrap_or_default();
    listed.iter().filter_map(|(_, path)| fs::metadata(folder.join(path)).ok()).map(|file| file.len()).sum()
}

/// Compares an unpacked folder with its list; `seen` hears how many bytes are done.
pub(crate) fn compare(folder: &Path, seen: &mut dyn FnMut(u64)) -> Result<Finding, DataError> {
    let list = folder.join(NAME);
    if !list.is_file() {
        let how = "it was not unpacked by `fetch`, so there is no list to compare with".to_owned();
        return Ok(Finding { confirmed: false, how, sha256: None });
    }
    let again = "remove the folder and fetch it again";
    let (mut files, mut bytes) = (0, 0);
    for (expected, name) in entries(&list)? {
        let path = folder.join(name);
        if !path.is_file() {
            return Err(DataError::missing("unpacked file", &path, again));
        }
        let file = File::open(&path).map_err(DataError::io("open", &path))?;
        let (actual, count) = sha256(file).map_err(DataError::io("read", &path))?;
        if actual != expected {
            let reason = format!("it holds {count} bytes that are not those that were unpacked");
            return Err(DataError::corrupt(&path, reason, again));
        }
        (files, bytes) = (files + 1, bytes + count);
        seen(bytes);
    }
    Ok(Finding { confirmed: true, how: format!("{files} files are as they were unpacked"), sha256: None })
}

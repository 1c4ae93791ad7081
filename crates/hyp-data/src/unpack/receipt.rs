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

/// Compares an unpacked folder with its list; `seen` hears how many bytes are done.
pub(crate) fn compare(folder: &Path, seen: &mut dyn FnMut(u64)) -> Result<Finding, DataError> {
    let list = folder.join(NAME);
    if !list.is_file() {
        let how = "it was not unpacked by `fetch`, so there is no list to compare with".to_owned();
        return Ok(Finding { confirmed: false, how, sha256: None });
    }
    let again = "remove the folder and fetch it again";
    let text = fs::read_to_string(&list).map_err(DataError::io("read", &list))?;
    let (mut files, mut bytes) = (0, 0);
    for (number, line) in text.lines().enumerate() {
        let Some((expected, name)) = line.split_once("  ") else {
            let reason = "it is not of the form `sha256  path`; remove the folder and fetch it again";
            return Err(DataError::invalid(&list, Some(number as u64 + 1), reason));
        };
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

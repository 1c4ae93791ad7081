//! Pictures that stay in their zip archive: names listed in sorted order, entries read from memory by any thread.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zip::ZipArchive;

use crate::error::{DataError, OBTAIN_AGAIN};
use crate::unpack::name::{entry_parts, shown};

/// The largest archive that is read in place; it is held in memory.
const MAX_ARCHIVE_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// The largest entry that is read; a picture file is far smaller.
const MAX_ENTRY_BYTES: u64 = 256 * 1024 * 1024;

/// A zip archive held in memory.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    path: Arc<PathBuf>,
    zip: ZipArchive<Cursor<Arc<[u8]>>>,
}

impl Archive {
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let bytes = fs::metadata(path).map_err(DataError::io("read", path))?.len();
        if bytes > MAX_ARCHIVE_BYTES {
            return Err(DataError::corrupt(
                path,
                format!("at {bytes} bytes it is too large to be read in place"),
                "unpack it and name the folder",
            ));
        }
        let bytes: Arc<[u8]> = fs::read(path).map_err(DataError::io("read", path))?.into();
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| {
            let named_so = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip"));
            let remedy = if named_so { OBTAIN_AGAIN } else { "name a folder, or a zip archive of one" };
            DataError::corrupt(path, format!("no readable zip archive ({error})"), remedy)
        })?;
        if zip.has_duplicate_names() {
            return Err(DataError::corrupt(path, "two of its entries have one name", OBTAIN_AGAIN));
        }
        Ok(Self { path: Arc::new(path.to_owned()), zip })
    }

    pub(crate) fn path(&self) -> &Arc<PathBuf> {
        &self.path
    }

    /// The entries that are files, each as its name's parts; a name that leads out of the archive is refused.
    pub(crate) fn entries(&self) -> Result<BTreeSet<Vec<String>>, DataError> {
        let mut entries = BTreeSet::new();
        for name in self.zip.file_names() {
            let name = name.map_err(|error| self.broken(&error.to_string()))?;
            if name.ends_with('/') {
                continue;
            }
            // An entry is opened by the name that the archive has for it, so only names in plain form will do.
            let plain = |parts: Vec<String>| {
                if parts.join("/") == name { Ok(parts) } else { Err("is not written in plain form") }
            };
            let parts = entry_parts(&name).and_then(plain).map_err(|why| {
                let reason = format!("its entry `{}` {why}", shown(&name));
                DataError::corrupt(
                    &self.path,
                    reason,
                    "zip the folder again, or obtain it from a source you trust",
                )
            })?;
            entries.insert(parts);
        }
        Ok(entries)
    }

    /// The bytes of an entry, decompressed and checked against the archive's own checksum.
    pub(crate) fn read(&self, entry: &str) -> Result<Vec<u8>, DataError> {
        let mut zip = self.zip.clone(); // shares the bytes and the directory
        let path = self.path.join(entry);
        let file = zip.by_name(entry).map_err(|error| {
            DataError::corrupt(&path, format!("the entry cannot be opened ({error})"), OBTAIN_AGAIN)
        })?;
        let mut bytes = Vec::new();
        file.take(MAX_ENTRY_BYTES + 1).read_to_end(&mut bytes).map_err(|error| {
            DataError::corrupt(&path, format!("the entry cannot be read ({error})"), OBTAIN_AGAIN)
        })?;
        if bytes.len() as u64 > MAX_ENTRY_BYTES {
            let reason = format!("the entry is larger than {MAX_ENTRY_BYTES} bytes");
            return Err(DataError::corrupt(&path, reason, "leave it out"));
        }
        Ok(bytes)
    }

    fn broken(&self, reason: &str) -> DataError {
        DataError::corrupt(&self.path, reason, OBTAIN_AGAIN)
    }
}

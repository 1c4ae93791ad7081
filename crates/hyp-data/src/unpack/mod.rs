//! Archives to folders: nothing leaves its folder, nothing grows without limit, and a folder appears whole or not at all.
//!
//! The rules and the hostile archives that they were tried on stand in `docs/security.md`.

mod gz;
pub(crate) mod name;
pub(crate) mod receipt;
mod staging;
mod tar;
#[cfg(test)]
mod tests;
mod zip;

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use self::staging::{Limits, Staging};
use crate::disk::{Disk, RealDisk, require_room};
use crate::error::DataError;
use crate::manifest::Unpack;
use crate::verify::compare_content;

/// How many times its own size may come out of an archive: pictures are compressed already.
const MAX_RATIO: u64 = 200;
/// What may come out of the smallest archive.
const ALWAYS_ALLOWED: u64 = 1 << 20;

/// The most bytes that an archive of `length` bytes may become, whatever else is allowed.
pub(crate) fn most_from(length: u64) -> u64 {
    length.saturating_mul(MAX_RATIO).saturating_add(ALWAYS_ALLOWED)
}

/// What to do with an archive that is refused.
const UNTRUSTED: &str = "nothing of it was kept; obtain it from a source you trust";

/// Why unpacking stopped.
enum Problem {
    /// The archive asks for what no honest one does.
    Hostile(String),
    /// It ends early or contradicts its own checksums.
    Unreadable(io::Error),
    /// The disk.
    Disk(DataError),
}

impl From<DataError> for Problem {
    fn from(error: DataError) -> Self {
        Self::Disk(error)
    }
}

impl Problem {
    fn into_error(self, archive: &Path) -> DataError {
        match self {
            Self::Hostile(reason) => DataError::corrupt(archive, reason, UNTRUSTED),
            Self::Unreadable(error) => {
                DataError::corrupt(archive, format!("it cannot be read to its end ({error})"), UNTRUSTED)
            }
            Self::Disk(error) => error,
        }
    }
}

/// Takes a folder or a file out of a zip, tar, tar.gz or gz archive and puts it beside the archive.
///
/// It is unpacked under a hidden name and renamed when whole, with a list of checksums within it; what an interrupted
/// run left is removed first. Links, devices, names that lead elsewhere, duplicates, and more entries or bytes than
/// `unpack` allows make the whole archive refused.
/// `seen` hears how many bytes of the archive are done, never more than it has.
///
/// # Errors
/// [`DataError::Corrupt`] if the archive is refused or damaged, [`DataError::NoRoom`] if the disk is full,
/// [`DataError::Io`] if it cannot be read or written; in every case nothing stands under the final name.
///
/// # Examples
/// ```
/// use hyp_data::manifest::Unpack;
/// use hyp_data::unpack::unpack;
/// # let folder = tempfile::tempdir()?;
/// let archive = folder.path().join("digits.gz");
/// # hyp_data::source::idx::write(&archive, &hyp_data::source::idx::IdxArray { dims: vec![2], data: vec![3, 4] })?;
/// let what = Unpack { from: "digits".into(), to: "digits.idx".into(), bytes: 100, entries: 1, content: None };
/// let path = unpack(&archive, &what, &mut |_| {})?;
/// assert_eq!(std::fs::read(path)?.len(), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn unpack(archive: &Path, unpack: &Unpack, seen: &mut dyn FnMut(u64)) -> Result<PathBuf, DataError> {
    unpack_on(&RealDisk, archive, unpack, seen)
}

/// As [`unpack`], on a disk of one's choice.
pub(crate) fn unpack_on(
    disk: &dyn Disk,
    archive: &Path,
    unpack: &Unpack,
    seen: &mut dyn FnMut(u64),
) -> Result<PathBuf, DataError> {
    let folder = archive.parent().unwrap_or(Path::new("."));
    let target = folder.join(&unpack.to);
    if target.exists() {
        let reason = "it is there already and would be overwritten";
        return Err(DataError::corrupt(&target, reason, "move it away"));
    }
    let length = fs::metadata(archive).map_err(DataError::io("read", archive))?.len();
    let limits = Limits { entries: unpack.entries, bytes: unpack.bytes.min(most_from(length)) };
    require_room(disk, folder, &target, length)?;
    let name = archive.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
    let is = |ending: &str| name.ends_with(ending);
    let hidden = folder.join(format!(".{}.unpacking", unpack.to));
    let outcome = (|| {
        let mut staging = Staging::new(disk, hidden.clone(), unpack, limits)?;
        let file = File::open(archive).map_err(DataError::io("open", archive))?;
        if is(".zip") || is(".whl") {
            zip::read(file, seen, &mut staging)?;
        } else {
            let file = Counted { inner: BufReader::new(file), done: 0, seen };
            if is(".tar.gz") || is(".tgz") {
                tar::read(MultiGzDecoder::new(file), limits, &mut staging)?;
            } else if is(".tar") {
                tar::read(file, limits, &mut staging)?;
            } else if is(".gz") {
                gz::read(file, &unpack.from, &mut staging)?;
            } else {
                return Err(Problem::Hostile(
                    "its name ends in none of zip, tar, tar.gz, tgz, gz".to_owned(),
                ));
            }
        }
        staging.finish(&target, |path| match &unpack.content {
            Some(content) => compare_content(content, path, false),
            None => Ok(()),
        })
    })();
    if let Err(problem) = outcome {
        // What cannot be removed now is removed by the next run.
        let _ = fs::remove_dir_all(hidden);
        return Err(problem.into_error(archive));
    }
    Ok(target)
}

/// A reader that says how far it is.
struct Counted<'a, R> {
    inner: R,
    done: u64,
    seen: &'a mut dyn FnMut(u64),
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.done += count as u64;
        (self.seen)(self.done);
        Ok(count)
    }
}

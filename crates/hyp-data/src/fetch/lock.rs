//! One process at a time in one folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use super::{Event, Progress};
use crate::disk::write_error;
use crate::error::DataError;

/// The file that is locked; it stays where it is, because removing it could take another process's lock away.
const NAME: &str = ".fetch.lock";

/// Waits for the folder; the lock is held until the value is dropped.
///
/// It is the operating system's lock, which ends with the process that holds it, however it ends: a file that a killed
/// process left behind locks nobody out.
pub(super) fn acquire(folder: &Path, progress: &mut dyn Progress) -> Result<File, DataError> {
    let path = folder.join(NAME);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = file.map_err(|error| write_error(&path, error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = (&mut file).take(32).read_to_string(&mut holder);
            progress.note(Event::Waiting { process: holder.trim().parse().ok() });
            file.lock().map_err(DataError::io("lock", &path))?;
        }
        // Some network file systems have no locks. Two processes then may do the work twice, but what gets a final
        // name is still compared with its checksum first.
        Err(TryLockError::Error(error)) => {
            progress.note(Event::NoLock { why: &error.to_string() });
            return Ok(file);
        }
    }
    // Who holds it, for the message of whoever waits; nothing depends on it.
    let _ =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
    Ok(file)
}

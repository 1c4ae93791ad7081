//! A job's folder, held by one run at a time: two runs never write into each other's files.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use super::contract::Interrupted;

/// How often a waiting run looks again.
const PAUSE: Duration = Duration::from_millis(100);

/// The right to work in a folder; given back when dropped, and by the system when the process dies.
pub(crate) struct Held {
    _file: File,
    /// Whether another run had it first.
    pub(crate) waited: bool,
}

impl Held {
    /// Takes the folder, or waits until the thread or process that holds it is done.
    ///
    /// # Errors
    /// [`Interrupted`] if `stop` is set while waiting; if the file beside the folder cannot be made.
    pub(crate) fn take(folder: &Path, stop: &AtomicBool) -> Result<Self> {
        // One folder has one lock, whatever link leads to it.
        let folder = &std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let path = folder.with_added_extension("lock");
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        }
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file, waited: told }),
                Err(TryLockError::WouldBlock) if stop.load(Ordering::SeqCst) => {
                    return Err(Interrupted.into());
                }
                Err(TryLockError::WouldBlock) => {
                    if !told {
                        println!("waiting for the run that works in {}", folder.display());
                        told = true;
                    }
                    std::thread::sleep(PAUSE);
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::{Held, Interrupted};

    #[test]
    fn one_thread_at_a_time_works_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let job = folder.path().join("row/seed0");
        let [inside, done, waited] = [0; 3].map(AtomicUsize::new);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let held = Held::take(&job, &stop).unwrap();
                    waited.fetch_add(usize::from(held.waited), Ordering::SeqCst);
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two are inside");
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    inside.fetch_sub(1, Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                    drop(held);
                });
            }
        });
        assert_eq!((done.into_inner(), waited.into_inner()), (3, 2));
    }

    #[test]
    fn who_is_asked_to_stop_waits_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(true);
        let _held = Held::take(&folder.path().join("job"), &stop).unwrap();
        let error = Held::take(&folder.path().join("job"), &stop).err().unwrap();
        assert!(error.downcast_ref::<Interrupted>().is_some());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_has_one_lock_whatever_link_leads_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let [job, link] = ["job", "link"].map(|name| folder.path().join(name));
        std::fs::create_dir(&job).unwrap();
        std::os::unix::fs::symlink(&job, &link).unwrap();
        let stop = AtomicBool::new(true);
        let _held = Held::take(&job, &stop).unwrap();
        let error = Held::take(&link, &stop).err().unwrap();
        assert!(error.downcast_ref::<Interrupted>().is_some(), "{error}");
    }
}

//! Writing to a disk that may be full: the real one, and in tests one that fills up when told to.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::error::DataError;

/// What the fetcher and the unpacker ask of a file system.
pub(crate) trait Disk {
    /// Opens a file to write at its end, which may not exist yet.
    fn append(&self, path: &Path) -> io::Result<Box<dyn Sink>>;
    /// Opens a file that must not exist yet.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>>;
    /// The bytes that are free for this user where `folder` lies.
    fn free(&self, folder: &Path) -> io::Result<u64>;
}

/// A file that is being written.
pub(crate) trait Sink: Write {
    /// Waits until everything is on the disk itself.
    fn sync(&mut self) -> io::Result<()>;
}

impl Sink for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// The file system of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn append(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(OpenOptions::new().append(true).create(true).open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(OpenOptions::new().write(true).create_new(true).open(path)?))
    }

    fn free(&self, folder: &Path) -> io::Result<u64> {
        fs4::available_space(folder)
    }
}

/// The error of a write: a full disk has a variant of its own.
pub(crate) fn write_error(path: &Path, error: io::Error) -> DataError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            DataError::NoRoom { path: path.to_owned(), reason: format!("writing stopped ({error})") }
        }
        _ => DataError::io("write", path)(error),
    }
}

/// Refuses to begin what will not fit; a file system that does not say how much is free is taken at its word later.
pub(crate) fn require_room(
    disk: &dyn Disk,
    folder: &Path,
    path: &Path,
    needed: u64,
) -> Result<(), DataError> {
    match disk.free(folder) {
        Ok(free) if free < needed => {
            let reason = format!("{} are needed, {} are free", size(needed), size(free));
            Err(DataError::NoRoom { path: path.to_owned(), reason })
        }
        _ => Ok(()),
    }
}

/// A number of bytes as a person says it.
///
/// # Examples
/// ```
/// use hyp_data::fetch::size;
/// assert_eq!([size(512), size(1_150_585_339)], ["512 B", "1.15 GB"]);
/// ```
pub fn size(bytes: u64) -> String {
    let units = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    match units.into_iter().find(|(_, unit)| bytes as f64 >= *unit) {
        Some((name, unit)) => {
            let number = bytes as f64 / unit;
            let digits = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
            format!("{number:.digits$} {name}")
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! A disk with so much room and no more.

    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    /// Writes go through until `left` bytes have been written; the write that goes beyond is cut short and fails,
    /// as on a real disk.
    pub(crate) struct SmallDisk {
        left: Rc<Cell<u64>>,
        /// What the file system says is free, whatever is true.
        pub(crate) claims: u64,
    }

    impl SmallDisk {
        pub(crate) fn new(left: u64) -> Self {
            Self { left: Rc::new(Cell::new(left)), claims: u64::MAX }
        }
    }

    struct SmallSink {
        file: Box<dyn Sink>,
        left: Rc<Cell<u64>>,
    }

    impl Write for SmallSink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.left.get() as usize);
            if fits == 0 && !bytes.is_empty() {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.left.set(self.left.get() - fits as u64);
            self.file.write(&bytes[..fits])
        }

        fn flush(&mut self) -> io::Result<()> {
            self.file.flush()
        }
    }

    impl Sink for SmallSink {
        fn sync(&mut self) -> io::Result<()> {
            self.file.sync()
        }
    }

    impl Disk for SmallDisk {
        fn append(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
            Ok(Box::new(SmallSink { file: RealDisk.append(path)?, left: Rc::clone(&self.left) }))
        }

        fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
            Ok(Box::new(SmallSink { file: RealDisk.create(path)?, left: Rc::clone(&self.left) }))
        }

        fn free(&self, _: &Path) -> io::Result<u64> {
            Ok(self.claims)
        }
    }
}

//! The folder in which an archive is unpacked before it gets its name.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Problem;
use super::name::{entry_parts, shown};
use super::receipt::{self, Receipt};
use crate::checksum::hexadecimal;
use crate::disk::{Disk, write_error};
use crate::error::DataError;
use crate::manifest::Unpack;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    File,
    Folder,
}

/// Where the entries of one archive go.
pub(super) struct Staging<'a> {
    disk: &'a dyn Disk,
    /// The hidden folder that is renamed at the end.
    root: PathBuf,
    from: Vec<String>,
    limits: Limits,
    /// What is known by each name within each folder, and its number, by which folders are told apart; the root is 0.
    known: BTreeMap<(usize, String), (usize, Entry)>,
    entries: u64,
    bytes: u64,
    receipt: Receipt,
    single: bool,
}

/// What may come out of an archive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

impl<'a> Staging<'a> {
    /// An empty folder at `root`; what an interrupted run left there is removed.
    pub(super) fn new(
        disk: &'a dyn Disk,
        root: PathBuf,
        unpack: &Unpack,
        limits: Limits,
    ) -> Result<Self, DataError> {
        remove(&root)?;
        fs::create_dir(&root).map_err(|error| write_error(&root, error))?;
        let from = unpack.from.split('/').map(ToOwned::to_owned).collect();
        Ok(Self {
            disk,
            root,
            from,
            limits,
            known: BTreeMap::new(),
            entries: 0,
            bytes: 0,
            receipt: Receipt::default(),
            single: false,
        })
    }

    /// Takes note of an entry; the place to write it to, or none if it is not asked for.
    fn admit(&mut self, name: &str, kind: Entry) -> Result<Option<PathBuf>, Problem> {
        let refuse = |why: &str| Err(Problem::Hostile(format!("its entry `{}` {why}", shown(name))));
        self.entries += 1;
        if self.entries > self.limits.entries {
            let reason = format!("it has more than {} entries", self.limits.entries);
            return Err(Problem::Hostile(reason));
        }
        let parts = match entry_parts(name) {
            Ok(parts) => parts,
            Err(why) => return refuse(why),
        };
        let mut folder = 0;
        for (depth, part) in parts.iter().enumerate() {
            let here = if depth + 1 == parts.len() { kind } else { Entry::Folder };
            let new = (self.known.len() + 1, here);
            let (number, known) = *self.known.entry((folder, part.clone())).or_insert(new);
            if number != new.0 && (known, here) != (Entry::Folder, Entry::Folder) {
                let twice = (known, here) == (Entry::File, Entry::File);
                return refuse(if twice { "is there twice" } else { "is a file and a folder at once" });
            }
            folder = number;
        }
        let Some(rest) = parts.strip_prefix(self.from.as_slice()) else { return Ok(None) };
        if rest.is_empty() && kind == Entry::File {
            self.single = true;
            return Ok(Some(self.single_path()));
        }
        if self.single {
            return refuse("lies in what is a file already");
        }
        if matches!(rest, [name] if name == receipt::NAME) {
            return refuse("has the name of the list that is made while unpacking");
        }
        Ok(Some(rest.iter().fold(self.root.clone(), |path, part| path.join(part))))
    }

    fn single_path(&self) -> PathBuf {
        self.root.join("single")
    }

    /// Makes a folder.
    pub(super) fn folder(&mut self, name: &str) -> Result<(), Problem> {
        match self.admit(name, Entry::Folder)? {
            Some(path) => fs::create_dir_all(&path).map_err(|error| write_error(&path, error).into()),
            None => Ok(()),
        }
    }

    /// Writes a file of `size` bytes, neither more nor fewer; `size` is what the archive says.
    pub(super) fn file(&mut self, name: &str, size: u64, reader: impl Read) -> Result<(), Problem> {
        let place = self.admit(name, Entry::File)?;
        self.account(size)?;
        let Some(path) = place else { return Ok(()) };
        let done = self.write(name, &path, reader.take(size.saturating_add(1)), size)?;
        if done != size {
            let reason = format!("its entry `{}` is not as long as it says", shown(name));
            return Err(Problem::Hostile(reason));
        }
        Ok(())
    }

    /// Writes a file whose length nothing tells beforehand.
    pub(super) fn stream(&mut self, name: &str, reader: impl Read) -> Result<(), Problem> {
        let Some(path) = self.admit(name, Entry::File)? else { return Ok(()) };
        let most = self.limits.bytes;
        let done = self.write(name, &path, reader.take(most.saturating_add(1)), most)?;
        self.account(done)
    }

    /// Adds to what has come out so far.
    fn account(&mut self, bytes: u64) -> Result<(), Problem> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.bytes {
            return Err(Problem::Hostile(format!("more than {} bytes come out of it", self.limits.bytes)));
        }
        Ok(())
    }

    /// Writes at most `most` bytes to a new file; returns how many the reader had, of those beyond only the first few.
    fn write(&mut self, name: &str, path: &Path, mut reader: impl Read, most: u64) -> Result<u64, Problem> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| write_error(folder, error))?;
        }
        let mut file = self.disk.create(path).map_err(|error| match error.kind() {
            // On a file system for which `a` and `A` are one name.
            io::ErrorKind::AlreadyExists => {
                Problem::Hostile(format!("its entry `{}` is there twice", shown(name)))
            }
            _ => write_error(path, error).into(),
        })?;
        let (mut hash, mut done, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
        loop {
            let count = reader.read(&mut buffer).map_err(Problem::Unreadable)?;
            done += count as u64;
            if count == 0 || done > most {
                break;
            }
            hash.update(&buffer[..count]);
            file.write_all(&buffer[..count]).map_err(|error| write_error(path, error))?;
        }
        file.flush().map_err(|error| write_error(path, error))?;
        if !self.single {
            let relative =
                path.strip_prefix(&self.root).expect("invariant: the path was made below the root");
            self.receipt.add(relative, hexadecimal(&hash.finalize()));
        }
        Ok(done)
    }

    /// Gives what was unpacked its name: the whole folder, or the single file, by one renaming.
    pub(super) fn finish(
        self,
        target: &Path,
        check: impl FnOnce(&Path) -> Result<(), DataError>,
    ) -> Result<(), Problem> {
        let path = if self.single {
            self.single_path()
        } else if self.receipt.is_empty() {
            return Err(Problem::Hostile(format!("it holds no `{}`", self.from.join("/"))));
        } else {
            self.receipt.write(self.disk, &self.root)?;
            self.root.clone()
        };
        check(&path)?;
        fs::rename(&path, target).map_err(DataError::io("rename into place", target))?;
        if self.single {
            remove(&self.root)?;
        }
        Ok(())
    }
}

/// Removes a folder with everything in it, if it is there.
fn remove(folder: &Path) -> Result<(), DataError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(DataError::io("remove", folder)(error)),
        _ => Ok(()),
    }
}

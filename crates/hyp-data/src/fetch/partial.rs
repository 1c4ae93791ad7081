//! The file that is arriving, and a note beside it of where it comes from.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk::{Disk, Sink, write_error};
use crate::error::DataError;

/// `.NAME.part` and `.NAME.part.toml` in the folder of the file.
pub(super) struct Partial {
    pub(super) path: PathBuf,
    note_path: PathBuf,
    /// What is known of the bytes that are there.
    pub(super) note: Option<Note>,
    /// How many there are.
    pub(super) length: u64,
}

/// What is known of the bytes of a partial file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Where they come from.
    pub(super) url: String,
    /// The server's mark of that state of the file.
    pub(super) mark: Option<String>,
    /// The bytes of the whole.
    pub(super) total: Option<u64>,
}

/// The name of the partial file of `name`.
pub(super) fn partial_name(name: &str) -> String {
    format!(".{name}.part")
}

impl Partial {
    /// What an earlier run left in `folder`, or nothing.
    pub(super) fn find(folder: &Path, name: &str) -> Result<Self, DataError> {
        let path = folder.join(partial_name(name));
        let note_path = folder.join(format!("{}.toml", partial_name(name)));
        let length = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(DataError::io("read", &path)(error)),
        };
        // A note that was cut off by a crash says nothing.
        let note = fs::read_to_string(&note_path).ok().and_then(|text| toml::from_str(&text).ok());
        Ok(Self { path, note_path, note: note.filter(|_| length > 0), length })
    }

    /// Whether every byte is there, as far as the note says.
    pub(super) fn is_complete(&self) -> bool {
        self.length > 0 && self.note.as_ref().is_some_and(|note| note.total == Some(self.length))
    }

    /// Throws the bytes away.
    pub(super) fn restart(&mut self) -> Result<(), DataError> {
        if self.length > 0 {
            let file = OpenOptions::new().write(true).open(&self.path);
            file.and_then(|file| file.set_len(0)).map_err(DataError::io("empty", &self.path))?;
        }
        (self.length, self.note) = (0, None);
        Ok(())
    }

    /// Writes down where the bytes come from, before the first of them arrives.
    pub(super) fn set_note(&mut self, disk: &dyn Disk, note: Note) -> Result<(), DataError> {
        if self.note.as_ref() == Some(&note) {
            return Ok(());
        }
        let text = toml::to_string(&note).expect("invariant: the note is a flat table");
        let temporary = self.note_path.with_extension("toml.tmp");
        let _ = fs::remove_file(&temporary);
        let written = disk.create(&temporary).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| write_error(&self.path, error))?;
        fs::rename(&temporary, &self.note_path)
            .map_err(DataError::io("rename into place", &self.note_path))?;
        self.note = Some(note);
        Ok(())
    }

    /// Opens it to write at its end.
    pub(super) fn open(&self, disk: &dyn Disk) -> Result<Box<dyn Sink>, DataError> {
        disk.append(&self.path).map_err(|error| write_error(&self.path, error))
    }

    /// Gives the file its name, and forgets the note.
    pub(super) fn finish(self, target: &Path) -> Result<(), DataError> {
        fs::rename(&self.path, target).map_err(DataError::io("rename into place", target))?;
        if let Some(folder) = target.parent()
            && let Ok(folder) = fs::File::open(folder)
        {
            // The renaming itself reaches the disk; where folders cannot be synced, it does so later.
            let _ = folder.sync_all();
        }
        let _ = fs::remove_file(&self.note_path);
        Ok(())
    }
}

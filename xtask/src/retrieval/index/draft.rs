//! A file that is written piece by piece and stands under its name only when it is whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace;

/// The file as long as it has another name; removed when dropped before its end.
pub(super) struct Draft {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    whole: bool,
}

impl Draft {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let path = &workspace::followed(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let temporary = path.with_added_extension("tmp");
        let file = File::create(&temporary)
            .with_context(|| format!("cannot write {}; name a file where you may write", path.display()))?;
        Ok(Self { file, temporary, path: path.to_owned(), whole: false })
    }

    /// Puts the file under its name, and gives its bytes.
    pub(super) fn finish(mut self) -> Result<u64> {
        let failed = || format!("cannot write {}; make room there", self.path.display());
        // Without the synchronisation a power cut could leave the name on an empty file.
        self.file.sync_all().with_context(failed)?;
        let bytes = self.file.metadata().with_context(failed)?.len();
        fs::rename(&self.temporary, &self.path).with_context(failed)?;
        self.whole = true;
        Ok(bytes)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.whole {
            // The error that led here is the one to be told.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

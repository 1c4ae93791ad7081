//! A throw-away workspace folder, and the program run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder that is removed at the end of the test.
pub(crate) struct Bed {
    folder: tempfile::TempDir,
}

impl Bed {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Its path.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.root().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces a text that must stand in the file.
    #[allow(dead_code, reason = "each test program uses its own part of this folder's helpers")]
    pub(crate) fn replace(&self, file: &str, old: &str, new: &str) {
        let text = self.read(file);
        assert!(text.contains(old), "{file} holds no `{old}`");
        self.write(file, &text.replace(old, new));
    }

    /// The text of a file.
    #[allow(dead_code, reason = "each test program uses its own part of this folder's helpers")]
    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.root().join(file)).unwrap()
    }
}

/// The program that the tests run.
pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_xtask"))
}

/// Runs the program on that folder; the exit code and everything it printed.
pub(crate) fn run(bed: &Bed, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(program())
        .args(arguments)
        .arg("--root")
        .arg(bed.root())
        .env_remove("HYP_DATA")
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), text)
}

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

    /// A workspace with the config and printed values of an experiment, and the shipped digits.
    #[allow(dead_code, reason = "each test program uses its own part of this folder's helpers")]
    pub(crate) fn of_experiment(id: &str) -> Self {
        let bed = Self::new();
        bed.write("Cargo.toml", "[workspace]\n");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for file in [format!("docs/experiments/{id}.toml"), format!("docs/paper/{id}.toml")] {
            bed.write(&file, &fs::read_to_string(root.join(&file)).unwrap());
        }
        let digits = bed.root().join("data/mnist_5k");
        fs::create_dir_all(&digits).unwrap();
        for entry in fs::read_dir(root.join("data/mnist_5k")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), digits.join(entry.file_name())).unwrap();
        }
        bed
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

//! What can go wrong between a file and a batch, each with the file's name and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// An error of this crate: where it happened, what was found, and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder that is needed does not exist.
    #[error("no {what} at `{}`: {remedy}", path.display())]
    Missing {
        /// What was looked for, in words.
        what: String,
        /// Where it was looked for.
        path: PathBuf,
        /// What to do.
        remedy: String,
    },
    /// The operating system refused to read or write.
    #[error("cannot {action} `{}`: {source}; {}", path.display(), io_remedy(action, source))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A file ends before the data that its header promises.
    #[error(
        "`{}` is truncated: its header promises {expected} bytes, it holds {actual}; \
         delete it and obtain it again",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that the header implies (after decompression).
        expected: u64,
        /// Bytes found (after decompression).
        actual: u64,
    },
    /// A file is not what its name says, or its contents contradict themselves.
    #[error("`{}` is not usable: {reason}; {remedy}", path.display())]
    Corrupt {
        /// The file, or the archive and the entry within it.
        path: PathBuf,
        /// What was found.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// A file's checksum is not the one that the manifest states.
    #[error(
        "the {kind} of `{}` is {actual}, the manifest states {expected}; delete it and obtain it again",
        path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Which checksum.
        kind: &'static str,
        /// The manifest's checksum.
        expected: String,
        /// The file's checksum.
        actual: String,
    },
    /// A data set does not hold as many pictures or classes as it should.
    #[error(
        "`{}` holds {actual} {what}, {expected} are expected; \
         see that this is the published data set and not a part or another, and obtain it again if it is",
        path.display()
    )]
    Count {
        /// The data set's folder or archive.
        path: PathBuf,
        /// What was counted.
        what: String,
        /// The published count.
        expected: usize,
        /// The count found.
        actual: usize,
    },
    /// No mirror gave a file.
    #[error("{}", unfetched(name, attempts, remedy))]
    Unfetched {
        /// The file.
        name: String,
        /// Each address that was tried and what came of it.
        attempts: Vec<(String, String)>,
        /// How to obtain it by hand.
        remedy: String,
    },
    /// The disk is full, or would be.
    #[error(
        "no room for `{}`: {reason}; free some, or name another folder, and run the same command again: \
         what has arrived is kept",
        path.display()
    )]
    NoRoom {
        /// What was to be written.
        path: PathBuf,
        /// How much is needed and how much there is, where it is known.
        reason: String,
    },
    /// A text file (CSV or TOML) that a person wrote says something that cannot be.
    #[error("`{}`{}: {reason}", path.display(), line.map_or(String::new(), |n| format!(", line {n}")))]
    Invalid {
        /// The text file.
        path: PathBuf,
        /// The line, counted from one, where it is known.
        line: Option<u64>,
        /// What is wrong and how to put it right.
        reason: String,
    },
    /// A transform cannot be applied to a picture, or a loader's settings contradict each other.
    #[error("{reason}")]
    Setting {
        /// What is wrong and how to put it right.
        reason: String,
    },
    /// The thread that prepared a batch panicked.
    #[error("preparing `{}` panicked: {reason}; leave the picture out and report it", path.display())]
    Panicked {
        /// The picture being prepared.
        path: PathBuf,
        /// The panic's message.
        reason: String,
    },
}

/// What a person can do about an answer of the operating system.
fn io_remedy(action: &str, error: &io::Error) -> &'static str {
    use io::ErrorKind::{
        AlreadyExists, IsADirectory, NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StorageFull,
    };
    let writes = !matches!(action, "read" | "open" | "list");
    match error.kind() {
        PermissionDenied | ReadOnlyFilesystem if writes => "name a folder that you may write to",
        PermissionDenied => "ask its owner to let you read it",
        StorageFull | QuotaExceeded => "make room on that disk",
        AlreadyExists | IsADirectory if writes => {
            "something else of this name is in the way; move it away, or name another folder"
        }
        NotADirectory => "a part of this path is a file; name a folder",
        _ => "check that the path exists and may be accessed",
    }
}

/// The attempts as a list, then what a person can do.
fn unfetched(name: &str, attempts: &[(String, String)], remedy: &str) -> String {
    let attempts: Vec<String> = attempts.iter().map(|(url, why)| format!("\n  {url}\n    {why}")).collect();
    format!(
        "`{name}` could not be fetched:{}\nthe same command goes on where it stopped; by hand: {}",
        attempts.concat(),
        remedy.trim()
    )
}

impl DataError {
    /// The file or folder that it is about, where there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Missing { path, .. }
            | Self::Corrupt { path, .. }
            | Self::Invalid { path, .. }
            | Self::Count { path, .. }
            | Self::Checksum { path, .. }
            | Self::NoRoom { path, .. }
            | Self::Io { path, .. }
            | Self::Panicked { path, .. } => Some(path),
            _ => None,
        }
    }

    pub(crate) fn missing(what: impl Into<String>, path: &Path, remedy: impl Into<String>) -> Self {
        Self::Missing { what: what.into(), path: path.to_owned(), remedy: remedy.into() }
    }

    pub(crate) fn corrupt(path: &Path, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), reason: reason.into(), remedy: remedy.into() }
    }

    pub(crate) fn invalid(path: &Path, line: Option<u64>, reason: impl Into<String>) -> Self {
        Self::Invalid { path: path.to_owned(), line, reason: reason.into() }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// A text from outside that may be endless, for a message that is not.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 300;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The remedy for a file that arrived damaged.
pub(crate) const OBTAIN_AGAIN: &str = "delete it and obtain it again";

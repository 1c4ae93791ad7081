//! Downloads that arrive whole or not at all; the only module of the workspace that opens a connection, and only when
//! asked.
//!
//! A file arrives as `.NAME.part`, is compared with the manifest's checksum as it lies on the disk, and only then gets
//! its name. An interrupted one goes on where it stopped if the server can tell that the file is still the same, or if
//! a checksum will tell at the end. An archive that is not read in place is unpacked under a hidden name and renamed
//! when whole.
//!
//! Files of the hub are fetched from its `resolve` addresses like all others; why not by the `hf-hub` crate stands in
//! `docs/security.md`.

mod download;
mod http;
mod lock;
mod options;
mod partial;
mod transfer;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::download::Downloader;
use self::http::Client;
pub use self::options::{Options, Proxy};
use self::partial::partial_name;
pub use crate::disk::size;
use crate::disk::{Disk, RealDisk, write_error};
use crate::error::DataError;
use crate::manifest::{Manifest, ManifestFile};
use crate::unpack::unpack_on;
use crate::verify::{Finding, Place, place};

/// What happens while files are fetched.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Another process is at work in the folder.
    Waiting {
        /// Its number, if it left one.
        process: Option<u32>,
    },
    /// The file system knows no locks; whoever else fetches there is not noticed.
    NoLock {
        /// Its answer.
        why: &'a str,
    },
    /// A server sends, from a position on.
    Transfer {
        /// The file.
        file: &'a str,
        /// Where the answer came from in the end.
        url: &'a str,
        /// The first byte that is sent.
        from: u64,
        /// The bytes of the whole, where the server says so.
        total: Option<u64>,
    },
    /// The present step has come so far.
    Bytes(u64),
    /// A transfer broke off and is tried again.
    Again {
        /// The file.
        file: &'a str,
        /// What happened.
        why: &'a str,
        /// How long is waited.
        pause: Duration,
    },
    /// A mirror will not do.
    GaveUp {
        /// The file.
        file: &'a str,
        /// The mirror.
        url: &'a str,
        /// What happened.
        why: &'a str,
    },
    /// A file, or what was unpacked of it, is compared with its checksums.
    Checking {
        /// The file.
        file: &'a str,
        /// The bytes that are read.
        bytes: u64,
    },
    /// A file is there.
    Have {
        /// The file.
        file: &'a str,
        /// What says that it is the right one.
        how: &'a str,
    },
    /// An archive is unpacked.
    Unpacking {
        /// The archive.
        file: &'a str,
        /// Its size.
        bytes: u64,
    },
}

/// Someone who wants to know how it goes.
pub trait Progress {
    /// Hears of an event.
    fn note(&mut self, event: Event<'_>);
}

/// Nobody does.
impl Progress for () {
    fn note(&mut self, _: Event<'_>) {}
}

/// What there is of one file, by a look at names and sizes alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is there, or what is taken out of it.
    Present(PathBuf),
    /// So many bytes of it have arrived.
    Partial(u64),
    /// Nothing.
    Absent,
}

/// One file of a manifest and what there is to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The file.
    pub file: ManifestFile,
    /// What there is of it.
    pub state: State,
}

/// Looks at what there is below a data root and what would be fetched; opens no connection and writes nothing.
///
/// # Errors
/// [`DataError::Io`] if a file cannot be looked at.
///
/// # Examples
/// ```
/// use hyp_data::fetch::{State, plan};
/// use hyp_data::Manifest;
/// let empty = tempfile::tempdir()?;
/// let steps = plan(&Manifest::builtin("mnist").unwrap(), empty.path())?;
/// assert!(steps.len() == 4 && steps.iter().all(|step| step.state == State::Absent));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plan(manifest: &Manifest, root: &Path) -> Result<Vec<Step>, DataError> {
    let folder = root.join(manifest.folder_name());
    let mut steps = Vec::new();
    for file in manifest.files.iter().filter(|file| file.instead_of.is_none()) {
        let state = match place(manifest, file, &folder) {
            Place::File(path) | Place::Unpacked(path) | Place::Alternative(_, path) => State::Present(path),
            Place::Absent => match fs::metadata(folder.join(partial_name(&file.name))) {
                Ok(metadata) if metadata.len() > 0 => State::Partial(metadata.len()),
                _ => State::Absent,
            },
        };
        steps.push(Step { file: file.clone(), state });
    }
    Ok(steps)
}

/// Fetches what is missing of a data set into its folder below `root`, checks what is there, and unpacks what is to be
/// unpacked.
///
/// Returns the folder. Nothing stands under a final name that is not whole and confirmed; a second process that fetches
/// the same waits for the first.
///
/// # Errors
/// [`DataError::Missing`] if there is no address to fetch from, [`DataError::Unfetched`] if no mirror gave a file,
/// [`DataError::NoRoom`], [`DataError::Io`], or what is wrong with a file that is there already.
///
/// # Examples
/// ```no_run
/// use hyp_data::Manifest;
/// use hyp_data::fetch::{Options, fetch};
/// let mnist = Manifest::builtin("mnist").unwrap();
/// fetch(&mnist, "data/cache".as_ref(), &Options::from_environment(), &mut ())?;
/// # Ok::<(), hyp_data::DataError>(())
/// ```
pub fn fetch(
    manifest: &Manifest,
    root: &Path,
    options: &Options,
    progress: &mut dyn Progress,
) -> Result<PathBuf, DataError> {
    fetch_on(&RealDisk, manifest, root, options, progress)
}

/// As [`fetch`], on a disk of one's choice.
fn fetch_on(
    disk: &dyn Disk,
    manifest: &Manifest,
    root: &Path,
    options: &Options,
    progress: &mut dyn Progress,
) -> Result<PathBuf, DataError> {
    let folder = root.join(manifest.folder_name());
    if manifest.files.is_empty() {
        let what = format!("address to fetch {} from", manifest.title);
        return Err(DataError::missing(what, &folder, manifest.by_hand.trim()));
    }
    fs::create_dir_all(&folder).map_err(|error| write_error(&folder, error))?;
    let _lock = lock::acquire(&folder, progress)?;
    let downloader = Downloader { options, disk, client: Client::new(options)? };
    for file in manifest.files.iter().filter(|file| file.instead_of.is_none()) {
        bring(&downloader, manifest, file, &folder, progress)?;
    }
    Ok(folder)
}

/// Sees to it that one file is there in one of its forms.
fn bring(
    downloader: &Downloader<'_>,
    manifest: &Manifest,
    file: &ManifestFile,
    folder: &Path,
    progress: &mut dyn Progress,
) -> Result<(), DataError> {
    let finding = if place(manifest, file, folder) == Place::Absent {
        download(downloader, manifest, file, folder, progress)?
    } else {
        let bytes = manifest.bytes_to_verify(file, folder);
        progress.note(Event::Checking { file: &file.name, bytes });
        manifest.verify_file(file, folder, &mut |done| progress.note(Event::Bytes(done)))?
    };
    progress.note(Event::Have { file: &file.name, how: &finding.how });
    let archive = folder.join(&file.name);
    if let (Some(unpack), Place::File(_)) = (&file.unpack, place(manifest, file, folder)) {
        let bytes = fs::metadata(&archive).map_err(DataError::io("read", &archive))?.len();
        progress.note(Event::Unpacking { file: &file.name, bytes });
        unpack_on(downloader.disk, &archive, unpack, &mut |done| progress.note(Event::Bytes(done)))?;
        progress.note(Event::Have { file: &unpack.to, how: "unpacked" });
    }
    Ok(())
}

/// Downloads a file, or one that stands in for it.
fn download(
    downloader: &Downloader<'_>,
    manifest: &Manifest,
    file: &ManifestFile,
    folder: &Path,
    progress: &mut dyn Progress,
) -> Result<Finding, DataError> {
    let stands_in = |other: &&ManifestFile| other.instead_of.as_ref() == Some(&file.name);
    let candidates: Vec<_> = std::iter::once(file).chain(manifest.files.iter().filter(stands_in)).collect();
    if candidates.iter().all(|file| file.mirrors.is_empty()) {
        let what = format!("address to fetch `{}` from", file.name);
        return Err(DataError::missing(what, folder, manifest.by_hand.trim()));
    }
    let mut tried = Vec::new();
    for candidate in candidates {
        match downloader.fetch(candidate, folder, progress)? {
            Ok(finding) => return Ok(finding),
            Err(attempts) => tried.extend(attempts),
        }
    }
    let remedy = manifest.by_hand.trim().to_owned();
    Err(DataError::Unfetched { name: file.name.clone(), attempts: tried, remedy })
}

#[cfg(test)]
mod tests;

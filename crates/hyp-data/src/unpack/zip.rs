//! Zip archives by their central directory.

use std::fs::File;
use std::io::BufReader;

use zip::ZipArchive;
use zip::result::ZipError;

use super::name::shown;
use super::staging::Staging;
use super::{Counted, Problem};

/// The part of a Unix mode that says what a file is, and the values that are harmless.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;

/// Reads every entry in the order of the directory.
pub(super) fn read(
    archive: File,
    seen: &mut dyn FnMut(u64),
    staging: &mut Staging<'_>,
) -> Result<(), Problem> {
    let length = archive.metadata().map_err(Problem::Unreadable)?.len();
    let mut zip = ZipArchive::new(BufReader::new(archive)).map_err(broken)?;
    if zip.has_duplicate_names() {
        return Err(Problem::Hostile("two of its entries have one name".to_owned()));
    }
    let mut done = 0_u64;
    for position in 0..zip.len() {
        let entry = zip.by_index(position).map_err(broken)?;
        let name = entry.name().map_err(broken)?.into_owned();
        let refuse = |why: &str| Err(Problem::Hostile(format!("its entry `{}` {why}", shown(&name))));
        if entry.encrypted() {
            return refuse("is encrypted");
        }
        let kind = entry.unix_mode().unwrap_or(0) & KIND;
        if name.ends_with('/') {
            if kind != 0 && kind != FOLDER {
                return refuse("is neither a file nor a folder");
            }
            staging.folder(&name)?;
            continue;
        }
        if entry.is_symlink() {
            return refuse("is a link");
        }
        if kind != 0 && kind != REGULAR {
            return refuse("is neither a file nor a folder");
        }
        // Entries are reached in any order, so their sizes in the archive tell how far it is; they may be lies.
        let (size, packed) = (entry.size(), entry.compressed_size());
        let mut told = |read: u64| {
            let share = u128::from(packed) * u128::from(read.min(size)) / u128::from(size.max(1));
            seen(done.saturating_add(share as u64).min(length));
        };
        staging.file(&name, size, Counted { inner: entry, done: 0, seen: &mut told })?;
        done = done.saturating_add(packed);
    }
    Ok(())
}

fn broken(error: ZipError) -> Problem {
    Problem::Unreadable(error.into())
}

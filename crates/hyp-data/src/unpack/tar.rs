//! Tar archives, read as raw headers so that no extension of the format is followed unseen.

use std::io::{self, Read};

use tar::{Archive, EntryType};

use super::Problem;
use super::name::shown;
use super::staging::{Limits, Staging};

/// The longest extended header that is read.
const MAX_EXTENSION: u64 = 64 * 1024;
/// What an entry may take beside its bytes: its header, an extended header, padding.
const OVERHEAD: u64 = 4096;

/// Reads every entry, and then the stream to its end, so that the checksum of its compression is compared.
pub(super) fn read(stream: impl Read, limits: Limits, staging: &mut Staging<'_>) -> Result<(), Problem> {
    let most = limits.bytes.saturating_add(limits.entries.saturating_mul(OVERHEAD)).saturating_add(1 << 20);
    let mut archive = Archive::new(Capped { inner: stream, left: most });
    let mut long_name: Option<String> = None;
    for entry in archive.entries().map_err(Problem::Unreadable)?.raw(true) {
        let mut entry = entry.map_err(Problem::Unreadable)?;
        let kind = entry.header().entry_type();
        let size = entry.header().entry_size().map_err(Problem::Unreadable)?;
        match kind {
            EntryType::GNULongName => {
                let text = extension(&mut entry, size)?;
                long_name = Some(utf8(text.strip_suffix(b"\0").unwrap_or(&text))?);
                continue;
            }
            EntryType::XHeader => {
                if let Some(name) = pax_path(&extension(&mut entry, size)?)? {
                    long_name = Some(name);
                }
                continue;
            }
            EntryType::XGlobalHeader => {
                extension(&mut entry, size)?;
                continue;
            }
            _ => {}
        }
        let name = match long_name.take() {
            Some(name) => name,
            None => utf8(&entry.path_bytes())?,
        };
        match kind {
            // The oldest tar marks a folder by the end of its name alone.
            EntryType::Regular if name.ends_with('/') => staging.folder(&name)?,
            EntryType::Regular | EntryType::Continuous => staging.file(&name, size, entry)?,
            EntryType::Directory => staging.folder(&name)?,
            EntryType::Symlink | EntryType::Link | EntryType::GNULongLink => {
                return Err(Problem::Hostile(format!("its entry `{}` is a link", shown(&name))));
            }
            _ => {
                let reason = format!("its entry `{}` is neither a file nor a folder", shown(&name));
                return Err(Problem::Hostile(reason));
            }
        }
    }
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(Problem::Unreadable)?;
    Ok(())
}

/// The bytes of an extended header.
fn extension(reader: &mut impl Read, size: u64) -> Result<Vec<u8>, Problem> {
    if size > MAX_EXTENSION {
        return Err(Problem::Hostile(format!("it has an extended header of {size} bytes")));
    }
    let mut bytes = Vec::new();
    reader.take(size).read_to_end(&mut bytes).map_err(Problem::Unreadable)?;
    Ok(bytes)
}

/// The name that a POSIX extended header gives the next entry; records are `length key=value\n`.
fn pax_path(mut records: &[u8]) -> Result<Option<String>, Problem> {
    let broken = || Problem::Hostile("it has an extended header that cannot be read".to_owned());
    let mut path = None;
    while !records.is_empty() {
        let space = records.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
        let length = std::str::from_utf8(&records[..space]).ok().and_then(|text| text.parse().ok());
        let length: usize = length.filter(|length| *length > space + 1).ok_or_else(broken)?;
        let record = records.get(space + 1..length).ok_or_else(broken)?;
        let record = record.strip_suffix(b"\n").ok_or_else(broken)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
        match &record[..equals] {
            b"path" => path = Some(utf8(&record[equals + 1..])?),
            b"linkpath" | b"size" => {
                return Err(Problem::Hostile("its extended headers change links or sizes".to_owned()));
            }
            key if key.starts_with(b"GNU.sparse") => {
                return Err(Problem::Hostile("it has files with holes".to_owned()));
            }
            _ => {}
        }
        records = &records[length..];
    }
    Ok(path)
}

fn utf8(bytes: &[u8]) -> Result<String, Problem> {
    String::from_utf8(bytes.to_vec()).map_err(|_| {
        Problem::Hostile(format!("its entry `{}` has a name that is not Unicode", bytes.escape_ascii()))
    })
}

/// A reader that fails where `Take` would end quietly.
struct Capped<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::other("more comes out of it than it may hold"))?;
        Ok(count)
    }
}

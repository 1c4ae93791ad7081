//! Archives with whatever in them that the honest writers would refuse to write.

use std::io::{Cursor, Write as _};

use flate2::{Compression, write::GzEncoder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// One entry.
#[derive(Clone)]
pub(super) struct Member {
    name: String,
    bytes: Vec<u8>,
    /// The letter by which tar says what it is.
    kind: u8,
    mode: Option<u32>,
    target: Option<String>,
    stored: bool,
}

impl Member {
    pub(super) fn file(name: &str, bytes: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            bytes: bytes.to_vec(),
            kind: b'0',
            mode: None,
            target: None,
            stored: false,
        }
    }

    pub(super) fn folder(name: &str) -> Self {
        Self { kind: b'5', ..Self::file(name, b"") }
    }

    pub(super) fn link(name: &str, target: &str) -> Self {
        Self { kind: b'2', target: Some(target.to_owned()), ..Self::file(name, b"") }
    }

    pub(super) fn special(name: &str, kind: u8) -> Self {
        Self { kind, ..Self::file(name, b"") }
    }

    /// An extended header of a tar archive.
    pub(super) fn extension(kind: u8, bytes: &[u8]) -> Self {
        Self { kind, ..Self::file("extension", bytes) }
    }

    pub(super) fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    pub(super) fn stored(mut self) -> Self {
        self.stored = true;
        self
    }
}

/// A zip archive; a name is written as it stands.
pub(super) fn zip(members: &[Member]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let (mut modes, mut names) = (Vec::new(), Vec::new());
    for (number, member) in members.iter().enumerate() {
        let method = if member.stored { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options = SimpleFileOptions::default().compression_method(method);
        // A stand-in of the same length, because the writer may put names in order.
        let digits = format!("{number:0>length$}", length = member.name.len());
        let stand_in = if member.name.is_ascii() { digits } else { member.name.clone() };
        names.push((stand_in.clone(), member.name.clone()));
        if let Some(target) = &member.target {
            zip.add_symlink(stand_in, target, options).unwrap();
        } else {
            zip.start_file(stand_in, options.unix_permissions(0o644)).unwrap();
            zip.write_all(&member.bytes).unwrap();
        }
        modes.push(member.mode);
    }
    let mut bytes = zip.finish().unwrap().into_inner();
    for (stand_in, name) in names {
        bytes = renamed(&bytes, stand_in.as_bytes(), name.as_bytes());
    }
    set_modes(&mut bytes, &modes);
    bytes
}

/// The same archive with one name for another of the same length, in both of its places.
pub(super) fn renamed(archive: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = archive.to_vec();
    let signatures: [(&[u8], usize, usize); 2] = [(b"PK\x03\x04", 26, 30), (b"PK\x01\x02", 28, 46)];
    for (signature, length_at, name_at) in signatures {
        for at in 0..bytes.len().saturating_sub(name_at + from.len() - 1) {
            let length = usize::from(u16::from_le_bytes([bytes[at + length_at], bytes[at + length_at + 1]]));
            let name = at + name_at..at + name_at + from.len();
            if bytes[at..].starts_with(signature) && length == from.len() && bytes[name.clone()] == *from {
                bytes[name].copy_from_slice(to);
            }
        }
    }
    bytes
}

/// Writes Unix modes into the entries of the central directory.
fn set_modes(bytes: &mut [u8], modes: &[Option<u32>]) {
    let starts: Vec<usize> =
        (0..bytes.len().saturating_sub(46)).filter(|at| bytes[*at..].starts_with(b"PK\x01\x02")).collect();
    for (at, mode) in starts.into_iter().zip(modes) {
        if let Some(mode) = mode {
            bytes[at + 38..at + 42].copy_from_slice(&(mode << 16).to_le_bytes());
        }
    }
}

/// A tar archive, header by header.
pub(super) fn tar(members: &[Member]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for member in members {
        let mut header = [0_u8; 512];
        header[..member.name.len()].copy_from_slice(member.name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[108..115].copy_from_slice(b"0000000");
        header[116..123].copy_from_slice(b"0000000");
        header[124..135].copy_from_slice(format!("{:011o}", member.bytes.len()).as_bytes());
        header[136..147].copy_from_slice(b"00000000000");
        header[156] = member.kind;
        if let Some(target) = &member.target {
            header[157..157 + target.len()].copy_from_slice(target.as_bytes());
        }
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&member.bytes);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// Compressed as `.gz`.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

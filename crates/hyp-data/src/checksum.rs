//! Checksums of files and streams.

use std::io::{self, Read};

use md5::Md5;
use sha2::{Digest as _, Sha256};

/// The sha256 of everything a reader gives, as lower-case hexadecimal, with the number of bytes.
///
/// # Errors
/// The reader's own.
///
/// # Examples
/// ```
/// let (sha256, bytes) = hyp_data::checksum::sha256(&b"abc"[..])?;
/// assert!(sha256.starts_with("ba7816bf") && bytes == 3);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn sha256(reader: impl Read) -> io::Result<(String, u64)> {
    let mut hash = Sha256::new();
    let bytes = each_block(reader, |block| hash.update(block))?;
    Ok((hexadecimal(&hash.finalize()), bytes))
}

/// Both checksums of one pass over a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) md5: String,
}

impl Digests {
    /// Reads to the end; `seen` hears how many bytes are done.
    pub(crate) fn of(reader: impl Read, mut seen: impl FnMut(u64)) -> io::Result<Self> {
        let (mut sha256, mut md5, mut done) = (Sha256::new(), Md5::new(), 0);
        let bytes = each_block(reader, |block| {
            sha256.update(block);
            md5.update(block);
            done += block.len() as u64;
            seen(done);
        })?;
        Ok(Self { bytes, sha256: hexadecimal(&sha256.finalize()), md5: hexadecimal(&md5.finalize()) })
    }
}

fn each_block(mut reader: impl Read, mut each: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(count) => {
                each(&buffer[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digit =
        |nibble: u8| char::from_digit(u32::from(nibble), 16).expect("invariant: four bits are a digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_checksums_of_abc() {
        let mut seen = Vec::new();
        let digests = Digests::of(&b"abc"[..], |done| seen.push(done)).unwrap();
        assert_eq!(digests.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digests.md5, "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!((digests.bytes, seen), (3, vec![3]));
        assert_eq!(sha256(&b"abc"[..]).unwrap(), (digests.sha256, 3));
    }
}

//! The idx format of MNIST: a big-endian header, then bytes; plain or gzipped.
//!
//! ```text
//! 0 0 8 n   dim₁ … dimₙ (u32 each)   dim₁ · … · dimₙ bytes
//! ```

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::error::{DataError, OBTAIN_AGAIN};

/// The most bytes that one file may promise: larger headers are damage, not data (the largest published file of the
/// kind, EMNIST's, has 0.6 GB).
const MAX_BYTES: u64 = 1 << 30;

/// An array of bytes with its dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxArray {
    /// The dimensions, slowest first.
    pub dims: Vec<usize>,
    /// The bytes.
    pub data: Vec<u8>,
}

/// Reads an idx file of bytes with exactly `rank` dimensions; a gzipped one is recognised by its first two bytes.
///
/// # Errors
/// [`DataError`] naming `path`: if it cannot be read, is not idx, has another rank or element type, ends before the
/// bytes that its dimensions promise, or goes on behind them.
///
/// # Examples
/// ```no_run
/// # use std::path::Path;
/// let images = hyp_data::source::idx::read(Path::new("train-images-idx3-ubyte.gz"), 3)?;
/// println!("{} pictures of {} × {}", images.dims[0], images.dims[1], images.dims[2]);
/// # Ok::<(), hyp_data::DataError>(())
/// ```
pub fn read(path: &Path, rank: usize) -> Result<IdxArray, DataError> {
    let mut file = BufReader::new(File::open(path).map_err(DataError::io("open", path))?);
    let start = io::BufRead::fill_buf(&mut file).map_err(DataError::io("read", path))?;
    if start.starts_with(&[0x1F, 0x8B]) {
        parse(MultiGzDecoder::new(file), path, rank)
    } else {
        parse(file, path, rank)
    }
}

fn parse(mut reader: impl Read, path: &Path, rank: usize) -> Result<IdxArray, DataError> {
    let header_bytes = 4 + 4 * rank as u64;
    let header = read_up_to(&mut reader, header_bytes, path, header_bytes, 0)?;
    let [zero, also_zero, kind, found_rank] = header[..4] else {
        unreachable!("the header is at least 4 bytes")
    };
    if (zero, also_zero) != (0, 0) {
        return Err(DataError::corrupt(path, "it does not begin like an idx file", OBTAIN_AGAIN));
    }
    if kind != 8 {
        let reason = format!("its elements have the idx type {kind}, only bytes (type 8) are read");
        return Err(DataError::corrupt(path, reason, "convert it to bytes"));
    }
    if usize::from(found_rank) != rank {
        let reason = format!("it has {found_rank} dimensions where {rank} are expected");
        return Err(DataError::corrupt(path, reason, "check that images and labels are not exchanged"));
    }
    let dims: Vec<usize> = header[4..]
        .chunks_exact(4)
        .map(|word| u32::from_be_bytes(word.try_into().expect("invariant: four bytes")) as usize)
        .collect();
    let promised = dims.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim as u64));
    let Some(promised) = promised.filter(|bytes| *bytes <= MAX_BYTES) else {
        let reason = format!("its header promises {dims:?} bytes, more than any file of this kind has");
        return Err(DataError::corrupt(path, reason, OBTAIN_AGAIN));
    };
    let data = read_up_to(&mut reader, promised, path, header_bytes + promised, header_bytes)?;
    let mut rest = [0; 1];
    let more = reader.read(&mut rest).map_err(|error| damaged(path, &error))?;
    if more > 0 {
        let reason = format!("it goes on behind the {promised} bytes that its header promises");
        return Err(DataError::corrupt(path, reason, OBTAIN_AGAIN));
    }
    Ok(IdxArray { dims, data })
}

/// Reads `bytes` bytes; if there are fewer, the error counts `before` more, and states `expected`.
fn read_up_to(
    reader: &mut impl Read,
    bytes: u64,
    path: &Path,
    expected: u64,
    before: u64,
) -> Result<Vec<u8>, DataError> {
    let mut data = Vec::new(); // grows with what is there, not with what is promised
    let outcome = reader.take(bytes).read_to_end(&mut data);
    let actual = before + data.len() as u64;
    match outcome {
        Ok(_) if data.len() as u64 == bytes => Ok(data),
        Ok(_) => Err(DataError::Truncated { path: path.to_owned(), expected, actual }),
        // A gzip stream that is cut off ends so.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(DataError::Truncated { path: path.to_owned(), expected, actual })
        }
        Err(error) => Err(damaged(path, &error)),
    }
}

fn damaged(path: &Path, error: &io::Error) -> DataError {
    DataError::corrupt(path, format!("it cannot be read to its end ({error})"), OBTAIN_AGAIN)
}

/// Writes an idx file of bytes, gzipped if the name ends in `.gz`; the same array gives the same file every time.
///
/// # Errors
/// [`DataError::Io`] if the file cannot be written.
///
/// # Panics
/// If the dimensions and the number of bytes disagree.
pub fn write(path: &Path, array: &IdxArray) -> Result<(), DataError> {
    assert_eq!(array.dims.iter().product::<usize>(), array.data.len(), "bytes of {:?}", array.dims);
    let mut bytes = vec![0, 0, 8, array.dims.len() as u8];
    for dim in &array.dims {
        let dim = u32::try_from(*dim).expect("invariant: a dimension fits in 32 bits");
        bytes.extend_from_slice(&dim.to_be_bytes());
    }
    bytes.extend_from_slice(&array.data);
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        bytes = encoder
            .write_all(&bytes)
            .and_then(|()| encoder.finish())
            .map_err(DataError::io("write", path))?;
    }
    fs::write(path, bytes).map_err(DataError::io("write", path))
}

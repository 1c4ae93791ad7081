//! A single compressed file.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::Problem;
use super::staging::Staging;

/// Decompresses the stream, which has no name of its own, as the entry `name`.
pub(super) fn read(archive: impl Read, name: &str, staging: &mut Staging<'_>) -> Result<(), Problem> {
    staging.stream(name, MultiGzDecoder::new(archive))
}

//! The layout before PyTorch 1.6: five pickles in a row, then the storages, each behind its length.

use std::collections::BTreeSet;

use super::storage::{Place, Storages, claims};
use super::{Parts, Refusal, objects, state_dict};
use crate::pickle::{Pickle, Value};

/// The first pickle is this integer (lowest byte first), the second this version.
const MAGIC: [u8; 10] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19];
const VERSION: i64 = 1001;

pub(super) fn read(file: Vec<u8>) -> Result<Parts, Refusal> {
    let mut storages = Storages::default();
    let (tensors, other) = {
        let mut rest = file.as_slice();
        let mut next = || -> Result<Pickle<'_>, Refusal> {
            let pickle = objects(rest)?;
            rest = &rest[pickle.byte_len()..];
            Ok(pickle)
        };
        if next()?.root().as_long() != Some(&MAGIC) || next()?.root().as_i64() != Some(VERSION) {
            return Err(Refusal::Other("it is a pickle, but not one of PyTorch's".to_owned()));
        }
        let system = next()?;
        if system.root().get("little_endian").and_then(Value::as_bool) != Some(true) {
            return Err(Refusal::Other("its numbers have the highest byte first".to_owned()));
        }
        let pickle = next()?;
        let keys = next()?;
        let claims = claims(&pickle).map_err(Refusal::Damaged)?;
        let Some(keys) = keys.root().items() else {
            return Err(Refusal::Damaged("the list of its storages is missing".to_owned()));
        };
        let mut seen = BTreeSet::new();
        for key in keys {
            let claim = key.as_str().filter(|key| seen.insert(*key)).and_then(|key| claims.get(key));
            let Some(claim) = claim else {
                return Err(Refusal::Damaged(
                    "the list of its storages names one that no tensor has".to_owned(),
                ));
            };
            let damaged =
                |reason: &str| Refusal::Damaged(format!("storage '{}' {reason}", claim.key.escape_debug()));
            let (length, behind) =
                rest.split_first_chunk::<8>().ok_or_else(|| damaged("is missing: the file is cut off"))?;
            if usize::try_from(u64::from_le_bytes(*length)) != Ok(claim.length) {
                return Err(damaged("is not as long as the tensors say"));
            }
            let bytes = claim.length.checked_mul(claim.element.size()).filter(|bytes| *bytes <= behind.len());
            let bytes = bytes.ok_or_else(|| damaged("is incomplete: the file is cut off"))?;
            let start = file.len() - behind.len();
            storages.insert(claim, Place::InFile(start..start + bytes)).map_err(Refusal::Damaged)?;
            rest = &behind[bytes..];
        }
        state_dict(pickle.root(), &storages, file.len())?
    };
    storages.file = file;
    Ok((tensors, other, storages))
}

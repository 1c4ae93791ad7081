//! The zip layout: `NAME/data.pkl` and one stored entry `NAME/data/KEY` a storage.

use std::io::{Cursor, Read as _};

use zip::{CompressionMethod, ZipArchive};

use super::storage::{Place, Storages, claims};
use super::{Parts, Refusal, objects, state_dict};

type Zip = ZipArchive<Cursor<Vec<u8>>>;

pub(super) fn read(bytes: Vec<u8>) -> Result<Parts, Refusal> {
    let file_bytes = bytes.len();
    let mut zip = ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| Refusal::Damaged(format!("no readable zip archive ({error})")))?;
    let pickle_name =
        zip.file_names().flatten().find(|name| name.ends_with("/data.pkl")).map(std::borrow::Cow::into_owned);
    let Some(pickle_name) = pickle_name else {
        return Err(Refusal::Other("it is a zip archive without `data.pkl`".to_owned()));
    };
    let folder =
        pickle_name.strip_suffix("data.pkl").expect("invariant: it was chosen by this ending").to_owned();
    let mut budget = file_bytes;
    if let Some(order) = entry(&mut zip, &format!("{folder}byteorder"), &mut budget)?
        && order != b"little"
    {
        return Err(Refusal::Other("its numbers have the highest byte first".to_owned()));
    }
    let pickle = entry(&mut zip, &pickle_name, &mut budget)?.unwrap_or_default();
    let pickle = objects(&pickle)?;
    let mut storages = Storages::default();
    for claim in claims(&pickle).map_err(Refusal::Damaged)?.values() {
        let name = format!("{folder}data/{}", claim.key);
        let bytes = entry(&mut zip, &name, &mut budget)?
            .ok_or_else(|| Refusal::Damaged(format!("its entry `{}` is missing", name.escape_debug())))?;
        storages.insert(claim, Place::Own(bytes)).map_err(Refusal::Damaged)?;
    }
    let (tensors, other) = state_dict(pickle.root(), &storages, file_bytes)?;
    Ok((tensors, other, storages))
}

/// The bytes of an entry, checked against the archive's checksum and taken from what may still be read: the entries
/// together cannot be larger than the file.
fn entry(zip: &mut Zip, name: &str, budget: &mut usize) -> Result<Option<Vec<u8>>, Refusal> {
    let Some(index) = zip.index_for_name(name) else { return Ok(None) };
    let damaged = |reason: String| Refusal::Damaged(format!("its entry `{}` {reason}", name.escape_debug()));
    let file = zip.by_index(index).map_err(|error| damaged(format!("cannot be opened ({error})")))?;
    if file.compression() != CompressionMethod::Stored {
        return Err(damaged("is compressed, which PyTorch never does".to_owned()));
    }
    let size = usize::try_from(file.size()).unwrap_or(usize::MAX);
    *budget =
        budget.checked_sub(size).ok_or_else(|| damaged("claims more bytes than the file has".to_owned()))?;
    let mut bytes = Vec::new();
    file.take(size as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| damaged(format!("cannot be read ({error})")))?;
    if bytes.len() != size {
        return Err(damaged(format!("should have {size} bytes, it has {}", bytes.len())));
    }
    Ok(Some(bytes))
}

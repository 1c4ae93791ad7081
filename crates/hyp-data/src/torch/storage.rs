//! The storages of a PyTorch file: runs of bytes that tensors refer to by key.

use std::collections::BTreeMap;
use std::ops::Range;

use super::tensor::Element;
use crate::pickle::{Pickle, Value};

/// All storages of a file.
#[derive(Debug, Default)]
pub(super) struct Storages {
    /// The file itself, where storages are parts of it.
    pub(super) file: Vec<u8>,
    stored: Vec<Stored>,
    by_key: BTreeMap<String, usize>,
}

/// Where a storage's bytes are.
#[derive(Debug)]
pub(super) enum Place {
    InFile(Range<usize>),
    Own(Vec<u8>),
}

impl Place {
    fn byte_len(&self) -> usize {
        match self {
            Self::InFile(range) => range.len(),
            Self::Own(bytes) => bytes.len(),
        }
    }
}

#[derive(Debug)]
struct Stored {
    element: Element,
    place: Place,
}

/// What a pickle says about a storage: `('storage', class, key, device, elements)`.
pub(super) struct Claim<'p> {
    pub(super) key: &'p str,
    pub(super) element: Element,
    pub(super) length: usize,
}

/// The claim that a reference out of the pickle makes.
fn claim(value: Value<'_>) -> Result<Claim<'_>, String> {
    let parts: Vec<Value<'_>> = value.as_persistent().and_then(Value::items).into_iter().flatten().collect();
    let (Some([kind, class, key, _, length]), true) =
        (parts.first_chunk::<5>(), parts.len() == 5 || (parts.len() == 6 && parts[5].is_none()))
    else {
        return Err("refers to no storage that is known here".to_owned());
    };
    let element = class.as_global().and_then(Element::of_storage);
    match (kind.as_str(), element, key.as_str(), length.as_usize()) {
        (Some("storage"), Some(element), Some(key), Some(length)) => Ok(Claim { key, element, length }),
        _ => Err("refers to a storage of a type that is not known here".to_owned()),
    }
}

/// All claims of a pickle, by key.
pub(super) fn claims<'p>(pickle: &'p Pickle<'p>) -> Result<BTreeMap<&'p str, Claim<'p>>, String> {
    let mut claims: BTreeMap<&str, Claim<'_>> = BTreeMap::new();
    for value in pickle.persistent() {
        let new = claim(value).map_err(|reason| format!("a tensor {reason}"))?;
        if let Some(known) = claims.get(new.key)
            && (known.element, known.length) != (new.element, new.length)
        {
            return Err(format!("storage '{}' is described in two ways", new.key.escape_debug()));
        }
        claims.insert(new.key, new);
    }
    Ok(claims)
}

impl Storages {
    /// Adds a storage, whose bytes must be as many as claimed.
    pub(super) fn insert(&mut self, claim: &Claim<'_>, place: Place) -> Result<(), String> {
        let bytes = place.byte_len();
        if claim.length.checked_mul(claim.element.size()) != Some(bytes) {
            return Err(format!(
                "storage '{}' should hold {} elements of {} bytes, it holds {bytes} bytes",
                claim.key.escape_debug(),
                claim.length,
                claim.element.size(),
            ));
        }
        self.by_key.insert(claim.key.to_owned(), self.stored.len());
        self.stored.push(Stored { element: claim.element, place });
        Ok(())
    }

    /// Number, element type and length of the storage that `value` refers to.
    pub(super) fn find(&self, value: Value<'_>) -> Result<(usize, Element, usize), String> {
        let claim = claim(value)?;
        let number = *self.by_key.get(claim.key).ok_or("refers to a storage that is not there")?;
        let Stored { element, place } = &self.stored[number];
        Ok((number, *element, place.byte_len() / element.size()))
    }

    pub(super) fn bytes(&self, number: usize) -> &[u8] {
        match &self.stored[number].place {
            Place::InFile(range) => &self.file[range.clone()],
            Place::Own(bytes) => bytes,
        }
    }
}

//! One tensor of a PyTorch file: where its elements lie in a storage.

use std::borrow::Cow;

use super::storage::Storages;
use crate::pickle::Value;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Truth values, one byte each.
    Bool,
    /// Unsigned bytes.
    U8,
    /// Signed bytes.
    I8,
    /// 16-bit integers.
    I16,
    /// 32-bit integers.
    I32,
    /// 64-bit integers.
    I64,
    /// IEEE half precision.
    F16,
    /// The upper half of single precision.
    BF16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl Element {
    /// The type of a storage class.
    pub(super) fn of_storage(global: &str) -> Option<Self> {
        Some(match global.strip_prefix("torch.")?.strip_suffix("Storage")? {
            "Bool" => Self::Bool,
            "Byte" => Self::U8,
            "Char" => Self::I8,
            "Short" => Self::I16,
            "Int" => Self::I32,
            "Long" => Self::I64,
            "Half" => Self::F16,
            "BFloat16" => Self::BF16,
            "Float" => Self::F32,
            "Double" => Self::F64,
            _ => return None,
        })
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }
}

/// Shape and element type of a tensor, and where its elements lie.
#[derive(Clone, Debug)]
pub struct TensorInfo {
    /// The type of its elements.
    pub element: Element,
    /// Its axes, slowest first; none for a single number.
    pub shape: Vec<usize>,
    strides: Vec<usize>,
    offset: usize,
    storage: usize,
}

/// The most axes that a tensor may have.
const MAX_RANK: usize = 8;

/// The arguments of the call that makes a tensor: storage, offset, shape, strides and more; behind a parameter's wrapping.
fn arguments(value: Value<'_>) -> Option<Value<'_>> {
    let call = value.call()?;
    match call.global {
        "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2" => Some(call.args),
        "torch._utils._rebuild_parameter" => {
            let inner = call.args.items()?.next()?.call()?;
            inner.global.starts_with("torch._utils._rebuild_tensor").then_some(inner.args)
        }
        _ => None,
    }
}

pub(super) fn is_tensor(value: Value<'_>) -> bool {
    arguments(value).is_some()
}

impl TensorInfo {
    /// The tensor that `value` describes, if it lies within its storage.
    pub(super) fn of(value: Value<'_>, storages: &Storages) -> Result<Self, String> {
        let args = arguments(value).and_then(Value::items);
        let parts: Vec<Value<'_>> = args.into_iter().flatten().take(4).collect();
        let [storage, offset, shape, strides] = parts[..] else {
            return Err("is not described by a storage, an offset, a shape and strides".to_owned());
        };
        let counts = |value: Value<'_>| -> Option<Vec<usize>> {
            let items = value.items()?;
            if items.len() > MAX_RANK { None } else { items.map(Value::as_usize).collect() }
        };
        let (Some(offset), Some(shape), Some(strides)) = (offset.as_usize(), counts(shape), counts(strides))
        else {
            return Err("has an offset, a shape or strides that are no counts".to_owned());
        };
        if shape.len() != strides.len() {
            return Err(format!("has {} axes and {} strides", shape.len(), strides.len()));
        }
        let (storage, element, length) = storages.find(storage)?;
        let tensor = Self { element, shape, strides, offset, storage };
        match tensor.end() {
            Some(end) if end <= length => Ok(tensor),
            _ => Err(format!("of shape {:?} reaches beyond the {length} elements stored", tensor.shape)),
        }
    }

    /// Number of elements.
    pub fn elem_count(&self) -> usize {
        if self.shape.contains(&0) { 0 } else { self.shape.iter().product() }
    }

    /// Bytes of all elements.
    pub(super) fn byte_len(&self) -> usize {
        let count = self.shape.iter().fold(1_usize, |count, axis| count.saturating_mul(*axis));
        count.saturating_mul(self.element.size())
    }

    /// One behind the last element in the storage; `None` if that is beyond any number.
    fn end(&self) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        let mut last = self.offset;
        for (axis, stride) in self.shape.iter().zip(&self.strides) {
            last = last.checked_add(axis.checked_sub(1)?.checked_mul(*stride)?)?;
        }
        last.checked_add(1)
    }

    /// Whether the elements lie in the order of the axes without a gap.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for (axis, stride) in self.shape.iter().zip(&self.strides).rev() {
            if *axis != 1 && *stride != expected {
                return false;
            }
            expected *= axis;
        }
        true
    }

    /// The elements in the order of the axes.
    pub(super) fn elements<'s>(&self, storages: &'s Storages) -> Cow<'s, [u8]> {
        if self.shape.contains(&0) {
            return Cow::Borrowed(&[]);
        }
        let (stored, size) = (storages.bytes(self.storage), self.element.size());
        if self.is_contiguous() {
            return Cow::Borrowed(&stored[self.offset * size..(self.offset + self.elem_count()) * size]);
        }
        let mut out = Vec::with_capacity(self.byte_len());
        let mut index = vec![0; self.shape.len()];
        for _ in 0..self.elem_count() {
            let at =
                self.offset + index.iter().zip(&self.strides).map(|(i, stride)| i * stride).sum::<usize>();
            out.extend_from_slice(&stored[at * size..(at + 1) * size]);
            for (i, axis) in index.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < *axis {
                    break;
                }
                *i = 0;
            }
        }
        Cow::Owned(out)
    }
}

//! Safetensors.

use std::path::Path;

use anyhow::{Context, Result, bail};
use safetensors::{Dtype, SafeTensors};

use super::{Table, Values, choose};

/// The tensor of that name, or the only one.
pub(super) fn read(path: &Path, key: Option<&str>) -> Result<Table> {
    let bytes = std::fs::read(path).context("cannot be read")?;
    let file =
        SafeTensors::deserialize(&bytes).context("this is no whole safetensors file; copy it again")?;
    let mut names: Vec<String> = file.names().into_iter().map(ToString::to_string).collect();
    names.sort();
    let name = choose(&names, key)?;
    let tensor = file.tensor(name).with_context(|| format!("tensor {name}"))?;
    let data = tensor.data();
    let values = match tensor.dtype() {
        Dtype::F32 => Values::Single(data.as_chunks().0.iter().map(|v| f32::from_le_bytes(*v)).collect()),
        Dtype::F64 => Values::Double(data.as_chunks().0.iter().map(|v| f64::from_le_bytes(*v)).collect()),
        // The upper half of an f32.
        Dtype::BF16 => {
            let whole = |v: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(*v)) << 16);
            Values::Single(data.as_chunks().0.iter().map(whole).collect())
        }
        other => bail!("tensor {name} holds {other:?}; give F32, F64 or BF16"),
    };
    Table::of_shape(tensor.shape(), values).with_context(|| format!("tensor {name}"))
}

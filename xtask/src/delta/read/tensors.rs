//! Safetensors.

use std::path::Path;

use anyhow::{Context, Result, bail};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use super::{Table, Values, choose};

/// The tensor of that name, or the only one.
pub(super) fn read(path: &Path, key: Option<&str>) -> Result<Table> {
    parse(&std::fs::read(path).context("cannot be read")?, key)
}

fn parse(bytes: &[u8], key: Option<&str>) -> Result<Table> {
    let file = SafeTensors::deserialize(bytes).context("this is no whole safetensors file; copy it again")?;
    let mut names: Vec<String> = file.names().into_iter().map(ToString::to_string).collect();
    names.sort();
    let name = choose(&names, key)?;
    let tensor = file.tensor(name).with_context(|| format!("tensor {name}"))?;
    let data = tensor.data();
    let values = match tensor.dtype() {
        Dtype::F32 => Values::Single(data.as_chunks().0.iter().map(|v| f32::from_le_bytes(*v)).collect()),
        Dtype::F64 => Values::Double(data.as_chunks().0.iter().map(|v| f64::from_le_bytes(*v)).collect()),
        Dtype::F16 => {
            Values::Single(data.as_chunks().0.iter().map(|v| f16::from_le_bytes(*v).to_f32()).collect())
        }
        Dtype::BF16 => {
            Values::Single(data.as_chunks().0.iter().map(|v| bf16::from_le_bytes(*v).to_f32()).collect())
        }
        other => bail!("tensor {name} holds {other:?}; give F32, F64, F16 or BF16"),
    };
    Table::of_shape(tensor.shape(), values).with_context(|| format!("tensor {name}"))
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::{TensorView, serialize};

    use super::*;

    #[test]
    fn every_kind_of_float_is_read() {
        let of = |kind: Dtype, bytes: &[u8]| {
            let view = TensorView::new(kind, vec![2, 1], bytes).unwrap();
            parse(&serialize([("x", view)], None).unwrap(), None).unwrap().values
        };
        let single = Values::Single(vec![1.0, -2.0]);
        assert_eq!(of(Dtype::F16, &[0x00, 0x3C, 0x00, 0xC0]), single);
        assert_eq!(of(Dtype::BF16, &[0x80, 0x3F, 0x00, 0xC0]), single);
        assert_eq!(of(Dtype::F32, &[1.0_f32, -2.0].map(f32::to_le_bytes).concat()), single);
        let double = [1.0_f64, -2.0];
        assert_eq!(of(Dtype::F64, &double.map(f64::to_le_bytes).concat()), Values::Double(double.to_vec()));
        let whole = TensorView::new(Dtype::U8, vec![2], &[1, 2]).unwrap();
        let error = parse(&serialize([("x", whole)], None).unwrap(), None).unwrap_err().to_string();
        assert!(error.contains("give F32, F64, F16 or BF16"), "{error}");
    }
}

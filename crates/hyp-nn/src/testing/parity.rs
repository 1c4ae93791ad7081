//! Every operation on a device beside its CPU form: value and all gradients.

use candle_core::{DType, Device, Error, Result, Tensor, Var};

use super::cases::{Case, cases};
use super::{list, numbers};
use crate::device::{Products, with_products};
use crate::{op, tape::Tape};

/// How far an operation on a device is from its CPU form.
#[derive(Clone, Debug)]
pub struct Parity {
    /// The operation and its setting.
    pub name: &'static str,
    /// The element type.
    pub dtype: DType,
    /// The largest |difference|/(1 + |CPU value|) of the value.
    pub value: f64,
    /// The same of the gradients by every input.
    pub gradient: f64,
    /// The largest that counts as agreement.
    pub tolerance: f64,
    /// Why the operation did not run on the device, if it did not.
    pub refusal: Option<String>,
}

impl Parity {
    fn of(case: &Case, dtype: DType, got: Result<Vec<Vec<f64>>>, want: &[Vec<f64>], tolerance: f64) -> Self {
        let (value, gradient, refusal) = match got {
            Ok(got) => {
                let gradients = got[1..].iter().zip(&want[1..]);
                let worst = gradients.map(|(got, want)| distance(got, want)).fold(0.0, larger);
                (distance(&got[0], &want[0]), worst, None)
            }
            Err(error) => (f64::NAN, f64::NAN, Some(error.to_string())),
        };
        Self { name: case.name, dtype, value, gradient, tolerance, refusal }
    }

    /// Whether value and gradients agree within the tolerance; NaN never does.
    pub fn agrees(&self) -> bool {
        self.refusal.is_none() && self.value <= self.tolerance && self.gradient <= self.tolerance
    }
}

/// Runs every operation that has kernels on CUDA devices on `device` and on the CPU, in `f32` and `f64`.
///
/// **Numerics.** Both sides compute the same formulas and differ in the order of sums and in contracted
/// multiplications: the tolerance is 1e-5 in `f32`, some tens of roundings of sums over a few hundred terms, and
/// 1e-12 in `f64`; logits and points near the margin, where a rounding of the input grows, have a wider one with
/// its reason beside the case.
///
/// # Errors
/// If the CPU form fails, which is a fault of the case.
///
/// # Examples
/// ```
/// use hyp_nn::{candle_core::Device, testing::parity};
/// // A device agrees with itself.
/// assert!(parity(&Device::Cpu)?.iter().all(|row| row.agrees() && row.value == 0.0));
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn parity(device: &Device) -> Result<Vec<Parity>> {
    let mut rows = Vec::new();
    for case in cases() {
        for dtype in [DType::F32, DType::F64] {
            rows.push(compare(&case, dtype, device)?);
        }
    }
    Ok(rows)
}

/// The same in `f32` with [`Products::Bfloat16`]: convolutions and affine maps must be near, all others as near as
/// [`parity`] wants them.
///
/// **Numerics.** Near is four times as far as the CPU's own result moves when the two factors are rounded to bfloat16,
/// because on the device the gradient that arrives is rounded too, and where a maximum changes places it may be another
/// one.
/// That the factors were rounded at all is what [`rounding`] says.
///
/// # Errors
/// If the CPU form fails, which is a fault of the case.
pub fn parity_bfloat16(device: &Device) -> Result<Vec<Parity>> {
    with_products(Products::Bfloat16, || cases().iter().map(|case| compare_bfloat16(case, device)).collect())
}

/// How far the product of two matrices of 256 × 256 on `device` is from the CPU's, as [`Parity`] measures it, with
/// [`Products::Bfloat16`]: below 1e-5 nothing was rounded, from rounded factors a thousand times that is to be expected.
///
/// # Errors
/// If it does not run.
pub fn rounding(device: &Device) -> Result<f64> {
    let product = |device: &Device| -> Result<Vec<f64>> {
        let [x, weight] =
            [1, 2].map(|seed| numbers(&[256, 256], seed)?.to_dtype(DType::F32)?.to_device(device));
        list(&op::linear(&x?, &weight?, None)?)
    };
    let got = with_products(Products::Bfloat16, || product(device))?;
    Ok(distance(&got, &product(&Device::Cpu)?))
}

fn compare(case: &Case, dtype: DType, device: &Device) -> Result<Parity> {
    let want = run(case, dtype, &Device::Cpu, false)?;
    let tolerance = if dtype == DType::F32 { case.single } else { case.double };
    Ok(Parity::of(case, dtype, run(case, dtype, device, false), &want, tolerance))
}

fn compare_bfloat16(case: &Case, device: &Device) -> Result<Parity> {
    let want = run(case, DType::F32, &Device::Cpu, false)?;
    let tolerance = if case.rounded {
        let mut coarse = inputs(case, DType::F32, &Device::Cpu)?;
        for factor in &mut coarse[..2] {
            *factor = rounded(factor)?;
        }
        let coarse = gradients(case, &coarse, false);
        let Parity { value, gradient, .. } = Parity::of(case, DType::F32, coarse, &want, 0.0);
        4.0 * larger(value, gradient)
    } else {
        case.single
    };
    Ok(Parity::of(case, DType::F32, run(case, DType::F32, device, false), &want, tolerance))
}

/// The value and the gradient by every input, of a sum in which every element of the value has a weight of its own; with
/// a [`Tape`] or by Candle's backward pass.
fn run(case: &Case, dtype: DType, device: &Device, on_tape: bool) -> Result<Vec<Vec<f64>>> {
    gradients(case, &inputs(case, dtype, device)?, on_tape)
}

/// The inputs of a case.
fn inputs(case: &Case, dtype: DType, device: &Device) -> Result<Vec<Tensor>> {
    let inputs = case.inputs.iter().map(|input| {
        let values = numbers(input.dims, input.seed)?.affine(input.scale, input.shift)?;
        values.to_dtype(dtype)?.to_device(device)
    });
    inputs.collect()
}

/// Every number as bfloat16 has it.
fn rounded(numbers: &Tensor) -> Result<Tensor> {
    numbers.to_dtype(DType::BF16)?.to_dtype(numbers.dtype())
}

/// [`run`] at these inputs.
fn gradients(case: &Case, inputs: &[Tensor], on_tape: bool) -> Result<Vec<Vec<f64>>> {
    let inputs = inputs.iter().map(Var::from_tensor).collect::<Result<Vec<Var>>>()?;
    let tracked: Vec<Tensor> = inputs.iter().map(|input| input.as_tensor().clone()).collect();
    let work = || {
        let value = (case.apply)(&tracked)?;
        let weights = numbers(value.dims(), 99)?.to_dtype(value.dtype())?.to_device(value.device())?;
        let sum = op::sum(&(&value * weights)?)?;
        Ok::<_, Error>((value, sum))
    };
    let (value, found) = if on_tape {
        let (done, tape) = Tape::record(work);
        let (value, sum) = done?;
        (value, tape.gradients(&sum)?)
    } else {
        let (value, sum) = work()?;
        let found = sum.backward()?;
        (value, found)
    };
    let mut all = vec![list(&value)?];
    for (n, input) in inputs.iter().enumerate() {
        let gradient = found.get(input);
        let missing = || Error::Msg(format!("{}: input {n} has no gradient", case.name));
        all.push(list(gradient.ok_or_else(missing)?)?);
    }
    Ok(all)
}

/// The largest relative-plus-absolute difference; NaN if any is, infinite if the lengths differ.
fn distance(got: &[f64], want: &[f64]) -> f64 {
    if got.len() != want.len() {
        return f64::INFINITY;
    }
    got.iter().zip(want).map(|(got, want)| (got - want).abs() / (1.0 + want.abs())).fold(0.0, larger)
}

/// The larger number; NaN where there is one.
fn larger(a: f64, b: f64) -> f64 {
    if b > a || b.is_nan() { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_of_a_tape_are_those_of_candle() -> Result<()> {
        for case in cases() {
            for dtype in [DType::F32, DType::F64] {
                let want = run(&case, dtype, &Device::Cpu, false)?;
                assert_eq!(run(&case, dtype, &Device::Cpu, true)?, want, "{} {dtype:?}", case.name);
            }
        }
        Ok(())
    }

    /// A limit that nothing could miss would say nothing.
    #[test]
    fn limits_for_rounded_factors_are_wider_for_products_alone() -> Result<()> {
        for row in parity_bfloat16(&Device::Cpu)? {
            assert!(row.agrees() && row.value == 0.0 && row.gradient == 0.0, "{row:?}");
            let product = row.name.starts_with("conv2d") || ["linear", "linear_relu"].contains(&row.name);
            assert_eq!(row.tolerance > 1e-3, product, "{row:?}");
        }
        assert_eq!(rounding(&Device::Cpu)?, 0.0);
        Ok(())
    }
}

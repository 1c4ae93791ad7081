//! Sums accumulated in `f64`, and norms with a gradient at 0.

#[cfg(feature = "cuda")]
pub(super) mod cuda;

use candle_core::{Error, Result, Tensor};
use rayon::prelude::*;

use super::kernel::{Element, Gradients, Kernel, Output, View, apply1};

/// Elements of one partial sum; fixed, so that the order of a sum never depends on the number of threads.
const CHUNK: usize = 1 << 14;

/// The sum of all elements.
///
/// **Numerics.** Accumulated in `f64` and rounded once (Candle's sum of 10⁷ times 0.1 in `f32` is 0.27 % short).
///
/// # Errors
/// If the element type or device has no kernel.
///
/// # Examples
/// ```
/// use hyp_nn::{candle_core::{Device, Tensor}, op};
/// let x = Tensor::new(&[1e8_f32, 1.0, -1e8], &Device::Cpu)?;
/// assert_eq!(op::sum(&x)?.to_scalar::<f32>()?, 1.0);
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn sum(x: &Tensor) -> Result<Tensor> {
    apply1(Sum, x)
}

/// The mean of all elements, accumulated as [`sum`].
///
/// # Errors
/// If there is no element, or the element type or device has no kernel.
pub fn mean(x: &Tensor) -> Result<Tensor> {
    if x.elem_count() == 0 {
        return Err(Error::Msg("mean: no elements; give at least one".into()));
    }
    sum(x)? / x.elem_count() as f64
}

/// The Euclidean norm of each row along the last axis.
///
/// **Shapes.** `[…, dim]` to `[…]`.
/// **Numerics.** Accumulated in `f64`, scaled where squares would overflow or vanish. The gradient at 0 is 0, where
/// `x.sqr().sum().sqrt()` gives NaN.
///
/// # Errors
/// If `x` is a scalar, or the element type or device has no kernel.
///
/// # Examples
/// ```
/// use hyp_nn::{candle_core::{Device, Var}, op};
/// let x = Var::new(&[[3.0_f64, 4.0], [0.0, 0.0]], &Device::Cpu)?;
/// let norms = op::norm(&x)?;
/// assert_eq!(norms.to_vec1::<f64>()?, [5.0, 0.0]);
/// let gradients = norms.sum_all()?.backward()?;
/// assert_eq!(gradients.get(&x).unwrap().to_vec2::<f64>()?, [[0.6, 0.8], [0.0, 0.0]]);
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn norm(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 0 || x.dims().last() == Some(&0) {
        return Err(Error::Msg(format!("norm: operand {:?}; its last axis must hold coordinates", x.dims())));
    }
    apply1(Norm, x)
}

struct Sum;

impl Kernel for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let partial: Vec<f64> =
            inputs[0].data.par_chunks(CHUNK).map(|c| c.iter().map(|v| v.to_f64()).sum()).collect();
        Ok((vec![T::from_f64(partial.iter().sum())], vec![]))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        Ok(vec![Some(vec![grad.data[0]; inputs[0].data.len()])])
    }
}

struct Norm;

/// The norm of one row.
fn row_norm<T: Element>(row: &[T]) -> f64 {
    let square: f64 = row.iter().map(|v| v.to_f64() * v.to_f64()).sum();
    if square.is_nan() || (1e-280..1e300).contains(&square) {
        return square.sqrt();
    }
    let largest = row.iter().map(|v| v.to_f64().abs()).fold(0.0, f64::max);
    if largest == 0.0 || largest.is_infinite() {
        return largest;
    }
    largest * row.iter().map(|v| (v.to_f64() / largest).powi(2)).sum::<f64>().sqrt()
}

impl Kernel for Norm {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let x = inputs[0];
        let norms = x.data.par_chunks_exact(x.last_dim()).map(|row| T::from_f64(row_norm(row))).collect();
        Ok((norms, x.dims[..x.dims.len() - 1].to_vec()))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let x = inputs[0];
        let mut gx = vec![T::zero(); x.data.len()];
        gx.par_chunks_exact_mut(x.last_dim())
            .zip(x.data.par_chunks_exact(x.last_dim()))
            .zip(grad.data)
            .for_each(|((gx, row), g)| {
                let norm = row_norm(row);
                if norm != 0.0 {
                    for (gx, v) in gx.iter_mut().zip(row) {
                        *gx = T::from_f64(g.to_f64() * (v.to_f64() / norm));
                    }
                }
            });
        Ok(vec![Some(gx)])
    }
}

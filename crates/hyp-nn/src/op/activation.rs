//! The rectifier, with the derivative 0 at 0.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::kernel::{Element, Gradients, Kernel, Output, View, apply1};

/// Elements that one task handles.
const CHUNK: usize = 1 << 15;

/// The rectifier, $\max(x, 0)$, element by element.
///
/// **Shapes.** Any; the result has the shape of `x`.
/// **Numerics.** The derivative at 0 is 0, as in PyTorch (Candle's own has 1). NaN stays NaN.
///
/// # Errors
/// If the tensor is neither `f32` nor `f64`, or not on the CPU.
///
/// # Examples
/// ```
/// use hyp_nn::candle_core::{Device, Tensor};
/// let x = Tensor::new(&[-1.0_f32, 0.0, 2.0], &Device::Cpu)?;
/// assert_eq!(hyp_nn::op::relu(&x)?.to_vec1::<f32>()?, [0.0, 0.0, 2.0]);
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn relu(x: &Tensor) -> Result<Tensor> {
    apply1(Relu, x)
}

struct Relu;

/// `max(v, 0)` that keeps NaN.
#[inline(always)]
pub(crate) fn rectified<T: Element>(v: T) -> T {
    if v <= T::zero() { T::zero() } else { v }
}

/// The gradient `g` where the rectified `output` is positive (or NaN), else 0.
#[inline(always)]
pub(crate) fn gated<T: Element>(g: T, output: T) -> T {
    if output <= T::zero() { T::zero() } else { g }
}

impl Kernel for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let x = inputs[0];
        let mut y = x.data.to_vec();
        y.par_chunks_mut(CHUNK).for_each(|chunk| {
            for v in chunk {
                *v = rectified(*v);
            }
        });
        Ok((y, x.dims.to_vec()))
    }

    fn backward<T: Element>(
        &self,
        _: &[View<'_, T>],
        output: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let mut gx = grad.data.to_vec();
        gx.par_chunks_mut(CHUNK).zip(output.data.par_chunks(CHUNK)).for_each(|(gs, ys)| {
            for (g, y) in gs.iter_mut().zip(ys) {
                *g = gated(*g, *y);
            }
        });
        Ok(vec![Some(gx)])
    }
}

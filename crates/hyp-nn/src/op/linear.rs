//! The affine map of the last axis, optionally rectified.

#[cfg(feature = "cuda")]
mod cuda;

use candle_core::{Error, Result, Tensor};

use super::activation::{gated, rectified};
use super::gemm::{Matrix, product_parallel};
use super::kernel::{Element, Gradients, Kernel, Output, View, apply2, apply3};
use crate::device::{self, Products};

/// The affine map $x W^\top + b$ of the last axis.
///
/// **Shapes.** `x`: `[…, in]`; `weight`: `[out, in]`; `bias`: `[out]`; the result: `[…, out]`.
/// **Numerics.** Bits do not depend on the number of threads.
/// On a CUDA device [`set_products`](crate::device::set_products) says what `f32` is multiplied in.
///
/// # Errors
/// If the shapes disagree.
///
/// # Examples
/// ```
/// use hyp_nn::candle_core::{Device, Tensor};
/// let x = Tensor::new(&[[1.0_f32, 2.0]], &Device::Cpu)?;
/// let weight = Tensor::new(&[[3.0_f32, 4.0], [0.0, -1.0]], &Device::Cpu)?;
/// let bias = Tensor::new(&[10.0_f32, 0.0], &Device::Cpu)?;
/// assert_eq!(hyp_nn::op::linear(&x, &weight, Some(&bias))?.to_vec2::<f32>()?, [[21.0, -2.0]]);
/// assert_eq!(hyp_nn::op::linear_relu(&x, &weight, Some(&bias))?.to_vec2::<f32>()?, [[21.0, 0.0]]);
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    affine(Linear { rectify: false, products: device::products() }, x, weight, bias)
}

/// [`linear`] that multiplies `f32` as it is, whatever is set: for maps of hyperbolic space and for directions.
///
/// # Errors
/// If the shapes disagree.
pub fn linear_exact(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    affine(Linear { rectify: false, products: Products::Single }, x, weight, bias)
}

/// The affine map of [`linear`] followed by [`relu`](super::relu()), in one pass.
///
/// # Errors
/// If the shapes disagree.
pub fn linear_relu(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    affine(Linear { rectify: true, products: device::products() }, x, weight, bias)
}

fn affine(kernel: Linear, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (out, inner) = weight.dims2()?;
    let fits = x.rank() >= 1 && x.dims().last() == Some(&inner) && bias.is_none_or(|b| b.dims() == [out]);
    if !fits {
        let (x, bias) = (x.dims(), bias.map(Tensor::dims));
        return Err(Error::Msg(format!(
            "linear: input {x:?}, weight [{out}, {inner}] and bias {bias:?} do not fit; \
             the last axis of the input must be {inner} and the bias [{out}]"
        )));
    }
    match bias {
        Some(bias) => apply3(kernel, x, weight, bias),
        None => apply2(kernel, x, weight),
    }
}

struct Linear {
    rectify: bool,
    /// On a CUDA device.
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "the CPU multiplies `f32` as it is"))]
    products: Products,
}

impl Kernel for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let (x, weight) = (inputs[0], inputs[1]);
        let (out, inner) = (weight.dims[0], weight.dims[1]);
        let rows = x.dims[..x.dims.len() - 1].iter().product();
        let mut y = product_parallel(
            Matrix::new(x.data, rows, inner),
            Matrix::new(weight.data, out, inner).transposed(),
        );
        if let (Some(bias), true) = (inputs.get(2), out > 0) {
            for row in y.chunks_exact_mut(out) {
                for (v, b) in row.iter_mut().zip(bias.data) {
                    *v += *b;
                }
            }
        }
        if self.rectify {
            for v in &mut y {
                *v = rectified(*v);
            }
        }
        let mut dims = x.dims.to_vec();
        *dims.last_mut().expect("invariant: checked to have an axis") = out;
        Ok((y, dims))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        output: View<'_, T>,
        grad: View<'_, T>,
        wanted: &[bool],
    ) -> Result<Gradients<T>> {
        let (x, weight) = (inputs[0], inputs[1]);
        let (out, inner) = (weight.dims[0], weight.dims[1]);
        let rows = x.dims[..x.dims.len() - 1].iter().product();
        let gated_grad: Vec<T>;
        let g = if self.rectify {
            gated_grad = grad.data.iter().zip(output.data).map(|(g, y)| gated(*g, *y)).collect();
            &gated_grad
        } else {
            grad.data
        };
        let g_matrix = Matrix::new(g, rows, out);
        let gx = wanted[0].then(|| product_parallel(g_matrix, Matrix::new(weight.data, out, inner)));
        let gw = wanted[1].then(|| product_parallel(g_matrix.transposed(), Matrix::new(x.data, rows, inner)));
        let mut gradients = vec![gx, gw];
        if inputs.len() == 3 {
            gradients.push(wanted[2].then(|| column_sums(g, out)));
        }
        Ok(gradients)
    }
}

/// The sum of each column of a row-major matrix, accumulated in `f64` from the first row to the last.
fn column_sums<T: Element>(matrix: &[T], cols: usize) -> Vec<T> {
    let mut sums = vec![0.0; cols];
    if cols > 0 {
        for row in matrix.chunks_exact(cols) {
            for (s, v) in sums.iter_mut().zip(row) {
                *s += v.to_f64();
            }
        }
    }
    sums.into_iter().map(T::from_f64).collect()
}

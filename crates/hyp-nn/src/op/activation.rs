//! The rectifier and its kin, with PyTorch's derivatives at their corners.

#[cfg(feature = "cuda")]
pub(super) mod cuda;

use candle_core::{Error, Result, Tensor};

use super::conv::Epilogue;
use super::elementwise::{mapped, mapped_pairs};
use super::kernel::{Element, Gradients, Kernel, Output, View, apply1, apply2};

/// The rectifier, $\max(x, 0)$, element by element.
///
/// **Shapes.** Any; the result has the shape of `x`.
/// **Numerics.** The derivative at 0 is 0, as in PyTorch (Candle's own has 1). NaN stays NaN.
///
/// # Errors
/// If the tensor is neither `f32` nor `f64`, or the device has no kernel.
///
/// # Examples
/// ```
/// use hyp_nn::candle_core::{Device, Tensor};
/// let x = Tensor::new(&[-1.0_f32, 0.0, 2.0], &Device::Cpu)?;
/// assert_eq!(hyp_nn::op::relu(&x)?.to_vec1::<f32>()?, [0.0, 0.0, 2.0]);
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn relu(x: &Tensor) -> Result<Tensor> {
    apply1(Rectifier { slope: 0.0, most: f64::INFINITY }, x)
}

/// The rectifier cut off at 6, $\min(\max(x, 0), 6)$, element by element.
///
/// **Shapes.** Any; the result has the shape of `x`.
/// **Numerics.** The derivative at 0 and at 6 is 0, as in PyTorch. NaN stays NaN.
///
/// # Errors
/// If the tensor is neither `f32` nor `f64`, or the device has no kernel.
///
/// # Examples
/// ```
/// use hyp_nn::candle_core::{Device, Tensor};
/// let x = Tensor::new(&[-1.0_f32, 2.0, 7.0], &Device::Cpu)?;
/// assert_eq!(hyp_nn::op::relu6(&x)?.to_vec1::<f32>()?, [0.0, 2.0, 6.0]);
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn relu6(x: &Tensor) -> Result<Tensor> {
    apply1(Rectifier { slope: 0.0, most: 6.0 }, x)
}

/// The leaky rectifier: `x` above 0 and `slope · x` elsewhere, element by element.
///
/// **Shapes.** Any; the result has the shape of `x`.
/// **Numerics.** The derivative at 0 is `slope`, as in PyTorch. NaN stays NaN.
///
/// # Errors
/// If `slope` is not positive, or the element type or device has no kernel.
///
/// # Examples
/// ```
/// use hyp_nn::candle_core::{Device, Tensor};
/// let x = Tensor::new(&[-1.0_f64, 2.0], &Device::Cpu)?;
/// assert_eq!(hyp_nn::op::leaky_relu(&x, 0.5)?.to_vec1::<f64>()?, [-0.5, 2.0]);
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
    if slope <= 0.0 || slope.is_nan() {
        return Err(Error::Msg(format!("leaky_relu: slope {slope}; it must be positive, or use relu")));
    }
    apply1(Rectifier { slope, most: f64::INFINITY }, x)
}

/// `x + y`, then an [`Epilogue`] that does not pool; on the CPU in one pass.
pub(crate) fn add_then(x: &Tensor, y: &Tensor, epilogue: Epilogue) -> Result<Tensor> {
    match epilogue {
        Epilogue::Relu if x.device().is_cpu() && x.dims() == y.dims() => apply2(AddRectified, x, y),
        Epilogue::Relu => relu(&(x + y)?),
        Epilogue::Relu6 => relu6(&(x + y)?),
        Epilogue::None => x + y,
        Epilogue::ReluMaxPool(_) => Err(Error::Msg("add_then: no pooling follows an addition".into())),
    }
}

/// `max(x + y, 0)`.
struct AddRectified;

impl Kernel for AddRectified {
    fn name(&self) -> &'static str {
        "add_relu"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let sum = mapped_pairs(inputs[0].data, inputs[1].data, |x, y| rectified(x + y));
        Ok((sum, inputs[0].dims.to_vec()))
    }

    fn backward<T: Element>(
        &self,
        _: &[View<'_, T>],
        output: View<'_, T>,
        grad: View<'_, T>,
        wanted: &[bool],
    ) -> Result<Gradients<T>> {
        let passed = mapped_pairs(grad.data, output.data, gated);
        Ok(vec![wanted[0].then(|| passed.clone()), wanted[1].then_some(passed)])
    }
}

#[cfg(feature = "cuda")]
impl super::cuda::CudaKernel for AddRectified {}

/// `x` above 0, `slope · x` below, and never more than `most`.
struct Rectifier {
    slope: f64,
    most: f64,
}

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

/// `min(max(v, 0), most)` that keeps NaN.
#[inline(always)]
pub(crate) fn rectified_to<T: Element>(v: T, most: T) -> T {
    let v = rectified(v);
    if v > most { most } else { v }
}

/// The gradient `g` where the value `output` of [`rectified_to`] is between 0 and `most` (or NaN), else 0; a value that
/// overflowed is not one that was cut off.
#[inline(always)]
pub(crate) fn gated_to<T: Element>(g: T, output: T, most: T) -> T {
    if output >= most && most < T::from_f64(f64::INFINITY) { T::zero() } else { gated(g, output) }
}

impl Kernel for Rectifier {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let x = inputs[0];
        let (slope, most) = (T::from_f64(self.slope), T::from_f64(self.most));
        let y = if self.slope == 0.0 {
            mapped(x.data, |v| rectified_to(v, most))
        } else {
            mapped(x.data, |v| if v <= T::zero() { v * slope } else { v })
        };
        Ok((y, x.dims.to_vec()))
    }

    fn backward<T: Element>(
        &self,
        _: &[View<'_, T>],
        output: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let (slope, most) = (T::from_f64(self.slope), T::from_f64(self.most));
        // The output tells the side: it is positive where the input is.
        let gx = if self.slope == 0.0 {
            mapped_pairs(grad.data, output.data, |g, y| gated_to(g, y, most))
        } else {
            mapped_pairs(grad.data, output.data, |g, y| if y <= T::zero() { g * slope } else { g })
        };
        Ok(vec![Some(gx)])
    }
}

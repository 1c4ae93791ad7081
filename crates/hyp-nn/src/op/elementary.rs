//! Elementary functions that Candle lacks, each accurate over its whole domain.

#[cfg(feature = "cuda")]
mod cuda;

use candle_core::{Result, Tensor};

use super::elementwise::{mapped, mapped_pairs};
use super::kernel::{Element, Gradients, Kernel, Output, View, apply1};

/// Inverse hyperbolic sine, log(x + √(x² + 1)).
///
/// **Numerics.** Odd to the last bit, and without cancellation for negative or overflow for large x.
///
/// # Errors
/// If the element type or device has no kernel.
///
/// # Examples
/// ```
/// use hyp_nn::{candle_core::{Device, Tensor}, op};
/// let y = op::asinh(&Tensor::new(&[-1e4_f64, 1e-20], &Device::Cpu)?)?.to_vec1::<f64>()?;
/// assert!((y[0] + 9.903487555036127).abs() < 1e-14 && y[1] == 1e-20);
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn asinh(x: &Tensor) -> Result<Tensor> {
    apply1(Elementwise(Asinh), x)
}

/// Inverse hyperbolic cosine, log(x + √(x² − 1)).
///
/// **Domain.** x ≥ 1; below, NaN. At 1 the derivative is +∞.
/// **Numerics.** No cancellation near 1.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn acosh(x: &Tensor) -> Result<Tensor> {
    apply1(Elementwise(Acosh), x)
}

/// Inverse hyperbolic tangent, ½ log((1 + x)/(1 − x)).
///
/// **Domain.** |x| ≤ 1, with ±∞ at ±1; beyond, NaN.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn atanh(x: &Tensor) -> Result<Tensor> {
    apply1(Elementwise(Atanh), x)
}

/// log(1 + x), accurate near 0.
///
/// **Domain.** x ≥ −1, with −∞ at −1; below, NaN.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn log1p(x: &Tensor) -> Result<Tensor> {
    apply1(Elementwise(Log1p), x)
}

/// exp(x) − 1, accurate near 0.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn expm1(x: &Tensor) -> Result<Tensor> {
    apply1(Elementwise(Expm1), x)
}

/// A function of one number, evaluated in `f64`.
trait Function: Send + Sync + 'static {
    const NAME: &'static str;
    /// Its number in `crates/hyp-nn/kernels/elementwise.cu`.
    #[cfg(feature = "cuda")]
    const ON_DEVICE: i32;
    fn value(x: f64) -> f64;
    /// The derivative at `x`.
    fn slope(x: f64) -> f64;
}

struct Asinh;
struct Acosh;
struct Atanh;
struct Log1p;
struct Expm1;

impl Function for Asinh {
    const NAME: &'static str = "asinh";
    #[cfg(feature = "cuda")]
    const ON_DEVICE: i32 = 0;

    fn value(x: f64) -> f64 {
        let a = x.abs();
        let y = if a > 1e150 {
            a.ln() + std::f64::consts::LN_2
        } else {
            (a + a * a / (1.0 + (1.0 + a * a).sqrt())).ln_1p()
        };
        y.copysign(x)
    }

    fn slope(x: f64) -> f64 {
        1.0 / 1.0_f64.hypot(x)
    }
}

impl Function for Acosh {
    const NAME: &'static str = "acosh";
    #[cfg(feature = "cuda")]
    const ON_DEVICE: i32 = 1;

    fn value(x: f64) -> f64 {
        let above = x - 1.0;
        if x > 1e150 { x.ln() + std::f64::consts::LN_2 } else { (above + (above * (x + 1.0)).sqrt()).ln_1p() }
    }

    fn slope(x: f64) -> f64 {
        1.0 / ((x - 1.0).sqrt() * (x + 1.0).sqrt())
    }
}

impl Function for Atanh {
    const NAME: &'static str = "atanh";
    #[cfg(feature = "cuda")]
    const ON_DEVICE: i32 = 2;

    fn value(x: f64) -> f64 {
        let a = x.abs();
        (0.5 * (2.0 * a / (1.0 - a)).ln_1p()).copysign(x)
    }

    fn slope(x: f64) -> f64 {
        1.0 / ((1.0 - x) * (1.0 + x))
    }
}

impl Function for Log1p {
    const NAME: &'static str = "log1p";
    #[cfg(feature = "cuda")]
    const ON_DEVICE: i32 = 3;

    fn value(x: f64) -> f64 {
        x.ln_1p()
    }

    fn slope(x: f64) -> f64 {
        1.0 / (1.0 + x)
    }
}

impl Function for Expm1 {
    const NAME: &'static str = "expm1";
    #[cfg(feature = "cuda")]
    const ON_DEVICE: i32 = 4;

    fn value(x: f64) -> f64 {
        x.exp_m1()
    }

    fn slope(x: f64) -> f64 {
        x.exp()
    }
}

struct Elementwise<F>(F);

impl<F: Function> Kernel for Elementwise<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let y = mapped(inputs[0].data, |x| T::from_f64(F::value(x.to_f64())));
        Ok((y, inputs[0].dims.to_vec()))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let gx =
            mapped_pairs(grad.data, inputs[0].data, |g, x| T::from_f64(g.to_f64() * F::slope(x.to_f64())));
        Ok(vec![Some(gx)])
    }
}

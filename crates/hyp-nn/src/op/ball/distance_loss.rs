//! The cross-entropy of minus distances as one operation.

use candle_core::{Error, Result, Tensor};
use hyp_math::{Curvature, batch};

use super::kept::{Kept, come_with_the_value};
use super::pairs::{check_points, distance_matrix};
use super::{BallParameter, with_curvature};
use crate::op::fresh::fresh;
use crate::op::kernel::{Element, Gradients, Kernel, Output, View, apply2, apply3};
use crate::op::loss::{checked_labels, cross_entropy};

/// Mean negative log-likelihood of integer `labels` where −d/T, d the [`distance_matrix`], are the logits; see
/// [`batch::distance_cross_entropy`].
///
/// On the CPU, where an operand is trained, the gradients are computed with the value, so that ‖x − y‖² of a pair is
/// taken once and distances stay in `f64`; elsewhere this is [`cross_entropy`] of the rounded logits.
///
/// **Source.** \[HIE\] Sec. 5.2: the loss of a prototypical network.
/// **Shapes.** As [`distance_matrix`]; `labels`: `[rows]`, `u32`, numbers of rows of `y`; the result is a scalar.
/// **Domain.** The temperature T is positive.
///
/// # Errors
/// If the shapes do not fit, there are no rows, a label is not below the number of rows of `y`, the temperature is not
/// positive, or the element type has no kernel.
///
/// # Examples
/// ```
/// use hyp_math::Curvature;
/// use hyp_nn::{candle_core::{Device, Tensor, Var}, op};
/// let c = Curvature::new(1.0).unwrap().into();
/// let query = Var::new(&[[0.0_f64, 0.0]], &Device::Cpu)?;
/// let prototypes = Tensor::new(&[[0.5_f64, 0.0], [-0.5, 0.0]], &Device::Cpu)?;
/// let labels = Tensor::new(&[0_u32], &Device::Cpu)?;
/// let loss = op::distance_cross_entropy(&query, &prototypes, &labels, &c, 1.0)?;
/// assert!((loss.to_scalar::<f64>()? - 2.0_f64.ln()).abs() < 1e-15); // as near to one as to the other
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn distance_cross_entropy(
    x: &Tensor,
    y: &Tensor,
    labels: &Tensor,
    c: &BallParameter,
    temperature: f64,
) -> Result<Tensor> {
    if !(temperature > 0.0 && temperature.is_finite()) {
        return Err(Error::Msg(format!("{NAME}: the temperature is {temperature}; give a positive number")));
    }
    if !come_with_the_value(&[x, y], c) {
        return cross_entropy(&(distance_matrix(x, y, c)? * (-1.0 / temperature))?, labels);
    }
    check_points(NAME, x, y)?;
    let labels = checked_labels(NAME, labels, x.dim(0)?, y.dim(0)?)?;
    let kernel = Loss { c: c.value, temperature, labels, kept: Kept::default() };
    match &c.tensor {
        None => apply2(kernel, x, y),
        Some(tensor) => apply3(kernel, x, y, tensor),
    }
}

const NAME: &str = "distance_cross_entropy";

struct Loss {
    c: Curvature,
    temperature: f64,
    labels: Vec<u32>,
    kept: Kept,
}

impl Kernel for Loss {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let (x, y) = (inputs[0], inputs[1]);
        let [mut gx, mut gy] = [x, y].map(|of| fresh(of.data.len()));
        let (points, prototypes) = (T::real(x.data), T::real(y.data));
        let (into_x, into_y) = (T::real_mut(&mut gx), T::real_mut(&mut gy));
        let (labels, dim, c, temperature) = (&self.labels[..], x.last_dim(), self.c, self.temperature);
        let (loss, by_c) = if inputs.len() > 2 {
            batch::distance_cross_entropy(points, prototypes, labels, dim, c, temperature, into_x, into_y)
        } else {
            let of_points = batch::distance_cross_entropy_of_points;
            (of_points(points, prototypes, labels, dim, c, temperature, into_x, into_y), 0.0)
        };
        self.kept.keep([gx, gy], by_c);
        Ok((vec![T::from_f64(loss)], vec![]))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let (gradients, by_c) = self.kept.times::<T, 2>(NAME, grad.data[0])?;
        Ok(with_curvature(gradients.map(Some).into(), inputs.len(), by_c))
    }
}

#[cfg(feature = "cuda")]
super::composed::composed_on_devices!(Loss);

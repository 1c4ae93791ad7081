//! The cross-entropy of hyperbolic logits as one operation.

use candle_core::{Result, Tensor};
use hyp_math::{Curvature, batch};

use super::kept::{Kept, come_with_the_value};
use super::mlr::{Parameters, check_shapes, mlr_layer_logits, mlr_logits, together};
use super::{BallParameter, with_curvature};
use crate::op::fresh::fresh;
use crate::op::kernel::{Element, Gradients, Kernel, Output, View, apply3};
use crate::op::loss::{checked_labels, cross_entropy};

/// Mean softmax cross-entropy of [`mlr_logits`] against integer `labels`; see [`batch::mlr_cross_entropy`].
///
/// On the CPU, where an operand is trained, the gradients are computed with the value, so that the sums over the pairs
/// are taken once and logits stay in `f64`; elsewhere this is [`cross_entropy`] of the rounded logits.
///
/// **Shapes.** As [`mlr_logits`]; `labels`: `[batch]`, `u32`; the result is a scalar.
///
/// # Errors
/// If the shapes do not fit, the batch is empty, a label is not below the number of classes, or the element type has no
/// kernel.
///
/// # Examples
/// ```
/// use hyp_math::Curvature;
/// use hyp_nn::{candle_core::{Device, Tensor, Var}, op};
/// let c = Curvature::new(1.0).unwrap().into();
/// let x = Var::new(&[[0.0_f64, 0.0]], &Device::Cpu)?;
/// let p = Tensor::new(&[[0.0_f64, 0.0], [0.0, 0.0]], &Device::Cpu)?;
/// let a = Tensor::new(&[[1.0_f64, 0.0], [0.0, 1.0]], &Device::Cpu)?;
/// let labels = Tensor::new(&[0_u32], &Device::Cpu)?;
/// let loss = op::mlr_cross_entropy(&x, &p, &a, &labels, &c)?;
/// assert!((loss.to_scalar::<f64>()? - 2.0_f64.ln()).abs() < 1e-15); // on both hyperplanes
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn mlr_cross_entropy(
    x: &Tensor,
    p: &Tensor,
    a: &Tensor,
    labels: &Tensor,
    c: &BallParameter,
) -> Result<Tensor> {
    loss(Parameters::Points, x, p, a, labels, c)
}

/// Mean softmax cross-entropy of [`mlr_layer_logits`] against integer `labels`, as [`mlr_cross_entropy`].
///
/// **Shapes.** As [`mlr_layer_logits`]; `labels`: `[batch]`, `u32`; the result is a scalar.
///
/// # Errors
/// As [`mlr_cross_entropy`].
pub fn mlr_layer_cross_entropy(
    x: &Tensor,
    p_raw: &Tensor,
    a_raw: &Tensor,
    labels: &Tensor,
    c: &BallParameter,
) -> Result<Tensor> {
    loss(Parameters::Raw, x, p_raw, a_raw, labels, c)
}

fn loss(
    parameters: Parameters,
    x: &Tensor,
    p: &Tensor,
    a: &Tensor,
    labels: &Tensor,
    c: &BallParameter,
) -> Result<Tensor> {
    if !come_with_the_value(&[x, p, a], c) {
        let logits = match parameters {
            Parameters::Raw => mlr_layer_logits,
            _ => mlr_logits,
        };
        return cross_entropy(&logits(x, p, a, c)?, labels);
    }
    let classes = check_shapes(NAME, parameters, x, p, a)?;
    let labels = checked_labels(NAME, labels, x.dim(0)?, classes)?;
    let kernel = Loss { parameters, c: c.value, labels, first: p.elem_count(), kept: Kept::default() };
    match &c.tensor {
        None => apply3(kernel, x, p, a),
        Some(tensor) => apply3(Together(kernel), x, &together(p, a)?, tensor),
    }
}

const NAME: &str = "mlr_cross_entropy";

struct Loss {
    parameters: Parameters,
    c: Curvature,
    labels: Vec<u32>,
    /// The length of `p`.
    first: usize,
    kept: Kept,
}

impl Loss {
    fn value<T: Element>(&self, x: View<'_, T>, p: &[T], a: &[T]) -> Output<T> {
        let [mut gx, mut gp, mut ga] = [x.data, p, a].map(|of| fresh(of.len()));
        let f = match self.parameters {
            Parameters::Raw => batch::mlr_layer_cross_entropy,
            _ => batch::mlr_cross_entropy,
        };
        let [points, p, a] = [x.data, p, a].map(T::real);
        let into = (T::real_mut(&mut gx), T::real_mut(&mut gp), T::real_mut(&mut ga));
        let (loss, by_c) = f(points, p, a, &self.labels, x.last_dim(), self.c, into.0, into.1, into.2);
        self.kept.keep([gx, gp, ga], by_c);
        (vec![T::from_f64(loss)], vec![])
    }
}

impl Kernel for Loss {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        Ok(self.value(inputs[0], inputs[1].data, inputs[2].data))
    }

    fn backward<T: Element>(
        &self,
        _: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let (gradients, _) = self.kept.times::<T, 3>(NAME, grad.data[0])?;
        Ok(gradients.map(Some).into())
    }
}

/// The same with `p` and `a` in one list and the curvature as the third input.
struct Together(Loss);

impl Kernel for Together {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let (p, a) = inputs[1].data.split_at(self.0.first);
        Ok(self.0.value(inputs[0], p, a))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let ([gx, gp, ga], by_c) = self.0.kept.times(NAME, grad.data[0])?;
        Ok(with_curvature(vec![Some(gx), Some([gp, ga].concat())], inputs.len(), by_c))
    }
}

#[cfg(feature = "cuda")]
super::composed::composed_on_devices!(Loss, Together);

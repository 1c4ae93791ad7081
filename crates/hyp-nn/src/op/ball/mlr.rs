//! Hyperbolic logits: scaled signed distances to hyperplanes of the ball.

#[cfg(feature = "cuda")]
mod cuda;

use candle_core::{Error, Result, Tensor};
use hyp_math::{Curvature, batch};

use super::{BallParameter, with_curvature};
use crate::op::fresh::fresh;
use crate::op::kernel::{Element, Gradients, Kernel, Output, View, apply3};

/// Hyperbolic logits of hyperplanes through the points `p` of the ball with normals `a`; see [`batch::mlr_logits`].
///
/// **Shapes.** `x`: `[batch, dim]`; `p`, `a`: `[classes, dim]`; result: `[batch, classes]`.
///
/// # Errors
/// If the shapes do not fit, or the element type or device has no kernel.
pub fn mlr_logits(x: &Tensor, p: &Tensor, a: &Tensor, c: &BallParameter) -> Result<Tensor> {
    logits(Parameters::Points, x, p, a, c)
}

/// Hyperbolic logits in the unconstrained parameters of a layer; see [`batch::mlr_layer_logits`].
///
/// **Shapes.** `x`: `[batch, dim]`; `p_raw`, `a_raw`: `[classes, dim]`; result: `[batch, classes]`.
///
/// # Errors
/// If the shapes do not fit, or the element type or device has no kernel.
pub fn mlr_layer_logits(x: &Tensor, p_raw: &Tensor, a_raw: &Tensor, c: &BallParameter) -> Result<Tensor> {
    logits(Parameters::Raw, x, p_raw, a_raw, c)
}

/// Hyperbolic logits with one direction `z` and one offset `r` per class; see [`batch::mlr_logits_unidirectional`].
///
/// **Shapes.** `x`: `[batch, dim]`; `z`: `[classes, dim]`; `r`: `[classes]`; result: `[batch, classes]`.
///
/// # Errors
/// If the shapes do not fit, or the element type or device has no kernel.
pub fn mlr_logits_unidirectional(x: &Tensor, z: &Tensor, r: &Tensor, c: &BallParameter) -> Result<Tensor> {
    logits(Parameters::Unidirectional, x, z, r, c)
}

fn logits(parameters: Parameters, x: &Tensor, p: &Tensor, a: &Tensor, c: &BallParameter) -> Result<Tensor> {
    let classes = check_shapes("mlr_logits", parameters, x, p, a)?;
    let kernel = Logits { c: c.value, classes, parameters };
    match &c.tensor {
        None => apply3(kernel, x, p, a),
        Some(tensor) => {
            let both = together(p, a)?;
            apply3(TogetherWithCurvature { logits: kernel, first: p.elem_count() }, x, &both, tensor)
        }
    }
}

/// Both parameters in one list: a custom operation has at most three inputs.
pub(super) fn together(p: &Tensor, a: &Tensor) -> Result<Tensor> {
    Tensor::cat(&[p.flatten_all()?, a.flatten_all()?], 0)
}

/// The number of classes, if the operands fit.
pub(super) fn check_shapes(
    name: &str,
    parameters: Parameters,
    x: &Tensor,
    p: &Tensor,
    a: &Tensor,
) -> Result<usize> {
    let ((_, dim), (classes, p_dim)) = (x.dims2()?, p.dims2()?);
    let second: &[usize] = match parameters {
        Parameters::Unidirectional => &[classes],
        _ => &[classes, dim],
    };
    if a.dims() != second || p_dim != dim || dim == 0 {
        let (x, p, a) = (x.dims(), p.dims(), a.dims());
        return Err(Error::Msg(format!(
            "{name}: points {x:?} and parameters {p:?} and {a:?} do not fit; \
             give the parameters as [{classes}, {dim}] and {second:?}"
        )));
    }
    Ok(classes)
}

/// What `p` and `a` are.
#[derive(Clone, Copy)]
pub(super) enum Parameters {
    /// Points of the ball and normals at them.
    Points,
    /// Unconstrained numbers, mapped on the way.
    Raw,
    /// A direction and an offset.
    Unidirectional,
}

struct Logits {
    c: Curvature,
    classes: usize,
    parameters: Parameters,
}

impl Logits {
    fn value<T: Element>(&self, x: View<'_, T>, p: &[T], a: &[T]) -> Output<T> {
        let rows = x.dims[0];
        let mut out = fresh(rows * self.classes);
        let f = match self.parameters {
            Parameters::Points => batch::mlr_logits,
            Parameters::Raw => batch::mlr_layer_logits,
            Parameters::Unidirectional => batch::mlr_logits_unidirectional,
        };
        f(T::real(x.data), T::real(p), T::real(a), x.last_dim(), self.c, T::real_mut(&mut out));
        (out, vec![rows, self.classes])
    }

    /// Fills the gradients by x, p and a; returns that by c.
    fn gradients<T: Element>(&self, x: View<'_, T>, p: &[T], a: &[T], grad: &[T], out: [&mut [T]; 3]) -> f64 {
        let [gx, gp, ga] = out.map(T::real_mut);
        let [points, p, a, grad] = [x.data, p, a, grad].map(T::real);
        let f = match self.parameters {
            Parameters::Points => batch::mlr_logits_vjp,
            Parameters::Raw => batch::mlr_layer_logits_vjp,
            Parameters::Unidirectional => batch::mlr_logits_unidirectional_vjp,
        };
        f(points, p, a, grad, x.last_dim(), self.c, gx, gp, ga)
    }
}

impl Kernel for Logits {
    fn name(&self) -> &'static str {
        "mlr_logits"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        Ok(self.value(inputs[0], inputs[1].data, inputs[2].data))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let [mut gx, mut gp, mut ga] = [0, 1, 2].map(|i: usize| fresh(inputs[i].data.len()));
        let slices = [&mut gx, &mut gp, &mut ga];
        self.gradients(inputs[0], inputs[1].data, inputs[2].data, grad.data, slices.map(Vec::as_mut_slice));
        Ok(vec![Some(gx), Some(gp), Some(ga)])
    }
}

/// The same with `p` and `a` in one list and the curvature as the third input.
struct TogetherWithCurvature {
    logits: Logits,
    /// The length of `p`.
    first: usize,
}

impl Kernel for TogetherWithCurvature {
    fn name(&self) -> &'static str {
        "mlr_logits"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let (p, a) = inputs[1].data.split_at(self.first);
        Ok(self.logits.value(inputs[0], p, a))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let (x, both) = (inputs[0], inputs[1]);
        let (p, a) = both.data.split_at(self.first);
        let (mut gx, mut g_both) = (fresh(x.data.len()), fresh(both.data.len()));
        let (gp, ga) = g_both.split_at_mut(p.len());
        let by_c = self.logits.gradients(x, p, a, grad.data, [&mut gx, gp, ga]);
        Ok(with_curvature(vec![Some(gx), Some(g_both)], inputs.len(), by_c))
    }
}

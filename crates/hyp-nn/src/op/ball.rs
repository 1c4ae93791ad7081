//! Operations into and within the Poincaré ball, with the kernels of `hyp_math::batch`.

use super::kernel::{Element, Gradients, Kernel, Output, View, apply1, apply2, apply3};
use candle_core::{Result, Tensor};
use hyp_math::{Curvature, batch};

/// The curvature parameter of one operation: its value in `f64` and, if it is trained, the tensor that takes its gradient.
#[derive(Clone, Debug)]
pub struct BallParameter {
    value: Curvature,
    tensor: Option<Tensor>,
}

impl BallParameter {
    /// `tensor`, a scalar of the element type of the other operands, receives the gradient; its value is not read.
    pub fn new(value: Curvature, tensor: Option<Tensor>) -> Self {
        Self { value, tensor }
    }

    /// The value.
    pub fn value(&self) -> Curvature {
        self.value
    }
}

impl From<Curvature> for BallParameter {
    fn from(value: Curvature) -> Self {
        Self { value, tensor: None }
    }
}

/// Rows clipped, mapped by the exponential map at 0 and projected behind the margin; see [`batch::to_ball`].
///
/// **Shapes.** `x` and result: `[…, dim]`.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn to_ball(x: &Tensor, c: &BallParameter, clip: Option<f64>, margin: f64) -> Result<Tensor> {
    let kernel = ToBall { c: c.value, clip, margin };
    match &c.tensor {
        None => apply1(kernel, x),
        Some(tensor) => apply2(kernel, x, tensor),
    }
}

struct ToBall {
    c: Curvature,
    clip: Option<f64>,
    margin: f64,
}

impl Kernel for ToBall {
    fn name(&self) -> &'static str {
        "to_ball"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let x = inputs[0];
        let mut out = vec![T::zero(); x.data.len()];
        batch::to_ball(T::real(x.data), x.last_dim(), self.c, self.clip, self.margin, T::real_mut(&mut out));
        Ok((out, x.dims.to_vec()))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let x = inputs[0];
        let mut grad_x = vec![T::zero(); x.data.len()];
        let (point, g, gx) = (T::real(x.data), T::real(grad.data), T::real_mut(&mut grad_x));
        let by_c = batch::to_ball_vjp(point, g, x.last_dim(), self.c, self.clip, self.margin, gx);
        Ok(with_curvature(vec![Some(grad_x)], inputs.len(), by_c))
    }
}

/// Appends the gradient of the curvature if it is among the inputs.
fn with_curvature<T: Element>(mut gradients: Gradients<T>, inputs: usize, by_c: f64) -> Gradients<T> {
    if inputs > gradients.len() {
        gradients.push(Some(vec![T::from_f64(by_c)]));
    }
    gradients
}

/// The points themselves, with a gradient scaled by `(1 − c‖x‖²)²/4`; see [`batch::riemannian_scale`].
///
/// **Shapes.** `[…, dim]` to the same.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn riemannian_gradient(points: &Tensor, c: Curvature) -> Result<Tensor> {
    apply1(RiemannianGradient { c }, points)
}

struct RiemannianGradient {
    c: Curvature,
}

impl Kernel for RiemannianGradient {
    fn name(&self) -> &'static str {
        "riemannian_gradient"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        Ok((inputs[0].data.to_vec(), inputs[0].dims.to_vec()))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let points = inputs[0];
        let mut out = vec![T::zero(); points.data.len()];
        let (x, g) = (T::real(points.data), T::real(grad.data));
        batch::riemannian_scale(x, g, points.last_dim(), self.c, T::real_mut(&mut out));
        Ok(vec![Some(out)])
    }
}

/// Hyperbolic logits in the unconstrained parameters of a layer; see [`batch::mlr_layer_logits`].
///
/// **Shapes.** `x`: `[batch, dim]`, `p_raw`, `a_raw`: `[classes, dim]`, result: `[batch, classes]`.
///
/// # Errors
/// If the shapes do not fit, or the element type or device has no kernel.
pub fn mlr_layer_logits(x: &Tensor, p_raw: &Tensor, a_raw: &Tensor, c: &BallParameter) -> Result<Tensor> {
    let (dim, (classes, p_dim)) = (x.dims2()?.1, p_raw.dims2()?);
    if p_raw.dims() != a_raw.dims() || p_dim != dim {
        candle_core::bail!(
            "mlr_layer_logits: points {:?}, p {:?} and a {:?} do not fit; give p and a as [classes, {dim}]",
            x.dims(),
            p_raw.dims(),
            a_raw.dims()
        );
    }
    match &c.tensor {
        None => apply3(MlrLayer { c: c.value, classes }, x, p_raw, a_raw),
        Some(tensor) => {
            // A custom operation has at most three inputs, so that both parameters travel as one.
            let both = Tensor::cat(&[p_raw, a_raw], 0)?;
            apply3(MlrLayerTrainedC(MlrLayer { c: c.value, classes }), x, &both, tensor)
        }
    }
}

struct MlrLayer {
    c: Curvature,
    classes: usize,
}

impl MlrLayer {
    fn logits<T: Element>(&self, x: View<'_, T>, p: &[T], a: &[T]) -> Output<T> {
        let rows = x.dims[0];
        let mut out = vec![T::zero(); rows * self.classes];
        let out_real = T::real_mut(&mut out);
        batch::mlr_layer_logits(T::real(x.data), T::real(p), T::real(a), x.last_dim(), self.c, out_real);
        (out, vec![rows, self.classes])
    }

    /// Fills the gradients by x, p and a; returns that by c.
    fn gradients<T: Element>(&self, x: View<'_, T>, p: &[T], a: &[T], grad: &[T], out: [&mut [T]; 3]) -> f64 {
        let [gx, gp, ga] = out.map(T::real_mut);
        let [points, p, a, grad] = [x.data, p, a, grad].map(T::real);
        batch::mlr_layer_logits_vjp(points, p, a, grad, x.last_dim(), self.c, gx, gp, ga)
    }
}

impl Kernel for MlrLayer {
    fn name(&self) -> &'static str {
        "mlr_layer_logits"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        Ok(self.logits(inputs[0], inputs[1].data, inputs[2].data))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let [mut gx, mut gp, mut ga] = [0, 1, 2].map(|i: usize| vec![T::zero(); inputs[i].data.len()]);
        let slices = [&mut gx, &mut gp, &mut ga];
        self.gradients(inputs[0], inputs[1].data, inputs[2].data, grad.data, slices.map(Vec::as_mut_slice));
        Ok(vec![Some(gx), Some(gp), Some(ga)])
    }
}

struct MlrLayerTrainedC(MlrLayer);

impl Kernel for MlrLayerTrainedC {
    fn name(&self) -> &'static str {
        "mlr_layer_logits"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let (p, a) = inputs[1].data.split_at(inputs[1].data.len() / 2);
        Ok(self.0.logits(inputs[0], p, a))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let (x, both) = (inputs[0], inputs[1]);
        let (p, a) = both.data.split_at(both.data.len() / 2);
        let (mut gx, mut g_both) = (vec![T::zero(); x.data.len()], vec![T::zero(); both.data.len()]);
        let (gp, ga) = g_both.split_at_mut(p.len());
        let by_c = self.0.gradients(x, p, a, grad.data, [&mut gx, gp, ga]);
        Ok(with_curvature(vec![Some(gx), Some(g_both)], inputs.len(), by_c))
    }
}

//! Averages of groups of points: prototypes of classes, in the ball and in the Lorentz model.

#[cfg(feature = "cuda")]
mod cuda;

use candle_core::{Error, Result, Tensor};
#[cfg(doc)]
use hyp_math::lorentz;
use hyp_math::{Curvature, batch};

use super::{BallParameter, Model, with_curvature};
use crate::op::fresh::fresh;
use crate::op::kernel::{Element, Gradients, Kernel, Output, View, apply1, apply2, apply3};

/// Einstein midpoint of each group of points, weighted if weights are given; see [`batch::einstein_midpoint`].
///
/// **Shapes.** `points`: `[groups, shots, dim]`; `weights`: `[groups, shots]`; result: `[groups, dim]`.
///
/// # Errors
/// If the shapes do not fit, or the element type or device has no kernel.
///
/// # Examples
/// ```
/// use hyp_math::Curvature;
/// use hyp_nn::{candle_core::{Device, Tensor}, op};
/// let c = Curvature::new(1.0).unwrap().into();
/// let points = Tensor::new(&[[[0.5_f64, 0.0], [-0.5, 0.0]]], &Device::Cpu)?;
/// let midpoint = op::einstein_midpoint(&points, None, &c)?; // of two opposite points
/// assert_eq!(midpoint.to_vec2::<f64>()?, [[0.0, 0.0]]);
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn einstein_midpoint(points: &Tensor, weights: Option<&Tensor>, c: &BallParameter) -> Result<Tensor> {
    average(Model::Ball, points, weights, c)
}

/// Centroid of each group of points; see [`lorentz::centroid`].
///
/// The same point as [`einstein_midpoint`] of the group in the ball.
///
/// **Shapes.** `points`: `[groups, shots, dim]`; result: `[groups, dim]`.
///
/// # Errors
/// If the shape does not fit, or the element type or device has no kernel.
///
/// # Examples
/// ```
/// use hyp_math::Curvature;
/// use hyp_nn::{candle_core::{Device, Tensor}, op};
/// let c = Curvature::new(1.0).unwrap().into();
/// let points = Tensor::new(&[[[0.5_f64, 0.0], [-0.5, 0.0]]], &Device::Cpu)?;
/// assert_eq!(op::lorentz_centroid(&points, &c)?.to_vec2::<f64>()?, [[0.0, 0.0]]); // of two opposite points
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn lorentz_centroid(points: &Tensor, c: &BallParameter) -> Result<Tensor> {
    average(Model::Lorentz, points, None, c)
}

fn average(model: Model, points: &Tensor, weights: Option<&Tensor>, c: &BallParameter) -> Result<Tensor> {
    let (groups, shots, dim) = points.dims3()?;
    let kernel = Average { model, c: c.value, weighted: weights.is_some() };
    if shots == 0 || dim == 0 || weights.is_some_and(|w| w.dims() != [groups, shots]) {
        let (name, points, weights) = (kernel.name(), points.dims(), weights.map(Tensor::dims));
        return Err(Error::Msg(format!(
            "{name}: points {points:?}, weights {weights:?}; \
             give [groups, shots, dim] with at least one shot, and one weight per point"
        )));
    }
    match (weights, &c.tensor) {
        (None, None) => apply1(kernel, points),
        (None, Some(tensor)) => apply2(kernel, points, tensor),
        (Some(weights), None) => apply2(kernel, points, weights),
        (Some(weights), Some(tensor)) => apply3(kernel, points, weights, tensor),
    }
}

struct Average {
    model: Model,
    c: Curvature,
    weighted: bool,
}

impl Kernel for Average {
    fn name(&self) -> &'static str {
        match self.model {
            Model::Ball => "einstein_midpoint",
            Model::Lorentz => "lorentz_centroid",
        }
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let (points, weights) = (inputs[0], self.weighted.then(|| T::real(inputs[1].data)));
        let [groups, shots, dim] = points.dims[..] else { unreachable!("checked by average") };
        let mut out = fresh(groups * dim);
        let average = match self.model {
            Model::Ball => batch::einstein_midpoint,
            Model::Lorentz => batch::lorentz::centroid,
        };
        average(T::real(points.data), weights, shots, dim, self.c, T::real_mut(&mut out));
        Ok((out, vec![groups, dim]))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let (points, weights) = (inputs[0], self.weighted.then(|| T::real(inputs[1].data)));
        let (shots, dim) = (points.dims[1], points.dims[2]);
        let mut by_points = fresh(points.data.len());
        let mut by_weights = weights.map(|w| fresh(w.len()));
        let vjp = match self.model {
            Model::Ball => batch::einstein_midpoint_vjp,
            Model::Lorentz => batch::lorentz::centroid_vjp,
        };
        let by_c = vjp(
            T::real(points.data),
            weights,
            T::real(grad.data),
            shots,
            dim,
            self.c,
            T::real_mut(&mut by_points),
            by_weights.as_mut().map(|w| T::real_mut(w)),
        );
        let mut gradients = vec![Some(by_points)];
        gradients.extend(by_weights.map(Some));
        Ok(with_curvature(gradients, inputs.len(), by_c))
    }
}

//! The Lorentz model for sets of points: centroids of groups, distances of all pairs, by their space parts.

use candle_core::{Error, Result, Tensor};
use hyp_math::{Curvature, lorentz};
use rayon::prelude::*;

use super::{BallParameter, with_curvature};
use crate::op::kernel::{Element, Gradients, Kernel, Output, View, apply1, apply2, apply3};

/// Centroid of each group of points; see [`lorentz::centroid`].
///
/// The same point as [`einstein_midpoint`](super::einstein_midpoint) of the group in the ball.
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
    let (_, shots, dim) = points.dims3()?;
    if shots == 0 || dim == 0 {
        let points = points.dims();
        return Err(Error::Msg(format!(
            "lorentz_centroid: points {points:?}; give [groups, shots, dim] with at least one shot"
        )));
    }
    let kernel = Centroid { c: c.value };
    match &c.tensor {
        None => apply1(kernel, points),
        Some(tensor) => apply2(kernel, points, tensor),
    }
}

/// Distance of every row of `x` to every row of `y`, in memory of the size of the result; see [`lorentz::distance`].
///
/// **Shapes.** `x`: `[rows, dim]`; `y`: `[columns, dim]`; result: `[rows, columns]`.
///
/// # Errors
/// If the shapes do not fit, or the element type or device has no kernel.
///
/// # Examples
/// ```
/// use hyp_math::Curvature;
/// use hyp_nn::{candle_core::{Device, Tensor}, op};
/// let c = Curvature::new(1.0).unwrap().into();
/// let x = Tensor::new(&[[9.0_f64.sinh()]], &Device::Cpu)?;
/// let y = Tensor::new(&[[9.0_f64.sinh()], [10.0_f64.sinh()]], &Device::Cpu)?;
/// let d = op::lorentz_distance_matrix(&x, &y, &c)?.to_vec2::<f64>()?;
/// assert!(d[0][0] == 0.0 && (d[0][1] - 1.0).abs() < 1e-14);
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn lorentz_distance_matrix(x: &Tensor, y: &Tensor, c: &BallParameter) -> Result<Tensor> {
    let ((_, dim), (_, y_dim)) = (x.dims2()?, y.dims2()?);
    if dim != y_dim || dim == 0 {
        let (x, y) = (x.dims(), y.dims());
        return Err(Error::Msg(format!(
            "lorentz_distance_matrix: points {x:?} and {y:?}; their last axes must agree"
        )));
    }
    let kernel = AllPairs { c: c.value };
    match &c.tensor {
        None => apply2(kernel, x, y),
        Some(tensor) => apply3(kernel, x, y, tensor),
    }
}

struct Centroid {
    c: Curvature,
}

impl Kernel for Centroid {
    fn name(&self) -> &'static str {
        "lorentz_centroid"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let points = inputs[0];
        let [groups, shots, dim] = points.dims[..] else { unreachable!("checked by lorentz_centroid") };
        let mut out = vec![T::zero(); groups * dim];
        T::real(points.data)
            .par_chunks_exact(shots * dim)
            .zip(T::real_mut(&mut out).par_chunks_exact_mut(dim))
            .for_each(|(set, out)| lorentz::centroid(set, None, dim, self.c, out));
        Ok((out, vec![groups, dim]))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let points = inputs[0];
        let (shots, dim) = (points.dims[1], points.dims[2]);
        let mut by_points = vec![T::zero(); points.data.len()];
        let by_c: Vec<f64> = T::real(points.data)
            .par_chunks_exact(shots * dim)
            .zip(T::real(grad.data).par_chunks_exact(dim))
            .zip(T::real_mut(&mut by_points).par_chunks_exact_mut(shots * dim))
            .map(|((set, grad), out)| lorentz::centroid_vjp(set, None, grad, dim, self.c, out, None))
            .collect();
        Ok(with_curvature(vec![Some(by_points)], inputs.len(), by_c.iter().sum()))
    }
}

struct AllPairs {
    c: Curvature,
}

impl Kernel for AllPairs {
    fn name(&self) -> &'static str {
        "lorentz_distance_matrix"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let (x, y) = (inputs[0], inputs[1]);
        let (rows, columns, dim) = (x.dims[0], y.dims[0], x.last_dim());
        let mut out = vec![T::zero(); rows * columns];
        let (left, right) = (T::real(x.data), T::real(y.data));
        T::real_mut(&mut out).par_chunks_mut(columns.max(1)).zip(left.par_chunks_exact(dim)).for_each(
            |(out, x)| {
                for (out, y) in out.iter_mut().zip(right.chunks_exact(dim)) {
                    *out = lorentz::distance(x, y, self.c);
                }
            },
        );
        Ok((out, vec![rows, columns]))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let (x, y, dim) = (inputs[0], inputs[1], inputs[0].last_dim());
        let (columns, grads) = (y.dims[0], grad.data);
        let (left, right) = (T::real(x.data), T::real(y.data));
        let row = |n: usize| &left[n * dim..(n + 1) * dim];
        let column = |k: usize| &right[k * dim..(k + 1) * dim];
        // Each side in its own pass: every sum belongs to one task, so that no number depends on the threads.
        let (gx, by_c): (Vec<Vec<f64>>, Vec<f64>) = (0..x.dims[0])
            .into_par_iter()
            .map(|n| {
                let weights = (0..columns).map(|k| (column(k), grads[n * columns + k].to_f64()));
                gradient_of_one(row(n), weights, self.c)
            })
            .unzip();
        let gy: Vec<Vec<f64>> = (0..columns)
            .into_par_iter()
            .map(|k| {
                let weights = (0..x.dims[0]).map(|n| (row(n), grads[n * columns + k].to_f64()));
                gradient_of_one(column(k), weights, self.c).0
            })
            .collect();
        let narrow = |rows: Vec<Vec<f64>>| Some(rows.into_iter().flatten().map(T::from_f64).collect());
        Ok(with_curvature(vec![narrow(gx), narrow(gy)], inputs.len(), by_c.iter().sum()))
    }
}

/// The gradient of Σ wᵢ d(x, yᵢ) by x and by c.
fn gradient_of_one<'a, R: hyp_math::Real + 'a>(
    x: &[R],
    others: impl Iterator<Item = (&'a [R], f64)>,
    c: Curvature,
) -> (Vec<f64>, f64) {
    let widened: Vec<f64> = x.iter().map(|v| v.to_f64()).collect();
    let mut total = vec![0.0; x.len()];
    let (mut gx, mut gy, mut y) = (vec![0.0; x.len()], vec![0.0; x.len()], vec![0.0; x.len()]);
    let mut by_c = 0.0;
    for (other, weight) in others {
        y.iter_mut().zip(other).for_each(|(to, from)| *to = from.to_f64());
        by_c += lorentz::distance_vjp(&widened, &y, weight, c, &mut gx, &mut gy);
        total.iter_mut().zip(&gx).for_each(|(sum, g)| *sum += g);
    }
    (total, by_c)
}

//! Operations on all pairs of the rows of two matrices.

#[cfg(feature = "cuda")]
pub(super) mod cuda;

use candle_core::{Error, Result, Tensor};
#[cfg(doc)]
use hyp_math::lorentz;
use hyp_math::{Curvature, batch};

use super::{BallParameter, Model, with_curvature};
use crate::op::fresh::fresh;
use crate::op::kernel::{Element, Gradients, Kernel, Output, View, apply2, apply3};

/// Distance of every row of `x` to every row of `y`, in memory of the size of the result; see
/// [`batch::distance_matrix`].
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
/// let x = Tensor::new(&[[0.0_f64, 0.0], [0.5, 0.0]], &Device::Cpu)?;
/// let d = op::distance_matrix(&x, &x, &c)?.to_vec2::<f64>()?;
/// assert_eq!((d[0][0], d[1][1]), (0.0, 0.0));
/// assert!((d[0][1] - 3.0_f64.ln()).abs() < 1e-15); // 2 artanh(1/2)
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn distance_matrix(x: &Tensor, y: &Tensor, c: &BallParameter) -> Result<Tensor> {
    all_pairs(Model::Ball, x, y, c)
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
    all_pairs(Model::Lorentz, x, y, c)
}

fn all_pairs(model: Model, x: &Tensor, y: &Tensor, c: &BallParameter) -> Result<Tensor> {
    let kernel = DistanceMatrix { model, c: c.value };
    check_points(kernel.name(), x, y)?;
    match &c.tensor {
        None => apply2(kernel, x, y),
        Some(tensor) => apply3(kernel, x, y, tensor),
    }
}

/// Refuses matrices whose rows are not points of one space.
pub(super) fn check_points(name: &str, x: &Tensor, y: &Tensor) -> Result<()> {
    let ((_, dim), (_, y_dim)) = (x.dims2()?, y.dims2()?);
    if dim != y_dim || dim == 0 {
        let (x, y) = (x.dims(), y.dims());
        return Err(Error::Msg(format!("{name}: points {x:?} and {y:?}; their last axes must agree")));
    }
    Ok(())
}

struct DistanceMatrix {
    model: Model,
    c: Curvature,
}

impl Kernel for DistanceMatrix {
    fn name(&self) -> &'static str {
        match self.model {
            Model::Ball => "distance_matrix",
            Model::Lorentz => "lorentz_distance_matrix",
        }
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let (x, y) = (inputs[0], inputs[1]);
        let (rows, columns) = (x.dims[0], y.dims[0]);
        let mut out = fresh(rows * columns);
        let (left, right) = (T::real(x.data), T::real(y.data));
        let distances = match self.model {
            Model::Ball => batch::distance_matrix,
            Model::Lorentz => batch::lorentz::distance_matrix,
        };
        distances(left, right, x.last_dim(), self.c, T::real_mut(&mut out));
        Ok((out, vec![rows, columns]))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let (x, y) = (inputs[0], inputs[1]);
        let [mut gx, mut gy] = [x, y].map(|v| fresh(v.data.len()));
        let (left, right, g) = (T::real(x.data), T::real(y.data), T::real(grad.data));
        let (into_x, into_y) = (T::real_mut(&mut gx), T::real_mut(&mut gy));
        let (dim, c) = (x.last_dim(), self.c);
        let by_c = match self.model {
            Model::Lorentz => batch::lorentz::distance_matrix_vjp(left, right, g, dim, c, into_x, into_y),
            Model::Ball if inputs.len() > 2 => {
                batch::distance_matrix_vjp(left, right, g, dim, c, into_x, into_y)
            }
            Model::Ball => {
                batch::distance_matrix_vjp_of_points(left, right, g, dim, c, into_x, into_y);
                0.0
            }
        };
        Ok(with_curvature(vec![Some(gx), Some(gy)], inputs.len(), by_c))
    }
}

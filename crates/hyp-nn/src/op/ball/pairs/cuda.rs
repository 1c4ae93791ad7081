//! All-pairs distances on CUDA devices.

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::CudaSlice;

use super::{DistanceMatrix, Model};
use crate::op::cuda::{
    BALL_PAIRS, CudaKernel, DeviceGradients, DeviceOutput, DeviceView, Each, Gpu, LORENTZ_PAIRS, Pass, Rows,
    Tiles, indices, launch,
};
use crate::op::kernel::Element;
use crate::op::reduce::cuda::with_curvature;

/// ‖x‖² of each row, in `f64`.
pub(in crate::op::ball) fn squares<T: Element>(
    gpu: &Gpu<'_>,
    x: &DeviceView<'_, T>,
) -> Result<CudaSlice<f64>> {
    let [rows, dim] = x.dims[..] else { unreachable!("checked to be a matrix") };
    let (mut out, [width]) = (gpu.room(rows)?, indices([dim])?);
    launch!(gpu, BALL_PAIRS.squares::<T>, Rows(rows, dim); &x.data, &mut out, &width)?;
    Ok(out)
}

impl DistanceMatrix {
    fn ball_gradients<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, .. } = pass;
        let (x, y, c) = (&inputs[0], &inputs[1], self.c.get());
        let (rows, columns, length) = (x.dims[0], y.dims[0], x.last_dim());
        let [height, width, dim, one] = indices([rows, columns, length, 1])?;
        let (xx, yy) = (squares(gpu, x)?, squares(gpu, y)?);
        let room = || gpu.room::<f64>(rows * columns);
        let (mut weight, mut pull, mut by_c) = (room()?, room()?, room()?);
        launch!(
            gpu, BALL_PAIRS.distance_weights::<T>, Tiles(rows, columns);
            &x.data, &y.data, &xx, &yy, &grad.data, &mut weight, &mut pull, &mut by_c, &height, &width, &dim, &c
        )?;
        let (mut gx, mut gy) = (gpu.room(x.count())?, gpu.room(y.count())?);
        launch!(
            gpu, BALL_PAIRS.distance_gradient::<T>, Each(x.count());
            &x.data, &y.data, &xx, &weight, &pull, &mut gx, &height, &width, &width, &one, &dim, &c
        )?;
        launch!(
            gpu, BALL_PAIRS.distance_gradient::<T>, Each(y.count());
            &y.data, &x.data, &yy, &weight, &pull, &mut gy, &width, &height, &one, &width, &dim, &c
        )?;
        with_curvature(gpu, pass, vec![Some(gx), Some(gy)], &by_c)
    }

    fn lorentz_gradients<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, .. } = pass;
        let (x, y, c) = (&inputs[0], &inputs[1], self.c.get());
        let (rows, columns, length) = (x.dims[0], y.dims[0], x.last_dim());
        let [height, width, dim, one] = indices([rows, columns, length, 1])?;
        let room = || gpu.room::<f64>(rows * columns);
        let (mut scale, mut tilt_x, mut tilt_y, mut by_c) = (room()?, room()?, room()?, room()?);
        launch!(
            gpu, LORENTZ_PAIRS.lorentz_pulls::<T>, Tiles(rows, columns);
            &x.data, &y.data, &grad.data, &mut scale, &mut tilt_x, &mut tilt_y, &mut by_c, &height, &width, &dim, &c
        )?;
        let (mut gx, mut gy) = (gpu.room(x.count())?, gpu.room(y.count())?);
        launch!(
            gpu, LORENTZ_PAIRS.lorentz_gradient::<T>, Each(x.count());
            &x.data, &y.data, &scale, &tilt_x, &mut gx, &height, &width, &width, &one, &dim
        )?;
        launch!(
            gpu, LORENTZ_PAIRS.lorentz_gradient::<T>, Each(y.count());
            &y.data, &x.data, &scale, &tilt_y, &mut gy, &width, &height, &one, &width, &dim
        )?;
        with_curvature(gpu, pass, vec![Some(gx), Some(gy)], &by_c)
    }
}

impl CudaKernel for DistanceMatrix {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let (x, y, c) = (&inputs[0], &inputs[1], self.c.get());
        let (rows, columns) = (x.dims[0], y.dims[0]);
        let ([height, width, dim], mut out) =
            (indices([rows, columns, x.last_dim()])?, gpu.room(rows * columns)?);
        let tiles = Tiles(rows, columns);
        match self.model {
            Model::Ball => {
                let (xx, yy) = (squares(gpu, x)?, squares(gpu, y)?);
                launch!(
                    gpu, BALL_PAIRS.distances::<T>, tiles;
                    &x.data, &y.data, &xx, &yy, &mut out, &height, &width, &dim, &c
                )?;
            }
            Model::Lorentz => {
                launch!(
                    gpu, LORENTZ_PAIRS.lorentz_distances::<T>, tiles;
                    &x.data, &y.data, &mut out, &height, &width, &dim, &c
                )?;
            }
        }
        Ok((out, vec![rows, columns]))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        match self.model {
            Model::Ball => self.ball_gradients(gpu, pass),
            Model::Lorentz => self.lorentz_gradients(gpu, pass),
        }
    }
}

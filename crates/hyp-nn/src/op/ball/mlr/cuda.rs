//! Hyperbolic logits on CUDA devices.

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView};

use super::{Logits, Parameters, TogetherWithCurvature};
use crate::op::ball::pairs::cuda::squares;
use crate::op::cuda::{
    CudaKernel, DeviceGradients, DeviceOutput, DeviceView, Each, Gpu, MLR, MLR_RAY, Pass, Rows, Tiles,
    indices, join, launch,
};
use crate::op::kernel::Element;
use crate::op::reduce::cuda::total;

/// Numbers of a class, sums over the batch and parts of a pair that the kernels of `mlr.cu` keep.
const CONSTANTS: usize = 5;
const SUMS: usize = 5;
/// The same of `mlr_ray.cu`.
const RAY_CONSTANTS: usize = 4;
const RAY_PARTS: usize = 5;

/// The gradients by x and both parameters, and that by c.
type All<T> = ([CudaSlice<T>; 3], CudaSlice<T>);

impl Logits {
    fn cuda_value<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        x: &DeviceView<'_, T>,
        [p, a]: [&CudaView<'_, T>; 2],
    ) -> Result<DeviceOutput<T>> {
        let (rows, count, length, c) = (x.dims[0], self.classes, x.last_dim(), self.c.get());
        let ([height, width, dim], mut out) = (indices([rows, count, length])?, gpu.room(rows * count)?);
        let (xx, x) = (squares(gpu, x)?, &x.data);
        if matches!(self.parameters, Parameters::Unidirectional) {
            let constants = self.rays(gpu, [p, a], length)?;
            launch!(
                gpu, MLR_RAY.ray_logits::<T>, Each(rows * count);
                x, &xx, p, &constants, &mut out, &height, &width, &dim, &c
            )?;
        } else {
            let (points, constants) = self.points(gpu, [p, a], length)?;
            launch!(
                gpu, MLR.logits::<T>, Tiles(rows, count);
                x, &xx, &points, a, &constants, &mut out, &height, &width, &dim, &c
            )?;
        }
        Ok((out, vec![rows, count]))
    }

    /// The points in `f64` and the numbers of the classes.
    fn points<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        [p, a]: [&CudaView<'_, T>; 2],
        dim: usize,
    ) -> Result<(CudaSlice<f64>, CudaSlice<f64>)> {
        let (mut points, mut constants) =
            (gpu.room(self.classes * dim)?, gpu.room(CONSTANTS * self.classes)?);
        let ([count, width], raw, c) = (indices([self.classes, dim])?, self.raw(), self.c.get());
        launch!(
            gpu, MLR.classes::<T>, Rows(self.classes, dim);
            p, a, &mut points, &mut constants, &count, &width, &raw, &c
        )?;
        Ok((points, constants))
    }

    /// 1 if the points are mapped on the way, else 0.
    fn raw(&self) -> i32 {
        i32::from(matches!(self.parameters, Parameters::Raw))
    }

    /// The numbers of the classes of the unidirectional form.
    fn rays<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        [z, r]: [&CudaView<'_, T>; 2],
        dim: usize,
    ) -> Result<CudaSlice<f64>> {
        let (mut constants, c) = (gpu.room(RAY_CONSTANTS * self.classes)?, self.c.get());
        let [count, width] = indices([self.classes, dim])?;
        launch!(gpu, MLR_RAY.rays::<T>, Rows(self.classes, dim); z, r, &mut constants, &count, &width, &c)?;
        Ok(constants)
    }

    fn cuda_gradients<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        x: &DeviceView<'_, T>,
        parameters: [&CudaView<'_, T>; 2],
        grad: &CudaView<'_, T>,
    ) -> Result<All<T>> {
        match self.parameters {
            Parameters::Unidirectional => self.ray_gradients(gpu, x, parameters, grad),
            _ => self.point_gradients(gpu, x, parameters, grad),
        }
    }

    fn point_gradients<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        x: &DeviceView<'_, T>,
        [p, a]: [&CudaView<'_, T>; 2],
        grad: &CudaView<'_, T>,
    ) -> Result<All<T>> {
        let (rows, count, length, c) = (x.dims[0], self.classes, x.last_dim(), self.c.get());
        let ([height, width, dim, tables], raw) = (indices([rows, count, length, SUMS])?, self.raw());
        let (xx, (points, constants)) = (squares(gpu, x)?, self.points(gpu, [p, a], length)?);
        let x = &x.data;
        let (mut parts, mut sums) = (gpu.room::<f64>(SUMS * rows * count)?, gpu.room::<f64>(SUMS * count)?);
        launch!(
            gpu, MLR.logit_weights::<T>, Tiles(rows, count);
            x, &xx, &points, a, &constants, grad, &mut parts, &height, &width, &dim, &c
        )?;
        launch!(gpu, MLR.table_sums::<T>, Each(SUMS * count); &parts, &mut sums, &tables, &height, &width)?;
        let (mut gx, mut gp, mut ga) = (gpu.room(rows * length)?, gpu.room(p.len())?, gpu.room(a.len())?);
        let mut by_point = gpu.room::<f64>(p.len())?;
        let (mut of_rows, mut of_classes) = (gpu.room::<f64>(rows)?, gpu.room::<f64>(count)?);
        launch!(
            gpu, MLR.logits_by_x::<T>, Each(rows * length);
            x, &xx, &points, a, &constants, &parts, &mut gx, &mut of_rows, &height, &width, &dim, &c
        )?;
        launch!(
            gpu, MLR.logits_by_class::<T>, Each(count * length);
            x, &points, a, &constants, &parts, &sums, &mut by_point, &mut ga, &height, &width, &dim, &c
        )?;
        launch!(
            gpu, MLR.logits_by_point::<T>, Rows(count, length);
            p, &by_point, &constants, &sums, &mut gp, &mut of_classes, &width, &dim, &raw, &c
        )?;
        let by_c = join(gpu, [of_rows, of_classes])?;
        Ok(([gx, gp, ga], total(gpu, &by_c.as_view())?))
    }

    fn ray_gradients<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        x: &DeviceView<'_, T>,
        [z, r]: [&CudaView<'_, T>; 2],
        grad: &CudaView<'_, T>,
    ) -> Result<All<T>> {
        let (rows, count, length, c) = (x.dims[0], self.classes, x.last_dim(), self.c.get());
        let [height, width, dim, one] = indices([rows, count, length, 1])?;
        let (xx, constants, x) = (squares(gpu, x)?, self.rays(gpu, [z, r], length)?, &x.data);
        let size = rows * count;
        let mut parts = gpu.room::<f64>(RAY_PARTS * size)?;
        launch!(
            gpu, MLR_RAY.ray_weights::<T>, Each(size);
            x, &xx, z, r, &constants, grad, &mut parts, &height, &width, &dim, &c
        )?;
        let part = |n: usize| parts.slice(n * size..(n + 1) * size);
        let [across, own_x, own_z, by_r, by_c] = [0, 1, 2, 3, 4].map(part);
        let (mut gx, mut gz, mut gr) = (gpu.room(rows * length)?, gpu.room(z.len())?, gpu.room(count)?);
        launch!(
            gpu, MLR_RAY.ray_gradient::<T>, Each(rows * length);
            x, z, &across, &own_x, &mut gx, &height, &width, &width, &one, &dim
        )?;
        launch!(
            gpu, MLR_RAY.ray_gradient::<T>, Each(count * length);
            z, x, &across, &own_z, &mut gz, &width, &height, &one, &width, &dim
        )?;
        launch!(gpu, MLR_RAY.ray_offsets::<T>, Each(count); &by_r, &mut gr, &height, &width)?;
        Ok(([gx, gz, gr], total(gpu, &by_c)?))
    }
}

impl CudaKernel for Logits {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        self.cuda_value(gpu, &inputs[0], [&inputs[1].data, &inputs[2].data])
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, .. } = pass;
        let parameters = [&inputs[1].data, &inputs[2].data];
        let (gradients, _) = self.cuda_gradients(gpu, &inputs[0], parameters, &grad.data)?;
        Ok(gradients.map(Some).into())
    }
}

impl CudaKernel for TogetherWithCurvature {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let both = &inputs[1].data;
        self.logits.cuda_value(gpu, &inputs[0], [&both.slice(..self.first), &both.slice(self.first..)])
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, .. } = pass;
        let both = &inputs[1].data;
        let parameters = [&both.slice(..self.first), &both.slice(self.first..)];
        let ([gx, gp, ga], by_c) = self.logits.cuda_gradients(gpu, &inputs[0], parameters, &grad.data)?;
        Ok(vec![Some(gx), Some(join(gpu, [gp, ga])?), Some(by_c)])
    }
}

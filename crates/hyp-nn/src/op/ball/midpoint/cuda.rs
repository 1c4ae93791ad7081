//! Averages of groups of points on CUDA devices, one block of threads for each group.

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::CudaSlice;

use super::{Average, Model};
use crate::op::cuda::{
    CudaKernel, DeviceGradients, DeviceOutput, DeviceView, Gpu, LORENTZ_CENTROID, MIDPOINT, Pass, Rows,
    index, indices, launch,
};
use crate::op::kernel::Element;
use crate::op::reduce::cuda::with_curvature;

/// Up to so many points a centroid goes by pairs; `PAIRWISE` of `lorentz_centroid.cu`.
const PAIRWISE: usize = 64;

/// The sizes of groups of points.
fn sizes<T>(points: &DeviceView<'_, T>) -> [usize; 3] {
    let [groups, shots, dim] = points.dims[..] else { unreachable!("checked by average") };
    [groups, shots, dim]
}

impl Average {
    fn midpoints<T: Element>(&self, gpu: &Gpu<'_>, inputs: &[DeviceView<'_, T>]) -> Result<CudaSlice<T>> {
        let [groups, shots, dim] = sizes(&inputs[0]);
        let (points, c) = (&inputs[0].data, self.c.get());
        let weights = if self.weighted { &inputs[1].data } else { points };
        let (mut factors, mut out) = (gpu.room::<f64>(groups * shots)?, gpu.room(groups * dim)?);
        let ([count, width], weighted) = (indices([shots, dim])?, i32::from(self.weighted));
        launch!(
            gpu, MIDPOINT.midpoint::<T>, Rows(groups, dim);
            points, weights, &mut factors, &mut out, &count, &width, &weighted, &c
        )?;
        Ok(out)
    }

    fn midpoint_gradients<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        pass: &Pass<'_, T>,
    ) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, .. } = pass;
        let [groups, shots, dim] = sizes(&inputs[0]);
        let (points, grad, c) = (&inputs[0].data, &grad.data, self.c.get());
        let weights = if self.weighted { &inputs[1].data } else { points };
        let (mut factors, mut middles) = (gpu.room::<f64>(groups * shots)?, gpu.room::<f64>(groups * dim)?);
        let (mut by_points, mut by_weights) = (gpu.room(groups * shots * dim)?, gpu.room(groups * shots)?);
        let mut by_c = gpu.room::<f64>(groups)?;
        let ([count, width], weighted) = (indices([shots, dim])?, i32::from(self.weighted));
        launch!(
            gpu, MIDPOINT.midpoint_backward::<T>, Rows(groups, dim);
            points, weights, grad, &mut factors, &mut middles, &mut by_points, &mut by_weights, &mut by_c, &count,
            &width, &weighted, &c
        )?;
        let mut gradients = vec![Some(by_points)];
        if self.weighted {
            gradients.push(Some(by_weights));
        }
        with_curvature(gpu, pass, gradients, &by_c)
    }

    /// Without weights, as [`super::lorentz_centroid`] is.
    fn centroids<T: Element>(&self, gpu: &Gpu<'_>, points: &DeviceView<'_, T>) -> Result<CudaSlice<T>> {
        let ([groups, shots, dim], c) = (sizes(points), self.c.get());
        let (mut times, mut out) = (gpu.room::<f64>(groups * shots)?, gpu.room(groups * dim)?);
        let [count, width] = indices([shots, dim])?;
        launch!(
            gpu, LORENTZ_CENTROID.centroid::<T>, Rows(groups, dim);
            &points.data, &mut times, &mut out, &count, &width, &c
        )?;
        Ok(out)
    }

    fn centroid_gradients<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        pass: &Pass<'_, T>,
    ) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, .. } = pass;
        let ([groups, shots, dim], c) = (sizes(&inputs[0]), self.c.get());
        let pairs = if shots > PAIRWISE { 0 } else { groups * shots * shots };
        index(pairs)?;
        let (mut times, mut spaces) = (gpu.room::<f64>(groups * shots)?, gpu.room::<f64>(groups * dim)?);
        // Device memory of no size has no address to give.
        let mut tilts = gpu.room::<f64>(pairs.max(1))?;
        let (mut by_points, mut by_c) = (gpu.room(groups * shots * dim)?, gpu.room::<f64>(groups)?);
        let [count, width] = indices([shots, dim])?;
        launch!(
            gpu, LORENTZ_CENTROID.centroid_backward::<T>, Rows(groups, dim);
            &inputs[0].data, &grad.data, &mut times, &mut spaces, &mut tilts, &mut by_points, &mut by_c, &count,
            &width, &c
        )?;
        with_curvature(gpu, pass, vec![Some(by_points)], &by_c)
    }
}

impl CudaKernel for Average {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let [groups, _, dim] = sizes(&inputs[0]);
        let out = match self.model {
            Model::Ball => self.midpoints(gpu, inputs)?,
            Model::Lorentz => self.centroids(gpu, &inputs[0])?,
        };
        Ok((out, vec![groups, dim]))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        match self.model {
            Model::Ball => self.midpoint_gradients(gpu, pass),
            Model::Lorentz => self.centroid_gradients(gpu, pass),
        }
    }
}

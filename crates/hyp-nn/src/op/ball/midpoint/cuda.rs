//! Midpoints on CUDA devices, one block of threads for each group.

use candle_core::Result;

use super::{Average, Model};
use crate::op::cuda::{
    CudaKernel, DeviceGradients, DeviceOutput, DeviceView, Gpu, MIDPOINT, Pass, Rows, indices, launch,
    missing,
};
use crate::op::kernel::{Element, Kernel};
use crate::op::reduce::cuda::with_curvature;

impl CudaKernel for Average {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        if matches!(self.model, Model::Lorentz) {
            return Err(missing(self.name()));
        }
        let [groups, shots, dim] = inputs[0].dims[..] else { unreachable!("checked by average") };
        let (points, c) = (&inputs[0].data, self.c.get());
        let weights = if self.weighted { &inputs[1].data } else { points };
        let (mut factors, mut out) = (gpu.room::<f64>(groups * shots)?, gpu.room(groups * dim)?);
        let ([count, width], weighted) = (indices([shots, dim])?, i32::from(self.weighted));
        launch!(
            gpu, MIDPOINT.midpoint::<T>, Rows(groups, dim);
            points, weights, &mut factors, &mut out, &count, &width, &weighted, &c
        )?;
        Ok((out, vec![groups, dim]))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, .. } = pass;
        if matches!(self.model, Model::Lorentz) {
            return Err(missing(self.name()));
        }
        let [groups, shots, dim] = inputs[0].dims[..] else { unreachable!("checked by average") };
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
}

//! Sums and norms on CUDA devices.

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView};

use super::{CHUNK, Norm, Sum};
use crate::op::cuda::{
    CudaKernel, DeviceGradients, DeviceOutput, DeviceView, Each, Gpu, Pass, REDUCE, Rows, index, launch,
};
use crate::op::kernel::Element;

/// The sum of numbers in `f64`, as one element.
pub(in crate::op) fn total<T: Element>(gpu: &Gpu<'_>, values: &CudaView<'_, f64>) -> Result<CudaSlice<T>> {
    let (mut out, length, scale) = (gpu.room(1)?, index(values.len())?, 1.0_f64);
    launch!(gpu, REDUCE.total::<T>, Rows(1, values.len()); values, &mut out, &length, &scale)?;
    Ok(out)
}

/// The gradients, and with them that by the curvature where it is the last input: the sum of what each row has.
pub(in crate::op) fn with_curvature<T: Element>(
    gpu: &Gpu<'_>,
    pass: &Pass<'_, T>,
    mut gradients: DeviceGradients<T>,
    by_c: &CudaSlice<f64>,
) -> Result<DeviceGradients<T>> {
    if pass.inputs.len() > gradients.len() {
        gradients.push(Some(total(gpu, &by_c.as_view())?));
    }
    Ok(gradients)
}

impl CudaKernel for Sum {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let (x, count) = (&inputs[0].data, inputs[0].count());
        let chunks = count.div_ceil(CHUNK);
        let (mut parts, length) = (gpu.room::<f64>(chunks)?, index(count)?);
        launch!(gpu, REDUCE.chunk_sums::<T>, Rows(chunks, CHUNK); x, &mut parts, &length)?;
        Ok((total(gpu, &parts.as_view())?, vec![]))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, .. } = pass;
        let count = inputs[0].count();
        let (mut gx, length) = (gpu.room(count)?, index(count)?);
        launch!(gpu, REDUCE.spread::<T>, Each(count); &grad.data, &mut gx, &length)?;
        Ok(vec![Some(gx)])
    }
}

impl CudaKernel for Norm {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let (x, dim) = (&inputs[0], inputs[0].last_dim());
        let rows = x.count() / dim;
        let (mut norms, width) = (gpu.room(rows)?, index(dim)?);
        launch!(gpu, REDUCE.norms::<T>, Rows(rows, dim); &x.data, &mut norms, &width)?;
        Ok((norms, x.dims[..x.dims.len() - 1].to_vec()))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, .. } = pass;
        let (x, dim) = (&inputs[0], inputs[0].last_dim());
        let (mut gx, width) = (gpu.room(x.count())?, index(dim)?);
        let threads = Rows(x.count() / dim, dim);
        launch!(gpu, REDUCE.norms_backward::<T>, threads; &x.data, &grad.data, &mut gx, &width)?;
        Ok(vec![Some(gx)])
    }
}

//! Elementary functions on CUDA devices.

use candle_core::Result;

use super::{Elementwise, Function};
use crate::op::cuda::{
    CudaKernel, DeviceGradients, DeviceOutput, DeviceView, ELEMENTWISE, Each, Gpu, Pass, index, launch,
};
use crate::op::kernel::Element;

impl<F: Function> CudaKernel for Elementwise<F> {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let (x, count) = (&inputs[0], inputs[0].count());
        let (mut y, length, function) = (gpu.room(count)?, index(count)?, F::ON_DEVICE);
        launch!(gpu, ELEMENTWISE.elementary::<T>, Each(count); &x.data, &mut y, &length, &function)?;
        Ok((y, x.dims.to_vec()))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, .. } = pass;
        let (x, count) = (&inputs[0].data, inputs[0].count());
        let (mut gx, length, function) = (gpu.room(count)?, index(count)?, F::ON_DEVICE);
        let threads = Each(count);
        launch!(
            gpu, ELEMENTWISE.elementary_backward::<T>, threads; x, &grad.data, &mut gx, &length, &function
        )?;
        Ok(vec![Some(gx)])
    }
}

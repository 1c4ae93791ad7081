//! Rectifiers on CUDA devices.

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView};

use super::Rectifier;
use crate::op::cuda::{
    CudaKernel, DeviceGradients, DeviceOutput, DeviceView, ELEMENTWISE, Each, Gpu, Pass, index, launch,
};
use crate::op::kernel::Element;

/// The gradient where the rectified `output` is positive, else 0.
pub(in crate::op) fn gated<T: Element>(
    gpu: &Gpu<'_>,
    grad: &CudaView<'_, T>,
    output: &CudaView<'_, T>,
) -> Result<CudaSlice<T>> {
    Rectifier { slope: 0.0, most: f64::INFINITY }.gradient(gpu, output, grad)
}

/// Adds the bias of each channel of `[row][channel][position]` and rectifies, both if asked.
pub(in crate::op) fn add_bias<T: Element>(
    gpu: &Gpu<'_>,
    y: &mut CudaSlice<T>,
    bias: Option<&CudaView<'_, T>>,
    [channels, plane]: [usize; 2],
    rectify: bool,
) -> Result<()> {
    if bias.is_none() && !rectify {
        return Ok(());
    }
    let none = gpu.room(1)?;
    let (none, count) = (none.as_view(), y.len());
    let (length, channels, plane) = (index(count)?, index(channels)?, index(plane)?);
    let (biased, rectified) = (i32::from(bias.is_some()), i32::from(rectify));
    let bias = bias.unwrap_or(&none);
    let threads = Each(count);
    launch!(gpu, ELEMENTWISE.add_bias::<T>, threads; y, bias, &length, &channels, &plane, &biased, &rectified)
}

impl Rectifier {
    fn gradient<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        output: &CudaView<'_, T>,
        grad: &CudaView<'_, T>,
    ) -> Result<CudaSlice<T>> {
        let (mut gx, length) = (gpu.room(grad.len())?, index(grad.len())?);
        let (slope, most, threads) = (self.slope, self.most, Each(grad.len()));
        launch!(
            gpu, ELEMENTWISE.rectify_backward::<T>, threads; output, grad, &mut gx, &length, &slope, &most
        )?;
        Ok(gx)
    }
}

impl CudaKernel for Rectifier {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let (x, count) = (&inputs[0], inputs[0].count());
        let (mut y, length) = (gpu.room(count)?, index(count)?);
        let (slope, most) = (self.slope, self.most);
        launch!(gpu, ELEMENTWISE.rectify::<T>, Each(count); &x.data, &mut y, &length, &slope, &most)?;
        Ok((y, x.dims.to_vec()))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { output, grad, .. } = pass;
        Ok(vec![Some(self.gradient(gpu, &output.data, &grad.data)?)])
    }
}

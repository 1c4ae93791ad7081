//! Rectifiers on CUDA devices.

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView};

use super::Rectifier;
use crate::op::cuda::{
    CudaKernel, DeviceGradients, DeviceOutput, DeviceView, ELEMENTWISE, Each, Gpu, Pass, index, launch,
};
use crate::op::kernel::Element;

/// The gradient where the rectified `output` is between 0 and `most`, else 0.
pub(in crate::op) fn gated<T: Element>(
    gpu: &Gpu<'_>,
    grad: &CudaView<'_, T>,
    output: &CudaView<'_, T>,
    most: f64,
) -> Result<CudaSlice<T>> {
    Rectifier { slope: 0.0, most }.gradient(gpu, output, grad)
}

/// The values between 0 and `most`.
pub(in crate::op) fn rectified_to<T: Element>(
    gpu: &Gpu<'_>,
    x: &CudaView<'_, T>,
    most: f64,
) -> Result<CudaSlice<T>> {
    Rectifier { slope: 0.0, most }.value(gpu, x)
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
    fn value<T: Element>(&self, gpu: &Gpu<'_>, x: &CudaView<'_, T>) -> Result<CudaSlice<T>> {
        let (mut y, length) = (gpu.room(x.len())?, index(x.len())?);
        let (slope, most, threads) = (self.slope, self.most, Each(x.len()));
        launch!(gpu, ELEMENTWISE.rectify::<T>, threads; x, &mut y, &length, &slope, &most)?;
        Ok(y)
    }

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
        let x = &inputs[0];
        Ok((self.value(gpu, &x.data)?, x.dims.to_vec()))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { output, grad, .. } = pass;
        Ok(vec![Some(self.gradient(gpu, &output.data, &grad.data)?)])
    }
}

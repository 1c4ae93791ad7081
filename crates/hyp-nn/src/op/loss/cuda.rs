//! Softmax cross-entropy on CUDA devices.

use candle_core::Result;

use super::CrossEntropy;
use crate::op::cuda::{
    CudaKernel, DeviceGradients, DeviceOutput, DeviceView, Gpu, LOSS, Pass, REDUCE, Rows, index, launch,
};
use crate::op::kernel::Element;

impl CudaKernel for CrossEntropy {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let (batch, classes) = (self.labels.len(), inputs[0].last_dim());
        let (labels, mut losses, mut mean) =
            (gpu.upload(&self.labels)?, gpu.room::<f64>(batch)?, gpu.room(1)?);
        let (threads, width) = (Rows(batch, classes), index(classes)?);
        launch!(gpu, LOSS.cross_entropy::<T>, threads; &inputs[0].data, &labels, &mut losses, &width)?;
        let (length, scale) = (index(batch)?, 1.0 / batch as f64);
        launch!(gpu, REDUCE.total::<T>, Rows(1, batch); &losses, &mut mean, &length, &scale)?;
        Ok((mean, vec![]))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, .. } = pass;
        let (logits, batch, classes) = (&inputs[0].data, self.labels.len(), inputs[0].last_dim());
        let (labels, mut gx) = (gpu.upload(&self.labels)?, gpu.room(batch * classes)?);
        let (threads, length, width) = (Rows(batch, classes), index(batch)?, index(classes)?);
        launch!(
            gpu, LOSS.cross_entropy_backward::<T>, threads;
            logits, &labels, &grad.data, &mut gx, &length, &width
        )?;
        Ok(vec![Some(gx)])
    }
}

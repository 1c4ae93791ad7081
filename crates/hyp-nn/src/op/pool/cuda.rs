//! Pooling on CUDA devices.

use std::ops::Range;

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView};

use super::{AvgPool, Divisor, MaxPool, PoolOptions};
use crate::op::cuda::{
    CudaKernel, DeviceGradients, DeviceOutput, DeviceView, Each, Gpu, POOL, Pass, index, indices, launch,
};
use crate::op::kernel::Element;

/// The sizes of one max pooling, as the kernels take them.
pub(in crate::op) struct Planes {
    pub(in crate::op) count: usize,
    pub(in crate::op) size: [usize; 2],
    pub(in crate::op) out: [usize; 2],
    pub(in crate::op) options: PoolOptions,
}

impl Planes {
    fn shape(&self) -> Result<[i32; 11]> {
        let ([height, width], [out_h, out_w]) = (self.size, self.out);
        let PoolOptions { kernel, stride, padding } = self.options;
        indices([
            self.count, height, width, out_h, out_w, kernel[0], kernel[1], stride[0], stride[1], padding[0],
            padding[1],
        ])
    }

    /// The largest element of each window, and where in its plane it stands.
    pub(in crate::op) fn max<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        x: &CudaView<'_, T>,
    ) -> Result<(CudaSlice<T>, CudaSlice<u32>)> {
        let count = self.count * self.out[0] * self.out[1];
        let (mut y, mut winners, shape) = (gpu.room(count)?, gpu.room(count)?, self.shape()?);
        launch!(gpu, POOL.max_pool::<T>, Each(count); x, &mut y, &mut winners, &shape)?;
        Ok((y, winners))
    }

    /// The gradient by what was pooled.
    pub(in crate::op) fn max_backward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        grad: &CudaView<'_, T>,
        winners: &CudaSlice<u32>,
    ) -> Result<CudaSlice<T>> {
        let count = self.count * self.size[0] * self.size[1];
        let (mut gx, shape) = (gpu.room(count)?, self.shape()?);
        launch!(gpu, POOL.max_pool_backward::<T>, Each(count); grad, winners, &mut gx, &shape)?;
        Ok(gx)
    }
}

impl MaxPool {
    fn planes(&self, dims: &[usize]) -> Result<Planes> {
        let [batch, channels, height, width] = dims[..] else { unreachable!("checked by max_pool2d") };
        let out = self.options.output_size(height, width)?;
        Ok(Planes { count: batch * channels, size: [height, width], out, options: self.options })
    }
}

impl CudaKernel for MaxPool {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let planes = self.planes(inputs[0].dims)?;
        let (y, winners) = planes.max(gpu, &inputs[0].data)?;
        self.cuda_winners.get_or_init(|| winners);
        Ok((y, [&inputs[0].dims[..2], &planes.out].concat()))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, .. } = pass;
        let winners = self.cuda_winners.get().expect("invariant: forward ran before backward");
        Ok(vec![Some(self.planes(inputs[0].dims)?.max_backward(gpu, &grad.data, winners)?)])
    }
}

/// Starts and ends of the windows of an axis, then of each position the first window that covers it and the one behind
/// the last. Windows start and end in order, so that those that cover a position follow one another.
fn spans(windows: &[Range<usize>], length: usize) -> Vec<usize> {
    let starts = windows.iter().map(|window| window.start);
    let ends = windows.iter().map(|window| window.end);
    let firsts = (0..length).map(|at| windows.partition_point(|window| window.end <= at));
    let pasts = (0..length).map(|at| windows.partition_point(|window| window.start <= at));
    starts.chain(ends).chain(firsts).chain(pasts).collect()
}

impl AvgPool {
    /// The windows, the divisor and the sizes, as the kernels take them.
    fn arguments(&self, gpu: &Gpu<'_>, dims: &[usize]) -> Result<(CudaSlice<i32>, i32, [i32; 11])> {
        let [batch, channels, height, width] = dims[..] else { unreachable!("checked by avg_pool2d") };
        let all = [spans(&self.rows, height), spans(&self.columns, width)].concat();
        let all = all.into_iter().map(index).collect::<Result<Vec<i32>>>()?;
        let divisor = match self.divisor {
            Divisor::Fixed(n) => index(n)?,
            Divisor::Window => 0,
        };
        let sizes = [batch * channels, height, width, self.rows.len(), self.columns.len(), 0, 0, 0, 0, 0, 0];
        Ok((gpu.upload(&all)?, divisor, indices(sizes)?))
    }
}

impl CudaKernel for AvgPool {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let dims = [inputs[0].dims[0], inputs[0].dims[1], self.rows.len(), self.columns.len()];
        let (spans, divisor, shape) = self.arguments(gpu, inputs[0].dims)?;
        let count = dims.iter().product();
        let mut y = gpu.room(count)?;
        launch!(gpu, POOL.avg_pool::<T>, Each(count); &inputs[0].data, &mut y, &spans, &divisor, &shape)?;
        Ok((y, dims.to_vec()))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, .. } = pass;
        let (spans, divisor, shape) = self.arguments(gpu, inputs[0].dims)?;
        let count = inputs[0].count();
        let mut gx = gpu.room(count)?;
        launch!(gpu, POOL.avg_pool_backward::<T>, Each(count); &grad.data, &mut gx, &spans, &divisor, &shape)?;
        Ok(vec![Some(gx)])
    }
}

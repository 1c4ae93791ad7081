//! Batch normalisation on CUDA devices.
//!
//! The statistics come back to the host, where the running ones are kept: one wait for the device per layer and step.

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView};

use super::{BatchNorm, BatchStatistics, inverse_deviations};
use crate::op::cuda::{
    BATCH_NORM, CudaKernel, DeviceGradients, DeviceOutput, DeviceView, Each, Gpu, Pass, REDUCE, Rows, index,
    indices, launch,
};
use crate::op::kernel::Element;

/// The sizes of `[image][channel][position]`.
#[derive(Clone, Copy)]
pub(in crate::op) struct Channels {
    pub(in crate::op) images: usize,
    pub(in crate::op) depth: usize,
    pub(in crate::op) plane: usize,
}

/// The gradient by x, and those by γ and β.
type Gradients<T> = (Option<CudaSlice<T>>, [CudaSlice<T>; 2]);

/// Mean and 1/√(variance + ε) of each channel, on the device.
pub(in crate::op) struct Moments {
    mean: CudaSlice<f64>,
    inverse: CudaSlice<f64>,
}

impl Moments {
    pub(in crate::op) fn new(gpu: &Gpu<'_>, statistics: &BatchStatistics, eps: f64) -> Result<Self> {
        let inverse = gpu.upload(&inverse_deviations(statistics, eps))?;
        Ok(Self { mean: gpu.upload(&statistics.mean)?, inverse })
    }
}

impl Channels {
    pub(in crate::op) fn of(dims: &[usize]) -> Self {
        Self { images: dims[0], depth: dims[1], plane: dims[2..].iter().product() }
    }

    fn count(self) -> usize {
        self.images * self.depth * self.plane
    }

    fn shape(self) -> Result<[i32; 3]> {
        indices([self.images, self.depth, self.plane])
    }

    /// One block of threads for each channel.
    fn each_channel(self) -> Rows {
        Rows(self.depth, self.images * self.plane)
    }

    /// Mean and variance of each channel.
    pub(in crate::op) fn statistics<T: Element>(
        self,
        gpu: &Gpu<'_>,
        x: &CudaView<'_, T>,
    ) -> Result<BatchStatistics> {
        let (mut mean, mut variance) = (gpu.room::<f64>(self.depth)?, gpu.room::<f64>(self.depth)?);
        let shape = self.shape()?;
        let threads = self.each_channel();
        launch!(gpu, BATCH_NORM.channel_statistics::<T>, threads; x, &mut mean, &mut variance, &shape)?;
        let (mean, variance) = (gpu.download(&mean)?, gpu.download(&variance)?);
        Ok(BatchStatistics { mean, variance, count: self.images * self.plane })
    }

    /// γ(x − μ)/σ + β.
    pub(in crate::op) fn normalise<T: Element>(
        self,
        gpu: &Gpu<'_>,
        x: &CudaView<'_, T>,
        [gamma, beta]: [&CudaView<'_, T>; 2],
        moments: &Moments,
    ) -> Result<CudaSlice<T>> {
        let (mut y, shape) = (gpu.room(self.count())?, self.shape()?);
        let Moments { mean, inverse } = moments;
        let threads = Each(self.count());
        launch!(gpu, BATCH_NORM.normalise::<T>, threads; x, &mut y, gamma, beta, mean, inverse, &shape)?;
        Ok(y)
    }

    /// The gradients; that by x if it is wanted.
    pub(in crate::op) fn backward<T: Element>(
        self,
        gpu: &Gpu<'_>,
        [grad, x, gamma]: [&CudaView<'_, T>; 3],
        moments: &Moments,
        fixed: bool,
        wanted: bool,
    ) -> Result<Gradients<T>> {
        let (mut total, mut with_x) = (gpu.room::<f64>(self.depth)?, gpu.room::<f64>(self.depth)?);
        let (shape, fixed) = (self.shape()?, i32::from(fixed));
        let Moments { mean, inverse } = moments;
        launch!(
            gpu, BATCH_NORM.norm_sums::<T>, self.each_channel();
            grad, x, mean, inverse, &mut total, &mut with_x, &shape
        )?;
        let gx = if wanted {
            let mut gx = gpu.room(self.count())?;
            launch!(
                gpu, BATCH_NORM.norm_backward::<T>, Each(self.count());
                grad, x, &mut gx, gamma, mean, inverse, &total, &with_x, &fixed, &shape
            )?;
            Some(gx)
        } else {
            None
        };
        Ok((gx, [narrow(gpu, &with_x)?, narrow(gpu, &total)?]))
    }
}

/// Numbers in `f64` as elements.
pub(in crate::op) fn narrow<T: Element>(gpu: &Gpu<'_>, from: &CudaSlice<f64>) -> Result<CudaSlice<T>> {
    let count = candle_core::cuda_backend::cudarc::driver::DeviceSlice::len(from);
    let (mut to, length) = (gpu.room(count)?, index(count)?);
    launch!(gpu, REDUCE.narrow::<T>, Each(count); from, &mut to, &length)?;
    Ok(to)
}

impl CudaKernel for BatchNorm {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let (x, channels) = (&inputs[0].data, Channels::of(inputs[0].dims));
        if !self.fixed {
            let found = channels.statistics(gpu, x)?;
            self.statistics.get_or_init(|| found);
        }
        let moments = Moments::new(gpu, self.statistics(), self.eps)?;
        let y = channels.normalise(gpu, x, [&inputs[1].data, &inputs[2].data], &moments)?;
        Ok((y, inputs[0].dims.to_vec()))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, wanted, .. } = pass;
        let moments = Moments::new(gpu, self.statistics(), self.eps)?;
        let operands = [&grad.data, &inputs[0].data, &inputs[1].data];
        let channels = Channels::of(inputs[0].dims);
        let (gx, [by_gamma, by_beta]) = channels.backward(gpu, operands, &moments, self.fixed, wanted[0])?;
        Ok(vec![gx, Some(by_gamma), Some(by_beta)])
    }
}

//! Convolution, batch normalisation and epilogue on CUDA devices: one kernel after the other.

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::CudaSlice;

use super::ConvNorm;
use crate::op::batch_norm::cuda::{Channels, Moments};
use crate::op::cuda::{CudaKernel, DeviceGradients, DeviceOutput, DeviceView, Gpu, Pass, join};
use crate::op::kernel::Element;

impl ConvNorm {
    fn channels(&self) -> Channels {
        let plan = &self.plain.plan;
        Channels { images: plan.batch, depth: plan.filters, plane: plan.out_plane() }
    }
}

impl CudaKernel for ConvNorm {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let (plan, channels) = (&self.plain.plan, self.channels());
        let maps = self.plain.cuda_maps(gpu, [&inputs[0].data, &inputs[1].data], None, false)?;
        let found = channels.statistics(gpu, &maps.as_view())?;
        let moments = Moments::new(gpu, self.statistics.get_or_init(|| found), self.eps)?;
        let (gamma, beta) = (inputs[2].data.slice(..plan.filters), inputs[2].data.slice(plan.filters..));
        let normal = channels.normalise(gpu, &maps.as_view(), [&gamma, &beta], &moments)?;
        let y = self.fused.cuda_finish(gpu, normal, None)?;
        self.maps.get_or_init(|| Box::new(maps));
        let [height, width] = self.fused.result_size()?;
        Ok((y, vec![plan.batch, plan.filters, height, width]))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, output, grad, wanted } = pass;
        let maps = self.maps.get().and_then(|maps| maps.downcast_ref::<CudaSlice<T>>());
        let maps = maps.expect("invariant: forward kept maps of this type");
        let statistics = self.statistics.get().expect("invariant: forward ran before backward");
        let moments = Moments::new(gpu, statistics, self.eps)?;
        let passed = self.fused.cuda_unfinish(gpu, grad, output)?;
        let passed = passed.as_ref().map_or_else(|| grad.data.slice(..), CudaSlice::as_view);
        let gamma = inputs[2].data.slice(..self.plain.plan.filters);
        let through = wanted[0] || wanted[1];
        let operands = [&passed, &maps.as_view(), &gamma];
        let (by_maps, by_parameters) = self.channels().backward(gpu, operands, &moments, false, through)?;
        let mut gradients = match by_maps {
            Some(by_maps) => {
                let wanted = [wanted[0], wanted[1], false];
                let operands = [&inputs[0].data, &inputs[1].data];
                let [gx, gw, _] = self.plain.cuda_gradients(gpu, operands, &by_maps.as_view(), wanted)?;
                vec![gx, gw]
            }
            None => vec![None, None],
        };
        gradients.push(Some(join(gpu, by_parameters)?));
        Ok(gradients)
    }
}

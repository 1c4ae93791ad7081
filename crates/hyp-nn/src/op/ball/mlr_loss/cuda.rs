//! On a CUDA device the loss is composed of the logits and their cross-entropy, before it comes here.

use candle_core::{Error, Result};

use super::{Loss, NAME, Together};
use crate::op::cuda::{CudaKernel, DeviceGradients, DeviceOutput, DeviceView, Gpu, Pass};
use crate::op::kernel::Element;

macro_rules! composed {
    ($kernel:ty) => {
        impl CudaKernel for $kernel {
            fn cuda_forward<T: Element>(
                &self,
                _: &Gpu<'_>,
                _: &[DeviceView<'_, T>],
            ) -> Result<DeviceOutput<T>> {
                Err(elsewhere())
            }

            fn cuda_backward<T: Element>(&self, _: &Gpu<'_>, _: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
                Err(elsewhere())
            }
        }
    };
}

composed!(Loss);
composed!(Together);

fn elsewhere() -> Error {
    Error::Msg(format!("{NAME}: points on the CPU and others on a device; move all of them to one"))
}

//! What stands for the CUDA kernels in a build without the feature `cuda`.

use candle_core::{CudaStorage, Error, Layout, Result, Shape, Tensor};

use super::kernel::Kernel;

/// An element type of device memory.
pub trait DeviceElement {}

impl DeviceElement for f32 {}
impl DeviceElement for f64 {}

/// An operation that may have kernels on a CUDA device.
pub(crate) trait CudaKernel: Kernel {}

impl<K: Kernel> CudaKernel for K {}

/// Refuses: this build has no CUDA kernels.
pub(super) fn forward<K: Kernel>(kernel: &K, _: &[(&CudaStorage, &Layout)]) -> Result<(CudaStorage, Shape)> {
    Err(refusal(kernel))
}

/// Refuses: this build has no CUDA kernels.
pub(super) fn backward<K: Kernel>(
    kernel: &K,
    _: &[&Tensor],
    _: &Tensor,
    _: &Tensor,
) -> Result<Vec<Option<Tensor>>> {
    Err(refusal(kernel))
}

fn refusal<K: Kernel>(kernel: &K) -> Error {
    let name = kernel.name();
    Error::Msg(format!("{name}: this build has no CUDA kernels; build with --features cuda or use the CPU"))
}

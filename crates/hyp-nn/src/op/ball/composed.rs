//! Kernels of the CPU for what is composed of other operations on a CUDA device, before it comes to a kernel.

/// Lets kernels refuse devices.
macro_rules! composed_on_devices {
    ($($kernel:ty),+) => {$(
        impl crate::op::cuda::CudaKernel for $kernel {
            fn cuda_forward<T: crate::op::kernel::Element>(
                &self,
                _: &crate::op::cuda::Gpu<'_>,
                _: &[crate::op::cuda::DeviceView<'_, T>],
            ) -> candle_core::Result<crate::op::cuda::DeviceOutput<T>> {
                Err($crate::op::ball::composed::elsewhere(self))
            }

            fn cuda_backward<T: crate::op::kernel::Element>(
                &self,
                _: &crate::op::cuda::Gpu<'_>,
                _: &crate::op::cuda::Pass<'_, T>,
            ) -> candle_core::Result<crate::op::cuda::DeviceGradients<T>> {
                Err($crate::op::ball::composed::elsewhere(self))
            }
        }
    )+};
}
pub(super) use composed_on_devices;

/// What a kernel says that has come to a device all the same.
pub(super) fn elsewhere(kernel: &impl crate::op::kernel::Kernel) -> candle_core::Error {
    let name = kernel.name();
    candle_core::Error::Msg(format!(
        "{name}: points on the CPU and others on a device; move all of them to one"
    ))
}

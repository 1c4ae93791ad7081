//! What device tests need: the list of devices to run on.

use candle_core::Device;

/// Every device of this machine on which a test should run: the CPU, and the first CUDA device where there is one.
///
/// # Examples
/// ```
/// assert!(hyp_nn::testing::devices()[0].is_cpu());
/// ```
pub fn devices() -> Vec<Device> {
    let mut devices = vec![Device::Cpu];
    if candle_core::utils::cuda_is_available()
        && let Ok(device) = Device::new_cuda(0)
    {
        devices.push(device);
    }
    devices
}

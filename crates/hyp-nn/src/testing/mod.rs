//! What device tests need: the devices to run on, numbers that look random, and the comparison of every operation
//! on a device with its CPU form.

mod ball_cases;
mod cases;
mod parity;

use candle_core::{DType, Device, Result, Tensor};

pub use parity::{Parity, parity, parity_bfloat16, rounding};

/// Every device of this machine on which a test should run: the CPU, and the CUDA devices that there are.
///
/// # Examples
/// ```
/// assert!(hyp_nn::testing::devices()[0].is_cpu());
/// ```
pub fn devices() -> Vec<Device> {
    let mut devices = vec![Device::Cpu];
    if candle_core::utils::cuda_is_available() {
        devices.extend((0..).map_while(|ordinal| Device::new_cuda(ordinal).ok()));
    }
    devices
}

/// Numbers in [−1, 1) in `f64` on the CPU that differ for each `seed` and are the same in every run.
///
/// # Errors
/// If the tensor cannot be made.
///
/// # Examples
/// ```
/// use hyp_nn::testing::numbers;
/// assert_eq!(numbers(&[2], 1)?.to_vec1::<f64>()?, numbers(&[2], 1)?.to_vec1::<f64>()?);
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn numbers(dims: &[usize], seed: u64) -> Result<Tensor> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1;
    let values: Vec<f64> = (0..dims.iter().product::<usize>())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        })
        .collect();
    Tensor::from_vec(values, dims, &Device::Cpu)
}

/// All elements in row-major order.
fn list(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

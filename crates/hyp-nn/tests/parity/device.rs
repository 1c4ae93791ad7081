//! Every operation on every CUDA device against its CPU form.
#![expect(clippy::print_stdout, reason = "a test that compared nothing says so")]

use hyp_nn::candle_core::Device;
use hyp_nn::testing::{devices, parity, parity_bfloat16};

/// The devices beyond the CPU; says so if there are none.
fn cuda_devices() -> Vec<Device> {
    let found: Vec<Device> = devices().into_iter().filter(|device| !device.is_cpu()).collect();
    if found.is_empty() {
        let why = hyp_nn::device::by_name("cuda").unwrap_err();
        println!("no CUDA device: nothing was compared; {why}");
    }
    found
}

#[test]
fn operations_on_a_device_agree_with_the_cpu() {
    for device in cuda_devices() {
        // One after the other in one test: what products are made of holds for the whole process.
        let mut rows = parity(&device).unwrap();
        rows.extend(parity_bfloat16(&device).unwrap());
        let apart: Vec<_> = rows.iter().filter(|row| !row.agrees()).collect();
        assert!(apart.is_empty(), "{device:?}: {apart:#?}");
        println!("{device:?}: {} comparisons", rows.len());
    }
}

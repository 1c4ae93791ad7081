//! Every operation on every CUDA device against its CPU form, and what has no kernel there.
#![expect(clippy::print_stdout, reason = "a test that compared nothing says so")]

use hyp_math::Curvature;
use hyp_nn::candle_core::Device;
use hyp_nn::op;
use hyp_nn::testing::{devices, numbers, parity};

/// The devices beyond the CPU; says so if there are none.
fn cuda_devices() -> Vec<Device> {
    let found: Vec<Device> = devices().into_iter().filter(|device| !device.is_cpu()).collect();
    if found.is_empty() {
        println!("no CUDA device: nothing was compared");
    }
    found
}

#[test]
fn operations_on_a_device_agree_with_the_cpu() {
    for device in cuda_devices() {
        let rows = parity(&device).unwrap();
        let apart: Vec<_> = rows.iter().filter(|row| !row.agrees()).collect();
        assert!(apart.is_empty(), "{device:?}: {apart:#?}");
        println!("{device:?}: {} comparisons", rows.len());
    }
}

/// What has no kernel stops with its name, and does not run by another way.
#[test]
fn an_operation_without_a_kernel_is_an_error() {
    let c = Curvature::ONE.into();
    for device in cuda_devices() {
        let x = (numbers(&[3, 2, 4], 1).unwrap() * 0.1).unwrap().to_device(&device).unwrap();
        let rows = x.get(0).unwrap();
        let refused = [
            ("exp_map_at", op::exp_map_at(&rows, &rows, &c)),
            ("lorentz_distance", op::lorentz_distance(&rows, &rows, &c)),
            ("lorentz_distance_matrix", op::lorentz_distance_matrix(&rows, &rows, &c)),
            ("lorentz_centroid", op::lorentz_centroid(&x, &c)),
        ];
        for (name, result) in refused {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(name) && message.contains("no CUDA kernel"), "{message}");
        }
    }
}

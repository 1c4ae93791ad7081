//! What Candle itself gets wrong, each beside our operation that gets it right.
//!
//! The wrong result is asserted, not only described: when a new version of Candle turns one of these red, the fault is
//! gone, its line in `docs/candle-faults.md` can go, and our operation may be no longer needed.
#![expect(clippy::unwrap_used, reason = "a failure in a test is a panic")]

use hyp_nn::candle_core::{DType, Device, Result, Tensor, Var};
use hyp_nn::candle_nn::{self, Init, Optimizer, VarBuilder, VarMap};
use hyp_nn::layer::BatchNorm;
use hyp_nn::op::{self, ConvOptions, PoolOptions};
use hyp_nn::optim::{OptimizerConfig, SgdConfig, Step};
use hyp_nn::{Manifold, ParameterStore};

/// The gradient of the sum of `f(x)`, as a list.
fn gradient(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Vec<f64>> {
    let x = Var::from_tensor(x)?;
    let gradients = f(&x)?.sum_all()?.backward()?;
    gradients.get(&x).unwrap().flatten_all()?.to_vec1()
}

/// 0, 1, 2, … in the given shape.
fn counting(dims: (usize, usize, usize, usize)) -> Tensor {
    let count = (dims.0 * dims.1 * dims.2 * dims.3) as f64;
    Tensor::arange(0.0, count, &Device::Cpu).unwrap().reshape(dims).unwrap()
}

#[test]
fn max_pool_divides_the_gradient_by_the_window() {
    let x = Tensor::new(&[[[[1.0, 2.0], [3.0, 4.0_f64]]]], &Device::Cpu).unwrap();
    let candle = gradient(&x, |x| x.max_pool2d(2)).unwrap();
    assert_eq!(candle, [0.0, 0.0, 0.0, 0.25], "Candle gives the maximum a quarter of its gradient");
    let ours = gradient(&x, |x| op::max_pool2d(x, &PoolOptions::square(2))).unwrap();
    assert_eq!(ours, [0.0, 0.0, 0.0, 1.0]);
}

/// A 5×5 plane pools to 2×2; the last row and column belong to no window. Falling values put each maximum first.
#[test]
fn max_pool_misplaces_the_gradient_on_planes_it_does_not_divide() {
    let x = counting((1, 1, 5, 5)).neg().unwrap();
    let reached = |gradient: Vec<f64>| -> Vec<usize> { (0..25).filter(|&i| gradient[i] != 0.0).collect() };
    let candle = gradient(&x, |x| x.max_pool2d(2)).unwrap();
    assert_eq!(reached(candle), [0], "Candle looks for the other maxima in the wrong rows and columns");
    let ours = gradient(&x, |x| op::max_pool2d(x, &PoolOptions::square(2))).unwrap();
    assert_eq!(reached(ours), [0, 2, 10, 12]);
}

#[test]
fn overlapping_max_pool_has_no_gradient() {
    let x = counting((1, 1, 4, 4));
    let error = gradient(&x, |x| x.max_pool2d_with_stride(3, 1)).unwrap_err().to_string();
    assert!(error.contains("backward not supported for maxpool2d"), "{error}");
    // 15 is the maximum of one window, and so are 14, 11 and 10.
    let options = PoolOptions { kernel: [3, 3], stride: [1, 1], padding: [0, 0] };
    let ours = gradient(&x, |x| op::max_pool2d(x, &options)).unwrap();
    assert_eq!((ours[10], ours[11], ours[14], ours[15]), (1.0, 1.0, 1.0, 1.0));
    assert_eq!(ours.iter().sum::<f64>(), 4.0);
}

/// A 3×3 plane averages to one number; each of its four pixels gets a quarter and the rest nothing.
#[test]
fn average_pool_spreads_the_gradient_over_pixels_outside_the_window() {
    let x = counting((1, 1, 3, 3));
    let candle = gradient(&x, |x| x.avg_pool2d(2)).unwrap();
    assert_eq!(candle, [0.25; 9], "Candle gives every pixel a share");
    let ours = gradient(&x, |x| op::avg_pool2d(x, &PoolOptions::square(2))).unwrap();
    assert_eq!(ours, [0.25, 0.25, 0.0, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0]);
}

/// Height and width of different parity under stride 2.
#[test]
fn strided_convolution_of_an_8_by_7_image_has_no_gradient() {
    let x = counting((1, 1, 8, 7));
    let weight = Tensor::ones((1, 1, 3, 3), DType::F64, &Device::Cpu).unwrap();
    let candle = gradient(&x, |x| x.conv2d(&weight, 1, 2, 1, 1));
    assert!(candle.is_err(), "Candle computes the padding of the width from the height");
    let ours = gradient(&x, |x| op::conv2d(x, &weight, None, &ConvOptions::new(2, 1))).unwrap();
    // Row 0 is seen by the kernel rows of one window (−1, 0, 1), row 1 by those of two; so for the columns.
    assert_eq!(ours[..4], [1.0, 2.0, 1.0, 2.0]);
    assert_eq!(ours[7..11], [2.0, 4.0, 2.0, 4.0]);
}

#[test]
fn convolution_computes_the_gradient_of_a_constant_image() {
    let x = counting((1, 1, 4, 4));
    let weight = Var::ones((1, 1, 3, 3), DType::F64, &Device::Cpu).unwrap();
    let gradients = x.conv2d(&weight, 0, 1, 1, 1).unwrap().sum_all().unwrap().backward().unwrap();
    assert!(gradients.get(&x).is_some(), "Candle spends a third of the work on a gradient nobody asked for");
    let y = op::conv2d(&x, &weight, None, &ConvOptions::default()).unwrap();
    let gradients = y.sum_all().unwrap().backward().unwrap();
    assert!(gradients.get(&x).is_none() && gradients.get(&weight).is_some());
}

#[test]
fn a_norm_has_nan_for_a_gradient_at_zero() {
    let x = Tensor::zeros(2, DType::F64, &Device::Cpu).unwrap();
    let candle = gradient(&x, |x| x.sqr()?.sum_all()?.sqrt()).unwrap();
    assert!(candle.iter().all(|g| g.is_nan()));
    assert_eq!(gradient(&x, op::norm).unwrap(), [0.0, 0.0]);
}

/// The branch that was not chosen still spoils the gradient, so that a guard by `where_cond` is none.
#[test]
fn an_unselected_branch_spreads_nan() {
    let x = Tensor::new(&[0.0_f64], &Device::Cpu).unwrap();
    let candle = gradient(&x, |x| x.gt(0.0)?.where_cond(&x.sqr()?.sqrt()?, &x.zeros_like()?)).unwrap();
    assert!(candle[0].is_nan());
    // Ours have no branch: exp₀ is smooth, with derivative 1 at 0.
    let c = hyp_math::Curvature::new(1.0).unwrap().into();
    assert_eq!(gradient(&x, |x| op::exp_map_zero(x, &c)).unwrap(), [1.0]);
}

#[test]
fn the_rectifier_has_slope_one_at_zero() {
    let x = Tensor::new(&[0.0_f64], &Device::Cpu).unwrap();
    assert_eq!(gradient(&x, Tensor::relu).unwrap(), [1.0]);
    assert_eq!(gradient(&x, op::relu).unwrap(), [0.0]);
}

/// Ours clips by the norm of a row, and what stands at the limit counts as within.
#[test]
fn a_clamp_halves_the_gradient_at_its_bound() {
    let x = Tensor::new(&[1.0_f64, 0.5], &Device::Cpu).unwrap();
    assert_eq!(gradient(&x, |x| x.clamp(-1.0, 1.0)).unwrap(), [0.5, 1.0]);
    let flat = hyp_math::Curvature::FLAT.into();
    let x = Tensor::new(&[[0.0_f64, 1.0]], &Device::Cpu).unwrap();
    let ours = gradient(&x, |x| op::to_ball(x, &flat, Some(1.0), 1e-3)).unwrap();
    assert_eq!(ours, [1.0, 1.0]);
}

#[test]
fn every_one_of_equal_maxima_gets_the_whole_gradient() {
    let x = Tensor::new(&[2.0_f64, 2.0], &Device::Cpu).unwrap();
    assert_eq!(gradient(&x, |x| x.max(0)).unwrap(), [1.0, 1.0], "Candle hands out the gradient twice");
    let plane = x.reshape((1, 1, 1, 2)).unwrap();
    let options = PoolOptions { kernel: [1, 2], stride: [1, 2], padding: [0, 0] };
    assert_eq!(gradient(&plane, |x| op::max_pool2d(x, &options)).unwrap(), [1.0, 0.0]);
}

/// 10⁷ times 0.1 is 10⁶ to within the seven digits of an f32.
#[test]
fn a_long_f32_sum_drifts() {
    let x = Tensor::full(0.1_f32, 10_000_000, &Device::Cpu).unwrap().contiguous().unwrap();
    let candle = x.sum_all().unwrap().to_scalar::<f32>().unwrap();
    assert!((candle - 1e6).abs() > 1e3, "Candle's sum is {candle}, more than 0.1 % off");
    let ours = op::sum(&x).unwrap().to_scalar::<f32>().unwrap();
    // 0.1 in f32 is 1.5e-9 too large: the exact sum of what is stored is 1000000.0149.
    assert!((ours - 1e6).abs() <= 0.0625, "{ours}");
}

#[test]
fn the_cpu_cannot_be_seeded() {
    let error = Device::Cpu.set_seed(1).unwrap_err().to_string();
    assert!(error.contains("cannot seed the CPU rng"), "{error}");
}

/// Two maps built alike list their variables in the order of a randomly seeded hash.
#[test]
fn a_variable_map_has_no_order() {
    let order = || -> Vec<usize> {
        let map = VarMap::new();
        for size in 1..=16 {
            let init = Init::Const(0.0);
            map.get(size, &format!("w{size}"), init, DType::F32, &Device::Cpu).unwrap();
        }
        map.all_vars().iter().map(|v| v.elem_count()).collect()
    };
    // The chance that 16 entries come out sorted twice by accident is 1/16!².
    let sorted: Vec<usize> = (1..=16).collect();
    assert!(order() != sorted || order() != sorted);
}

/// An optimiser that takes all variables of the map would move the running mean and variance.
#[test]
fn a_variable_map_counts_running_statistics_among_the_variables() {
    let map = VarMap::new();
    let builder = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    candle_nn::batch_norm(3, 1e-5, builder).unwrap();
    assert_eq!(map.all_vars().len(), 4, "Candle lists weight, bias, running mean and running variance");
    let mut store = ParameterStore::new(0, &Device::Cpu);
    BatchNorm::new(&mut store, "norm", 3).unwrap();
    let names: Vec<&str> = store.parameters().map(|(name, _)| name).collect();
    assert_eq!(names, ["norm.bias", "norm.weight"]);
}

/// Two steps along one gradient: with momentum the second is longer.
#[test]
fn descent_has_no_momentum() {
    let value = |w: &Tensor| w.to_vec1::<f64>().unwrap()[0];
    let w = Var::new(&[0.0_f64], &Device::Cpu).unwrap();
    let mut candle = candle_nn::SGD::new(vec![w.clone()], 1.0).unwrap();
    let mut store = ParameterStore::new(0, &Device::Cpu);
    let zeros = hyp_nn::Init::ZEROS;
    let ours = store.trainable_as("w", 1, zeros, Manifold::Euclidean, DType::F64).unwrap();
    let config = SgdConfig { lr: 1.0, momentum: 0.5, ..SgdConfig::default() };
    let mut optimizer = OptimizerConfig::Sgd(config).build().unwrap();
    for (plain, with_momentum) in [(-1.0, -1.0), (-2.0, -2.5)] {
        candle.backward_step(&w.sum_all().unwrap()).unwrap();
        assert_eq!(value(&w), plain, "Candle's only setting is the rate");
        let gradients = ours.sum_all().unwrap().backward().unwrap();
        optimizer.step(&store, &gradients, Step::at_rate(1.0)).unwrap();
        assert_eq!(value(&ours), with_momentum);
    }
}

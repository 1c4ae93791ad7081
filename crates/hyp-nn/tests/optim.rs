//! Optimisers against formulas worked in `f64`, laws of the Riemannian ones, clipping, and state that survives saving.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use hyp_math::{Curvature, distance::distance, maps::exp_map_at};
use hyp_nn::{
    Init, Manifold, ParameterStore,
    candle_core::{DType, Device, Tensor},
    optim::{AdamConfig, Optimizer, OptimizerConfig, SgdConfig, Step, clip_scale, grad_norm},
};

/// One parameter `w` with these values.
fn store(values: &[f64], manifold: Manifold) -> (ParameterStore, Tensor) {
    let mut store = ParameterStore::new(0, &Device::Cpu);
    let w = store.trainable_as("w", (1, values.len()), Init::ZEROS, manifold, DType::F64).unwrap();
    let start = Tensor::from_slice(values, (1, values.len()), &Device::Cpu).unwrap();
    store.parameter("w").unwrap().var.set(&start).unwrap();
    (store, w)
}

fn values(w: &Tensor) -> Vec<f64> {
    w.flatten_all().unwrap().to_vec1().unwrap()
}

/// A step whose gradient is exactly `grad`.
fn step(optimizer: &mut Optimizer, store: &ParameterStore, w: &Tensor, grad: &[f64], step: Step) {
    let grad = Tensor::from_slice(grad, w.dims(), &Device::Cpu).unwrap();
    let grads = (w * grad).unwrap().sum_all().unwrap().backward().unwrap();
    optimizer.step(store, &grads, step).unwrap();
}

/// Tolerance of comparisons in `f64`: a dozen operations on numbers below 10.
const F64: f64 = 1e-13;

#[test]
fn adam_and_adamw_follow_their_formulas() {
    for decoupled in [false, true] {
        let config = AdamConfig { lr: 0.1, beta1: 0.8, beta2: 0.9, eps: 1e-3, weight_decay: 0.5 };
        let kind = if decoupled { OptimizerConfig::AdamW(config) } else { OptimizerConfig::Adam(config) };
        let (store, w) = store(&[2.0, -1.0], Manifold::Euclidean);
        let mut optimizer = kind.build().unwrap();
        let (mut expected, mut m, mut v) = ([2.0_f64, -1.0], [0.0_f64; 2], [0.0_f64; 2]);
        for t in 1..=7_i32 {
            let rate = 0.1 / f64::from(t);
            let raw = [f64::from(t), 0.25 * f64::from(t * t)];
            step(&mut optimizer, &store, &w, &raw, Step { rate, grad_scale: 0.5 });
            for i in 0..2 {
                let mut g = 0.5 * raw[i];
                if decoupled {
                    expected[i] *= 1.0 - rate * 0.5;
                } else {
                    g += 0.5 * expected[i];
                }
                m[i] = 0.8 * m[i] + 0.2 * g;
                v[i] = 0.9 * v[i] + 0.1 * g * g;
                let (m_hat, v_hat) = (m[i] / (1.0 - 0.8_f64.powi(t)), v[i] / (1.0 - 0.9_f64.powi(t)));
                expected[i] -= rate * m_hat / (v_hat.sqrt() + 1e-3);
            }
        }
        for (got, expected) in values(&w).iter().zip(expected) {
            assert!((got - expected).abs() < F64, "{got} vs {expected}");
        }
    }
}

#[test]
fn adams_first_step_has_the_length_of_the_rate() {
    let (store, w) = store(&[1.0, 1.0], Manifold::Euclidean);
    let mut optimizer = OptimizerConfig::adam(0.25).build().unwrap();
    step(&mut optimizer, &store, &w, &[3.0, -70.0], Step::at_rate(0.25));
    // eps shifts it by 0.25·1e-8/3.
    assert!((values(&w)[0] - 0.75).abs() < 1e-8);
    assert!((values(&w)[1] - 1.25).abs() < 1e-8);
}

#[test]
fn sgd_with_momentum_by_hand() {
    let config = SgdConfig { lr: 0.1, momentum: 0.5, nesterov: false, weight_decay: 0.0 };
    let (store, w) = store(&[1.0], Manifold::Euclidean);
    let mut optimizer = OptimizerConfig::Sgd(config).build().unwrap();
    // b = 2, 3, 3.5: 1 − 0.2 − 0.3 − 0.35.
    for expected in [0.8, 0.5, 0.15] {
        step(&mut optimizer, &store, &w, &[2.0], Step::at_rate(0.1));
        assert!((values(&w)[0] - expected).abs() < F64);
    }
}

#[test]
fn nesterov_looks_ahead_and_decay_enters_the_gradient() {
    let config = SgdConfig { lr: 0.1, momentum: 0.5, nesterov: true, weight_decay: 0.25 };
    let (store, w) = store(&[1.0], Manifold::Euclidean);
    let mut optimizer = OptimizerConfig::Sgd(config).build().unwrap();
    // g = 2 + 0.25 = 2.25, b = 2.25, step 0.1·(2.25 + 1.125) = 0.3375.
    step(&mut optimizer, &store, &w, &[2.0], Step::at_rate(0.1));
    assert!((values(&w)[0] - 0.6625).abs() < F64);
    // g = 2 + 0.165625, b = 1.125 + 2.165625 = 3.290625, step 0.1·(2.165625 + 1.6453125).
    step(&mut optimizer, &store, &w, &[2.0], Step::at_rate(0.1));
    assert!((values(&w)[0] - (0.6625 - 0.38109375)).abs() < F64);
}

#[test]
fn a_parameter_without_gradient_keeps_value_and_state() {
    let mut store = ParameterStore::new(0, &Device::Cpu);
    let used = store.trainable("used", 1, Init::ONES, Manifold::Euclidean).unwrap();
    store.trainable("unused", 1, Init::ONES, Manifold::Euclidean).unwrap();
    let mut optimizer = OptimizerConfig::adam(0.1).build().unwrap();
    let grads = used.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    optimizer.step(&store, &grads, Step::at_rate(0.1)).unwrap();
    assert_eq!(store.parameter("unused").unwrap().var.to_vec1::<f32>().unwrap(), [1.0]);
    let names: Vec<_> = optimizer.state().unwrap().into_keys().collect();
    assert_eq!(names, ["optimizer/first/used", "optimizer/second/used", "optimizer/steps/used"]);
}

#[test]
fn an_interval_holds_and_lets_go() {
    let (store, w) = store(&[0.0], Manifold::Interval { low: -1.0, high: 1.0 });
    let mut optimizer = OptimizerConfig::sgd(1.0).build().unwrap();
    step(&mut optimizer, &store, &w, &[-5.0], Step::at_rate(1.0));
    assert_eq!(values(&w), [1.0]);
    step(&mut optimizer, &store, &w, &[0.25], Step::at_rate(1.0));
    assert_eq!(values(&w), [0.75]);
}

fn ball(c: f64) -> (Curvature, Manifold) {
    let c = Curvature::new(c).unwrap();
    (c, Manifold::Ball { c })
}

#[test]
fn riemannian_sgd_walks_the_geodesic() {
    let (c, manifold) = ball(0.5);
    let start = [0.3, -0.6];
    let (store, w) = store(&start, manifold);
    let mut optimizer =
        OptimizerConfig::RiemannianSgd(SgdConfig { lr: 0.2, ..SgdConfig::default() }).build().unwrap();
    step(&mut optimizer, &store, &w, &[1.5, 2.0], Step::at_rate(0.2));
    // The factor (1 − 0.5·0.45)²/4 written out.
    let factor = 0.775_f64 * 0.775 / 4.0;
    let mut expected = [0.0; 2];
    exp_map_at(&start, &[-0.2 * factor * 1.5, -0.2 * factor * 2.0], c, &mut expected);
    for (got, expected) in values(&w).iter().zip(expected) {
        assert!((got - expected).abs() < F64, "{got} vs {expected}");
    }
}

/// After one step m̂ is the gradient and v̂ its squared length in the metric, so the step has hyperbolic length η.
#[test]
fn riemannian_adams_first_step_has_the_length_of_the_rate() {
    let (c, manifold) = ball(1.0);
    for start in [[0.0, 0.0], [0.9, 0.1]] {
        let (store, w) = store(&start, manifold);
        let config = AdamConfig { eps: 1e-12, ..AdamConfig::default() };
        let mut optimizer = OptimizerConfig::RiemannianAdam(config).build().unwrap();
        step(&mut optimizer, &store, &w, &[3.0, -4.0], Step::at_rate(0.25));
        let length = distance(&start, &values(&w), c);
        // eps is the larger part of the error: 1e-12 against a gradient of length about 0.2.
        assert!((length - 0.25).abs() < 1e-10, "{length}");
    }
}

/// Descent on d(p, q) with momentum reaches q, starting near the boundary.
#[test]
fn riemannian_optimisers_find_a_point() {
    let (c, manifold) = ball(1.0);
    let target = [-0.2, 0.5];
    let sgd = SgdConfig { lr: 0.05, momentum: 0.9, ..SgdConfig::default() };
    let kinds = [
        OptimizerConfig::RiemannianSgd(sgd),
        OptimizerConfig::RiemannianSgd(SgdConfig { nesterov: true, ..sgd }),
        OptimizerConfig::RiemannianAdam(AdamConfig { lr: 0.1, ..AdamConfig::default() }),
    ];
    for kind in kinds {
        let (store, w) = store(&[0.9, -0.3], manifold);
        let mut optimizer = kind.build().unwrap();
        for _ in 0..400 {
            // Gradient of d²/2: d times that of d.
            let point = values(&w);
            let mut grad = [0.0; 2];
            let mut other = [0.0; 2];
            let d = distance(&point, &target, c);
            hyp_math::distance::distance_vjp(&point, &target, d, c, &mut grad, &mut other);
            step(&mut optimizer, &store, &w, &grad, Step::at_rate(kind.learning_rate()));
        }
        let left = distance(&values(&w), &target, c);
        assert!(left < 1e-2, "{kind:?}: {left}");
    }
}

#[test]
fn no_step_leaves_the_ball() {
    let (_, manifold) = ball(4.0);
    for kind in [
        OptimizerConfig::sgd(1.0),
        OptimizerConfig::RiemannianSgd(SgdConfig::default()),
        OptimizerConfig::RiemannianAdam(AdamConfig::default()),
    ] {
        let (store, w) = store(&[0.3, 0.0], manifold);
        let mut optimizer = kind.build().unwrap();
        step(&mut optimizer, &store, &w, &[-1e6, 1e3], Step::at_rate(1e3));
        let norm = values(&w).iter().map(|v| v * v).sum::<f64>().sqrt();
        // Radius 1/2, margin 1e-3.
        assert!(norm <= 0.4995 + 1e-12 && norm > 0.4, "{kind:?}: {norm}");
    }
}

#[test]
fn state_saved_and_restored_continues_with_the_same_bits() {
    let (_, manifold) = ball(1.0);
    let adam = AdamConfig { lr: 0.05, weight_decay: 0.01, ..AdamConfig::default() };
    let sgd = SgdConfig { lr: 0.05, momentum: 0.9, nesterov: true, weight_decay: 0.01 };
    for kind in [
        OptimizerConfig::Adam(adam),
        OptimizerConfig::AdamW(adam),
        OptimizerConfig::Sgd(sgd),
        OptimizerConfig::RiemannianAdam(adam),
        OptimizerConfig::RiemannianSgd(sgd),
    ] {
        let (store, w) = store(&[0.1, 0.2, 0.3], manifold);
        let at_rate = Step::at_rate(0.05);
        let mut whole = kind.build().unwrap();
        for _ in 0..3 {
            step(&mut whole, &store, &w, &[1.0, 2.0, -1.0], at_rate);
        }
        let (state, point) = (whole.state().unwrap(), w.copy().unwrap());
        step(&mut whole, &store, &w, &[1.0, 2.0, -1.0], at_rate);
        let expected = values(&w);

        store.parameter("w").unwrap().var.set(&point).unwrap();
        let mut resumed = kind.build().unwrap();
        resumed.restore(&store, &state).unwrap();
        step(&mut resumed, &store, &w, &[1.0, 2.0, -1.0], at_rate);
        assert_eq!(values(&w), expected, "{kind:?}");
    }
}

#[test]
fn another_optimisers_state_is_refused() {
    let (store, w) = store(&[0.1], Manifold::Euclidean);
    let mut sgd = OptimizerConfig::sgd(0.1).build().unwrap();
    step(&mut sgd, &store, &w, &[1.0], Step::at_rate(0.1));
    let mut adam = OptimizerConfig::adam(0.1).build().unwrap();
    let message = adam.restore(&store, &sgd.state().unwrap()).unwrap_err();
    assert!(message.contains("'optimizer/first/w' is missing"), "{message}");
}

#[test]
fn the_norm_is_over_all_gradients_together() {
    let mut store = ParameterStore::new(0, &Device::Cpu);
    let a = store.trainable("a", 1, Init::ONES, Manifold::Euclidean).unwrap();
    let b = store.trainable("b", 1, Init::ONES, Manifold::Euclidean).unwrap();
    let grads = ((a * 3.0).unwrap() + (b * 4.0).unwrap()).unwrap().sum_all().unwrap().backward().unwrap();
    let norm = grad_norm(&store, &grads).unwrap();
    assert_eq!(norm, 5.0);
    // 1/(5 + 1e-6), as PyTorch has it.
    assert!((clip_scale(norm, 1.0) - 0.2).abs() < 1e-7);
}

#[test]
fn settings_out_of_range_are_named() {
    let wrong = [
        OptimizerConfig::adam(-1.0),
        OptimizerConfig::adam(f64::NAN),
        OptimizerConfig::Adam(AdamConfig { beta1: 1.0, ..AdamConfig::default() }),
        OptimizerConfig::Sgd(SgdConfig { nesterov: true, ..SgdConfig::default() }),
    ];
    for (kind, name) in wrong.into_iter().zip(["lr", "lr", "beta1", "momentum"]) {
        let message = kind.build().unwrap_err().to_string();
        assert!(message.starts_with(name), "{message}");
    }
}

//! Layers against the formulas of `hyp-math`, their parameters, and their gradients by central differences.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use hyp_math::{Curvature, distance::distance, gyro::mobius_add, gyro::mobius_matvec, maps::exp_map_zero};
use hyp_nn::{
    Geometry, Head, ParameterStore,
    candle_core::{DType, Device, Tensor, Var},
    layer::{
        BallCurvature, BatchNorm, CURVATURE_RANGE, Distance, FromPoincare, HyperbolicMlr, MobiusConcat,
        MobiusLinear, ToPoincare, ToPoincareConfig, UnidirectionalMlr, normalise,
    },
    optim::{OptimizerConfig, Step},
};

const C: f64 = 0.7;

fn rows(values: &[[f32; 2]]) -> Tensor {
    Tensor::from_slice(values.as_flattened(), (values.len(), 2), &Device::Cpu).unwrap()
}

fn store() -> ParameterStore {
    ParameterStore::new(11, &Device::Cpu)
}

fn set(store: &ParameterStore, name: &str, values: &[f32]) {
    let var = &store.parameter(name).unwrap_or_else(|| panic!("no parameter {name}")).var;
    var.set(&Tensor::from_slice(values, var.dims(), &Device::Cpu).unwrap()).unwrap();
}

fn wide(row: &[f32]) -> Vec<f64> {
    row.iter().map(|v| f64::from(*v)).collect()
}

/// The tolerance of comparisons with `f64` formulas: results are rounded once to `f32`, and a layer is up to four of
/// these roundings long, on numbers of at most 10.
fn assert_close(got: &[f32], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert!((f64::from(*got) - expected).abs() <= 1e-6 + 1e-6 * expected.abs(), "{got} vs {expected}");
    }
}

/// The derivative of `f` by every trainable parameter equals central differences.
fn assert_gradients(store: &ParameterStore, f: impl Fn() -> Tensor) {
    // Fixed weights on the outputs, so that no derivative cancels by symmetry.
    let scalar = || {
        let out = f().flatten_all().unwrap();
        let weights: Vec<f32> = (0..out.elem_count()).map(|i| 1.0 + 0.3 * (i as f32)).collect();
        let weights = Tensor::from_vec(weights, out.shape(), &Device::Cpu).unwrap();
        (out * weights).unwrap().sum_all().unwrap()
    };
    let grads = scalar().backward().unwrap();
    for (name, parameter) in store.parameters() {
        let var = &parameter.var;
        let dtype = var.dtype();
        let grad = grads.get(var).unwrap_or_else(|| panic!("no gradient for {name}"));
        let grad: Vec<f64> = grad.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let start: Vec<f64> = var.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let at = |i: usize, shift: f64| {
            let mut moved = start.clone();
            moved[i] += shift;
            let moved = Tensor::from_vec(moved, var.dims(), &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
            var.set(&moved).unwrap();
            f64::from(scalar().to_scalar::<f32>().unwrap())
        };
        for i in 0..start.len() {
            let h = 1e-2;
            let difference = (at(i, h) - at(i, -h)) / (2.0 * h);
            at(i, 0.0);
            // f32 outputs of size 10 give 1e-6·10/1e-2 = 1e-4 of noise; the curvature of these functions h² ≈ 1e-4.
            let scale = 1.0 + difference.abs();
            assert!((grad[i] - difference).abs() < 2e-3 * scale, "{name}[{i}]: {} vs {difference}", grad[i]);
        }
    }
}

#[test]
fn to_poincare_and_back() {
    let mut store = store();
    let config = ToPoincareConfig::new(C);
    let to = ToPoincare::new(&mut store, "tp", 2, config).unwrap();
    assert_eq!(store.parameter_count(), 0);
    let features = rows(&[[0.3, -0.2], [0.0, 0.0], [1.0, 1.5]]);
    let points = to.forward(&features).unwrap();
    let c = Curvature::new(C).unwrap();
    for (feature, point) in features.to_vec2::<f32>().unwrap().iter().zip(points.to_vec2::<f32>().unwrap()) {
        let mut expected = [0.0; 2];
        exp_map_zero(&wide(feature), c, &mut expected);
        assert_close(&point, &expected);
    }
    let back = FromPoincare::new(to.curvature().clone()).forward(&points).unwrap();
    for (back, feature) in back.to_vec2::<f32>().unwrap().iter().zip(features.to_vec2::<f32>().unwrap()) {
        // artanh near the margin multiplies the rounding of the point by about 1/(1 − r²) < 30.
        for (a, b) in back.iter().zip(feature) {
            assert!((a - b).abs() < 5e-6, "{a} vs {b}");
        }
    }
}

#[test]
fn the_margin_holds_and_clipping_stays_below_it() {
    let far = rows(&[[300.0, -400.0]]);
    let norm = |config| {
        let point = ToPoincare::new(&mut store(), "tp", 2, config).unwrap().forward(&far).unwrap();
        point.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt()
    };
    let config = ToPoincareConfig::new(4.0);
    // Radius 1/2: 0.999/2, and tanh(2·0.6)/2; f32 rounding of three operations.
    assert!((norm(config) - 0.4995).abs() < 1e-7);
    let clipped = ToPoincareConfig { clip: Some(0.6), ..config };
    assert!((norm(clipped) - 1.2_f32.tanh() / 2.0).abs() < 1e-7);
    let with_base = ToPoincareConfig { trainable_base: true, ..clipped };
    assert!((norm(with_base) - 1.2_f32.tanh() / 2.0).abs() < 1e-7);
}

#[test]
fn the_riemannian_gradient_is_the_plain_one_times_its_factor() {
    let features = Var::from_tensor(&rows(&[[0.3, -0.2], [1.0, 0.5]])).unwrap();
    let gradient = |riemannian_gradient| {
        let config = ToPoincareConfig { riemannian_gradient, ..ToPoincareConfig::new(C) };
        let points = ToPoincare::new(&mut store(), "tp", 2, config).unwrap().forward(&features).unwrap();
        let grads = points.sum_all().unwrap().backward().unwrap();
        (points.to_vec2::<f32>().unwrap(), grads.get(&features).unwrap().to_vec2::<f32>().unwrap())
    };
    let ((points, plain), (same_points, scaled)) = (gradient(false), gradient(true));
    assert_eq!(points, same_points);
    for ((point, plain), scaled) in points.iter().zip(&plain).zip(&scaled) {
        let gap = 1.0 - C * wide(point).iter().map(|v| v * v).sum::<f64>();
        let expected: Vec<f64> = wide(plain).iter().map(|g| g * gap * gap / 4.0).collect();
        assert_close(scaled, &expected);
    }
}

#[test]
fn a_trained_base_point_is_the_origin_at_first() {
    for trainable_c in [false, true] {
        let features = rows(&[[0.3, -0.2], [1.0, 1.5]]);
        let config = ToPoincareConfig { trainable_c, riemannian_gradient: false, ..ToPoincareConfig::new(C) };
        let plain = ToPoincare::new(&mut store(), "tp", 2, config).unwrap().forward(&features).unwrap();
        let mut store = store();
        let config = ToPoincareConfig { trainable_base: true, ..config };
        let based = ToPoincare::new(&mut store, "tp", 2, config).unwrap();
        let got = based.forward(&features).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_close(&got, &wide(&plain.flatten_all().unwrap().to_vec1::<f32>().unwrap()));
        set(&store, if trainable_c { "tp.base_tangent" } else { "tp.base" }, &[0.2, 0.1]);
        assert_gradients(&store, || based.forward(&features).unwrap());
    }
}

#[test]
fn mobius_linear_follows_its_formula() {
    for trained in [false, true] {
        let mut store = store();
        let curvature = BallCurvature::new(&mut store, "ball", C, trained).unwrap();
        let layer = MobiusLinear::new(&mut store, "fc", curvature, 2, 3).unwrap();
        let (weight, bias) = ([0.5_f32, -0.3, 0.8, 0.1, -0.4, 0.9], [0.1_f32, -0.2, 0.05]);
        set(&store, "fc.weight", &weight);
        set(&store, if trained { "fc.bias_tangent" } else { "fc.bias" }, &bias);
        let points = rows(&[[0.3, -0.2], [-0.7, 0.5], [0.0, 0.0]]);
        let got = layer.forward(&points).unwrap().to_vec2::<f32>().unwrap();
        let c = Curvature::new(C).unwrap();
        let mut offset = wide(&bias);
        if trained {
            exp_map_zero(&wide(&bias), c, &mut offset);
        }
        for (point, got) in points.to_vec2::<f32>().unwrap().iter().zip(got) {
            let (mut image, mut expected) = ([0.0; 3], [0.0; 3]);
            mobius_matvec(&wide(&weight), &wide(point), c, &mut image);
            mobius_add(&image, &offset, c, &mut expected);
            assert_close(&got, &expected);
        }
        assert_gradients(&store, || layer.forward(&points).unwrap());
    }
}

#[test]
fn concatenation_in_flat_space_is_an_affine_layer() {
    let mut store = store();
    let layer =
        MobiusConcat::new(&mut store, "cat", BallCurvature::Fixed(Curvature::FLAT), [2, 2], 2).unwrap();
    set(&store, "cat.weight1", &[1.0, 2.0, 3.0, 4.0]);
    set(&store, "cat.weight2", &[5.0, 6.0, 7.0, 8.0]);
    set(&store, "cat.bias", &[0.5, -0.5]);
    let joined = layer.forward(&rows(&[[1.0, 0.0]]), &rows(&[[0.0, 1.0]])).unwrap();
    assert_close(
        &joined.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
        &[1.0 + 6.0 + 0.5, 3.0 + 8.0 - 0.5],
    );
}

#[test]
fn concatenation_follows_its_formula() {
    let mut store = store();
    let c = Curvature::new(C).unwrap();
    let layer = MobiusConcat::new(&mut store, "cat", BallCurvature::Fixed(c), [2, 2], 2).unwrap();
    let (m1, m2, b) = ([0.5_f32, -0.3, 0.8, 0.1], [0.2_f32, 0.7, -0.6, 0.4], [0.1_f32, -0.2]);
    set(&store, "cat.weight1", &m1);
    set(&store, "cat.weight2", &m2);
    set(&store, "cat.bias", &b);
    let (x1, x2) = ([0.3_f32, -0.2], [-0.4_f32, 0.6]);
    let (mut y1, mut y2, mut sum, mut expected) = ([0.0; 2], [0.0; 2], [0.0; 2], [0.0; 2]);
    mobius_matvec(&wide(&m1), &wide(&x1), c, &mut y1);
    mobius_matvec(&wide(&m2), &wide(&x2), c, &mut y2);
    mobius_add(&y1, &y2, c, &mut sum);
    mobius_add(&sum, &wide(&b), c, &mut expected);
    let (x1, x2) = (rows(&[x1]), rows(&[x2]));
    let got = layer.forward(&x1, &x2).unwrap();
    assert_close(&got.flatten_all().unwrap().to_vec1::<f32>().unwrap(), &expected);
    assert_gradients(&store, || layer.forward(&x1, &x2).unwrap());
}

#[test]
fn distances_of_every_geometry() {
    let (x, y) = ([[0.3_f32, -0.2], [0.0, 0.9]], [[0.5_f32, 0.5], [0.0, 0.0], [0.3, -0.2]]);
    let c = Curvature::new(C).unwrap();
    let layer = Distance::Geodesic(BallCurvature::Fixed(c));
    let got = layer.forward(&rows(&x), &rows(&y)).unwrap().to_vec2::<f32>().unwrap();
    for (x, got) in x.iter().zip(&got) {
        let expected: Vec<f64> = y.iter().map(|y| distance(&wide(x), &wide(y), c)).collect();
        assert_close(got, &expected);
    }
    assert_eq!(got[0][2], 0.0);
    let cosine = Distance::Cosine
        .forward(&rows(&[[1.0, 0.0]]), &rows(&[[0.0, 5.0], [-2.0, 0.0], [3.0, 0.0]]))
        .unwrap();
    assert_close(&cosine.flatten_all().unwrap().to_vec1::<f32>().unwrap(), &[1.0, 2.0, 0.0]);
}

#[test]
fn a_trained_curvature_gets_a_gradient_and_stays_in_its_range() {
    let mut store = store();
    let config =
        ToPoincareConfig { trainable_c: true, riemannian_gradient: false, ..ToPoincareConfig::new(C) };
    let to = ToPoincare::new(&mut store, "tp", 2, config).unwrap();
    let mlr = HyperbolicMlr::new(&mut store, "mlr", to.curvature().clone(), 2, 3).unwrap();
    let features = rows(&[[0.3, -0.2], [1.0, 0.5]]);
    assert_gradients(&store, || mlr.forward(&to.forward(&features).unwrap()).unwrap());

    let mut optimizer = OptimizerConfig::sgd(1.0).build().unwrap();
    for (sign, expected) in [(1.0, C / CURVATURE_RANGE), (-1.0, C * CURVATURE_RANGE)] {
        // d(x, 0) of the flat limit and more: a huge step against or along the gradient of log c.
        let log_c = &store.parameter("tp.log_c").unwrap().var;
        let grads = (log_c.as_tensor() * (1e3 * sign)).unwrap().backward().unwrap();
        optimizer.step(&store, &grads, Step::at_rate(1.0)).unwrap();
        let c = to.curvature().value().unwrap().get();
        // exp(log(·)) in f64.
        assert!((c / expected - 1.0).abs() < 1e-14, "{c} vs {expected}");
    }
}

#[test]
fn zero_rows_have_finite_gradients_in_every_geometry() {
    for geometry in [
        Geometry::Euclidean,
        Geometry::Spherical { scale: 10.0 },
        Geometry::poincare(1.0),
        Geometry::poincare(0.0),
        Geometry::Poincare {
            c: 1.0,
            trainable_c: true,
            margin: 1e-3,
            clip: Some(1.0),
            riemannian_gradient: true,
        },
    ] {
        let mut store = store();
        let head = Head::new(&mut store, "head", geometry, 2, 3).unwrap();
        let features = Var::from_tensor(&rows(&[[0.0, 0.0], [1e-30, 0.0], [1e4, -1e4]])).unwrap();
        let logits = head.logits(&head.embedding(&features).unwrap()).unwrap();
        let grads = logits.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let vars = store.parameters().map(|(_, parameter)| parameter.var.as_tensor());
        for var in vars.chain([features.as_tensor()]) {
            let grad = grads.get(var).unwrap().to_dtype(DType::F64).unwrap();
            let finite = grad.flatten_all().unwrap().to_vec1::<f64>().unwrap().iter().all(|g| g.is_finite());
            assert!(finite, "{geometry:?}: {grad}");
        }
    }
}

#[test]
fn heads_report_margin_and_distance() {
    let mut store = store();
    let head = Head::new(&mut store, "head", Geometry::poincare(1.0), 2, 3).unwrap();
    let embedding = head.embedding(&rows(&[[0.3, 0.0], [0.0, 50.0], [4.0, 0.0], [0.0, 0.0]])).unwrap();
    assert_eq!(head.margin_share(&embedding).unwrap(), Some(0.5)); // artanh(0.999) = 3.80
    let distances = head.distance_to_origin(&embedding).unwrap();
    // d(exp₀(v), 0) = 2‖v‖, and 2 artanh(0.999) at the margin, where a rounding of the point is multiplied by 1/0.002.
    let held = 2.0 * 0.999_f64.atanh();
    for (got, (expected, tolerance)) in
        distances.iter().zip([(0.6, 1e-6), (held, 1e-4), (held, 1e-4), (0.0, 0.0)])
    {
        assert!((got - expected).abs() <= tolerance, "{got} vs {expected}");
    }
    let flat = Head::new(&mut store, "flat", Geometry::Euclidean, 2, 3).unwrap();
    assert_eq!(flat.distance_to_origin(&rows(&[[3.0, 4.0]])).unwrap(), [10.0]);
    assert_eq!(flat.margin_share(&embedding).unwrap(), None);
    let unit = normalise(&rows(&[[3.0, 4.0]])).unwrap();
    let sphere = Head::new(&mut store, "sphere", Geometry::Spherical { scale: 5.0 }, 2, 3).unwrap();
    assert!((sphere.distance_to_origin(&unit).unwrap()[0] - 2.0).abs() < 1e-6);
    let logits = sphere.logits(&unit).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(logits.iter().all(|logit| logit.abs() <= 5.0 + 1e-5));
}

#[test]
fn settings_out_of_range_are_named() {
    let poincare = |c, margin, clip| Geometry::Poincare {
        c,
        trainable_c: false,
        margin,
        clip,
        riemannian_gradient: true,
    };
    for (geometry, name) in [
        (poincare(-1.0, 1e-3, None), "c = -1"),
        (poincare(f64::NAN, 1e-3, None), "c = NaN"),
        (poincare(1.0, 1.0, None), "margin = 1"),
        (poincare(1.0, 1e-3, Some(0.0)), "clip = 0"),
        (Geometry::Spherical { scale: 0.0 }, "scale = 0"),
    ] {
        let message = Head::new(&mut store(), "head", geometry, 2, 3).unwrap_err().to_string();
        assert!(message.starts_with(name), "{message}");
    }
}

#[test]
fn the_logits_of_both_forms_follow_their_formulas() {
    let c = Curvature::new(C).unwrap();
    let mut store = store();
    let curvature = BallCurvature::Fixed(c);
    let ganea = HyperbolicMlr::new(&mut store, "ganea", curvature.clone(), 2, 1).unwrap();
    let one_way = UnidirectionalMlr::new(&mut store, "one_way", curvature, 2, 1).unwrap();
    let (p, a, z, r) = ([0.3_f32, 0.4], [0.5_f32, -1.5], [1.2_f32, -0.7], 0.2_f32);
    set(&store, "ganea.p", &p);
    set(&store, "ganea.a", &a);
    set(&store, "one_way.z", &z);
    set(&store, "one_way.r", &[r]);
    let x = [-0.6_f32, 0.3];
    let got = |logits: Tensor| logits.flatten_all().unwrap().to_vec1::<f32>().unwrap();

    // (2‖a‖/√c) asinh(2√c ⟨−p⊕x, a⟩ / ((1 − c‖−p⊕x‖²) ‖a‖)) with p = exp₀(p_raw), as the released layer has it.
    let (mut point, mut moved) = ([0.0; 2], [0.0; 2]);
    exp_map_zero(&wide(&p), c, &mut point);
    mobius_add(&point.map(|v| -v), &wide(&x), c, &mut moved);
    let dot = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(u, v)| u * v).sum::<f64>();
    let norm = dot(&wide(&a), &wide(&a)).sqrt();
    let argument = 2.0 * C.sqrt() * dot(&moved, &wide(&a)) / ((1.0 - C * dot(&moved, &moved)) * norm);
    let expected = 2.0 * norm / C.sqrt() * argument.asinh();
    assert_close(&got(ganea.forward(&rows(&[x])).unwrap()), &[expected]);

    let (norm, lambda) = (dot(&wide(&z), &wide(&z)).sqrt(), 2.0 / (1.0 - C * dot(&wide(&x), &wide(&x))));
    let turn = 2.0 * C.sqrt() * f64::from(r);
    let argument =
        lambda * C.sqrt() * dot(&wide(&x), &wide(&z)) / norm * turn.cosh() - (lambda - 1.0) * turn.sinh();
    let expected = 2.0 * norm / C.sqrt() * argument.asinh();
    assert_close(&got(one_way.forward(&rows(&[x])).unwrap()), &[expected]);
    let points = rows(&[x, [0.1, 0.8]]);
    assert_gradients(&store, || {
        (ganea.forward(&points).unwrap() + one_way.forward(&points).unwrap()).unwrap()
    });
}

#[test]
fn batch_norm_trains_on_the_batch_and_evaluates_on_running_statistics() {
    let mut store = store();
    let norm = BatchNorm::new(&mut store, "bn1", 1).unwrap();
    let names: Vec<_> = store.snapshot().unwrap().into_keys().collect();
    assert_eq!(names, ["bn1.bias", "bn1.running_mean", "bn1.running_var", "bn1.weight"]);
    assert_eq!(store.parameter_count(), 2);
    let batch = Tensor::new(&[[1.0_f32], [3.0]], &Device::Cpu).unwrap();
    let values = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let eps_root = (1.0 + 1e-5_f64).sqrt();
    assert_close(&values(norm.forward(&batch, false).unwrap()), &[1.0 / eps_root, 3.0 / eps_root]);
    // Mean 2, biased variance 1, unbiased 2: running mean 0.2, running variance 0.9 + 0.2.
    assert_close(&values(norm.forward(&batch, true).unwrap()), &[-1.0 / eps_root, 1.0 / eps_root]);
    let snapshot = store.snapshot().unwrap();
    assert_close(&values(snapshot["bn1.running_mean"].clone()), &[0.2]);
    assert_close(&values(snapshot["bn1.running_var"].clone()), &[1.1]);
    let root = (1.1 + 1e-5_f64).sqrt();
    assert_close(&values(norm.forward(&batch, false).unwrap()), &[0.8 / root, 2.8 / root]);
    assert_eq!(
        values(store.snapshot().unwrap()["bn1.running_mean"].clone()),
        values(snapshot["bn1.running_mean"].clone())
    );
}

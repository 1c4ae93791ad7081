//! The operations of the ball: values against the composed forms, gradients against central differences.

use hyp_math::Curvature;
use hyp_nn::candle_core::{DType, Device, Result, Tensor, Var};
use hyp_nn::op::{self, BallParameter};

use crate::composed;
use crate::difference::{assert_close, check, numbers, weighted};

/// Two curvatures for which nothing is special; the limit c = 0 has a test of its own.
const CURVATURES: [f64; 2] = [1.0, 0.1];

fn curvature(c: f64) -> BallParameter {
    Curvature::new(c).unwrap().into()
}

/// Rows of four coordinates of at most 0.4/√c each: norms up to 0.8/√c, where the composed forms lose few digits.
fn points(rows: usize, c: f64, seed: u64) -> Tensor {
    (numbers(&[rows, 4], seed) * (0.4 / c.sqrt())).unwrap()
}

/// The composed forms cancel 1 − c‖x‖² ≥ 0.36 a few times over: some tens of roundings.
const TOLERANCE: f64 = 1e-13;

/// Value, gradient by the operands, and gradient by the curvature of one operation.
fn prove(
    inputs: &[Tensor],
    c: f64,
    ours: impl Fn(&[Tensor], &BallParameter) -> Result<Tensor>,
    composed: impl Fn(&[Tensor], f64) -> Result<Tensor>,
) {
    assert_close(&ours(inputs, &curvature(c)).unwrap(), &composed(inputs, c).unwrap(), TOLERANCE);
    check(inputs, |t| weighted(&ours(t, &curvature(c))?));
    let tensor = Var::new(c, &Device::Cpu).unwrap();
    let trained = BallParameter::new(Curvature::new(c).unwrap(), Some(tensor.as_tensor().clone()));
    let vars: Vec<Var> = inputs.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let tracked: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let gradients = weighted(&ours(&tracked, &trained).unwrap()).unwrap().backward().unwrap();
    let got = gradients.get(&tensor).unwrap().to_scalar::<f64>().unwrap();
    let at = |c: f64| weighted(&ours(inputs, &curvature(c)).unwrap()).unwrap().to_scalar::<f64>().unwrap();
    let step = 1e-5 * c;
    let want = (at(c + step) - at(c - step)) / (2.0 * step);
    // As in `difference::check`; the relative step keeps the third derivative harmless at small c.
    assert!((got - want).abs() <= 1e-7 * (1.0 + want.abs()), "gradient by c: {got} vs {want}");
    // The operands' gradients are the same whether the curvature is trained or not.
    let fixed = weighted(&ours(&tracked, &curvature(c)).unwrap()).unwrap().backward().unwrap();
    for v in &vars {
        assert_close(gradients.get(v).unwrap(), fixed.get(v).unwrap(), 1e-15);
    }
}

#[test]
fn maps_at_the_origin() {
    for c in CURVATURES {
        let v = numbers(&[5, 4], 1);
        prove(
            std::slice::from_ref(&v),
            c,
            |t, c| op::exp_map_zero(&t[0], c),
            |t, c| composed::exp_map_zero(&t[0], c),
        );
        let x = [points(5, c, 2)];
        prove(&x, c, |t, c| op::from_ball(&t[0], c), |t, c| composed::from_ball(&t[0], c));
        prove(&x, c, |t, c| op::distance_to_origin(&t[0], c), |t, c| composed::distance_to_origin(&t[0], c));
        prove(
            &x,
            c,
            |t, c| op::mobius_scalar_mul(0.7, &t[0], c),
            |t, c| composed::mobius_scalar_mul(0.7, &t[0], c),
        );
    }
}

/// Some rows within and some beyond the clipping radius or the margin.
#[test]
fn to_ball_clips_maps_and_projects() {
    for c in CURVATURES {
        let x = [(numbers(&[6, 4], 3) * 2.0).unwrap()];
        for (clip, margin) in [(None, 1e-3), (None, 0.3), (Some(1.5), 1e-3), (Some(1.5), 0.3)] {
            prove(
                &x,
                c,
                |t, c| op::to_ball(&t[0], c, clip, margin),
                |t, c| composed::to_ball(&t[0], c, clip, margin),
            );
        }
        let outside = [(points(6, c, 4) * 2.0).unwrap()];
        prove(&outside, c, |t, c| op::project(&t[0], c, 0.1), |t, c| composed::project(&t[0], c, 0.1));
    }
}

#[test]
fn sums_differences_and_maps_at_a_point() {
    for c in CURVATURES {
        let pair = [points(5, c, 5), points(5, c, 6)];
        prove(&pair, c, |t, c| op::mobius_add(&t[0], &t[1], c), |t, c| composed::mobius_add(&t[0], &t[1], c));
        prove(&pair, c, |t, c| op::mobius_sub(&t[0], &t[1], c), |t, c| composed::mobius_sub(&t[0], &t[1], c));
        prove(&pair, c, |t, c| op::exp_map_at(&t[0], &t[1], c), |t, c| composed::exp_map_at(&t[0], &t[1], c));
        prove(&pair, c, |t, c| op::log_map_at(&t[0], &t[1], c), |t, c| composed::log_map_at(&t[0], &t[1], c));
        prove(&pair, c, |t, c| op::distance(&t[0], &t[1], c), |t, c| composed::distance(&t[0], &t[1], c));
    }
}

#[test]
fn the_loss_of_logits_as_one_operation() {
    let labels = Tensor::new(&[0_u32, 2, 1, 0, 2], &Device::Cpu).unwrap();
    for c in CURVATURES {
        let planes = [points(5, c, 9), points(3, c, 10), numbers(&[3, 4], 11)];
        prove(
            &planes,
            c,
            |t, c| op::mlr_cross_entropy(&t[0], &t[1], &t[2], &labels, c),
            |t, c| op::cross_entropy(&composed::mlr_logits(&t[0], &t[1], &t[2], c)?, &labels),
        );
        prove(
            &planes,
            c,
            |t, c| op::mlr_layer_cross_entropy(&t[0], &t[1], &t[2], &labels, c),
            |t, c| op::cross_entropy(&composed::mlr_layer_logits(&t[0], &t[1], &t[2], c)?, &labels),
        );
        // Without a variable the loss is composed of the logits; with one, both come at once.
        let x = Var::from_tensor(&planes[0]).unwrap();
        let loss =
            |x: &Tensor| op::mlr_cross_entropy(x, &planes[1], &planes[2], &labels, &curvature(c)).unwrap();
        let (tracked, plain) = (loss(&x), loss(&planes[0]));
        assert_close(&tracked, &plain, 1e-15);
        // Asked twice, the gradient is the same.
        let first = tracked.backward().unwrap();
        let again = tracked.backward().unwrap();
        assert_close(first.get(&x).unwrap(), again.get(&x).unwrap(), 0.0);
        let single = x.to_dtype(DType::F32).unwrap();
        let [p, a] = [1, 2].map(|of: usize| planes[of].to_dtype(DType::F32).unwrap());
        let narrow = op::mlr_cross_entropy(&single, &p, &a, &labels, &curvature(c)).unwrap();
        assert_close(&narrow.to_dtype(DType::F64).unwrap(), &plain, 1e-6);
    }
    let planes = [points(5, 1.0, 9), points(3, 1.0, 10), numbers(&[3, 4], 11)];
    let x = Var::from_tensor(&planes[0]).unwrap();
    for (labels, word) in
        [(vec![0_u32, 1], "one label per row"), (vec![0, 1, 2, 3, 0], "not below the 3 classes")]
    {
        let labels = Tensor::new(labels, &Device::Cpu).unwrap();
        let error = op::mlr_cross_entropy(&x, &planes[1], &planes[2], &labels, &curvature(1.0)).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn the_loss_of_distances_as_one_operation() {
    let labels = Tensor::new(&[0_u32, 2, 1, 0, 2], &Device::Cpu).unwrap();
    for c in CURVATURES {
        let pair = [points(5, c, 9), points(3, c, 10)];
        for temperature in [0.3, 1.0] {
            prove(
                &pair,
                c,
                |t, c| op::distance_cross_entropy(&t[0], &t[1], &labels, c, temperature),
                |t, c| {
                    let distances = composed::distance_matrix(&t[0], &t[1], c)?;
                    op::cross_entropy(&(distances * (-1.0 / temperature))?, &labels)
                },
            );
        }
        // Without a variable the loss is composed of the distances; with one, both come at once.
        let prototypes = Var::from_tensor(&pair[1]).unwrap();
        let loss = |y: &Tensor, temperature| {
            op::distance_cross_entropy(&pair[0], y, &labels, &curvature(c), temperature).unwrap()
        };
        assert_close(&loss(&prototypes, 0.3), &loss(&pair[1], 0.3), 1e-15);
        let (tracked, plain) = (loss(&prototypes, 2.0), loss(&pair[1], 2.0));
        assert_close(&tracked, &plain, 1e-15);
        // Asked twice, the gradient is the same.
        let first = tracked.backward().unwrap();
        let again = tracked.backward().unwrap();
        assert_close(first.get(&prototypes).unwrap(), again.get(&prototypes).unwrap(), 0.0);
        let single = prototypes.to_dtype(DType::F32).unwrap();
        let x = pair[0].to_dtype(DType::F32).unwrap();
        let narrow = op::distance_cross_entropy(&x, &single, &labels, &curvature(c), 2.0).unwrap();
        assert_close(&narrow.to_dtype(DType::F64).unwrap(), &plain, 1e-6);
    }
    let (x, y) = (Var::from_tensor(&points(5, 1.0, 9)).unwrap(), points(3, 1.0, 10));
    let refused = |y: &Tensor, labels: &[u32], temperature| {
        let labels = Tensor::new(labels, &Device::Cpu).unwrap();
        let result = op::distance_cross_entropy(&x, y, &labels, &curvature(1.0), temperature);
        result.unwrap_err().to_string()
    };
    let narrow = y.narrow(1, 0, 2).unwrap();
    for (error, word) in [
        (refused(&y, &[0, 1], 1.0), "one label per row"),
        (refused(&y, &[0, 1, 2, 3, 0], 1.0), "not below the 3 classes"),
        (refused(&narrow, &[0; 5], 1.0), "last axes must agree"),
        (refused(&y, &[0; 5], 0.0), "positive number"),
        (refused(&y, &[0; 5], f64::NAN), "positive number"),
    ] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn all_pairs_and_logits() {
    for c in CURVATURES {
        let pair = [points(5, c, 7), points(3, c, 8)];
        prove(
            &pair,
            c,
            |t, c| op::distance_matrix(&t[0], &t[1], c),
            |t, c| composed::distance_matrix(&t[0], &t[1], c),
        );
        let planes = [points(5, c, 9), points(3, c, 10), numbers(&[3, 4], 11)];
        prove(
            &planes,
            c,
            |t, c| op::mlr_logits(&t[0], &t[1], &t[2], c),
            |t, c| composed::mlr_logits(&t[0], &t[1], &t[2], c),
        );
        prove(
            &planes,
            c,
            |t, c| op::mlr_layer_logits(&t[0], &t[1], &t[2], c),
            |t, c| composed::mlr_layer_logits(&t[0], &t[1], &t[2], c),
        );
    }
}

#[test]
fn linear_map_with_a_bias_in_the_ball() {
    for c in CURVATURES {
        let bias = points(1, c, 14).squeeze(0).unwrap().narrow(0, 0, 3).unwrap();
        prove(
            &[points(5, c, 12), numbers(&[3, 4], 13), bias],
            c,
            |t, c| op::mobius_linear(&t[0], &t[1], Some(&t[2]), c),
            |t, c| composed::mobius_linear(&t[0], &t[1], &t[2], c),
        );
    }
}

#[test]
fn sets_in_the_lorentz_model_are_sets_in_the_ball() {
    for c in CURVATURES {
        let v = numbers(&[5, 4], 11);
        prove(
            std::slice::from_ref(&v),
            c,
            |t, c| op::lorentz_exp_map_zero(&(&t[0] * 2.0)?, c),
            |t, c| composed::lorentz_from_ball(&composed::exp_map_zero(&t[0], c)?, c),
        );
        let spaces = |seed| composed::lorentz_from_ball(&points(6, c, seed), c).unwrap();
        let to_ball = |t: &Tensor, c: f64| op::lorentz_to_ball(t, &curvature(c));
        prove(
            &[spaces(12), spaces(13)],
            c,
            |t, c| op::lorentz_distance_matrix(&t[0], &t[1], c),
            |t, c| op::distance_matrix(&to_ball(&t[0], c)?, &to_ball(&t[1], c)?, &curvature(c)),
        );
        let groups = |t: &Tensor| t.reshape((2, 3, 4));
        prove(
            &[spaces(14)],
            c,
            |t, c| op::lorentz_centroid(&groups(&t[0])?, c),
            |t, c| {
                let midpoint = op::einstein_midpoint(&groups(&to_ball(&t[0], c)?)?, None, &curvature(c))?;
                composed::lorentz_from_ball(&midpoint, c)
            },
        );
    }
}

/// The Lorentz model is the ball in other coordinates: there and back, and the same distances.
#[test]
fn the_lorentz_model_is_the_same_space() {
    for c in CURVATURES {
        let pair = [points(5, c, 23), points(5, c, 24)];
        prove(
            &pair[..1],
            c,
            |t, c| op::lorentz_from_ball(&t[0], c),
            |t, c| composed::lorentz_from_ball(&t[0], c),
        );
        prove(
            &pair,
            c,
            |t, c| {
                op::lorentz_distance(&op::lorentz_from_ball(&t[0], c)?, &op::lorentz_from_ball(&t[1], c)?, c)
            },
            |t, c| composed::distance(&t[0], &t[1], c),
        );
        prove(
            &pair[..1],
            c,
            |t, c| op::lorentz_to_ball(&op::lorentz_from_ball(&t[0], c)?, c),
            |t, _| Ok(t[0].clone()),
        );
    }
}

#[test]
fn unidirectional_logits_and_midpoints() {
    for c in CURVATURES {
        let r = (numbers(&[3], 18) * (0.4 / c.sqrt())).unwrap();
        prove(
            &[points(5, c, 19), numbers(&[3, 4], 20), r],
            c,
            |t, c| op::mlr_logits_unidirectional(&t[0], &t[1], &t[2], c),
            |t, c| composed::mlr_logits_unidirectional(&t[0], &t[1], &t[2], c),
        );
        let groups = points(6, c, 21).reshape((2, 3, 4)).unwrap();
        let weights = (numbers(&[2, 3], 22) + 1.5).unwrap();
        prove(
            std::slice::from_ref(&groups),
            c,
            |t, c| op::einstein_midpoint(&t[0], None, c),
            |t, c| composed::einstein_midpoint(&t[0], None, c),
        );
        prove(
            &[groups, weights],
            c,
            |t, c| op::einstein_midpoint(&t[0], Some(&t[1]), c),
            |t, c| composed::einstein_midpoint(&t[0], Some(&t[1]), c),
        );
    }
}

/// At c = 0: d = 2‖x − y‖, the maps are the identity, sums are sums, logits are 4⟨a, x − p⟩.
#[test]
fn curvature_zero_is_euclidean() {
    let flat: BallParameter = Curvature::FLAT.into();
    let (x, y, a) = (numbers(&[5, 4], 1), numbers(&[5, 4], 2), numbers(&[5, 4], 3));
    let close =
        |got: Result<Tensor>, want: Result<Tensor>| assert_close(&got.unwrap(), &want.unwrap(), 1e-14);
    close(op::exp_map_zero(&x, &flat), Ok(x.clone()));
    close(op::from_ball(&x, &flat), Ok(x.clone()));
    close(op::to_ball(&x, &flat, None, 1e-3), Ok(x.clone()));
    close(op::mobius_add(&x, &y, &flat), &x + &y);
    let gap = (&x - &y).unwrap();
    close(op::distance(&x, &y, &flat), gap.sqr().unwrap().sum(1).unwrap().sqrt().unwrap() * 2.0);
    let xa = x.matmul(&a.t().unwrap()).unwrap();
    let ya = (&y * &a).unwrap().sum(1).unwrap().unsqueeze(0).unwrap();
    close(op::mlr_logits(&x, &y, &a, &flat), xa.broadcast_sub(&ya).unwrap() * 4.0);
}

/// The gradient of whatever follows, times (1 − c‖x‖²)²/4.
#[test]
fn the_riemannian_gradient_is_the_scaled_one() {
    let c = 0.5;
    let x = Var::from_tensor(&points(4, c, 15)).unwrap();
    let y = op::riemannian_gradient(&x, Curvature::new(c).unwrap()).unwrap();
    assert_close(&y, &x, 0.0);
    let gradients = weighted(&y).unwrap().backward().unwrap();
    let factor = x.sqr().unwrap().sum_keepdim(1).unwrap().affine(-c, 1.0).unwrap().sqr().unwrap() / 4.0;
    let want = numbers(&[4, 4], 99).broadcast_mul(&factor.unwrap()).unwrap();
    assert_close(gradients.get(&x).unwrap(), &want, 1e-15);
}

/// At f32 every operation is computed in f64 inside and rounded once: half a unit in the last place, 6e-8, for the
/// inputs' own rounding taken as exact.
#[test]
fn f32_is_f64_rounded() {
    let c = curvature(0.7);
    let x = points(7, 0.7, 16).to_dtype(DType::F32).unwrap();
    let y = points(7, 0.7, 17).to_dtype(DType::F32).unwrap();
    let wide = |t: &Tensor| t.to_dtype(DType::F64).unwrap();
    for f in [op::distance, op::mobius_add, op::distance_matrix, op::log_map_at] {
        assert_close(&f(&x, &y, &c).unwrap(), &f(&wide(&x), &wide(&y), &c).unwrap(), 6.1e-8);
    }
}

#[test]
fn misfits_are_refused_in_words() {
    let c = curvature(1.0);
    let (x, y) = (points(2, 1.0, 1), points(3, 1.0, 2));
    for error in [
        op::distance(&x, &y, &c).unwrap_err(),
        op::distance_matrix(&x, &numbers(&[2, 5], 1), &c).unwrap_err(),
        op::mlr_logits(&x, &y, &x, &c).unwrap_err(),
        op::from_ball(&Tensor::new(0.1_f64, &Device::Cpu).unwrap(), &c).unwrap_err(),
    ] {
        assert!(error.to_string().contains("must") || error.to_string().contains("give"), "{error}");
    }
}

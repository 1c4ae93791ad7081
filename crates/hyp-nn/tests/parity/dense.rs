//! Rectifier, affine map and cross-entropy.

use hyp_nn::candle_core::{D, DType, Device, Tensor, Var};
use hyp_nn::op::{cross_entropy, leaky_relu, linear, linear_relu, relu, relu6};

use crate::difference::{assert_close, check, numbers, weighted};

#[test]
fn the_rectifier_has_no_slope_at_zero_and_keeps_nan() {
    let x = Var::new(&[-1.0_f64, -0.0, 0.0, 2.0], &Device::Cpu).unwrap();
    let gradients = relu(&x).unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(gradients.get(&x).unwrap().to_vec1::<f64>().unwrap(), [0.0, 0.0, 0.0, 1.0]);
    let x = Tensor::new(&[f32::NAN, f32::NEG_INFINITY, f32::INFINITY], &Device::Cpu).unwrap();
    let y = relu(&x).unwrap().to_vec1::<f32>().unwrap();
    assert!(y[0].is_nan() && y[1] == 0.0 && y[2] == f32::INFINITY);
}

#[test]
fn rectifiers_have_the_gradients_of_central_differences() {
    // From -7 to 11, and no number within the step of a kink.
    let x = ((numbers(&[4, 9], 1) * 9.0).unwrap() + 2.0).unwrap();
    let values = x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    assert!(values.iter().all(|v| v.abs() > 1e-3 && (v - 6.0).abs() > 1e-3));
    assert!(values.iter().any(|v| *v < 0.0) && values.iter().any(|v| *v > 6.0));
    check(std::slice::from_ref(&x), |t| weighted(&relu(&t[0])?));
    check(std::slice::from_ref(&x), |t| weighted(&relu6(&t[0])?));
    check(&[x], |t| weighted(&leaky_relu(&t[0], 0.1)?));
}

#[test]
fn linear_is_matmul_plus_bias() {
    let (x, w, b) = (numbers(&[2, 3, 5], 1), numbers(&[4, 5], 2), numbers(&[4], 3));
    let want = x.broadcast_matmul(&w.t().unwrap()).unwrap().broadcast_add(&b).unwrap();
    assert_close(&linear(&x, &w, Some(&b)).unwrap(), &want, 1e-14);
    assert_close(&linear_relu(&x, &w, Some(&b)).unwrap(), &want.relu().unwrap(), 1e-14);
    check(&[x.clone(), w.clone(), b.clone()], |t| weighted(&linear(&t[0], &t[1], Some(&t[2]))?));
    check(&[x.clone(), w.clone(), b], |t| weighted(&linear_relu(&t[0], &t[1], Some(&t[2]))?));
    check(&[x.clone(), w.clone()], |t| weighted(&linear(&t[0], &t[1], None)?));
    // A transposed, hence strided, input and a broadcast, hence strided, gradient.
    check(&[numbers(&[5, 3], 4), w], |t| linear(&t[0].t()?, &t[1], None)?.sum_all());
    assert!(linear(&x, &numbers(&[4, 6], 1), None).is_err());
}

#[test]
fn cross_entropy_is_log_softmax_at_the_label() {
    let logits = (numbers(&[6, 5], 1) * 4.0).unwrap();
    let labels = Tensor::new(&[0_u32, 4, 2, 2, 1, 3], &Device::Cpu).unwrap();
    let log_sum = logits.exp().unwrap().sum(D::Minus1).unwrap().log().unwrap();
    let picked = logits.gather(&labels.unsqueeze(1).unwrap(), 1).unwrap().squeeze(1).unwrap();
    let want = (log_sum - picked).unwrap().mean_all().unwrap();
    assert_close(&cross_entropy(&logits, &labels).unwrap(), &want, 1e-14);
    check(&[logits], |t| cross_entropy(&t[0], &labels));
}

/// Logits of 1000 overflow a plain exponential; a mean of seven tells a scale of 1/batch from one of 1.
#[test]
fn cross_entropy_survives_large_logits_and_shows_nan() {
    let labels = Tensor::new(&[0_u32, 1], &Device::Cpu).unwrap();
    let logits = Tensor::new(&[[1000.0_f32, 0.0], [1000.0, 0.0]], &Device::Cpu).unwrap();
    assert_eq!(cross_entropy(&logits, &labels).unwrap().to_scalar::<f32>().unwrap(), 500.0);
    let logits = Var::from_tensor(&logits).unwrap();
    let gradients = cross_entropy(&logits, &labels).unwrap().backward().unwrap();
    assert_eq!(gradients.get(&logits).unwrap().to_vec2::<f32>().unwrap(), [[0.0, 0.0], [0.5, -0.5]]);
    let broken = Tensor::new(&[[f32::NAN, 0.0], [0.0, 0.0]], &Device::Cpu).unwrap();
    assert!(cross_entropy(&broken, &labels).unwrap().to_scalar::<f32>().unwrap().is_nan());
}

#[test]
fn wrong_labels_are_named() {
    let logits = numbers(&[2, 3], 1);
    let refuse = |labels: &Tensor| cross_entropy(&logits, labels).unwrap_err().to_string();
    let message = refuse(&Tensor::new(&[0_u32, 3], &Device::Cpu).unwrap());
    assert!(message.contains("label 3 of row 1"), "{message}");
    assert!(refuse(&Tensor::new(&[0_u32], &Device::Cpu).unwrap()).contains("2 rows"));
    assert!(refuse(&Tensor::new(&[0_i64, 1], &Device::Cpu).unwrap()).contains("convert them to u32"));
}

#[test]
fn other_types_are_refused_with_a_remedy() {
    let x = numbers(&[2], 1).to_dtype(DType::F16).unwrap();
    let message = relu(&x).unwrap_err().to_string();
    assert!(message.contains("relu") && message.contains("f32 or f64"), "{message}");
}

//! Elementary functions and reductions.

use hyp_nn::candle_core::{DType, Device, Result, Tensor, Var};
use hyp_nn::op;

use crate::difference::{check, numbers, weighted};

fn values(f: fn(&Tensor) -> Result<Tensor>, x: &[f64]) -> Vec<f64> {
    f(&Tensor::new(x, &Device::Cpu).unwrap()).unwrap().to_vec1().unwrap()
}

/// Reference values to 17 digits, from a computation in 50.
#[test]
fn values_at_the_edges_of_the_domains() {
    let close = |got: Vec<f64>, want: &[f64]| {
        for (g, w) in got.iter().zip(want) {
            // Two roundings of a logarithm and its argument: a few units in the last place.
            assert!(g == w || (g - w).abs() <= 1e-15 * w.abs(), "{g} vs {w}");
        }
    };
    let ln2 = std::f64::consts::LN_2;
    close(
        values(op::asinh, &[0.0, 1e-9, -1e4, 1e300]),
        &[0.0, 1e-9, -9.903_487_555_036_127, 300.0 * std::f64::consts::LN_10 + ln2],
    );
    // acosh(1 + t) = √(2t)(1 − t/12 + …) for t = 2⁻⁴⁰.
    let t = 2.0_f64.powi(-40);
    close(
        values(op::acosh, &[1.0, 1.0 + t, 1e300]),
        &[0.0, (2.0 * t).sqrt() * (1.0 - t / 12.0), 300.0 * std::f64::consts::LN_10 + ln2],
    );
    close(
        values(op::atanh, &[0.0, 1e-12, 0.5, -0.5, 1.0]),
        &[0.0, 1e-12, 0.5 * 3.0_f64.ln(), -0.5 * 3.0_f64.ln(), f64::INFINITY],
    );
    // Near −1 as accurate as near 1: ½ log((2 − t)/t).
    close(
        values(op::atanh, &[t - 1.0, 1.0 - t]),
        &[-0.5 * (41.0 * ln2 + (-t / 2.0).ln_1p()), 0.5 * (41.0 * ln2 + (-t / 2.0).ln_1p())],
    );
    close(values(op::log1p, &[1e-18, -1.0]), &[1e-18, f64::NEG_INFINITY]);
    close(values(op::expm1, &[1e-18, f64::NEG_INFINITY]), &[1e-18, -1.0]);
    assert!(values(op::acosh, &[0.5])[0].is_nan() && values(op::atanh, &[1.5])[0].is_nan());
    assert!(values(op::asinh, &[f64::NAN])[0].is_nan());
}

#[test]
fn slopes_are_central_differences() {
    let x = numbers(&[3, 4], 1);
    check(std::slice::from_ref(&x), |t| weighted(&op::asinh(&(&t[0] * 5.0)?)?));
    check(std::slice::from_ref(&x), |t| weighted(&op::expm1(&t[0])?));
    check(std::slice::from_ref(&x), |t| weighted(&op::acosh(&(&t[0] + 2.5)?)?));
    check(std::slice::from_ref(&x), |t| weighted(&op::atanh(&(&t[0] * 0.7)?)?));
    check(std::slice::from_ref(&x), |t| weighted(&op::log1p(&(&t[0] * 0.7)?)?));
    check(std::slice::from_ref(&x), |t| weighted(&op::norm(&t[0])?));
    check(std::slice::from_ref(&x), |t| op::sum(&(&t[0] * numbers(&[3, 4], 2))?));
    check(&[x], |t| op::mean(&(&t[0] * numbers(&[3, 4], 2))?));
}

#[test]
fn a_long_sum_loses_nothing() {
    let x = Tensor::full(0.1_f32, 1_000_000, &Device::Cpu).unwrap();
    // The f64 sum of the f32 nearest to 0.1, rounded once.
    let want = (f64::from(0.1_f32) * 1e6) as f32;
    assert_eq!(op::sum(&x).unwrap().to_scalar::<f32>().unwrap(), want);
    assert!(op::mean(&Tensor::zeros(0, DType::F32, &Device::Cpu).unwrap()).is_err());
}

#[test]
fn norms_neither_overflow_nor_vanish() {
    let x = Var::new(&[[3e200_f64, 4e200], [3e-200, 4e-200], [0.0, 0.0]], &Device::Cpu).unwrap();
    let norms = op::norm(&x).unwrap();
    for (got, want) in norms.to_vec1::<f64>().unwrap().into_iter().zip([5e200, 5e-200, 0.0]) {
        assert!((got - want).abs() <= 1e-15 * want);
    }
    let g = op::sum(&norms).unwrap().backward().unwrap();
    let g = g.get(&x).unwrap().to_vec2::<f64>().unwrap();
    for (got, want) in g.concat().into_iter().zip([0.6, 0.8, 0.6, 0.8, 0.0, 0.0]) {
        assert!((got - want).abs() <= 1e-15);
    }
}

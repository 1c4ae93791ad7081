//! Gradients by central differences in `f64`, and tensors that look random.

use hyp_nn::candle_core::{DType, Device, Result, Tensor, Var};

/// The numbers of [`hyp_nn::testing::numbers`].
pub(crate) fn numbers(dims: &[usize], seed: u64) -> Tensor {
    hyp_nn::testing::numbers(dims, seed).unwrap()
}

/// A weighted sum, so that every element of a result reaches the gradient with a weight of its own.
pub(crate) fn weighted(y: &Tensor) -> Result<Tensor> {
    (y * numbers(y.dims(), 99))?.sum_all()
}

/// Checks the gradient of a scalar function against central differences in every element of every input.
///
/// The step is 1e-5: for values of order one the error of a central difference is then about h² f‴/6 + eps/h, some
/// 1e-10, and the tolerance of 1e-7, absolute plus relative, leaves room for sums over a few hundred terms and
/// large third derivatives, while a wrong term is of the order of the gradient itself.
pub(crate) fn check(inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    check_to(1e-7, inputs, f);
}

/// As [`check`] with a tolerance of the caller's, who says why.
pub(crate) fn check_to(tolerance: f64, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    const STEP: f64 = 1e-5;
    let vars: Vec<Var> = inputs.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let tracked: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let gradients = f(&tracked).unwrap().backward().unwrap();
    for (n, input) in inputs.iter().enumerate() {
        let got = gradients.get(&vars[n]).unwrap_or_else(|| panic!("input {n} has no gradient"));
        assert_eq!(got.dims(), input.dims());
        let got = got.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let values = input.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        for i in 0..values.len() {
            let at = |shift: f64| {
                let mut moved = values.clone();
                moved[i] += shift;
                let mut all = inputs.to_vec();
                all[n] = Tensor::from_vec(moved, input.dims(), &Device::Cpu).unwrap();
                f(&all).unwrap().to_scalar::<f64>().unwrap()
            };
            let want = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            let allowed = tolerance * (1.0 + want.abs());
            assert!((got[i] - want).abs() <= allowed, "input {n}, element {i}: {} vs {want}", got[i]);
        }
    }
}

/// Asserts that two tensors agree element by element within an absolute plus relative tolerance.
pub(crate) fn assert_close(got: &Tensor, want: &Tensor, tolerance: f64) {
    assert_eq!(got.dims(), want.dims());
    let list = |t: &Tensor| t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    for (i, (g, w)) in list(got).into_iter().zip(list(want)).enumerate() {
        assert!((g - w).abs() <= tolerance * (1.0 + w.abs()), "element {i}: {g} vs {w}");
    }
}

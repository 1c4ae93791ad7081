//! Pooling by hand and against central differences.

use hyp_nn::candle_core::{DType, Device, Tensor, Var};
use hyp_nn::op::{PoolOptions, adaptive_avg_pool2d, avg_pool2d, max_pool2d};

use crate::difference::{assert_close, check, numbers, weighted};

fn plane(rows: &[[f64; 4]]) -> Tensor {
    Tensor::from_vec(rows.concat(), (1, 1, rows.len(), 4), &Device::Cpu).unwrap()
}

fn gradient_of_sum(x: &Tensor, f: impl Fn(&Tensor) -> Tensor) -> Vec<f64> {
    let x = Var::from_tensor(x).unwrap();
    let gradients = f(&x).sum_all().unwrap().backward().unwrap();
    gradients.get(&x).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn the_maximum_alone_receives_the_gradient() {
    let x = plane(&[[1.0, 2.0, 5.0, 5.0], [4.0, 3.0, 5.0, 5.0]]);
    for options in [PoolOptions::square(2), PoolOptions { kernel: [2, 2], stride: [2, 2], padding: [1, 0] }] {
        let y = max_pool2d(&x, &options).unwrap();
        assert_eq!(y.dim(3).unwrap(), 2);
    }
    let pool = |x: &Tensor| max_pool2d(x, &PoolOptions::square(2)).unwrap();
    assert_eq!(pool(&x).flatten_all().unwrap().to_vec1::<f64>().unwrap(), [4.0, 5.0]);
    // Of the four equal fives the first one.
    assert_eq!(gradient_of_sum(&x, pool), [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn nan_is_not_hidden() {
    for at in 0..4 {
        let mut values = [1.0, 2.0, 3.0, 4.0];
        values[at] = f64::NAN;
        let x = Tensor::from_vec(values.to_vec(), (1, 1, 2, 2), &Device::Cpu).unwrap();
        for options in
            [PoolOptions::square(2), PoolOptions { kernel: [2, 2], stride: [1, 1], padding: [0, 0] }]
        {
            let y = max_pool2d(&x, &options).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
            assert!(y[0].is_nan(), "NaN at {at} was lost");
        }
    }
}

/// Distinct values a good way apart, so that no step of a difference changes a winner; overlapping windows,
/// padding, and planes that the kernel does not divide.
#[test]
fn gradients_are_central_differences() {
    let x = numbers(&[2, 3, 7, 5], 1);
    for (kernel, stride, padding) in [
        ([2, 2], [2, 2], [0, 0]),
        ([3, 3], [2, 2], [1, 1]),
        ([3, 2], [1, 3], [0, 1]),
        ([5, 5], [5, 5], [0, 0]),
    ] {
        let options = PoolOptions { kernel, stride, padding };
        check(std::slice::from_ref(&x), |t| weighted(&max_pool2d(&t[0], &options)?));
        check(std::slice::from_ref(&x), |t| weighted(&avg_pool2d(&t[0], &options)?));
    }
    for size in [[1, 1], [3, 2], [7, 5], [2, 8]] {
        check(std::slice::from_ref(&x), |t| weighted(&adaptive_avg_pool2d(&t[0], size)?));
    }
}

#[test]
fn averages_by_hand() {
    let x = plane(&[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0], [9.0, 9.0, 9.0, 9.0]]);
    let list = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    assert_eq!(list(avg_pool2d(&x, &PoolOptions::square(2)).unwrap()), [3.5, 5.5]);
    let padded = PoolOptions { kernel: [2, 2], stride: [2, 2], padding: [1, 1] };
    assert_eq!(list(avg_pool2d(&x, &padded).unwrap()), [0.25, 1.25, 1.0, 3.5, 7.75, 4.25]);
    // Windows of 3 rows onto 2: rows 0–1 and 1–2; of 4 columns onto 3: 0–1, 1–2 and 2–3.
    let adaptive = adaptive_avg_pool2d(&x, [2, 3]).unwrap();
    assert_eq!(list(adaptive), [3.5, 4.5, 5.5, 7.25, 7.75, 8.25]);
    let mean = adaptive_avg_pool2d(&x, [1, 1]).unwrap();
    assert_close(&mean, &Tensor::full(6.0, (1, 1, 1, 1), &Device::Cpu).unwrap(), 1e-15);
}

#[test]
fn windows_that_do_not_fit_are_refused() {
    let x = numbers(&[1, 1, 3, 3], 1);
    assert!(max_pool2d(&x, &PoolOptions::square(4)).is_err());
    assert!(max_pool2d(&x, &PoolOptions::square(0)).is_err());
    assert!(avg_pool2d(&x, &PoolOptions { kernel: [2, 2], stride: [1, 1], padding: [2, 0] }).is_err());
    assert!(adaptive_avg_pool2d(&x, [0, 1]).is_err());
    // Padding alone is no map: there is nothing to take the largest of.
    let padded = PoolOptions { kernel: [2, 2], stride: [1, 1], padding: [1, 1] };
    for shape in [[1, 1, 0, 3], [1, 1, 3, 0]] {
        let nothing = Tensor::zeros(&shape, DType::F32, &Device::Cpu).unwrap();
        assert!(
            max_pool2d(&nothing, &padded).is_err() && avg_pool2d(&nothing, &padded).is_err(),
            "{shape:?}"
        );
    }
}

//! Batch normalisation against its formula in Candle's primitives.

use hyp_nn::candle_core::{Device, Result, Tensor};
use hyp_nn::op::{batch_norm, batch_norm_fixed};

use crate::difference::{assert_close, check, check_to, numbers, weighted};

const EPS: f64 = 1e-5;

/// Two-dimensional input as four-dimensional, so that one formula serves both.
fn composed(x: &Tensor, gamma: &Tensor, beta: &Tensor) -> Result<Tensor> {
    let flat = x.transpose(0, 1)?.flatten_from(1)?;
    let mean = flat.mean_keepdim(1)?;
    let centred = flat.broadcast_sub(&mean)?;
    let deviation = (centred.sqr()?.mean_keepdim(1)? + EPS)?.sqrt()?;
    let y = centred.broadcast_div(&deviation)?.broadcast_mul(&gamma.unsqueeze(1)?)?;
    let mut dims = x.dims().to_vec();
    dims.swap(0, 1);
    y.broadcast_add(&beta.unsqueeze(1)?)?.reshape(dims)?.transpose(0, 1)
}

fn inputs(dims: &[usize]) -> [Tensor; 3] {
    // An offset far from 0 tells a centred variance from an uncentred one.
    [(numbers(dims, 1) + 3.0).unwrap(), numbers(&dims[1..2], 2), numbers(&dims[1..2], 3)]
}

#[test]
fn training_form_is_the_formula() {
    for dims in [vec![5, 3], vec![3, 2, 4, 5], vec![2, 3, 9]] {
        let t = inputs(&dims);
        let (y, statistics) = batch_norm(&t[0], &t[1], &t[2], EPS).unwrap();
        assert_close(&y, &composed(&t[0], &t[1], &t[2]).unwrap(), 1e-13);
        assert_eq!(statistics.count, dims.iter().product::<usize>() / dims[1]);
        // Five values a channel make a curved function: third derivatives of some tens, hence 1e-6 and not 1e-7.
        check_to(1e-6, &t, |t| weighted(&batch_norm(&t[0], &t[1], &t[2], EPS)?.0));
    }
}

#[test]
fn evaluation_form_uses_what_it_is_given() {
    let t = inputs(&[3, 2, 4, 5]);
    let (y, s) = batch_norm(&t[0], &t[1], &t[2], EPS).unwrap();
    let same = batch_norm_fixed(&t[0], &t[1], &t[2], &s.mean, &s.variance, EPS).unwrap();
    assert_close(&same, &y, 0.0);
    check(&t, |t| weighted(&batch_norm_fixed(&t[0], &t[1], &t[2], &[2.5, 3.5], &[0.5, 2.0], EPS)?));
}

/// By hand: batch 1, 3 has mean 2, biased variance 1, unbiased 2; momentum 0.1 from mean 0 and variance 1.
#[test]
fn running_statistics_follow_the_convention_of_pytorch() {
    let x = Tensor::new(&[[1.0_f64], [3.0]], &Device::Cpu).unwrap();
    let one = x.narrow(0, 0, 1).unwrap().squeeze(0).unwrap();
    let (_, s) = batch_norm(&x, &one, &one, EPS).unwrap();
    let (mut mean, mut variance) = ([0.0], [1.0]);
    s.update_running(0.1, &mut mean, &mut variance);
    assert!((mean[0] - 0.2).abs() < 1e-15 && (variance[0] - 1.1).abs() < 1e-15);
}

#[test]
fn a_single_value_per_channel_is_refused() {
    let t = inputs(&[1, 3]);
    let message = batch_norm(&t[0], &t[1], &t[2], EPS).unwrap_err().to_string();
    assert!(message.contains("use a larger batch"), "{message}");
    assert!(batch_norm(&t[0], &t[1], &numbers(&[4], 1), EPS).is_err());
}

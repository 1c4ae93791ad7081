//! A convolution whose maps are multiplied by a number each before the bias: a normalisation by given statistics, going
//! forward without a copy of the weight.

use candle_core::Result;

use super::super::kernel::{Element, Gradients, Kernel, Output, View};
use super::super::sums::sum_of_pairs;
use super::super::wide::wide;
use super::{Conv, Epilogue};

/// What a map is multiplied by and what is added to it, one number for each filter.
#[derive(Clone, Copy)]
pub(in super::super) struct Affine<'a, T> {
    scale: Option<&'a [T]>,
    bias: Option<&'a [T]>,
}

impl<'a, T: Element> Affine<'a, T> {
    /// Nothing, or a bias alone.
    pub(in super::super) fn of(bias: Option<&'a [T]>) -> Self {
        Self { scale: None, bias }
    }

    /// Both numbers of a filter.
    #[inline(always)]
    pub(super) fn line(&self, filter: usize) -> [T; 2] {
        [self.scale.map_or(T::one(), |s| s[filter]), self.bias.map_or(T::zero(), |b| b[filter])]
    }

    /// Whether a map stays as it is.
    pub(super) fn is_none(&self) -> bool {
        self.scale.is_none() && self.bias.is_none()
    }
}

/// `[x, weight, scales with biases behind them]`.
pub(in super::super) struct Scaled(Conv);

impl Scaled {
    /// # Panics
    /// If the convolution pools: it does so before it multiplies, which is right for positive scales only.
    pub(in super::super) fn new(conv: Conv) -> Self {
        assert!(!matches!(conv.epilogue, Epilogue::ReluMaxPool(_)), "nothing is pooled after a scale");
        Self(conv)
    }
}

impl Kernel for Scaled {
    fn name(&self) -> &'static str {
        "conv2d_scaled"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let (scale, bias) = inputs[2].data.split_at(self.0.plan.filters);
        self.0.convolved(inputs, Affine { scale: Some(scale), bias: Some(bias) }, &mut [])
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        output: View<'_, T>,
        grad: View<'_, T>,
        wanted: &[bool],
    ) -> Result<Gradients<T>> {
        let (scale, View { data: weight, dims }) = (&inputs[2].data[..self.0.plan.filters], inputs[1]);
        let filter = weight.len() / scale.len();
        let scaled: Vec<T> =
            weight.chunks_exact(filter).zip(scale).flat_map(|(w, s)| w.iter().map(|w| *w * *s)).collect();
        // The gradient of the weight does not depend on the weight: through the scaled one comes that of the weight before
        // its scale, of which both follow.
        let inputs = [inputs[0], View { data: &scaled, dims }, inputs[2]];
        let passed = [wanted[0], wanted[1] || wanted[2], wanted[2]];
        let mut gradients = self.0.backward_through(&inputs, output, grad, &passed, None);
        if let (Some(by_bias), Some(plain)) = (gradients[2].take(), &gradients[1]) {
            let rows = plain.chunks_exact(filter).zip(weight.chunks_exact(filter));
            let by_scale = rows.map(|(g, w)| {
                T::from_f64(wide(
                    #[inline(always)]
                    || sum_of_pairs(g, w, |g, w| g * w),
                ))
            });
            gradients[2] = Some(by_scale.chain(by_bias).collect());
        }
        match &mut gradients[1] {
            Some(by_weight) if wanted[1] => {
                for (g, s) in by_weight.chunks_exact_mut(filter).zip(scale) {
                    for g in g {
                        *g *= *s;
                    }
                }
            }
            unwanted => *unwanted = None,
        }
        Ok(gradients)
    }
}

#[cfg(feature = "cuda")]
impl super::super::cuda::CudaKernel for Scaled {}

#[cfg(test)]
mod tests {
    use super::super::super::activation::gated;
    use super::super::super::im2col::{ConvOptions, Plan};
    use super::*;

    fn numbers(n: usize, step: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * step + i / 7) % 17) as f32 / 8.0 - 1.0).collect()
    }

    fn close(got: &[f32], want: &[f32], said: &str) {
        let largest = want.iter().fold(1.0_f32, |most, v| most.max(v.abs()));
        assert_eq!(got.len(), want.len(), "{said}");
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 2e-6 * largest, "{said}: {got} {want}");
        }
    }

    /// Every form in single precision, with negative and zero scales, against a convolution with the scaled weight and the
    /// definition of the gradient by the scale; every choice of inputs that are wanted.
    #[test]
    fn equals_a_convolution_with_the_scaled_weight() {
        let grouped = |groups| ConvOptions { groups, ..ConvOptions::new(1, 1) };
        for (x, w, options) in [
            ([3, 16, 9, 10], [17, 16, 3, 3], ConvOptions::new(1, 1)), // tiles
            ([2, 3, 21, 30], [6, 3, 5, 5], ConvOptions::new(1, 2)),   // direct
            ([4, 8, 5, 6], [9, 8, 1, 1], ConvOptions::default()),
            ([2, 20, 6, 7], [20, 1, 3, 3], grouped(20)), // depthwise
            ([2, 6, 6, 7], [4, 3, 3, 3], grouped(2)),
        ] {
            let plan = Plan::new(&x, &w, &options).unwrap();
            let (filters, plane) = (plan.filters, plan.out_plane());
            let dims = [x[0], filters, plan.out[0], plan.out[1]];
            let (data, weight) = (numbers(x.iter().product(), 5), numbers(w.iter().product(), 3));
            let affine = numbers(2 * filters, 4);
            let (scale, bias) = affine.split_at(filters);
            assert!(scale.contains(&0.0) && scale.iter().any(|s| *s < 0.0));
            let filter = weight.len() / filters;
            let scaled: Vec<f32> = weight.iter().enumerate().map(|(i, w)| w * scale[i / filter]).collect();
            let inputs =
                |weight, bias| [View { data: &data[..], dims: &x }, View { data: weight, dims: &w }, bias];
            let conv = Conv::new(plan, Epilogue::Relu);
            let wanted = inputs(&scaled, View { data: bias, dims: &w[..1] });
            let (want, _) = conv.forward(&wanted).unwrap();
            let form = Scaled::new(Conv::new(plan, Epilogue::Relu));
            let lines = [2 * filters];
            let given = inputs(&weight, View { data: &affine, dims: &lines });
            let (y, _) = form.forward(&given).unwrap();
            close(&y, &want, "maps");
            let grad = numbers(y.len(), 11);
            let (output, grad) = (View { data: &y[..], dims: &dims }, View { data: &grad[..], dims: &dims });
            let all = conv.backward(&wanted, output, grad, &[true; 3]).unwrap();
            let by_weight: Vec<f32> =
                all[1].as_ref().unwrap().iter().enumerate().map(|(i, g)| g * scale[i / filter]).collect();
            let plain = Conv::new(plan, Epilogue::None).forward(&given[..2]).unwrap().0;
            let mut by_affine = vec![0.0; filters];
            for (n, ((g, y), v)) in grad.data.iter().zip(&y).zip(&plain).enumerate() {
                by_affine[n / plane % filters] += gated(*g, *y) * v;
            }
            by_affine.extend(all[2].as_ref().unwrap());
            for wanted in [[true; 3], [false, true, false], [false, false, true], [true, false, false]] {
                let got = form.backward(&given, output, grad, &wanted).unwrap();
                for (i, want) in [all[0].as_ref().unwrap(), &by_weight, &by_affine].into_iter().enumerate() {
                    assert_eq!(got[i].is_some(), wanted[i], "{i} of {wanted:?}");
                    if let Some(got) = &got[i] {
                        close(got, want, &format!("gradient {i}, {plan:?}"));
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "nothing is pooled")]
    fn pooling_is_refused() {
        let plan = Plan::new(&[1, 1, 4, 4], &[1, 1, 3, 3], &ConvOptions::default()).unwrap();
        let pool = super::super::super::pool::PoolOptions::square(2);
        Scaled::new(Conv::new(plan, Epilogue::ReluMaxPool(pool)));
    }
}

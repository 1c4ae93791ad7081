//! A convolution whose maps are multiplied by a number each before the bias: a normalisation by given statistics, without a
//! copy of the weight.

use super::super::kernel::{Element, Gradients, Kernel, Output, View};
use super::super::sums::sum_of_pairs;
use super::super::wide::wide;
use super::{Affine, Conv};

/// `[x, weight, scales with biases behind them]`; nothing is pooled, for which scales must be positive.
pub(in super::super) struct Scaled(pub(in super::super) Conv);

impl Kernel for Scaled {
    fn name(&self) -> &'static str {
        "conv2d_scaled"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>, candle_core::Error> {
        let (scale, bias) = inputs[2].data.split_at(self.0.plan.filters);
        self.0.convolved(inputs, Affine { scale: Some(scale), bias: Some(bias) }, &mut [])
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        output: View<'_, T>,
        grad: View<'_, T>,
        wanted: &[bool],
    ) -> Result<Gradients<T>, candle_core::Error> {
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
                    g.iter_mut().for_each(|g| *g *= *s);
                }
            }
            unwanted => *unwanted = None,
        }
        Ok(gradients)
    }
}

#[cfg(feature = "cuda")]
impl super::super::cuda::CudaKernel for Scaled {}

//! A convolution whose maps are multiplied by a number each before the bias: a normalisation by given statistics, without a
//! copy of the weight.

use candle_core::Result;

use super::super::kernel::{Element, Gradients, Kernel, Output, View};
use super::super::sums::sum_of_pairs;
use super::super::wide::wide;
use super::Conv;

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

/// `[x, weight, scales with biases behind them]`; nothing is pooled, for which scales must be positive.
pub(in super::super) struct Scaled(pub(in super::super) Conv);

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

//! Batch normalisation over all axes but the second, in training and evaluation form.

#[cfg(feature = "cuda")]
pub(super) mod cuda;

use std::sync::{Arc, OnceLock};

use candle_core::{Error, Result, Tensor};
use rayon::prelude::*;

use super::fresh::fresh;
use super::kernel::{Element, Gradients, Kernel, Output, View, apply3};
use super::sums::{Moments, sum_of_pairs};
use super::wide::wide;

/// Mean and variance of each channel of one batch.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchStatistics {
    /// The mean.
    pub mean: Vec<f64>,
    /// The biased variance (divided by the count), by which the batch is normalised.
    pub variance: Vec<f64>,
    /// Values per channel.
    pub count: usize,
}

impl BatchStatistics {
    /// Moves running statistics a step towards those of this batch, as PyTorch does:
    /// `running ← (1 − momentum)·running + momentum·batch`, with the *unbiased* variance.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn update_running(&self, momentum: f64, mean: &mut [f64], variance: &mut [f64]) {
        assert_eq!(mean.len(), self.mean.len(), "one running mean per channel");
        assert_eq!(variance.len(), self.variance.len(), "one running variance per channel");
        let unbiased = self.count as f64 / (self.count as f64 - 1.0);
        for (running, batch) in mean.iter_mut().zip(&self.mean) {
            *running += momentum * (batch - *running);
        }
        for (running, batch) in variance.iter_mut().zip(&self.variance) {
            *running += momentum * (batch * unbiased - *running);
        }
    }
}

/// Batch normalisation by the statistics of the batch itself, which are returned beside the result.
///
/// $$ y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta $$
///
/// **Source.** Ioffe and Szegedy 2015; the conventions of PyTorch.
/// **Shapes.** `x`, result: `[batch, channels, …]`; `gamma`, `beta`: `[channels]`.
/// **Numerics.** Mean and variance in `f64`, from the differences to one value of each map; the gradient goes through both.
///
/// # Errors
/// If the shapes do not fit, or a channel has fewer than two values.
///
/// # Examples
/// ```
/// use hyp_nn::{candle_core::{DType, Device, Tensor}, op};
/// let x = Tensor::new(&[[1.0_f64], [3.0]], &Device::Cpu)?;
/// let (one, zero) = (Tensor::ones(1, DType::F64, &Device::Cpu)?, Tensor::zeros(1, DType::F64, &Device::Cpu)?);
/// let (y, statistics) = op::batch_norm(&x, &one, &zero, 0.0)?;
/// assert_eq!(y.to_vec2::<f64>()?, [[-1.0], [1.0]]);
/// assert_eq!((statistics.mean[0], statistics.variance[0]), (2.0, 1.0));
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn batch_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<(Tensor, BatchStatistics)> {
    let channels = check(x, gamma, beta)?;
    let count = x.elem_count() / channels;
    if count < 2 {
        return Err(Error::Msg(format!(
            "batch_norm: {count} value per channel in {:?}; training needs at least two, use a larger batch",
            x.dims()
        )));
    }
    let statistics = Arc::new(OnceLock::new());
    let y = apply3(BatchNorm { eps, fixed: false, statistics: Arc::clone(&statistics) }, x, gamma, beta)?;
    let statistics = statistics.get().expect("invariant: forward has run").clone();
    Ok((y, statistics))
}

/// Batch normalisation by given statistics, as in evaluation; they receive no gradient.
///
/// **Shapes.** As [`batch_norm`]; `mean`, `variance`: one number per channel.
///
/// # Errors
/// If the shapes do not fit.
pub fn batch_norm_fixed(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    mean: &[f64],
    variance: &[f64],
    eps: f64,
) -> Result<Tensor> {
    let channels = check(x, gamma, beta)?;
    if mean.len() != channels || variance.len() != channels {
        let (m, v) = (mean.len(), variance.len());
        return Err(Error::Msg(format!(
            "batch_norm: {m} means and {v} variances for {channels} channels; give one of each per channel"
        )));
    }
    let given = BatchStatistics { mean: mean.to_vec(), variance: variance.to_vec(), count: 0 };
    apply3(BatchNorm { eps, fixed: true, statistics: Arc::new(OnceLock::from(given)) }, x, gamma, beta)
}

/// The number of channels.
fn check(x: &Tensor, gamma: &Tensor, beta: &Tensor) -> Result<usize> {
    let channels = x.dims().get(1).copied().unwrap_or(0);
    if channels == 0 || x.elem_count() == 0 || gamma.dims() != [channels] || beta.dims() != [channels] {
        return Err(Error::Msg(format!(
            "batch_norm: input {:?}, gamma {:?} and beta {:?}; give [batch, channels, …] and one of each per channel",
            x.dims(),
            gamma.dims(),
            beta.dims()
        )));
    }
    Ok(channels)
}

struct BatchNorm {
    eps: f64,
    /// Whether the statistics were given, rather than taken from the batch.
    fixed: bool,
    statistics: Arc<OnceLock<BatchStatistics>>,
}

/// The planes of one channel, image by image.
fn planes<T>(x: View<'_, T>, channel: usize) -> impl Iterator<Item = &[T]> {
    let (channels, plane) = (x.dims[1], x.dims[2..].iter().product::<usize>());
    x.data.chunks_exact(plane).skip(channel).step_by(channels)
}

/// Σ f over the elements of one channel of one or two tensors.
#[inline(always)]
fn channel_sum<T: Element>(
    x: View<'_, T>,
    y: View<'_, T>,
    channel: usize,
    f: impl Fn(f64, f64) -> f64,
) -> f64 {
    planes(x, channel).zip(planes(y, channel)).map(|(x, y)| sum_of_pairs(x, y, &f)).sum()
}

/// Mean and variance of each channel from the moments of the maps `[image][channel]`, each with `plane` values.
pub(super) fn statistics_of(moments: &[Moments], channels: usize, plane: usize) -> BatchStatistics {
    let of = |c: usize| Moments::together(moments.iter().skip(c).step_by(channels).copied(), plane);
    let (mean, variance) = (0..channels).map(of).unzip();
    BatchStatistics { mean, variance, count: moments.len() / channels * plane }
}

/// Mean and variance of each channel, in `f64` and one pass over each map.
fn batch_statistics<T: Element>(x: View<'_, T>) -> BatchStatistics {
    let (channels, plane) = (x.dims[1], x.dims[2..].iter().product::<usize>());
    let mut moments = vec![Moments::default(); x.dims[0] * channels];
    let images = x.data.par_chunks(channels * plane);
    moments.par_chunks_mut(channels).zip(images).for_each(|(moments, image)| {
        wide(
            #[inline(always)]
            || moments.iter_mut().zip(image.chunks_exact(plane)).for_each(|(m, map)| *m = Moments::of(map)),
        );
    });
    statistics_of(&moments, channels, plane)
}

impl BatchNorm {
    fn statistics(&self) -> &BatchStatistics {
        self.statistics.get().expect("invariant: given, or set by forward")
    }
}

/// 1/√(variance + ε) of each channel.
pub(super) fn inverse_deviations(statistics: &BatchStatistics, eps: f64) -> Vec<f64> {
    statistics.variance.iter().map(|v| 1.0 / (v + eps).sqrt()).collect()
}

impl Kernel for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let (x, gamma, beta) = (inputs[0], inputs[1].data, inputs[2].data);
        let (channels, plane) = (x.dims[1], x.dims[2..].iter().product::<usize>());
        let statistics = self.statistics.get_or_init(|| batch_statistics(x));
        let inverse = inverse_deviations(statistics, self.eps);
        let mut y = fresh(x.data.len());
        y.par_chunks_mut(plane).zip(x.data.par_chunks(plane)).enumerate().for_each(|(n, (y, x))| {
            let c = n % channels;
            let (mean, scale) =
                (T::from_f64(statistics.mean[c]), T::from_f64(gamma[c].to_f64() * inverse[c]));
            wide(
                #[inline(always)]
                || y.iter_mut().zip(x).for_each(|(y, v)| *y = (*v - mean) * scale + beta[c]),
            );
        });
        Ok((y, x.dims.to_vec()))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        wanted: &[bool],
    ) -> Result<Gradients<T>> {
        let (x, gamma) = (inputs[0], inputs[1].data);
        let (channels, plane) = (x.dims[1], x.dims[2..].iter().product::<usize>());
        let (mean, inverse) = (&self.statistics().mean, inverse_deviations(self.statistics(), self.eps));
        // Per channel: Σ g, and Σ g·x̂ with the normalised x̂.
        let sums: Vec<(f64, f64)> = (0..channels)
            .into_par_iter()
            .map(|c| {
                let total = wide(
                    #[inline(always)]
                    || channel_sum(grad, grad, c, |g, _| g),
                );
                let with_x = wide(
                    #[inline(always)]
                    || channel_sum(grad, x, c, |g, v| g * (v - mean[c])),
                );
                (total, with_x * inverse[c])
            })
            .collect();
        let gx = wanted[0].then(|| {
            let count = (x.data.len() / channels) as f64;
            let mut gx = fresh(grad.data.len());
            let given = grad.data.par_chunks(plane).zip(x.data.par_chunks(plane));
            gx.par_chunks_mut(plane).zip(given).enumerate().for_each(|(n, (gx, (g, x)))| {
                let c = n % channels;
                let scale = gamma[c].to_f64() * inverse[c];
                // γ/σ·(g − Σg/N − x̂·Σ(g·x̂)/N); given statistics leave the first term alone.
                let (flat, slope) = if self.fixed {
                    (0.0, 0.0)
                } else {
                    (scale * sums[c].0 / count, scale * sums[c].1 / count * inverse[c])
                };
                let [scale, flat, slope, mean] = [scale, flat, slope, mean[c]].map(T::from_f64);
                wide(
                    #[inline(always)]
                    || {
                        for (gx, (g, v)) in gx.iter_mut().zip(g.iter().zip(x)) {
                            *gx = *g * scale - flat - (*v - mean) * slope;
                        }
                    },
                );
            });
            gx
        });
        let by_gamma = sums.iter().map(|s| T::from_f64(s.1)).collect();
        let by_beta = sums.iter().map(|s| T::from_f64(s.0)).collect();
        Ok(vec![gx, Some(by_gamma), Some(by_beta)])
    }
}

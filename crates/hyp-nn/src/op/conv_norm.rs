//! Convolution, batch normalisation and epilogue as one operation.

#[cfg(feature = "cuda")]
mod cuda;

use std::any::Any;
use std::sync::{Arc, OnceLock};

use candle_core::{Error, Result, Tensor};
use rayon::prelude::*;

use super::activation::{add_then, rectified_to};
use super::batch_norm::{BatchStatistics, inverse_deviations, statistics_of};
use super::conv::{Affine, Conv, Epilogue, Normalised, Scaled, convolve};
use super::elementwise::mapped_pairs;
use super::fresh::{fresh, fresh_positions};
use super::im2col::{ConvOptions, Plan};
use super::kernel::{Element, Gradients, Kernel, Output, View, apply3};
use super::pool::max_pool_plane;
use super::scratch::scratch;
use super::sums::{Moments, sums_of_triples};
use super::wide::wide;

/// [`conv2d`](super::conv2d) without bias, [`batch_norm`](super::batch_norm) by the statistics of the batch, and an
/// [`Epilogue`], in one operation.
///
/// **Shapes.** `x` and `weight` as [`conv2d`](super::conv2d); `gamma`, `beta`: `[out]`; the result is pooled if the
/// epilogue does so.
/// **Numerics.** The bits of the operations one after the other. On the CPU, of pooled values that only rounding makes equal
/// the larger one receives the gradient. Only the convolved maps are kept for the gradient: normalised, rectified and dense
/// gradient maps exist a few images at a time.
///
/// # Errors
/// If the shapes do not fit, or a filter has fewer than two values.
///
/// # Examples
/// ```
/// use hyp_nn::{candle_core::{Device, Tensor}, op::{ConvOptions, Epilogue, conv2d_batch_norm}};
/// let x = Tensor::new(&[[[[1.0_f64, 3.0]]]], &Device::Cpu)?; // one row of two pixels
/// let weight = Tensor::new(&[[[[2.0_f64]]]], &Device::Cpu)?;
/// let (gamma, beta) = (Tensor::new(&[1.0_f64], &Device::Cpu)?, Tensor::new(&[0.0_f64], &Device::Cpu)?);
/// let options = ConvOptions::default();
/// let (y, statistics) = conv2d_batch_norm(&x, &weight, [&gamma, &beta], 0.0, &options, Epilogue::Relu)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f64>()?, [0.0, 1.0]);
/// assert_eq!((statistics.mean[0], statistics.variance[0]), (4.0, 4.0));
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn conv2d_batch_norm(
    x: &Tensor,
    weight: &Tensor,
    [gamma, beta]: [&Tensor; 2],
    eps: f64,
    options: &ConvOptions,
    epilogue: Epilogue,
) -> Result<(Tensor, BatchStatistics)> {
    let kernel = ConvNorm::new(x, weight, [gamma, beta], eps, options, epilogue)?;
    kernel.apply([x, weight, &Tensor::cat(&[gamma, beta], 0)?])
}

/// [`conv2d_batch_norm`] with `other` added before the epilogue, the end of a residual block.
///
/// **Shapes.** `other`: that of the convolved maps. **Numerics.** As there; on a CUDA device one operation after the other.
///
/// # Errors
/// As [`conv2d_batch_norm`]; if the epilogue pools, or `other` has another shape than the maps.
pub fn conv2d_batch_norm_add(
    x: &Tensor,
    weight: &Tensor,
    [gamma, beta]: [&Tensor; 2],
    eps: f64,
    options: &ConvOptions,
    other: &Tensor,
    epilogue: Epilogue,
) -> Result<(Tensor, BatchStatistics)> {
    let kernel = ConvNorm::new(x, weight, [gamma, beta], eps, options, epilogue)?;
    let plan = &kernel.plain.plan;
    let maps = [plan.batch, plan.filters, plan.out[0], plan.out[1]];
    if other.dims() != maps || matches!(epilogue, Epilogue::ReluMaxPool(_)) {
        return Err(Error::Msg(format!(
            "conv2d_batch_norm_add: other {:?}, {epilogue:?}; it must be {maps:?}, and nothing be pooled",
            other.dims()
        )));
    }
    if !x.device().is_cpu() {
        let (normal, statistics) = conv2d_batch_norm(x, weight, [gamma, beta], eps, options, Epilogue::None)?;
        return Ok((add_then(&normal, other, epilogue)?, statistics));
    }
    // An operation has three inputs at most.
    let parameters = Tensor::cat(&[&weight.flatten_all()?, gamma, beta], 0)?;
    ConvNorm { adds: true, ..kernel }.apply([x, &parameters, other])
}

/// The same with given statistics, as in evaluation: on the CPU the maps are multiplied by a number each; where they are
/// pooled, and on other devices, the weight is beforehand.
///
/// **Shapes.** As [`conv2d_batch_norm`]; `mean`, `variance`: one number per filter.
///
/// # Errors
/// If the shapes do not fit.
pub fn conv2d_batch_norm_fixed(
    x: &Tensor,
    weight: &Tensor,
    [gamma, beta]: [&Tensor; 2],
    [mean, variance]: [&[f64]; 2],
    eps: f64,
    options: &ConvOptions,
    epilogue: Epilogue,
) -> Result<Tensor> {
    let plan = Plan::new(x.dims(), weight.dims(), options)?;
    check(&plan, gamma, beta)?;
    if mean.len() != plan.filters || variance.len() != plan.filters {
        let (m, v) = (mean.len(), variance.len());
        return Err(Error::Msg(format!(
            "conv2d_batch_norm_fixed: {m} means and {v} variances for {} filters; give one of each per filter",
            plan.filters
        )));
    }
    let constant = |values: Vec<f64>| Tensor::new(values, weight.device())?.to_dtype(weight.dtype());
    let inverse = constant(variance.iter().map(|v| 1.0 / (v + eps).sqrt()).collect())?;
    let scale = (gamma * inverse)?;
    let bias = (beta - (&scale * constant(mean.to_vec())?)?)?;
    if x.device().is_cpu() && !matches!(epilogue, Epilogue::ReluMaxPool(_)) {
        return apply3(Scaled::new(Conv::new(plan, epilogue)), x, weight, &Tensor::cat(&[&scale, &bias], 0)?);
    }
    let weight = weight.broadcast_mul(&scale.reshape((plan.filters, 1, 1, 1))?)?;
    convolve(epilogue, x, &weight, Some(&bias), options)
}

fn check(plan: &Plan, gamma: &Tensor, beta: &Tensor) -> Result<()> {
    let (gamma, beta) = (gamma.dims(), beta.dims());
    if gamma == [plan.filters] && beta == [plan.filters] {
        return Ok(());
    }
    Err(Error::Msg(format!(
        "conv2d_batch_norm: gamma {gamma:?} and beta {beta:?}; both must be [{}], one value per filter",
        plan.filters
    )))
}

struct ConvNorm {
    /// Whether the inputs are image, weight with γ and β behind it, and what is added; else image, weight, γ with β.
    adds: bool,
    /// The convolution alone.
    plain: Conv,
    /// The same with rectifier and pooling, through which the gradient comes back.
    fused: Conv,
    eps: f64,
    statistics: Arc<OnceLock<BatchStatistics>>,
    /// The convolved maps `[image][filter][position]`, a `Vec` of the element type.
    maps: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// The numbers of the inputs.
struct Inputs<'a, T> {
    weight: View<'a, T>,
    gamma: &'a [T],
    beta: &'a [T],
    other: Option<&'a [T]>,
}

impl ConvNorm {
    fn new(
        x: &Tensor,
        weight: &Tensor,
        [gamma, beta]: [&Tensor; 2],
        eps: f64,
        options: &ConvOptions,
        epilogue: Epilogue,
    ) -> Result<Self> {
        let plan = Plan::new(x.dims(), weight.dims(), options)?;
        check(&plan, gamma, beta)?;
        let count = plan.batch * plan.out_plane();
        if count < 2 {
            return Err(Error::Msg(format!(
                "conv2d_batch_norm: {count} value per filter; training needs at least two, use a larger batch"
            )));
        }
        Ok(Self {
            adds: false,
            plain: Conv::new(plan, Epilogue::None),
            fused: Conv::new(plan, epilogue),
            eps,
            statistics: Arc::new(OnceLock::new()),
            maps: OnceLock::new(),
        })
    }

    /// The result and the statistics by which it was normalised.
    fn apply(self, [x, y, z]: [&Tensor; 3]) -> Result<(Tensor, BatchStatistics)> {
        let statistics = Arc::clone(&self.statistics);
        let result = apply3(self, x, y, z)?;
        Ok((result, statistics.get().expect("invariant: forward has run").clone()))
    }

    fn inputs<'a, T: Element>(&self, inputs: &[View<'a, T>]) -> Inputs<'a, T> {
        let filters = self.plain.plan.filters;
        let View { data, dims } = inputs[1];
        let (weight, affine, other) = if self.adds {
            let (weight, affine) = data.split_at(data.len() - 2 * filters);
            (weight, affine, Some(inputs[2].data))
        } else {
            (data, inputs[2].data, None)
        };
        let (gamma, beta) = affine.split_at(filters);
        Inputs { weight: View { data: weight, dims }, gamma, beta, other }
    }

    /// The gradient before the epilogue.
    fn passed<T: Element>(&self, grad: &[T], output: &[T]) -> Vec<T> {
        mapped_pairs(grad, output, self.fused.epilogue.back())
    }

    /// Normalises the maps of one image, with the epilogue.
    ///
    /// `normal` has room for one map.
    #[inline(always)]
    fn finish<T: Element>(
        &self,
        maps: &[T],
        other: Option<&[T]>,
        lines: &[[T; 3]],
        normal: &mut [T],
        y: &mut [T],
        winners: &mut [u32],
        width: usize,
    ) {
        let plan = &self.fused.plan;
        let pooled = y.len() / plan.filters;
        let maps = maps.chunks_exact(normal.len()).zip(lines);
        for (f, ((map, &[mean, scale, beta]), y)) in maps.zip(y.chunks_exact_mut(pooled)).enumerate() {
            let normalised = |v: T| (v - mean) * scale + beta;
            if let Epilogue::ReluMaxPool(pool) = &self.fused.epilogue {
                let winners = &mut winners[f * pooled..(f + 1) * pooled];
                if scale > T::zero() && scale < T::from_f64(f64::INFINITY) {
                    // Monotone: the largest value before is the largest after, to the bit.
                    max_pool_plane(map, plan.out[1], pool, width, y, winners);
                    for v in y.iter_mut() {
                        *v = normalised(*v);
                    }
                } else {
                    normal.iter_mut().zip(map).for_each(|(n, v)| *n = normalised(*v));
                    max_pool_plane(normal, plan.out[1], pool, width, y, winners);
                }
            } else if let Some(other) = other {
                let other = &other[f * map.len()..(f + 1) * map.len()];
                y.iter_mut().zip(map.iter().zip(other)).for_each(|(y, (v, o))| *y = normalised(*v) + *o);
            } else {
                y.iter_mut().zip(map).for_each(|(y, v)| *y = normalised(*v));
            }
            if self.fused.epilogue != Epilogue::None {
                let most = T::from_f64(self.fused.epilogue.most());
                for v in y {
                    *v = rectified_to(*v, most);
                }
            }
        }
    }

    /// Σ g and Σ g·(v − mean) of one filter, where g is the gradient before the epilogue and v the convolved value.
    ///
    /// `picked` has room for the values of one pooled map.
    #[inline(always)]
    fn sums<T: Element>(
        &self,
        maps: &[T],
        output: &[T],
        grad: &[T],
        (filter, mean): (usize, f64),
        picked: &mut [T],
    ) -> (f64, f64) {
        let plan = &self.fused.plan;
        let (filters, plane) = (plan.filters, plan.out_plane());
        let pooled = grad.len() / (plan.batch * filters);
        let winners = self.fused.winners();
        let back = self.fused.epilogue.back();
        let mut sums = [0.0; 2];
        for n in (filter..plan.batch * filters).step_by(filters) {
            let span = n * pooled..(n + 1) * pooled;
            let map = &maps[n * plane..(n + 1) * plane];
            let (grad, output) = (&grad[span.clone()], &output[span.clone()]);
            let terms = |g: T, y: T, v: T| {
                let g = back(g, y).to_f64();
                [g, g * (v.to_f64() - mean)]
            };
            let part = match winners.get(span) {
                Some(winners) if !winners.is_empty() => {
                    for (picked, at) in picked.iter_mut().zip(winners) {
                        *picked = map[*at as usize];
                    }
                    sums_of_triples([grad, output, picked], terms)
                }
                _ => sums_of_triples([grad, output, map], terms),
            };
            sums = [sums[0] + part[0], sums[1] + part[1]];
        }
        (sums[0], sums[1])
    }
}

impl Kernel for ConvNorm {
    fn name(&self) -> &'static str {
        "conv2d_batch_norm"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let plan = &self.fused.plan;
        let Inputs { weight, gamma, beta, other } = self.inputs(inputs);
        let mut moments = vec![Moments::default(); plan.batch * plan.filters];
        let (maps, _) = self.plain.convolved(&[inputs[0], weight], Affine::of(None), &mut moments)?;
        let statistics =
            self.statistics.get_or_init(|| statistics_of(&moments, plan.filters, plan.out_plane()));
        let inverse = inverse_deviations(statistics, self.eps);
        let lines: Vec<[T; 3]> = (0..plan.filters)
            .map(|f| {
                let scale = gamma[f].to_f64() * inverse[f];
                [T::from_f64(statistics.mean[f]), T::from_f64(scale), beta[f]]
            })
            .collect();
        let size = self.fused.result_size()?;
        let result = plan.filters * size[0] * size[1];
        let mut y = fresh(plan.batch * result);
        let pools = matches!(self.fused.epilogue, Epilogue::ReluMaxPool(_));
        let mut winners = fresh_positions(if pools { y.len() } else { 0 });
        let mut winners_of = winners.chunks_mut(result);
        let mut other_of = other.map(|other| other.chunks(result));
        let tasks: Vec<_> = y
            .chunks_mut(result)
            .zip(maps.chunks(plan.filters * plan.out_plane()))
            .map(|(y, maps)| {
                let other = other_of.as_mut().and_then(Iterator::next);
                (y, maps, other, winners_of.next().unwrap_or_default())
            })
            .collect();
        tasks.into_par_iter().for_each(|(y, maps, other, winners)| {
            scratch(plan.out_plane(), |normal| {
                wide(
                    #[inline(always)]
                    || self.finish(maps, other, &lines, normal, y, winners, size[1]),
                );
            });
        });
        self.fused.keep_winners(winners);
        self.maps.get_or_init(|| Box::new(maps));
        Ok((y, vec![plan.batch, plan.filters, size[0], size[1]]))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        output: View<'_, T>,
        grad: View<'_, T>,
        wanted: &[bool],
    ) -> Result<Gradients<T>> {
        let plan = &self.fused.plan;
        let maps = self.maps.get().and_then(|maps| maps.downcast_ref::<Vec<T>>());
        let maps = maps.expect("invariant: forward kept maps of this type");
        let Inputs { weight, gamma, other, .. } = self.inputs(inputs);
        let statistics = self.statistics.get().expect("invariant: forward ran before backward");
        let inverse = inverse_deviations(statistics, self.eps);
        let pooled = output.dims[2] * output.dims[3];
        let sums: Vec<(f64, f64)> = (0..plan.filters)
            .into_par_iter()
            .map(|f| {
                let filter = (f, statistics.mean[f]);
                let (total, with_value) = scratch(pooled, |picked| {
                    wide(
                        #[inline(always)]
                        || self.sums(maps, output.data, grad.data, filter, picked),
                    )
                });
                (total, with_value * inverse[f])
            })
            .collect();
        // γ/σ·(g − Σg/N − v̂·Σ(g·v̂)/N) with the normalised value v̂, as a straight line of g and v.
        let lines: Vec<[T; 4]> = (0..plan.filters)
            .map(|f| {
                let (scale, count) = (gamma[f].to_f64() * inverse[f], statistics.count as f64);
                let slope = scale * sums[f].1 / count * inverse[f];
                [scale, scale * sums[f].0 / count, slope, statistics.mean[f]].map(T::from_f64)
            })
            .collect();
        let normalised = Normalised { maps, lines: &lines };
        let mut gradients =
            self.fused.backward_through(&[inputs[0], weight], output, grad, &wanted[..2], Some(normalised));
        let (by_gamma, by_beta) = (sums.iter().map(|s| s.1), sums.iter().map(|s| s.0));
        let by_affine = by_gamma.chain(by_beta).map(T::from_f64);
        if other.is_some() {
            if let Some(by_parameters) = &mut gradients[1] {
                by_parameters.extend(by_affine);
            }
            gradients.push(wanted[2].then(|| self.passed(grad.data, output.data)));
        } else {
            gradients.push(wanted[2].then(|| by_affine.collect()));
        }
        Ok(gradients)
    }
}

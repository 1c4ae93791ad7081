//! Two-dimensional convolution as matrix products, optionally fused with bias, rectifier and max pooling.

mod backward;
#[cfg(feature = "cuda")]
mod cuda;

use std::sync::OnceLock;

use candle_core::{Error, Result, Tensor};
use rayon::prelude::*;

pub(super) use self::backward::Normalised;

use super::activation::{gated, gated_to, rectified, rectified_to};
use super::depthwise::Depthwise;
use super::direct::Direct;
use super::gemm::{Former, Matrix, product};
use super::im2col::{ConvOptions, Plan, unfold};
use super::kernel::{Element, Gradients, Kernel, Output, View, apply2, apply3};
use super::pool::{PoolOptions, max_pool_plane};
use super::scratch::scratch;
use super::sums::Moments;
use super::wide::wide;
use super::winograd::{Strides, Winograd};

/// Columns of an unfolded chunk below which further images join it.
const COLUMNS: usize = 256;

/// Chunks into which a batch is cut at least, so that small maps leave no thread without work.
const CHUNKS: usize = 4;

/// Convolution (cross-correlation) of a batch of images.
///
/// $$ y_{b f i j} = \beta_f + \sum_{c,u,v} w_{f c u v}\, x_{b,\,c,\,i s + u d - p,\,j s + v d - p} $$
///
/// **Shapes.** `x`: `[batch, in, height, width]`; `weight`: `[out, in/groups, k_h, k_w]`; `bias`: `[out]`;
/// the result: `[batch, out, ⌊(height + top + bottom − d(k_h − 1) − 1)/s⌋ + 1, …]`.
/// **Numerics.** One matrix product per chunk of images in each direction. Chunks are fixed by the shapes and their
/// gradients summed in order, so bits do not depend on the number of threads. No gradient is computed for an
/// input that leads to no variable.
///
/// # Errors
/// If the shapes do not fit.
///
/// # Examples
/// ```
/// use hyp_nn::{candle_core::{Device, Tensor}, op::{conv2d, ConvOptions}};
/// let x = Tensor::new(&[[[[1.0_f32, 2.0], [3.0, 4.0]]]], &Device::Cpu)?;
/// let weight = Tensor::new(&[[[[1.0_f32, 10.0]]]], &Device::Cpu)?; // one row of two taps
/// let y = conv2d(&x, &weight, None, &ConvOptions::default())?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [21.0, 43.0]);
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, options: &ConvOptions) -> Result<Tensor> {
    convolve(Epilogue::None, x, weight, bias, options)
}

/// The convolution of [`conv2d`] followed by [`relu`](super::relu()), in one pass.
///
/// # Errors
/// If the shapes do not fit.
pub fn conv2d_relu(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &ConvOptions,
) -> Result<Tensor> {
    convolve(Epilogue::Relu, x, weight, bias, options)
}

/// The convolution of [`conv2d`] followed by [`relu`](super::relu()) and [`max_pool2d`](super::max_pool2d), in one
/// pass that never stores the unpooled map.
///
/// **Numerics.** The maximum is taken before bias and rectifier, which are monotone: the value is the same to the
/// last bit, and of values that only rounding makes equal the larger one receives the gradient.
///
/// # Errors
/// If the shapes do not fit.
pub fn conv2d_relu_max_pool(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &ConvOptions,
    pool: &PoolOptions,
) -> Result<Tensor> {
    convolve(Epilogue::ReluMaxPool(*pool), x, weight, bias, options)
}

pub(super) fn convolve(
    epilogue: Epilogue,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &ConvOptions,
) -> Result<Tensor> {
    let plan = Plan::new(x.dims(), weight.dims(), options)?;
    let kernel = Conv::new(plan, epilogue);
    match bias {
        Some(b) if b.dims() != [plan.filters] => {
            let (got, want) = (b.dims(), plan.filters);
            Err(Error::Msg(format!("conv2d: bias {got:?}; it must be [{want}], one value per filter")))
        }
        Some(bias) => apply3(kernel, x, weight, bias),
        None => apply2(kernel, x, weight),
    }
}

/// What follows a convolution, or its normalisation, in the same pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// Nothing.
    None,
    /// [`relu`](super::relu()).
    Relu,
    /// [`relu6`](super::relu6()).
    Relu6,
    /// [`relu`](super::relu()) and [`max_pool2d`](super::max_pool2d).
    ReluMaxPool(PoolOptions),
}

impl Epilogue {
    /// The largest value that the rectifier lets through.
    pub(super) fn most(self) -> f64 {
        if self == Self::Relu6 { 6.0 } else { f64::INFINITY }
    }
}

pub(super) struct Conv {
    pub(super) plan: Plan,
    pub(super) epilogue: Epilogue,
    /// The form with the fewest multiplications.
    winograd: Option<Winograd>,
    /// The form that needs no unfolded matrix.
    direct: Option<Direct>,
    /// The form for filters that see one channel.
    depthwise: Option<Depthwise>,
    winners: OnceLock<Vec<u32>>,
    #[cfg(feature = "cuda")]
    cuda_winners: OnceLock<super::cuda::Numbers>,
}

impl Conv {
    pub(super) fn new(plan: Plan, epilogue: Epilogue) -> Self {
        Self {
            plan,
            epilogue,
            winograd: Winograd::new(plan),
            direct: Direct::new(plan),
            depthwise: Depthwise::new(plan),
            winners: OnceLock::new(),
            #[cfg(feature = "cuda")]
            cuda_winners: OnceLock::new(),
        }
    }

    /// Where in its map each pooled maximum stands; empty without pooling.
    pub(super) fn winners(&self) -> &[u32] {
        self.winners.get().expect("invariant: forward ran before backward")
    }

    /// Sets what [`Conv::winners`] gives.
    pub(super) fn keep_winners(&self, winners: Vec<u32>) {
        self.winners.get_or_init(|| winners);
    }

    /// Height and width of the result.
    pub(super) fn result_size(&self) -> Result<[usize; 2]> {
        match self.epilogue {
            Epilogue::ReluMaxPool(pool) => pool.output_size(self.plan.out[0], self.plan.out[1]),
            _ => Ok(self.plan.out),
        }
    }

    /// Images that are worked on together.
    fn chunk<T: Element>(&self) -> usize {
        if let (Some(winograd), true) = (&self.winograd, T::single(&[]).is_some()) {
            return winograd.images();
        }
        (COLUMNS / self.plan.out_plane().max(1)).clamp(1, self.plan.batch.div_ceil(CHUNKS).max(1))
    }

    /// `maps[filter][image × position] = weight · unfolded`, group by group.
    fn forward_product<T: Element>(&self, weight: &[T], unfolded: &[T], maps: &mut [T], columns: usize) {
        let groups = self.plan.options.groups;
        let (rows, filters) = (self.plan.rows() / groups, self.plan.filters / groups);
        for (maps, (weight, unfolded)) in maps
            .chunks_exact_mut(filters * columns)
            .zip(weight.chunks_exact(filters * rows).zip(unfolded.chunks_exact(rows * columns)))
        {
            let (lhs, rhs) = (Matrix::new(weight, filters, rows), Matrix::new(unfolded, rows, columns));
            product(maps, Former::Replaced, lhs, rhs);
        }
    }

    /// Brings maps `[filter][image][position]` with bias and epilogue to the result `[image][filter][position]`.
    fn finish<T: Element>(
        &self,
        maps: &[T],
        bias: Option<&[T]>,
        result: &mut [T],
        winners: &mut [u32],
        size: [usize; 2],
    ) {
        wide(
            #[inline(always)]
            || self.finish_lines(maps, bias, result, winners, size),
        );
    }

    #[inline(always)]
    fn finish_lines<T: Element>(
        &self,
        maps: &[T],
        bias: Option<&[T]>,
        result: &mut [T],
        winners: &mut [u32],
        size: [usize; 2],
    ) {
        let (filters, plane, pooled) = (self.plan.filters, self.plan.out_plane(), size[0] * size[1]);
        let images = result.len() / (filters * pooled);
        for (f, maps) in maps.chunks_exact(images * plane).enumerate() {
            let b = bias.map_or(T::zero(), |b| b[f]);
            for (i, map) in maps.chunks_exact(plane).enumerate() {
                let at = (i * filters + f) * pooled;
                let result = &mut result[at..at + pooled];
                match &self.epilogue {
                    Epilogue::None => result.iter_mut().zip(map).for_each(|(y, v)| *y = *v + b),
                    Epilogue::Relu => result.iter_mut().zip(map).for_each(|(y, v)| *y = rectified(*v + b)),
                    Epilogue::Relu6 => {
                        let most = T::from_f64(self.epilogue.most());
                        result.iter_mut().zip(map).for_each(|(y, v)| *y = rectified_to(*v + b, most));
                    }
                    Epilogue::ReluMaxPool(pool) => {
                        let winners = &mut winners[at..at + pooled];
                        max_pool_plane(map, self.plan.out[1], pool, size[1], result, winners);
                        for y in result {
                            *y = rectified(*y + b);
                        }
                    }
                }
            }
        }
    }

    /// The inverse of [`Conv::finish`] for the gradient: `[image][filter][position]` to `[filter][image][position]`,
    /// through the epilogue.
    fn unfinish<T: Element>(&self, grad: &[T], output: &[T], winners: &[u32], maps: &mut [T], pooled: usize) {
        wide(
            #[inline(always)]
            || self.unfinish_lines(grad, output, winners, maps, pooled),
        );
    }

    #[inline(always)]
    fn unfinish_lines<T: Element>(
        &self,
        grad: &[T],
        output: &[T],
        winners: &[u32],
        maps: &mut [T],
        pooled: usize,
    ) {
        let (filters, plane) = (self.plan.filters, self.plan.out_plane());
        let images = grad.len() / (filters * pooled);
        for (f, maps) in maps.chunks_exact_mut(images * plane).enumerate() {
            for (i, map) in maps.chunks_exact_mut(plane).enumerate() {
                let at = (i * filters + f) * pooled;
                let (grad, output) = (&grad[at..at + pooled], &output[at..at + pooled]);
                match &self.epilogue {
                    Epilogue::None => map.copy_from_slice(grad),
                    Epilogue::Relu => {
                        for (m, (g, y)) in map.iter_mut().zip(grad.iter().zip(output)) {
                            *m = gated(*g, *y);
                        }
                    }
                    Epilogue::Relu6 => {
                        let most = T::from_f64(self.epilogue.most());
                        for (m, (g, y)) in map.iter_mut().zip(grad.iter().zip(output)) {
                            *m = gated_to(*g, *y, most);
                        }
                    }
                    Epilogue::ReluMaxPool(_) => {
                        map.fill(T::zero());
                        for (w, (g, y)) in winners[at..at + pooled].iter().zip(grad.iter().zip(output)) {
                            map[*w as usize] += gated(*g, *y);
                        }
                    }
                }
            }
        }
    }

    /// The result; and the moments of each map of it, `[image][filter]`, while it is in the cache, unless `moments` is
    /// empty.
    pub(super) fn convolved<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        moments: &mut [Moments],
    ) -> Result<Output<T>> {
        let plan = &self.plan;
        let (x, weight, bias) = (inputs[0].data, inputs[1].data, inputs.get(2).map(|b| b.data));
        let size = self.result_size()?;
        let result = plan.filters * size[0] * size[1];
        let mut y = vec![T::zero(); plan.batch * result];
        let pools = matches!(self.epilogue, Epilogue::ReluMaxPool(_));
        let mut winners = vec![0; if pools { y.len() } else { 0 }];
        if y.is_empty() || plan.image() == 0 {
            return Err(Error::Msg(format!(
                "conv2d: empty tensors, {plan:?}; give at least one image and filter"
            )));
        }
        let chunk = self.chunk::<T>();
        let mut winner_chunks = winners.chunks_mut(chunk * result);
        let mut moment_chunks = moments.chunks_mut(chunk * plan.filters);
        let tasks: Vec<_> = y
            .chunks_mut(chunk * result)
            .zip(x.chunks(chunk * plan.image()))
            .map(|(y, x)| {
                let (winners, moments) = (winner_chunks.next(), moment_chunks.next());
                (y, x, winners.unwrap_or_default(), moments.unwrap_or_default())
            })
            .collect();
        let form = Form::of(self, weight);
        tasks.into_par_iter().for_each(|(y, x, winners, moments)| {
            let images = x.len() / plan.image();
            let columns = images * plan.out_plane();
            scratch(plan.filters * columns, |maps: &mut [T]| {
                if let (Some(form), Some(x), Some(maps)) = (&form, T::single(x), T::single_mut(maps)) {
                    let at = Strides { image: plan.image(), channel: plan.height * plan.width };
                    form.maps(x, at, images, maps, Strides { image: plan.out_plane(), channel: columns });
                } else if let Some(depthwise) = &self.depthwise {
                    for (i, x) in x.chunks_exact(plan.image()).enumerate() {
                        depthwise.maps(weight, x, &mut maps[i * plan.out_plane()..], columns);
                    }
                } else if plan.is_pointwise() && x.len() == plan.image() {
                    self.forward_product(weight, x, maps, columns);
                } else {
                    scratch(plan.rows() * columns, |unfolded| {
                        unfold(plan, x, unfolded);
                        self.forward_product(weight, unfolded, maps, columns);
                    });
                }
                self.finish(maps, bias, y, winners, size);
                wide(
                    #[inline(always)]
                    || {
                        let maps = y.chunks_exact(size[0] * size[1]);
                        moments.iter_mut().zip(maps).for_each(|(m, map)| *m = Moments::of(map));
                    },
                );
            });
        });
        self.keep_winners(winners);
        Ok((y, vec![plan.batch, plan.filters, size[0], size[1]]))
    }
}

/// A form of the convolution that unfolds nothing, with the weight as it reads it.
enum Form {
    Winograd(Winograd, Vec<f32>),
    Direct(Direct, Vec<f32>),
}

impl Form {
    /// The fastest of them that computes the maps, if there is one.
    fn of<T: Element>(conv: &Conv, weight: &[T]) -> Option<Self> {
        let weight = T::single(weight)?;
        if let Some(winograd) = &conv.winograd {
            return Some(Self::Winograd(winograd.clone(), winograd.pack(weight)));
        }
        let direct = conv.direct.as_ref().filter(|direct| direct.pays(conv.plan.out_plane()))?;
        Some(Self::Direct(direct.clone(), direct.pack(weight)))
    }

    /// The fastest of them that computes the gradient of the images.
    fn of_input_gradient<T: Element>(plan: &Plan, weight: &[T]) -> Option<Self> {
        let weight = T::single(weight)?;
        if let Some(winograd) = Winograd::of_input_gradient(plan) {
            let packed = winograd.pack_turned(weight);
            return Some(Self::Winograd(winograd, packed));
        }
        let direct = Direct::of_input_gradient(plan)?;
        let packed = direct.pack_turned(weight);
        Some(Self::Direct(direct, packed))
    }

    /// Convolves some images into maps.
    fn maps(&self, x: &[f32], at: Strides, images: usize, maps: &mut [f32], to: Strides) {
        match self {
            Self::Winograd(winograd, packed) => winograd.maps(packed, x, at, images, maps, to),
            Self::Direct(direct, packed) => {
                for i in 0..images {
                    let (x, maps) = (&x[i * at.image..], &mut maps[i * to.image..]);
                    direct.maps(packed, x, at.channel, maps, to.channel);
                }
            }
        }
    }
}

impl Kernel for Conv {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        self.convolved(inputs, &mut [])
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        output: View<'_, T>,
        grad: View<'_, T>,
        wanted: &[bool],
    ) -> Result<Gradients<T>> {
        Ok(self.backward_through(inputs, output, grad, wanted, None))
    }
}

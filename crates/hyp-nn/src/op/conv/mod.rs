//! Two-dimensional convolution as matrix products, optionally fused with bias, rectifier and max pooling.

mod backward;
#[cfg(feature = "cuda")]
mod cuda;
mod depthwise;
mod scaled;
mod whole;

use std::ops::Range;
use std::sync::OnceLock;

use candle_core::{Error, Result, Tensor};
use rayon::prelude::*;

pub(super) use self::backward::Normalised;
use self::backward::Share;
pub(super) use self::scaled::{Affine, Scaled};

use super::activation::{gated, gated_to, rectified, rectified_to};
use super::depthwise::Depthwise;
use super::direct::Direct;
use super::fresh::{fresh, fresh_positions};
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
/// **Numerics.** Matrix products of unfolded images, or of none where the filters are 1×1 or few; in `f32`, filters of 3×3
/// with stride 1 by tiles of 4×4 (Winograd), whose error is below 5·10⁻⁶ of the largest result and in which an infinite
/// pixel makes NaN of a whole tile, finite pixels beside it included; where every filter sees one channel, an infinite pixel
/// at the edge can make NaN of the gradient of a tap that does not see it. Gradients of chunks are summed in order, so bits do
/// not depend on the number of threads. No gradient is computed for an input that leads to no variable.
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

    /// The gradient before the rectifier, if there is one, of that behind it and the value there.
    #[inline(always)]
    pub(super) fn back<T: Element>(self) -> impl Fn(T, T) -> T {
        // Known before a loop begins, and not asked for each number.
        let (rectified, most) = (self != Self::None, T::from_f64(self.most()));
        #[inline(always)]
        move |g, y| if rectified { gated_to(g, y, most) } else { g }
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
        if self.depthwise.is_some() {
            // Nothing is shared between images, and the maps of one go straight to where they belong.
            return 1;
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

    /// Brings the maps of some images with what is added and epilogue to the result `[image][filter][position]`.
    ///
    /// That of filter `f` and image `i` is at `f·columns + i·plane`. The moments are those of the result, unless there is
    /// no room for them.
    fn finish<T: Element>(
        &self,
        maps: &[T],
        columns: usize,
        affine: Affine<'_, T>,
        (result, winners, moments): (&mut [T], &mut [u32], &mut [Moments]),
        size: [usize; 2],
    ) {
        wide(
            #[inline(always)]
            || {
                let (plane, pooled) = (self.plan.out_plane(), size[0] * size[1]);
                for (n, result) in result.chunks_exact_mut(pooled).enumerate() {
                    let (i, f) = (n / self.plan.filters, n % self.plan.filters);
                    let map = &maps[f * columns + i * plane..][..plane];
                    if let Epilogue::ReluMaxPool(pool) = &self.epilogue {
                        let winners = &mut winners[n * pooled..(n + 1) * pooled];
                        max_pool_plane(map, self.plan.out[1], pool, size[1], result, winners);
                    } else {
                        result.copy_from_slice(map);
                    }
                    self.close(result, affine, f, moments.get_mut(n));
                }
            },
        );
    }

    /// [`Conv::finish`] where the maps of one image already stand in the result, and nothing is pooled.
    fn finish_in_place<T: Element>(&self, result: &mut [T], affine: Affine<'_, T>, moments: &mut [Moments]) {
        wide(
            #[inline(always)]
            || {
                for (f, result) in result.chunks_exact_mut(self.plan.out_plane()).enumerate() {
                    self.close(result, affine, f, moments.get_mut(f));
                }
            },
        );
    }

    /// Multiplies one map of the result and adds to it, rectifies it, and takes its moments.
    #[inline(always)]
    fn close<T: Element>(
        &self,
        result: &mut [T],
        affine: Affine<'_, T>,
        filter: usize,
        moments: Option<&mut Moments>,
    ) {
        let [a, b] = affine.line(filter);
        match &self.epilogue {
            Epilogue::None if affine.is_none() => {}
            Epilogue::None => result.iter_mut().for_each(|y| *y = *y * a + b),
            Epilogue::Relu | Epilogue::ReluMaxPool(_) => {
                for y in result.iter_mut() {
                    *y = rectified(*y * a + b);
                }
            }
            Epilogue::Relu6 => {
                let most = T::from_f64(self.epilogue.most());
                for y in result.iter_mut() {
                    *y = rectified_to(*y * a + b, most);
                }
            }
        }
        if let Some(moments) = moments {
            *moments = Moments::of(result);
        }
    }

    /// The inverse of [`Conv::finish`] for the gradient: from `[image][filter][position]` to the maps of some filters,
    /// `[filter][image][position]`, through the epilogue and a normalisation before it, if there is one; the images
    /// begin with that number of the normalised ones.
    fn unfinish<T: Element>(
        &self,
        share: &Share<'_, T>,
        filters: Range<usize>,
        maps: &mut [T],
        normalised: Option<(Normalised<'_, T>, usize)>,
    ) {
        wide(
            #[inline(always)]
            || {
                let plane = self.plan.out_plane();
                let images = maps.len() / (filters.len() * plane);
                for (n, map) in maps.chunks_exact_mut(plane).enumerate() {
                    let (f, i) = (filters.start + n / images, n % images);
                    let at = i * self.plan.filters + f;
                    match &normalised {
                        Some((normalised, first)) if !share.winners.is_empty() => {
                            let scale = normalised.pass_nothing(map, f, first + i);
                            share.scatter(at, scale, map);
                        }
                        Some((normalised, first)) => {
                            self.unfinish_map(share, at, map);
                            normalised.pass(map, f, first + i);
                        }
                        None => self.unfinish_map(share, at, map),
                    }
                }
            },
        );
    }

    #[inline(always)]
    fn unfinish_map<T: Element>(&self, share: &Share<'_, T>, n: usize, map: &mut [T]) {
        let span = n * share.pooled..(n + 1) * share.pooled;
        let (grad, output) = (&share.grad[span.clone()], &share.output[span.clone()]);
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
                share.scatter(n, T::one(), map);
            }
        }
    }

    /// The result; and the moments of each map of it, `[image][filter]`, while it is in the cache, unless `moments` is
    /// empty.
    pub(super) fn convolved<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        affine: Affine<'_, T>,
        moments: &mut [Moments],
    ) -> Result<Output<T>> {
        let plan = &self.plan;
        let (x, weight) = (inputs[0].data, inputs[1].data);
        let size = self.result_size()?;
        let result = plan.filters * size[0] * size[1];
        let mut y = fresh(plan.batch * result);
        let pools = matches!(self.epilogue, Epilogue::ReluMaxPool(_));
        let mut winners = fresh_positions(if pools { y.len() } else { 0 });
        if y.is_empty() || plan.image() == 0 {
            return Err(Error::Msg(format!(
                "conv2d: empty tensors, {plan:?}; give at least one image and filter"
            )));
        }
        if let Some(whole) = self.whole::<T>() {
            self.convolve_whole(&whole, [x, weight], affine, (&mut y, &mut winners, moments), size);
        } else {
            self.convolve_shares([x, weight], affine, (&mut y, &mut winners, moments), size);
        }
        self.keep_winners(winners);
        Ok((y, vec![plan.batch, plan.filters, size[0], size[1]]))
    }

    /// The result, in shares of the batch.
    fn convolve_shares<T: Element>(
        &self,
        [x, weight]: [&[T]; 2],
        affine: Affine<'_, T>,
        (y, winners, moments): (&mut [T], &mut [u32], &mut [Moments]),
        size: [usize; 2],
    ) {
        let plan = &self.plan;
        let result = plan.filters * size[0] * size[1];
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
            let columns = x.len() / plan.image() * plan.out_plane();
            if winners.is_empty() && x.len() == plan.image() {
                // Nothing is pooled, and the maps of one image already lie as the result does.
                self.share_maps(form.as_ref(), weight, x, y);
                self.finish_in_place(y, affine, moments);
            } else {
                scratch(plan.filters * columns, |maps: &mut [T]| {
                    self.share_maps(form.as_ref(), weight, x, maps);
                    self.finish(maps, columns, affine, (y, winners, moments), size);
                });
            }
        });
    }

    /// The maps `[filter][image][position]` of some images.
    fn share_maps<T: Element>(&self, form: Option<&Form>, weight: &[T], x: &[T], maps: &mut [T]) {
        let plan = &self.plan;
        let images = x.len() / plan.image();
        let columns = images * plan.out_plane();
        if let (Some(form), Some(x), true) = (form, T::single(x), T::single(maps).is_some()) {
            let at = Strides { image: plan.image(), channel: plan.height * plan.width };
            let to = Strides { image: plan.out_plane(), channel: columns };
            form.maps(x, at, images, T::single_mut(maps).unwrap_or_default(), to);
        } else if let Some(depthwise) = &self.depthwise {
            // An image at a time, as `chunk` says.
            depthwise.maps(weight, x, maps);
        } else if plan.is_pointwise() && images == 1 {
            self.forward_product(weight, x, maps, columns);
        } else {
            scratch(plan.rows() * columns, |unfolded| {
                unfold(plan, x, unfolded);
                self.forward_product(weight, unfolded, maps, columns);
            });
        }
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
        self.convolved(inputs, Affine::of(inputs.get(2).map(|bias| bias.data)), &mut [])
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

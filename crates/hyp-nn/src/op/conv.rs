//! Two-dimensional convolution as matrix products, optionally fused with bias, rectifier and max pooling.

use std::sync::OnceLock;

use candle_core::{Error, Result, Tensor};
use rayon::prelude::*;

use super::activation::{gated, rectified};
use super::direct::Direct;
use super::gemm::{Former, Matrix, product};
use super::im2col::{ConvOptions, Plan, fold_add, unfold};
use super::kernel::{Element, Gradients, Kernel, Output, View, apply2, apply3};
use super::pool::{PoolOptions, max_pool_plane};
use super::scratch::scratch;
use super::wide::wide;

/// Columns of an unfolded chunk below which further images join it.
const COLUMNS: usize = 256;

/// Into how many tasks the backward pass cuts a batch at most; each holds a gradient of the weight of its own.
const TASKS: usize = 16;

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

fn convolve(
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

/// What follows the convolution in the same pass.
pub(super) enum Epilogue {
    None,
    Relu,
    ReluMaxPool(PoolOptions),
}

pub(super) struct Conv {
    pub(super) plan: Plan,
    pub(super) epilogue: Epilogue,
    /// The form that needs no unfolded matrix, of the convolution and of its input gradient, where it is the faster.
    direct: Option<Direct>,
    direct_input: Option<Direct>,
    winners: OnceLock<Vec<u32>>,
}

impl Conv {
    pub(super) fn new(plan: Plan, epilogue: Epilogue) -> Self {
        let (direct, direct_input) = (Direct::new(plan), Direct::of_input_gradient(&plan));
        Self { plan, epilogue, direct, direct_input, winners: OnceLock::new() }
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

    /// Images that are unfolded together.
    fn chunk(&self) -> usize {
        (COLUMNS / self.plan.out_plane().max(1)).clamp(1, self.plan.batch.max(1))
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
}

/// The share of the batch that one backward task works on.
struct Task<'a, T> {
    x: &'a [T],
    grad: &'a [T],
    output: &'a [T],
    winners: &'a [u32],
    gx: Option<&'a mut [T]>,
    normalised: Option<Normalised<'a, T>>,
}

/// What all backward tasks share.
struct Common<'a, T> {
    weight: &'a [T],
    /// The weight as the direct form of the input gradient reads it.
    turned: Option<Vec<f32>>,
    weight_wanted: bool,
    /// Elements of one map of the result.
    pooled: usize,
}

/// A batch normalisation between convolution and rectifier, as the gradient passes it.
#[derive(Clone, Copy)]
pub(super) struct Normalised<'a, T> {
    /// What was convolved, `[image][filter][position]`.
    pub(super) maps: &'a [T],
    /// `[a, b, s, m]` of each filter: the gradient g at the convolved value v becomes a·g − b − s·(v − m).
    pub(super) lines: &'a [[T; 4]],
}

impl<T: Element> Normalised<'_, T> {
    /// Takes the gradient maps `[filter][image][position]` of some images, from number `first` on, through it.
    #[inline(always)]
    fn pass(&self, maps: &mut [T], first: usize, images: usize) {
        let filters = self.lines.len();
        let plane = maps.len() / (filters * images);
        for (n, map) in maps.chunks_exact_mut(plane).enumerate() {
            let (f, i) = (n / images, n % images);
            let [scale, flat, slope, mean] = self.lines[f];
            let at = ((first + i) * filters + f) * plane;
            for (g, v) in map.iter_mut().zip(&self.maps[at..at + plane]) {
                *g = *g * scale - flat - (*v - mean) * slope;
            }
        }
    }
}

impl Conv {
    /// Gradients of weight (transposed; empty if not wanted) and bias from one task; writes its part of the input gradient.
    fn backward_task<T: Element>(&self, task: Task<'_, T>, common: &Common<'_, T>) -> (Vec<T>, Vec<f64>) {
        let columns = self.chunk() * self.plan.out_plane();
        scratch(self.plan.filters * columns, |maps| {
            scratch(self.plan.rows() * columns, |unfolded| self.backward_in(task, common, maps, unfolded))
        })
    }

    fn backward_in<T: Element>(
        &self,
        task: Task<'_, T>,
        common: &Common<'_, T>,
        maps: &mut [T],
        unfolded: &mut [T],
    ) -> (Vec<T>, Vec<f64>) {
        let &Common { weight, weight_wanted, pooled, .. } = common;
        let direct = self.direct.as_ref().filter(|_| weight_wanted && T::single(weight).is_some());
        let mut direct_gw = direct.map_or(Vec::new(), |d| vec![0.0; d.gradient_filters() * self.plan.rows()]);
        let plan = &self.plan;
        let groups = plan.options.groups;
        let (rows, filters) = (plan.rows() / groups, plan.filters / groups);
        let (image, result) = (plan.image(), plan.filters * pooled);
        let chunk = self.chunk();
        let mut gw = vec![T::zero(); if weight_wanted { weight.len() } else { 0 }];
        let mut gb = vec![0.0; plan.filters];
        let mut gx_chunks = task.gx.map(|gx| gx.chunks_mut(chunk * image));
        for (n, x) in task.x.chunks(chunk * image).enumerate() {
            let images = x.len() / image;
            let columns = images * plan.out_plane();
            let at = n * chunk * result..(n * chunk + images) * result;
            let winners = if task.winners.is_empty() { &[] } else { &task.winners[at.clone()] };
            let maps = &mut maps[..plan.filters * columns];
            self.unfinish(&task.grad[at.clone()], &task.output[at], winners, maps, pooled);
            if let Some(normalised) = &task.normalised {
                wide(
                    #[inline(always)]
                    || normalised.pass(maps, n * chunk, images),
                );
            }
            for (total, map) in gb.iter_mut().zip(maps.chunks_exact(columns)) {
                *total += sum(map);
            }
            let unfolded = &mut unfolded[..plan.rows() * columns];
            if let (Some(direct), Some(x), Some(maps)) = (direct, T::single(x), T::single(maps)) {
                for (i, x) in x.chunks_exact(image).enumerate() {
                    direct.weight_gradient(x, &maps[i * plan.out_plane()..], columns, &mut direct_gw);
                }
            } else if weight_wanted {
                let unfolded: &[T] = if plan.is_pointwise() && images == 1 {
                    x
                } else {
                    unfold(plan, x, unfolded);
                    unfolded
                };
                for (gw, (maps, unfolded)) in gw
                    .chunks_exact_mut(filters * rows)
                    .zip(maps.chunks_exact(filters * columns).zip(unfolded.chunks_exact(rows * columns)))
                {
                    let maps = Matrix::new(maps, filters, columns).transposed();
                    product(gw, Former::Kept, Matrix::new(unfolded, rows, columns), maps);
                }
            }
            let Some(gx) = gx_chunks.as_mut().and_then(Iterator::next) else { continue };
            let turned = self.direct_input.as_ref().zip(common.turned.as_ref());
            if let (Some((direct, turned)), Some(maps)) = (turned, T::single(maps)) {
                let plane = plan.height * plan.width;
                for (i, gx) in
                    T::single_mut(gx).into_iter().flat_map(|gx| gx.chunks_exact_mut(image)).enumerate()
                {
                    direct.maps(turned, &maps[i * plan.out_plane()..], columns, gx, plane);
                }
            } else {
                for (unfolded, (maps, weight)) in unfolded
                    .chunks_exact_mut(rows * columns)
                    .zip(maps.chunks_exact(filters * columns).zip(weight.chunks_exact(filters * rows)))
                {
                    let weight = Matrix::new(weight, filters, rows).transposed();
                    product(unfolded, Former::Replaced, weight, Matrix::new(maps, filters, columns));
                }
                fold_add(plan, unfolded, gx);
            }
        }
        if let (Some(direct), Some(gw)) = (direct, T::single_mut(&mut gw)) {
            let lines = direct_gw.chunks_exact(direct.gradient_filters());
            for (gw, line) in gw.chunks_exact_mut(plan.filters).zip(lines) {
                gw.copy_from_slice(&line[..plan.filters]);
            }
        }
        (gw, gb)
    }
}

impl Conv {
    /// Brings the gradient of the weight from `[group][row][filter]`, in which it is accumulated because the product
    /// is faster that way round, to `[group][filter][row]`.
    fn weight_layout<T: Element>(&self, gradient: &[T]) -> Vec<T> {
        let groups = self.plan.options.groups;
        let (rows, filters) = (self.plan.rows() / groups, self.plan.filters / groups);
        let mut out = Vec::with_capacity(gradient.len());
        for group in gradient.chunks_exact(rows * filters) {
            for f in 0..filters {
                out.extend(group[f..].iter().step_by(filters));
            }
        }
        out
    }
}

/// The sum of a row in `f64`, in eight interleaved partial sums.
fn sum<T: Element>(row: &[T]) -> f64 {
    let mut lanes = [0.0; 8];
    let (runs, rest) = row.as_chunks::<8>();
    for run in runs {
        for i in 0..8 {
            lanes[i] += run[i].to_f64();
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|v| v.to_f64()).sum::<f64>()
}

impl Conv {
    /// The gradients of the inputs, through a batch normalisation if there is one.
    pub(super) fn backward_through<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        output: View<'_, T>,
        grad: View<'_, T>,
        wanted: &[bool],
        normalised: Option<Normalised<'_, T>>,
    ) -> Gradients<T> {
        let plan = &self.plan;
        let (x, weight) = (inputs[0].data, inputs[1].data);
        let pooled = output.dims[2] * output.dims[3];
        let result = plan.filters * pooled;
        let winners = self.winners();
        let mut gx = wanted[0].then(|| vec![T::zero(); x.len()]);
        let chunk = self.chunk();
        let images = plan.batch.div_ceil(TASKS).next_multiple_of(chunk);
        let mut gx_parts = gx.as_mut().map(|gx| gx.chunks_mut(images * plan.image()));
        let maps =
            normalised.map_or(&[][..], |all| all.maps).chunks(images * plan.filters * plan.out_plane());
        let mut normalised_parts = maps.filter_map(|maps| normalised.map(|all| Normalised { maps, ..all }));
        let mut winner_parts = winners.chunks(images * result);
        let tasks: Vec<Task<'_, T>> = x
            .chunks(images * plan.image())
            .zip(grad.data.chunks(images * result).zip(output.data.chunks(images * result)))
            .map(|(x, (grad, output))| Task {
                x,
                grad,
                output,
                winners: winner_parts.next().unwrap_or_default(),
                gx: gx_parts.as_mut().and_then(Iterator::next),
                normalised: normalised_parts.next(),
            })
            .collect();
        let turned = self.direct_input.as_ref().filter(|_| wanted[0]);
        let turned = turned.zip(T::single(weight)).map(|(direct, weight)| direct.pack_turned(weight));
        let common = Common { weight, turned, weight_wanted: wanted[1], pooled };
        let parts: Vec<(Vec<T>, Vec<f64>)> =
            tasks.into_par_iter().map(|task| self.backward_task(task, &common)).collect();
        let mut parts = parts.into_iter();
        let (mut gw, mut gb) = parts.next().expect("invariant: forward refuses an empty batch");
        for (w, b) in parts {
            gw.iter_mut().zip(&w).for_each(|(total, part)| *total += *part);
            gb.iter_mut().zip(&b).for_each(|(total, part)| *total += *part);
        }
        let mut gradients = vec![gx, wanted[1].then(|| self.weight_layout(&gw))];
        if inputs.len() == 3 {
            gradients.push(wanted[2].then(|| gb.into_iter().map(T::from_f64).collect()));
        }
        gradients
    }
}

impl Kernel for Conv {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
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
        let chunk = self.chunk();
        let mut winner_chunks = winners.chunks_mut(chunk * result);
        let tasks: Vec<_> = y
            .chunks_mut(chunk * result)
            .zip(x.chunks(chunk * plan.image()))
            .map(|(y, x)| (y, x, winner_chunks.next().unwrap_or_default()))
            .collect();
        let direct = self.direct.as_ref().zip(T::single(weight)).map(|(d, weight)| (d, d.pack(weight)));
        tasks.into_par_iter().for_each(|(y, x, winners)| {
            let columns = x.len() / plan.image() * plan.out_plane();
            scratch(plan.filters * columns, |maps: &mut [T]| {
                let direct = direct.as_ref().zip(T::single(x));
                if let (Some(((direct, packed), x)), Some(maps)) = (direct, T::single_mut(maps)) {
                    let channel_step = plan.height * plan.width;
                    for (i, x) in x.chunks_exact(plan.image()).enumerate() {
                        direct.maps(packed, x, channel_step, &mut maps[i * plan.out_plane()..], columns);
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
            });
        });
        self.keep_winners(winners);
        Ok((y, vec![plan.batch, plan.filters, size[0], size[1]]))
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

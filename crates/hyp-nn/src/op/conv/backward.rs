//! The gradients of a convolution, in tasks that each take a share of the batch.

use std::ops::Range;

use rayon::prelude::*;

use super::super::activation::gated;
use super::super::direct::Direct;
use super::super::fresh::fresh;
use super::super::gemm::{Former, Matrix, product};
use super::super::im2col::{fold_add, unfold};
use super::super::kernel::{Element, Gradients, View};
use super::super::scratch::scratch;
use super::super::sums::{sum_of, sum_of_pairs};
use super::super::wide::wide;
use super::super::winograd::{Strides, Winograd};
use super::{Conv, Form};

/// Into how many tasks the backward pass cuts a batch at most; each holds a gradient of the weight of its own.
const TASKS: usize = 16;

/// Filters whose gradients are summed over the tasks together.
const LINE: usize = 16;

/// Numbers that the transformed gradients of all tasks may have together; with more, there are fewer tasks.
const GRADIENTS: usize = 1 << 25;

/// What comes back to a share of the batch.
#[derive(Clone, Copy)]
pub(super) struct Share<'a, T> {
    pub(super) grad: &'a [T],
    pub(super) output: &'a [T],
    /// Where each pooled maximum stood; empty without pooling.
    pub(super) winners: &'a [u32],
    /// Elements of one map of the result.
    pub(super) pooled: usize,
}

impl<T: Element> Share<'_, T> {
    /// Adds the pooled gradient of a map, times a number, where its maxima stood.
    #[inline(always)]
    pub(super) fn scatter(&self, n: usize, scale: T, map: &mut [T]) {
        let span = n * self.pooled..(n + 1) * self.pooled;
        let back = self.grad[span.clone()].iter().zip(&self.output[span.clone()]);
        for (w, (g, y)) in self.winners[span].iter().zip(back) {
            map[*w as usize] += gated(*g, *y) * scale;
        }
    }
}

impl<T> Share<'_, T> {
    /// That of some of the images, each with `result` elements.
    pub(super) fn part(&self, images: Range<usize>, result: usize) -> Self {
        let span = images.start * result..images.end * result;
        let winners = if self.winners.is_empty() { &[] } else { &self.winners[span.clone()] };
        Self { grad: &self.grad[span.clone()], output: &self.output[span], winners, pooled: self.pooled }
    }
}

/// The share of the batch that one backward task works on.
pub(super) struct Task<'a, T> {
    pub(super) x: &'a [T],
    pub(super) back: Share<'a, T>,
    pub(super) gx: Option<&'a mut [T]>,
    /// The number of the first image.
    pub(super) first: usize,
}

/// What all backward tasks share.
pub(super) struct Common<'a, T> {
    pub(super) weight: &'a [T],
    /// The forms of the weight gradient, where it is wanted and they are the faster ones.
    winograd: Option<&'a Winograd>,
    direct: Option<&'a Direct>,
    /// The form of the input gradient, if it is wanted and unfolds nothing.
    turned: Option<Form>,
    pub(super) weight_wanted: bool,
    pub(super) bias_wanted: bool,
    pub(super) normalised: Option<Normalised<'a, T>>,
}

/// A batch normalisation between convolution and rectifier, as the gradient passes it.
#[derive(Clone, Copy)]
pub(in super::super) struct Normalised<'a, T> {
    /// What was convolved, `[image][filter][position]`.
    pub(in super::super) maps: &'a [T],
    /// `[a, b, s, m]` of each filter: the gradient g at the convolved value v becomes a·g − b − s·(v − m).
    pub(in super::super) lines: &'a [[T; 4]],
}

impl<T: Element> Normalised<'_, T> {
    /// What was convolved by one filter from one image.
    #[inline(always)]
    fn values(&self, filter: usize, image: usize, plane: usize) -> &[T] {
        let at = (image * self.lines.len() + filter) * plane;
        &self.maps[at..at + plane]
    }

    /// Takes the gradient of one map through it.
    #[inline(always)]
    pub(super) fn pass(&self, map: &mut [T], filter: usize, image: usize) {
        let [scale, flat, slope, mean] = self.lines[filter];
        let values = self.values(filter, image, map.len());
        for (g, v) in map.iter_mut().zip(values) {
            *g = *g * scale - flat - (*v - mean) * slope;
        }
    }

    /// What [`Normalised::pass`] makes of a map without gradient, and the number by which a gradient comes to it.
    #[inline(always)]
    pub(super) fn pass_nothing(&self, map: &mut [T], filter: usize, image: usize) -> T {
        let [scale, flat, slope, mean] = self.lines[filter];
        let values = self.values(filter, image, map.len());
        for (g, v) in map.iter_mut().zip(values) {
            *g = (mean - *v) * slope - flat;
        }
        scale
    }
}

impl Conv {
    /// Gradients of weight (transposed; empty if not wanted) and bias from one task; writes its part of the input gradient.
    fn backward_task<T: Element>(&self, task: Task<'_, T>, common: &Common<'_, T>) -> (Vec<T>, Vec<f64>) {
        if let Some(depthwise) = &self.depthwise {
            return self.depthwise_task(depthwise, task, common);
        }
        let plan = &self.plan;
        let (image, result) = (plan.image(), plan.filters * task.back.pooled);
        let chunk = self.chunk::<T>();
        let mut gw = WeightGradient::new(self, common);
        let mut gb = vec![0.0; plan.filters];
        let mut gx_chunks = task.gx.map(|gx| gx.chunks_mut(chunk * image));
        scratch(plan.filters * chunk * plan.out_plane(), |maps| {
            for (n, x) in task.x.chunks(chunk * image).enumerate() {
                let images = x.len() / image;
                let columns = images * plan.out_plane();
                let back = task.back.part(n * chunk..n * chunk + images, result);
                let maps = &mut maps[..plan.filters * columns];
                let normalised = common.normalised.map(|all| (all, task.first + n * chunk));
                self.unfinish(&back, 0..plan.filters, maps, normalised);
                if common.bias_wanted {
                    self.add_bias_gradient(&back, 0..plan.filters, maps, &mut gb);
                }
                if common.weight_wanted {
                    gw.add(self, common, x, maps);
                }
                if let Some(gx) = gx_chunks.as_mut().and_then(Iterator::next) {
                    self.input_gradient(common, maps, gx);
                }
            }
        });
        (gw.finish(self, common), gb)
    }

    /// Adds the gradient of the bias of some filters from some images.
    pub(super) fn add_bias_gradient<T: Element>(
        &self,
        back: &Share<'_, T>,
        filters: Range<usize>,
        maps: &[T],
        gb: &mut [f64],
    ) {
        wide(
            #[inline(always)]
            || {
                if back.winners.is_empty() {
                    let maps = maps.chunks_exact(maps.len() / filters.len());
                    gb[filters].iter_mut().zip(maps).for_each(|(total, map)| *total += sum_of(map, |v| v));
                    return;
                }
                // What is not zero in the maps came from the pooled ones, which are fewer; a normalisation, which leaves
                // no zeros, comes without a bias.
                let (result, pooled) = (self.plan.filters * back.pooled, back.pooled);
                for (grad, output) in back.grad.chunks_exact(result).zip(back.output.chunks_exact(result)) {
                    for f in filters.clone() {
                        let span = f * pooled..(f + 1) * pooled;
                        let (grad, output) = (&grad[span.clone()], &output[span]);
                        gb[f] += sum_of_pairs(grad, output, |g, y| if y <= 0.0 { 0.0 } else { g });
                    }
                }
            },
        );
    }

    /// The gradient of some images from that of their maps.
    fn input_gradient<T: Element>(&self, common: &Common<'_, T>, maps: &[T], gx: &mut [T]) {
        let (plan, plane) = (&self.plan, self.plan.out_plane());
        let columns = maps.len() / plan.filters;
        let images = columns / plane;
        if let (Some(form), Some(maps), true) = (&common.turned, T::single(maps), T::single(gx).is_some()) {
            let (at, to) = (
                Strides { image: plane, channel: columns },
                Strides { image: plan.image(), channel: plan.height * plan.width },
            );
            form.maps(maps, at, images, T::single_mut(gx).unwrap_or_default(), to);
        } else if plan.is_pointwise() && images == 1 {
            self.backward_product(common.weight, maps, gx, columns);
        } else {
            scratch(plan.rows() * columns, |unfolded| {
                self.backward_product(common.weight, maps, unfolded, columns);
                gx.fill(T::zero());
                fold_add(plan, unfolded, columns, gx);
            });
        }
    }

    /// `unfolded[row][image × position] = weightᵀ · maps`, group by group.
    fn backward_product<T: Element>(&self, weight: &[T], maps: &[T], unfolded: &mut [T], columns: usize) {
        let groups = self.plan.options.groups;
        let (rows, filters) = (self.plan.rows() / groups, self.plan.filters / groups);
        for (unfolded, (maps, weight)) in unfolded
            .chunks_exact_mut(rows * columns)
            .zip(maps.chunks_exact(filters * columns).zip(weight.chunks_exact(filters * rows)))
        {
            let weight = Matrix::new(weight, filters, rows).transposed();
            product(unfolded, Former::Replaced, weight, Matrix::new(maps, filters, columns));
        }
    }

    /// The sum of the gradients of the weight of all tasks, brought from `[group][row][filter]`, in which they are
    /// accumulated because the product is faster that way round, to `[group][filter][row]`.
    fn weight_layout<T: Element>(&self, parts: &[Vec<T>]) -> Vec<T> {
        let groups = self.plan.options.groups;
        let (rows, filters) = (self.plan.rows() / groups, self.plan.filters / groups);
        let mut out = fresh(self.plan.filters * rows);
        if filters == 1 {
            // With one filter a group the two orders are the same.
            wide(
                #[inline(always)]
                || {
                    out.fill(T::zero());
                    for part in parts {
                        out.iter_mut().zip(part).for_each(|(total, v)| *total += *v);
                    }
                },
            );
            return out;
        }
        out.par_chunks_exact_mut(rows * filters).enumerate().for_each(|(group, out)| {
            out.par_chunks_mut(LINE * rows).enumerate().for_each(|(n, out)| {
                let (first, count) = (n * LINE, out.len() / rows);
                for row in 0..rows {
                    let at = (group * rows + row) * filters + first;
                    let mut line = [T::zero(); LINE];
                    for part in parts {
                        line.iter_mut().zip(&part[at..at + count]).for_each(|(total, v)| *total += *v);
                    }
                    out[row..].iter_mut().step_by(rows).zip(line).for_each(|(to, v)| *to = v);
                }
            });
        });
        out
    }
}

/// The sum over some images of the gradient of the weight.
enum WeightGradient<T> {
    /// Transformed, as [`Winograd::weight_gradient`] gives it.
    Winograd(Vec<f32>),
    /// `[tap][filter]`, filters filled up to whole vectors.
    Direct(Vec<f32>),
    /// `[group][row][filter]`; empty if it is not wanted.
    Plain(Vec<T>),
}

impl<T: Element> WeightGradient<T> {
    fn new(conv: &Conv, common: &Common<'_, T>) -> Self {
        match (common.winograd, common.direct) {
            (Some(winograd), _) => Self::Winograd(vec![0.0; winograd.gradient_len()]),
            (None, Some(direct)) => Self::Direct(vec![0.0; direct.gradient_filters() * conv.plan.rows()]),
            (None, None) => {
                Self::Plain(vec![T::zero(); if common.weight_wanted { common.weight.len() } else { 0 }])
            }
        }
    }

    /// Adds that of the images `x` with the gradient of their maps.
    fn add(&mut self, conv: &Conv, common: &Common<'_, T>, x: &[T], maps: &[T]) {
        let (plan, plane) = (&conv.plan, conv.plan.out_plane());
        let columns = maps.len() / plan.filters;
        match self {
            Self::Winograd(gw) => {
                let (Some(winograd), Some(x), Some(maps)) = (common.winograd, T::single(x), T::single(maps))
                else {
                    unreachable!("this form is chosen for `f32` alone")
                };
                let (at, from) = (
                    Strides { image: plan.image(), channel: plan.height * plan.width },
                    Strides { image: plane, channel: columns },
                );
                winograd.weight_gradient(x, at, columns / plane, maps, from, gw);
            }
            Self::Direct(gw) => {
                let (Some(direct), Some(x), Some(maps)) = (common.direct, T::single(x), T::single(maps))
                else {
                    unreachable!("this form is chosen for `f32` alone")
                };
                for (i, x) in x.chunks_exact(plan.image()).enumerate() {
                    direct.weight_gradient(x, &maps[i * plane..], columns, gw);
                }
            }
            Self::Plain(gw) if plan.is_pointwise() && x.len() == plan.image() => {
                add_products(conv, x, maps, gw);
            }
            Self::Plain(gw) => scratch(plan.rows() * columns, |unfolded| {
                unfold(plan, x, unfolded);
                add_products(conv, unfolded, maps, gw);
            }),
        }
    }

    /// The sum as `[group][row][filter]`.
    fn finish(self, conv: &Conv, common: &Common<'_, T>) -> Vec<T> {
        let mut gw = vec![T::zero(); common.weight.len()];
        let filled = match (self, common.winograd) {
            (Self::Plain(gw), _) => return gw,
            (Self::Winograd(sums), Some(winograd)) => winograd.finish_gradient(&sums),
            (Self::Direct(filled) | Self::Winograd(filled), _) => filled,
        };
        let lines = filled.chunks_exact(filled.len() / conv.plan.rows());
        for (gw, line) in
            T::single_mut(&mut gw).unwrap_or_default().chunks_exact_mut(conv.plan.filters).zip(lines)
        {
            gw.copy_from_slice(&line[..conv.plan.filters]);
        }
        gw
    }
}

/// `gw += unfolded · mapsᵀ`, group by group.
fn add_products<T: Element>(conv: &Conv, unfolded: &[T], maps: &[T], gw: &mut [T]) {
    let groups = conv.plan.options.groups;
    let (rows, filters) = (conv.plan.rows() / groups, conv.plan.filters / groups);
    let columns = maps.len() / conv.plan.filters;
    for (gw, (maps, unfolded)) in gw
        .chunks_exact_mut(filters * rows)
        .zip(maps.chunks_exact(filters * columns).zip(unfolded.chunks_exact(rows * columns)))
    {
        let maps = Matrix::new(maps, filters, columns).transposed();
        product(gw, Former::Kept, Matrix::new(unfolded, rows, columns), maps);
    }
}

impl Conv {
    /// The gradients of the inputs, through a batch normalisation if there is one.
    pub(in super::super) fn backward_through<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        output: View<'_, T>,
        grad: View<'_, T>,
        wanted: &[bool],
        normalised: Option<Normalised<'_, T>>,
    ) -> Gradients<T> {
        let plan = &self.plan;
        let weight = inputs[1].data;
        let pooled = output.dims[2] * output.dims[3];
        let all = Share { grad: grad.data, output: output.data, winners: self.winners(), pooled };
        let single = T::single(weight);
        let winograd = self.winograd.as_ref().filter(|_| wanted[1] && single.is_some());
        let tasks = winograd.map_or(TASKS, |w| (GRADIENTS / w.gradient_len()).clamp(TASKS / 4, TASKS));
        let images = plan.batch.div_ceil(tasks).next_multiple_of(self.chunk::<T>());
        let shares = plan.batch.div_ceil(images);
        self.backward_whole(inputs, &all, wanted, normalised, shares)
            .unwrap_or_else(|| self.backward_shares(inputs, &all, wanted, normalised, images))
    }

    /// The same in shares of so many images.
    pub(super) fn backward_shares<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        all: &Share<'_, T>,
        wanted: &[bool],
        normalised: Option<Normalised<'_, T>>,
        images: usize,
    ) -> Gradients<T> {
        let plan = &self.plan;
        let (x, weight) = (inputs[0].data, inputs[1].data);
        let result = plan.filters * all.pooled;
        let single = T::single(weight);
        let winograd = self.winograd.as_ref().filter(|_| wanted[1] && single.is_some());
        // Every form of the gradient writes all of it.
        let mut gx = wanted[0].then(|| fresh(x.len()));
        let mut gx_parts = gx.as_mut().map(|gx| gx.chunks_mut(images * plan.image()));
        let tasks: Vec<Task<'_, T>> = x
            .chunks(images * plan.image())
            .enumerate()
            .map(|(n, x)| Task {
                x,
                back: all.part(n * images..n * images + x.len() / plan.image(), result),
                gx: gx_parts.as_mut().and_then(Iterator::next),
                first: n * images,
            })
            .collect();
        let direct = self.direct.as_ref().filter(|d| wanted[1] && single.is_some() && d.pays_for_weight());
        let turned = wanted[0].then(|| Form::of_input_gradient(plan, weight)).flatten();
        let bias_wanted = wanted.get(2) == Some(&true);
        let common =
            Common { weight, winograd, direct, turned, weight_wanted: wanted[1], bias_wanted, normalised };
        let (gw, gb): (Vec<Vec<T>>, Vec<Vec<f64>>) =
            tasks.into_par_iter().map(|task| self.backward_task(task, &common)).unzip();
        let mut gradients = vec![gx, wanted[1].then(|| self.weight_layout(&gw))];
        if inputs.len() == 3 {
            gradients.push(wanted[2].then(|| {
                let sum = |f| gb.iter().map(|part: &Vec<f64>| part[f]).sum();
                (0..plan.filters).map(|f| T::from_f64(sum(f))).collect()
            }));
        }
        gradients
    }
}

//! The gradients of a convolution, in tasks that each take a share of the batch.

use rayon::prelude::*;

use super::super::gemm::{Former, Matrix, product};
use super::super::im2col::{fold_add, unfold};
use super::super::kernel::{Element, Gradients, View};
use super::super::scratch::scratch;
use super::super::wide::wide;
use super::Conv;

/// Into how many tasks the backward pass cuts a batch at most; each holds a gradient of the weight of its own.
const TASKS: usize = 16;

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
pub(in super::super) struct Normalised<'a, T> {
    /// What was convolved, `[image][filter][position]`.
    pub(in super::super) maps: &'a [T],
    /// `[a, b, s, m]` of each filter: the gradient g at the convolved value v becomes a·g − b − s·(v − m).
    pub(in super::super) lines: &'a [[T; 4]],
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
        let direct = self
            .direct
            .as_ref()
            .filter(|direct| weight_wanted && T::single(weight).is_some() && direct.pays_for_weight());
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
            } else if let (Some(depthwise), true) = (&self.depthwise, weight_wanted) {
                for (i, x) in x.chunks_exact(image).enumerate() {
                    depthwise.weight_gradient(x, &maps[i * plan.out_plane()..], columns, &mut gw);
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
            } else if let Some(depthwise) = &self.depthwise {
                for (i, gx) in gx.chunks_exact_mut(image).enumerate() {
                    depthwise.input_gradient(weight, &maps[i * plan.out_plane()..], columns, gx);
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
    pub(in super::super) fn backward_through<T: Element>(
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

//! Convolution straight from the padded image, without an unfolded matrix.
//!
//! In an image that is stored with its padding, rows `w` apart, the tap (c, u, v) of output position (i, j) stands at
//! `offset(c, u, v) + i·w + j`. For a run of positions every tap is therefore a run of memory, and a convolution is
//! Σ weight · run over the taps: the arithmetic of a matrix product whose right side is never written down. The
//! positions between the end of one output row and the start of the next are computed too and dropped.
//! With stride s the image is stored as s² images of every s-th row and column, in which neighbours are neighbours.

mod kernels;

use super::im2col::{ConvOptions, Padding, Plan};
use super::scratch::scratch;
use super::wide::wide;
use kernels::{Level, Lines};

/// Filters above which unfolding costs nothing beside the product, which the blocked kernel then does faster.
const FILTERS: usize = 256;

/// Computed positions per wanted one above which unfolding is faster.
const WASTE: f64 = 1.6;

/// Positions in which the weight gradient is summed before it goes to memory, so that they stay in the first cache.
const RUN: usize = 128;

/// A convolution of `f32` images with one group, as this module computes it.
#[derive(Debug)]
pub(super) struct Direct {
    plan: Plan,
    level: Level,
    /// Height and width of a stored plane.
    stored: [usize; 2],
    /// Where each tap of the weight starts in the stored image.
    offsets: Vec<u32>,
    /// From the first to the last output position, those between rows included.
    positions: usize,
}

impl Direct {
    /// The direct form of a convolution, where the processor and the shapes make it the faster one.
    pub(super) fn new(plan: Plan) -> Option<Self> {
        let level = Level::detect()?;
        let ConvOptions { stride, dilation, groups, .. } = plan.options;
        if groups != 1 || plan.filters > FILTERS || plan.is_pointwise() || plan.out_plane() == 0 {
            return None;
        }
        let needed = |axis: usize| {
            let padded = (plan.out[axis] - 1) * stride[axis] + (plan.kernel[axis] - 1) * dilation[axis] + 1;
            padded.div_ceil(stride[axis])
        };
        let stored = [needed(0), needed(1)];
        let positions = (plan.out[0] - 1) * stored[1] + plan.out[1];
        let waste = positions.next_multiple_of(level.positions()) as f64 / plan.out_plane() as f64;
        if waste > WASTE {
            return None;
        }
        let plane = stored[0] * stored[1];
        let mut offsets = Vec::with_capacity(plan.rows());
        for channel in 0..plan.channels {
            for ky in 0..plan.kernel[0] {
                for kx in 0..plan.kernel[1] {
                    let (y, x) = (ky * dilation[0], kx * dilation[1]);
                    let phase = (channel * stride[0] + y % stride[0]) * stride[1] + x % stride[1];
                    let at = phase * plane + y / stride[0] * stored[1] + x / stride[1];
                    offsets.push(u32::try_from(at).ok()?);
                }
            }
        }
        Some(Self { plan, level, stored, offsets, positions })
    }

    /// The direct form of the gradient of the input: a convolution of the gradient with the weight turned about.
    pub(super) fn of_input_gradient(plan: &Plan) -> Option<Self> {
        let ConvOptions { stride, padding, dilation, groups } = plan.options;
        if stride != [1; 2] {
            return None;
        }
        let reach = |axis: usize| (plan.kernel[axis] - 1) * dilation[axis];
        let padding = Padding {
            top: reach(0).checked_sub(padding.top)?,
            bottom: reach(0).checked_sub(padding.bottom)?,
            left: reach(1).checked_sub(padding.left)?,
            right: reach(1).checked_sub(padding.right)?,
        };
        let direct = Self::new(Plan {
            batch: plan.batch,
            channels: plan.filters,
            height: plan.out[0],
            width: plan.out[1],
            filters: plan.channels,
            kernel: plan.kernel,
            out: [plan.height, plan.width],
            options: ConvOptions { stride, padding, dilation, groups },
        })?;
        // The unfolded form computes the positions of the result and not those of the image, which may be many more.
        let tiles = direct.positions.next_multiple_of(direct.level.positions());
        (tiles as f64 <= WASTE * plan.out_plane() as f64).then_some(direct)
    }

    /// The weight `[filter][tap]` in the order in which the kernel reads it: `[block][tap][filter of the block]`.
    pub(super) fn pack(&self, weight: &[f32]) -> Vec<f32> {
        let taps = self.offsets.len();
        self.pack_by(|filter, tap| weight[filter * taps + tap])
    }

    /// The weight `[filter][channel][ky][kx]` of a convolution, for its [`Direct::of_input_gradient`].
    pub(super) fn pack_turned(&self, weight: &[f32]) -> Vec<f32> {
        let [k_h, k_w] = self.plan.kernel;
        let (square, channels) = (k_h * k_w, self.plan.filters);
        self.pack_by(|channel, tap| {
            let (filter, turned) = (tap / square, square - 1 - tap % square);
            weight[(filter * channels + channel) * square + turned]
        })
    }

    fn pack_by(&self, value: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        let (taps, block) = (self.offsets.len(), self.level.filters());
        let filters = self.plan.filters;
        let mut packed = vec![0.0; filters.next_multiple_of(block) * taps];
        for (n, lines) in packed.chunks_exact_mut(taps * block).enumerate() {
            for (tap, line) in lines.chunks_exact_mut(block).enumerate() {
                for (filter, v) in (n * block..filters).zip(line) {
                    *v = value(filter, tap);
                }
            }
        }
        packed
    }

    /// Convolves one image, whose channels start `channel_step` elements apart, into maps that start `map_step` apart.
    pub(super) fn maps(
        &self,
        packed: &[f32],
        image: &[f32],
        channel_step: usize,
        maps: &mut [f32],
        map_step: usize,
    ) {
        let [height, width] = self.plan.out;
        let row = self.stored[1];
        let tile = self.positions.next_multiple_of(self.level.positions());
        let blocks = self.plan.filters.next_multiple_of(self.level.filters());
        self.with_stored(image, channel_step, |stored| {
            scratch(blocks * tile, |wide_maps| {
                self.level.maps(packed, &self.offsets, stored, wide_maps, tile);
                wide(
                    #[inline(always)]
                    || {
                        for (n, from) in wide_maps.chunks_exact(tile).take(self.plan.filters).enumerate() {
                            let to = &mut maps[n * map_step..n * map_step + height * width];
                            for (to, from) in to.chunks_exact_mut(width).zip(from.chunks(row)) {
                                to.copy_from_slice(&from[..width]);
                            }
                        }
                    },
                );
            });
        });
    }

    /// Filters of the weight gradient with those that fill the last vector.
    pub(super) fn gradient_filters(&self) -> usize {
        self.plan.filters.next_multiple_of(self.level.lanes())
    }

    /// Adds the gradient of the weight from one image to `gradient`, which is `[tap][Direct::gradient_filters]`.
    ///
    /// The gradient of map `f` starts at `f·map_step`.
    pub(super) fn weight_gradient(&self, image: &[f32], maps: &[f32], map_step: usize, gradient: &mut [f32]) {
        let filters = self.gradient_filters();
        let [height, width] = self.plan.out;
        let row = self.stored[1];
        let rows = (RUN / width).max(1);
        self.with_stored(image, self.plan.height * self.plan.width, |stored| {
            scratch(rows * width * filters, |turned| {
                turned.fill(0.0);
                for y in (0..height).step_by(rows) {
                    let rows = rows.min(height - y);
                    let turned = &mut turned[..rows * width * filters];
                    let from = &maps[y * width..];
                    self.level.transpose(from, map_step, self.plan.filters, rows * width, turned, filters);
                    let lines = Lines { rows, width, step: row };
                    self.level.weight_gradient(turned, &self.offsets, &stored[y * row..], lines, gradient);
                }
            });
        });
    }

    /// Gives `work` an image stored with its padding, and with room to read a whole tile from any tap.
    fn with_stored<R>(&self, image: &[f32], channel_step: usize, work: impl FnOnce(&[f32]) -> R) -> R {
        let [stride_y, stride_x] = self.plan.options.stride;
        let plane = self.stored[0] * self.stored[1];
        let size = self.plan.channels * stride_y * stride_x * plane;
        scratch(size + 2 * self.level.positions(), |stored| {
            wide(
                #[inline(always)]
                || self.store(image, channel_step, stored),
            );
            work(stored)
        })
    }

    #[inline(always)]
    fn store(&self, image: &[f32], channel_step: usize, stored: &mut [f32]) {
        let plan = &self.plan;
        let ([stride_y, stride_x], Padding { top, left, .. }) = (plan.options.stride, plan.options.padding);
        let [rows, row] = self.stored;
        let plane = rows * row;
        if plan.options.padding != Padding::default() || [stride_y, stride_x] != [1; 2] {
            stored.fill(0.0);
        }
        for (channel, stored) in
            stored.chunks_exact_mut(plane * stride_y * stride_x).take(plan.channels).enumerate()
        {
            let lines = &image[channel * channel_step..channel * channel_step + plan.height * plan.width];
            for (y, line) in lines.chunks_exact(plan.width).enumerate() {
                let (phase_y, at_y) = ((y + top) % stride_y, (y + top) / stride_y);
                if at_y >= rows {
                    break;
                }
                for phase_x in 0..stride_x {
                    let target = &mut stored[(phase_y * stride_x + phase_x) * plane + at_y * row..][..row];
                    // The first column of this phase that the image reaches.
                    let first = (phase_x + stride_x - left % stride_x) % stride_x;
                    let target = target.get_mut((first + left) / stride_x..).unwrap_or_default();
                    if stride_x == 1 {
                        target.iter_mut().zip(line).for_each(|(t, v)| *t = *v);
                    } else {
                        let line = line.iter().skip(first).step_by(stride_x);
                        target.iter_mut().zip(line).for_each(|(t, v)| *t = *v);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small multiples of 1/8, whose products and sums are exact in `f32`, so that equality is.
    fn numbers(n: usize, step: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * step + i / 7) % 17) as f32 / 8.0 - 1.0).collect()
    }

    /// The input pixel of a tap at an output position, if it is not padding.
    fn pixel(plan: &Plan, [y, x]: [usize; 2], [ky, kx]: [usize; 2]) -> Option<[usize; 2]> {
        let ConvOptions { stride, padding, dilation, .. } = plan.options;
        let iy = (y * stride[0] + ky * dilation[0]).checked_sub(padding.top)?;
        let ix = (x * stride[1] + kx * dilation[1]).checked_sub(padding.left)?;
        (iy < plan.height && ix < plan.width).then_some([iy, ix])
    }

    /// Calls `visit(filter, channel, tap of the kernel, output position, input position)` for every product.
    fn each(plan: &Plan, mut visit: impl FnMut(usize, usize, usize, usize, usize)) {
        let [k_h, k_w] = plan.kernel;
        for (f, c) in (0..plan.filters).flat_map(|f| (0..plan.channels).map(move |c| (f, c))) {
            for (ky, kx) in (0..k_h).flat_map(|ky| (0..k_w).map(move |kx| (ky, kx))) {
                for (y, x) in (0..plan.out[0]).flat_map(|y| (0..plan.out[1]).map(move |x| (y, x))) {
                    if let Some([iy, ix]) = pixel(plan, [y, x], [ky, kx]) {
                        visit(f, c, ky * k_w + kx, y * plan.out[1] + x, iy * plan.width + ix);
                    }
                }
            }
        }
    }

    fn options(
        stride: [usize; 2],
        [top, bottom, left, right]: [usize; 4],
        dilation: [usize; 2],
    ) -> ConvOptions {
        ConvOptions { stride, padding: Padding { top, bottom, left, right }, dilation, groups: 1 }
    }

    #[test]
    fn agrees_with_the_sum_of_products_on_every_level() {
        let cases = [
            ([1, 1, 20, 33], [3, 1, 5, 5], options([1; 2], [0; 4], [1; 2])),
            ([1, 5, 24, 31], [13, 5, 3, 3], options([1; 2], [1; 4], [1; 2])),
            ([1, 40, 24, 30], [65, 40, 3, 3], options([1; 2], [1; 4], [1; 2])),
            ([1, 3, 47, 50], [40, 3, 7, 7], options([2; 2], [3; 4], [1; 2])),
            ([1, 2, 41, 64], [24, 2, 3, 2], options([2, 1], [0, 1, 2, 0], [1, 3])),
            ([1, 4, 60, 33], [9, 4, 1, 1], options([1, 1], [1, 0, 0, 1], [1; 2])),
            ([1, 2, 30, 40], [16, 2, 1, 7], options([1; 2], [0, 0, 3, 3], [2, 1])),
        ];
        let (mut tried, mut with_input) = (0, 0);
        for level in Level::all() {
            for (x, weight, options) in cases {
                let plan = Plan::new(&x, &weight, &options).unwrap();
                let Some(mut direct) = Direct::new(plan) else { continue };
                direct.level = level;
                tried += 1;
                let image = numbers(plan.image(), 5);
                let weight = numbers(plan.filters * plan.rows(), 3);
                let grad = numbers(plan.filters * plan.out_plane(), 11);
                let (plane, area) = (plan.height * plan.width, plan.kernel[0] * plan.kernel[1]);
                let mut want = vec![0.0; plan.filters * plan.out_plane()];
                let mut want_weight = vec![0.0; weight.len()];
                let mut want_input = vec![0.0; image.len()];
                each(&plan, |f, c, tap, at, from| {
                    let (w, v, g) =
                        ((f * plan.channels + c) * area + tap, c * plane + from, f * plan.out_plane() + at);
                    want[g] += weight[w] * image[v];
                    want_weight[w] += grad[g] * image[v];
                    want_input[v] += grad[g] * weight[w];
                });
                let mut got = vec![f32::NAN; want.len()];
                direct.maps(&direct.pack(&weight), &image, plane, &mut got, plan.out_plane());
                assert_eq!(got, want, "{level:?} {plan:?}");
                let filters = direct.gradient_filters();
                let mut got = vec![0.0; plan.rows() * filters];
                direct.weight_gradient(&image, &grad, plan.out_plane(), &mut got);
                for (i, want) in want_weight.iter().enumerate() {
                    let (f, tap) = (i / plan.rows(), i % plan.rows());
                    assert_eq!(got[tap * filters + f], *want, "{level:?} {plan:?} weight {i}");
                }
                if let Some(mut back) = Direct::of_input_gradient(&plan) {
                    back.level = level;
                    with_input += 1;
                    let mut got = vec![f32::NAN; image.len()];
                    back.maps(&back.pack_turned(&weight), &grad, plan.out_plane(), &mut got, plane);
                    assert_eq!(got, want_input, "{level:?} {plan:?} input");
                }
            }
        }
        if Level::detect().is_some() {
            assert!(tried >= cases.len() && with_input >= 4, "{tried} cases, {with_input} input gradients");
        }
    }

    #[test]
    fn large_filters_small_maps_and_groups_are_left_to_the_matrix_product() {
        let plan = |x: [usize; 4], w: [usize; 4], options: &ConvOptions| Plan::new(&x, &w, options).unwrap();
        let padded = ConvOptions::new(1, 1);
        assert!(Direct::new(plan([1, 4, 40, 40], [300, 4, 3, 3], &padded)).is_none());
        assert!(Direct::new(plan([1, 4, 3, 3], [8, 4, 3, 3], &padded)).is_none());
        assert!(Direct::new(plan([1, 4, 40, 40], [8, 4, 1, 1], &ConvOptions::default())).is_none());
        let groups = ConvOptions { groups: 2, ..padded };
        assert!(Direct::new(plan([1, 4, 40, 40], [8, 2, 3, 3], &groups)).is_none());
    }
}

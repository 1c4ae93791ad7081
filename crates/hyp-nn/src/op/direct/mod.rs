//! Convolution straight from the stored image, without an unfolded matrix.
//!
//! Every tap of a run of output positions is a run of the [`Stored`] image, so a convolution is Σ weight · run over the
//! taps: the arithmetic of a matrix product whose right side is never written down. The positions between the end of
//! one output row and the start of the next are computed too and dropped.

use super::gemm::Former;
use super::im2col::Plan;
use super::scratch::scratch;
use super::stored::Stored;
use super::vector::{Frame, Lane, Level, Lines, Work, lay_apart};
use super::wide::wide;

/// Filters above which unfolding costs nothing beside the product, which the blocked kernel then does faster.
const FILTERS: usize = 256;

/// Computed positions per wanted one above which unfolding is faster.
const WASTE: f64 = 1.6;

/// Positions in which the weight gradient is summed before it goes to memory, so that they stay in the first cache.
const RUN: usize = 128;

/// A convolution of `f32` images with one group, as this module computes it.
#[derive(Clone, Debug)]
pub(super) struct Direct {
    plan: Plan,
    level: Level,
    stored: Stored,
}

impl Direct {
    /// The direct form of a convolution, if it has one on this processor.
    pub(super) fn new(plan: Plan) -> Option<Self> {
        let level = Level::detect()?;
        if plan.options.groups != 1 || plan.is_pointwise() || plan.out_plane() == 0 {
            return None;
        }
        Some(Self { plan, level, stored: Stored::new(&plan, plan.channels)? })
    }

    /// The direct form of the gradient of the input, where it is the faster one.
    pub(super) fn of_input_gradient(plan: &Plan) -> Option<Self> {
        let direct = Self::new(Stored::turned(plan)?)?;
        // The unfolded form computes the positions of the result and not those of the image, which may be many more.
        direct.pays(plan.out_plane()).then_some(direct)
    }

    /// Whether the maps are computed faster than by another form that computes so many positions.
    pub(super) fn pays(&self, positions: usize) -> bool {
        self.plan.filters <= FILTERS && self.tile() as f64 <= WASTE * positions as f64
    }

    /// Whether the weight gradient is: it computes no position in vain, but reads small maps of many filters slowly.
    pub(super) fn pays_for_weight(&self) -> bool {
        self.plan.filters <= FILTERS || self.plan.out_plane() >= RUN / 2
    }

    /// Output positions with those that fill the last tile.
    fn tile(&self) -> usize {
        self.stored.positions().next_multiple_of(self.level.lanes())
    }

    /// The weight `[filter][tap]` in the order in which the kernel reads it: `[block][tap][filter of the block]`.
    pub(super) fn pack(&self, weight: &[f32]) -> Vec<f32> {
        let taps = self.stored.offsets().len();
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
        let (taps, block) = (self.stored.offsets().len(), self.level.filters());
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
        let (row, tile) = (self.stored.row(), self.tile());
        let blocks = self.plan.filters.next_multiple_of(self.level.filters());
        self.with_stored(image, channel_step, |stored| {
            scratch(blocks * tile, |wide_maps| {
                self.level.maps(packed, self.stored.offsets(), stored, wide_maps, tile, tile);
                self.level.run(Rows {
                    from: wide_maps,
                    steps: [tile, row],
                    to: maps,
                    map_step,
                    maps: self.plan.filters,
                    size: [height, width],
                });
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
        let (all, step) = (self.plan.filters, self.gradient_filters());
        let [height, width] = self.plan.out;
        let row = self.stored.row();
        let rows = (RUN / width).max(1);
        self.with_stored(image, self.plan.height * self.plan.width, |stored| {
            scratch(rows * width * self.level.columns(), |turned: &mut [f32]| {
                for y in (0..height).step_by(rows) {
                    let rows = rows.min(height - y);
                    let (lines, stored) = (Lines { rows, width, step: row }, &stored[y * row..]);
                    for first in (0..all).step_by(self.level.columns()) {
                        let filters = (all - first).min(self.level.columns());
                        let columns = filters.next_multiple_of(self.level.lanes());
                        let turned = &mut turned[..rows * width * columns];
                        let from = &maps[first * map_step + y * width..];
                        self.level.run(Turned { from, map_step, filters, size: [rows, width], to: turned });
                        let gradient = &mut gradient[first..];
                        let offsets = self.stored.offsets();
                        self.level.products(turned, offsets, stored, lines, gradient, step, Former::Kept);
                    }
                }
            });
        });
    }

    /// Gives `work` a stored image, with room to read a whole tile from any tap.
    fn with_stored<R>(&self, image: &[f32], channel_step: usize, work: impl FnOnce(&[f32]) -> R) -> R {
        scratch(self.stored.len() + 2 * self.level.lanes(), |stored| {
            wide(
                #[inline(always)]
                || self.stored.store(image, channel_step, stored),
            );
            work(stored)
        })
    }
}

/// Brings the rows of some maps together, without what stands between them: a call for each would take longer than the
/// copy.
struct Rows<'a> {
    from: &'a [f32],
    /// Elements from one map to the next, and from one row to the next.
    steps: [usize; 2],
    to: &'a mut [f32],
    map_step: usize,
    maps: usize,
    size: [usize; 2],
}

impl Work for Rows<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { from, steps: [tile, row], to, map_step, maps, size: [height, width] } = self;
        for n in 0..maps {
            let (from, to) = (&from[n * tile..(n + 1) * tile], &mut to[n * map_step..][..height * width]);
            for y in 0..height {
                let (from, to) = (&from[y * row..][..width], &mut to[y * width..][..width]);
                for x in (0..width).step_by(L::LANES) {
                    if x + L::LANES <= width {
                        L::load(&from[x..]).store(&mut to[x..]);
                    } else {
                        L::load_some(&from[x..]).store_some(&mut to[x..]);
                    }
                }
            }
        }
    }
}

/// Some rows of some maps as `[position][filter]`, with zeros where the last vector has no filter.
struct Turned<'a> {
    from: &'a [f32],
    map_step: usize,
    filters: usize,
    size: [usize; 2],
    to: &'a mut [f32],
}

impl Work for Turned<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { from, map_step, filters, size: [rows, width], to } = self;
        let frame = Frame { rows, columns: width, top: 0, left: 0 };
        let apart = to.len() / frame.positions();
        for first in (0..filters).step_by(L::LANES) {
            let (from, some) = (&from[first * map_step..], L::LANES.min(filters - first));
            lay_apart::<L>(from, map_step, some, [rows, width], frame, &mut to[first..], apart);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::im2col::{ConvOptions, Padding};
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
            ([1, 40, 24, 30], [83, 40, 3, 3], options([1; 2], [1; 4], [1; 2])),
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
                if let Some(mut back) = Stored::turned(&plan).and_then(Direct::new) {
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
        let pays = |plan: Plan| Direct::new(plan).map(|direct| direct.pays(plan.out_plane()));
        let padded = ConvOptions::new(1, 1);
        if Level::detect().is_some() {
            assert_eq!(pays(plan([1, 4, 40, 40], [30, 4, 3, 3], &padded)), Some(true));
            assert_eq!(pays(plan([1, 4, 40, 40], [300, 4, 3, 3], &padded)), Some(false));
            assert_eq!(pays(plan([1, 4, 3, 3], [8, 4, 3, 3], &padded)), Some(false));
        }
        assert!(Direct::new(plan([1, 4, 40, 40], [8, 4, 1, 1], &ConvOptions::default())).is_none());
        let groups = ConvOptions { groups: 2, ..padded };
        assert!(Direct::new(plan([1, 4, 40, 40], [8, 2, 3, 3], &groups)).is_none());
    }
}

//! Convolutions of 3 × 3 filters with a quarter of the multiplications.
//!
//! Maps are cut into tiles of 4 × 4. In a basis of 36 values per tile the convolution is a product of numbers, so that
//! each of the 36 becomes a matrix product over the channels: 36 multiplications where the sum over the taps has 144.
//! The results differ from those of that sum by a few units in the last place of the largest term ([`transform`]).

mod tiles;
mod transform;
mod whole;
mod work;

use rayon::prelude::*;

use super::fresh::fresh;
use super::gemm::Former;
use super::im2col::{ConvOptions, Plan};
use super::scratch::scratch;
use super::stored::Stored;
use super::vector::{Level, Lines, MOST};
pub(super) use tiles::Strides;
use tiles::{Run, TILE, Tiling, WINDOW};
pub(super) use work::Weights;

/// Numbers to which channels and filters are filled up: those of the longest vector.
const LANES: usize = MOST;

/// Tiles that are computed together: the rows that [`Level::products`] takes at once for a whole group of filters, of fewer
/// filters more.
const TOGETHER: usize = 6;

/// Values of a transformed tile.
const VALUES: usize = WINDOW * WINDOW;

/// Spare numbers behind each value's, a cache line: values a power of two apart would push each other out of the cache.
const SPARE: usize = 16;

/// Channels, and filters, below which the transforms cost more than they save.
const CHANNELS: usize = 16;

/// Computed results per wanted one above which they do.
const WASTE: f64 = 2.6;

/// Transformed numbers of a weight above which it does not stay in the cache from one block of tiles to the next.
const LARGE: usize = 1 << 20;

/// The tiles that are in work together: at least and at most.
const BLOCK: [usize; 2] = [48, 160];

/// A convolution of `f32` images by 3 × 3 filters, as this module computes it.
#[derive(Clone, Debug)]
pub(super) struct Winograd {
    plan: Plan,
    level: Level,
    tiling: Tiling,
}

impl Winograd {
    /// This form of a convolution, if it has it on this processor and is faster by it.
    pub(super) fn new(plan: Plan) -> Option<Self> {
        let level = Level::detect()?;
        let ConvOptions { stride, dilation, groups, .. } = plan.options;
        if plan.kernel != [3; 2] || stride != [1; 2] || dilation != [1; 2] || groups != 1 {
            return None;
        }
        let tiling = Tiling::new(&plan);
        let computed = (tiling.tiles() * TILE * TILE) as f64;
        let pays = plan.channels.min(plan.filters) >= CHANNELS && computed <= WASTE * plan.out_plane() as f64;
        (plan.out_plane() > 0 && pays).then_some(Self { plan, level, tiling })
    }

    /// This form of the gradient of the input.
    pub(super) fn of_input_gradient(plan: &Plan) -> Option<Self> {
        Self::new(Stored::turned(plan)?)
    }

    /// How many of a batch's images should be given together, so that few tiles are computed in vain and a large weight
    /// is not read for every small image.
    pub(super) fn images(&self) -> usize {
        let (tiles, block) = (self.tiling.tiles(), self.block());
        let large = VALUES * self.plan.channels * self.plan.filters > LARGE;
        let few = if large { block.div_ceil(tiles).min(self.plan.batch / 4).clamp(1, 16) } else { 1 };
        let most = (4 * block / tiles).min(self.plan.batch / 8).clamp(few, 16);
        // In twentieths, so that the smaller of two numbers that are nearly as good is taken.
        let waste = |images: &usize| {
            let computed: usize = self
                .tiling
                .blocks(*images, block)
                .iter()
                .map(|(_, tiles)| tiles.next_multiple_of(TOGETHER))
                .sum();
            20 * computed / (images * tiles)
        };
        (few..=most).min_by_key(waste).unwrap_or(few)
    }

    /// The tiles of a block: so many that reading the weight once for each block costs no more than its tiles do.
    fn block(&self) -> usize {
        let (channels, filters) = (self.plan.channels, self.plan.filters);
        (channels * filters / (2 * (channels + filters))).clamp(BLOCK[0], BLOCK[1]).next_multiple_of(TOGETHER)
    }

    /// Channels with those that fill the last vector: the numbers of a tile in a value of the windows.
    fn row(&self) -> usize {
        self.plan.channels.next_multiple_of(LANES)
    }

    /// The weight `[filter][channel][ky][kx]`, transformed, in the order in which the kernel reads it.
    pub(super) fn pack(&self, weight: &[f32]) -> Vec<f32> {
        self.packed(Weights::new(weight, self.plan.channels))
    }

    /// The weight of a convolution, for its [`Winograd::of_input_gradient`].
    pub(super) fn pack_turned(&self, weight: &[f32]) -> Vec<f32> {
        self.packed(Weights::turned(weight, self.plan.filters))
    }

    /// `[group of filters][value][channel][filter of the group]`.
    fn packed(&self, weights: Weights<'_>) -> Vec<f32> {
        let (all, channels, group) = (self.plan.filters, self.plan.channels, self.level.columns());
        let size = VALUES * (group * channels + SPARE);
        let before = (all - 1) / group;
        let last = (all - before * group).next_multiple_of(LANES);
        let mut packed = fresh(before * size + VALUES * (last * channels + SPARE));
        packed.par_chunks_mut(size).enumerate().for_each(|(n, packed)| {
            let first = n * group;
            let (weights, count) = (weights.from(first, 0), group.min(all - first));
            self.level.run(work::Filters { weights, count, channels, packed });
        });
        packed
    }

    /// Convolves some images into maps.
    pub(super) fn maps(
        &self,
        packed: &[f32],
        images: &[f32],
        at: Strides,
        count: usize,
        maps: &mut [f32],
        to: Strides,
    ) {
        let (channels, filters, group, row) =
            (self.plan.channels, self.plan.filters, self.level.columns(), self.row());
        let lines = Lines { rows: 1, width: channels, step: channels };
        for (runs, tiles) in self.tiling.blocks(count, self.block()) {
            let offsets: Vec<u32> = (0..tiles).map(|t| (t * row) as u32).collect();
            self.with_windows(images, at, &runs, tiles, |windows, step| {
                scratch(VALUES * (tiles * group + SPARE), |products: &mut [f32]| {
                    for (n, packed) in packed.chunks(VALUES * (group * channels + SPARE)).enumerate() {
                        let first = n * group;
                        let count = group.min(filters - first);
                        let width = count.next_multiple_of(LANES);
                        let size = tiles * width;
                        for value in 0..VALUES {
                            let weight = &packed[value * (width * channels + SPARE)..][..width * channels];
                            let windows = &windows[value * step..(value + 1) * step];
                            let products = &mut products[value * (size + SPARE)..][..size];
                            self.level.products(
                                weight,
                                &offsets,
                                windows,
                                lines,
                                products,
                                width,
                                Former::Replaced,
                            );
                        }
                        let maps = &mut maps[first * to.channel..];
                        self.results(products, [width, size + SPARE], &runs, count, maps, to);
                    }
                });
            });
        }
    }

    /// Gives some maps of some runs from their products, with the elements from one tile and one value to the next.
    fn results(
        &self,
        products: &[f32],
        steps: [usize; 2],
        runs: &[Run],
        count: usize,
        maps: &mut [f32],
        to: Strides,
    ) {
        let tiling = &self.tiling;
        scratch(tiling.work(self.level.lanes()), |work: &mut [f32]| {
            self.level.run(work::Results { tiling, products, steps, runs, count, work, maps, to });
        });
    }

    /// Gives `work` the transformed windows of some runs, `[value][tile][channel]` with [`Winograd::row`] numbers a tile,
    /// and the elements from one value to the next.
    fn with_windows(
        &self,
        images: &[f32],
        at: Strides,
        runs: &[Run],
        tiles: usize,
        work: impl FnOnce(&[f32], usize),
    ) {
        let (tiling, channels, row) = (&self.tiling, self.plan.channels, self.row());
        let step = tiles * row + SPARE;
        scratch(VALUES * step, |windows: &mut [f32]| {
            scratch(tiling.work(self.level.lanes()), |store: &mut [f32]| {
                let (work, out, steps) = (store, &mut *windows, [row, step]);
                self.level.run(work::Windows { tiling, images, at, channels, runs, work, out, steps });
            });
            work(windows, step);
        });
    }

    /// Filters of the weight gradient with those that fill the last vector.
    fn gradient_filters(&self) -> usize {
        self.plan.filters.next_multiple_of(LANES)
    }

    /// Elements of the transformed gradient of the weight.
    pub(super) fn gradient_len(&self) -> usize {
        VALUES * self.plan.channels * self.gradient_filters()
    }

    /// Adds the gradient of the weight from some images to `gradient`, `[value][channel][filter]`.
    pub(super) fn weight_gradient(
        &self,
        images: &[f32],
        at: Strides,
        count: usize,
        maps: &[f32],
        from: Strides,
        gradient: &mut [f32],
    ) {
        let (channels, all, width) = (self.plan.channels, self.plan.filters, self.gradient_filters());
        let (group, row) = (self.level.columns(), self.row());
        let offsets: Vec<u32> = (0..channels as u32).collect();
        for (runs, tiles) in self.tiling.blocks(count, self.block()) {
            let lines = Lines { rows: tiles, width: 1, step: row };
            self.with_windows(images, at, &runs, tiles, |windows, step| {
                scratch(VALUES * (tiles * group + SPARE), |turned: &mut [f32]| {
                    for first in (0..all).step_by(group) {
                        let count = group.min(all - first);
                        let size = tiles * count.next_multiple_of(LANES);
                        self.turned(&maps[first * from.channel..], from, count, &runs, turned, size);
                        for value in 0..VALUES {
                            let turned = &turned[value * (size + SPARE)..][..size];
                            let windows = &windows[value * step..(value + 1) * step];
                            let at = value * channels * width;
                            let gradient = &mut gradient[at + first..at + channels * width];
                            self.level.products(
                                turned,
                                &offsets,
                                windows,
                                lines,
                                gradient,
                                width,
                                Former::Kept,
                            );
                        }
                    }
                });
            });
        }
    }

    /// The transformed gradient of some maps of some runs, `[value][tile][filter]` with `size` numbers a value and
    /// [`SPARE`] behind.
    fn turned(&self, maps: &[f32], from: Strides, count: usize, runs: &[Run], out: &mut [f32], size: usize) {
        let (tiling, steps) = (&self.tiling, [count.next_multiple_of(LANES), size + SPARE]);
        scratch(tiling.work(self.level.lanes()), |work: &mut [f32]| {
            self.level.run(work::Gradients { tiling, maps, from, count, runs, work, out, steps });
        });
    }

    /// The gradient of the weight, `[channel][ky][kx][filter]`, from the sum of what [`Winograd::weight_gradient`] gave.
    pub(super) fn finish_gradient(&self, sums: &[f32]) -> Vec<f32> {
        let (channels, filters) = (self.plan.channels, self.plan.filters);
        let mut gradient = fresh(channels * 9 * filters);
        self.level.run(work::FiltersBack { sums, channels, count: filters, gradient: &mut gradient });
        gradient
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::im2col::{ConvOptions, Padding};
    use super::*;

    fn numbers(n: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    /// The largest difference, as a share of the largest wanted value.
    fn difference(got: &[f32], want: &[f64]) -> f64 {
        let largest = want.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        got.iter().zip(want).map(|(g, w)| (f64::from(*g) - w).abs()).fold(0.0, f64::max) / largest
    }

    /// Maps, gradient of the weight `[channel][ky][kx][filter]` and gradient of the images, in `f64`.
    fn oracle(plan: &Plan, x: &[f32], weight: &[f32], grad: &[f32]) -> [Vec<f64>; 3] {
        let (plane, out, Padding { top, left, .. }) =
            (plan.height * plan.width, plan.out, plan.options.padding);
        let mut all = [vec![0.0; grad.len()], vec![0.0; weight.len()], vec![0.0; x.len()]];
        for i in 0..plan.batch {
            for (f, c) in (0..plan.filters).flat_map(|f| (0..plan.channels).map(move |c| (f, c))) {
                for (tap, at) in (0..9).flat_map(|t| (0..plan.out_plane()).map(move |p| (t, p))) {
                    let (y, x_at) = (at / out[1] + tap / 3, at % out[1] + tap % 3);
                    let (Some(y), Some(x_at)) = (y.checked_sub(top), x_at.checked_sub(left)) else {
                        continue;
                    };
                    if y >= plan.height || x_at >= plan.width {
                        continue;
                    }
                    let v = (i * plan.channels + c) * plane + y * plan.width + x_at;
                    let w = (f * plan.channels + c) * 9 + tap;
                    let g = (i * plan.filters + f) * plan.out_plane() + at;
                    all[0][g] += f64::from(weight[w]) * f64::from(x[v]);
                    all[1][(c * 9 + tap) * plan.filters + f] += f64::from(grad[g]) * f64::from(x[v]);
                    all[2][v] += f64::from(grad[g]) * f64::from(weight[w]);
                }
            }
        }
        all
    }

    #[test]
    fn agrees_with_the_sum_of_products_on_every_level() {
        let padded = |[top, bottom, left, right]: [usize; 4]| ConvOptions {
            padding: Padding { top, bottom, left, right },
            ..ConvOptions::default()
        };
        let cases = [
            ([1, 16, 12, 12], 16, padded([1; 4])),
            ([3, 17, 10, 11], 70, padded([1; 4])),
            ([2, 64, 42, 42], 64, padded([1; 4])),
            ([2, 18, 70, 5], 21, padded([0; 4])),
            ([5, 20, 3, 3], 19, padded([1; 4])),
            ([2, 16, 9, 90], 35, padded([2, 0, 1, 2])),
            ([1, 300, 8, 8], 130, padded([1; 4])),
            // Bands of tiles that see no pixel; such a padding has no gradient of the input.
            ([1, 16, 8, 8], 20, padded([40, 41, 1, 1])),
        ];
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for level in Level::all() {
            for (dims, filters, options) in cases {
                let plan = Plan::new(&dims, &[filters, dims[1], 3, 3], &options).unwrap();
                let mut winograd = Winograd::new(plan).expect("every case pays");
                winograd.level = level;
                let (plane, out) = (plan.height * plan.width, plan.out_plane());
                let x = numbers(plan.batch * plan.image(), &mut rng);
                let weight = numbers(filters * plan.rows(), &mut rng);
                let grad = numbers(plan.batch * filters * out, &mut rng);
                let [want, want_weight, want_input] = oracle(&plan, &x, &weight, &grad);
                let (at, to) = (
                    Strides { image: plan.image(), channel: plane },
                    Strides { image: filters * out, channel: out },
                );
                let mut got = vec![f32::NAN; want.len()];
                winograd.maps(&winograd.pack(&weight), &x, at, plan.batch, &mut got, to);
                let error = difference(&got, &want);
                assert!(error < 5e-6, "{level:?} {plan:?} {error:e}");
                let mut sums = vec![0.0; winograd.gradient_len()];
                winograd.weight_gradient(&x, at, plan.batch, &grad, to, &mut sums);
                let error = difference(&winograd.finish_gradient(&sums), &want_weight);
                assert!(error < 5e-6, "{level:?} {plan:?} weight {error:e}");
                let Some(mut back) = Winograd::of_input_gradient(&plan) else {
                    assert!(plan.options.padding.top > 2, "every other case pays");
                    continue;
                };
                back.level = level;
                let mut got = vec![f32::NAN; x.len()];
                back.maps(&back.pack_turned(&weight), &grad, to, plan.batch, &mut got, at);
                let error = difference(&got, &want_input);
                assert!(error < 5e-6, "{level:?} {plan:?} input {error:e}");
            }
        }
    }

    #[test]
    fn a_batch_at_once_agrees_with_the_sum_of_products_on_every_level() {
        let padded = ConvOptions::new(1, 1);
        let cases = [([3, 40, 7, 9], 70), ([2, 190, 4, 8], 171), ([5, 130, 9, 6], 260)];
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        for level in Level::all() {
            for (dims, filters) in cases {
                let plan = Plan::new(&dims, &[filters, dims[1], 3, 3], &padded).unwrap();
                let mut winograd = Winograd::new(plan).expect("every case pays");
                winograd.level = level;
                assert_eq!(winograd.is_for_all(), filters * dims[1] > LARGE / VALUES, "{plan:?}");
                let (plane, out, channels) = (plan.height * plan.width, plan.out_plane(), plan.channels);
                let x = numbers(plan.batch * plan.image(), &mut rng);
                let weight = numbers(filters * plan.rows(), &mut rng);
                let grad = numbers(plan.batch * filters * out, &mut rng);
                let [want, want_weight, want_input] = oracle(&plan, &x, &weight, &grad);
                let at = Strides { image: plan.image(), channel: plane };
                let from = Strides { image: filters * out, channel: out };
                // `[filter][image]` to the oracle's `[image][filter]`.
                let by_image = |maps: &[f32], filters: usize, plane: usize| -> Vec<f32> {
                    let map = |i: usize, f: usize| maps[(f * plan.batch + i) * plane..][..plane].to_vec();
                    (0..plan.batch).flat_map(|i| (0..filters).flat_map(move |f| map(i, f))).collect()
                };
                let mut got = vec![f32::NAN; want.len()];
                winograd.maps_of_all(Weights::new(&weight, channels), &x, at, &mut got);
                let error = difference(&by_image(&got, filters, out), &want);
                assert!(error < 5e-6, "{level:?} {plan:?} {error:e}");
                let mut got = vec![f32::NAN; weight.len()];
                winograd.weight_gradient_of_all(&x, at, &grad, from, &mut got);
                let turned: Vec<f64> = (0..weight.len())
                    .map(|i| want_weight[i % (channels * 9) * filters + i / (channels * 9)])
                    .collect();
                let error = difference(&got, &turned);
                assert!(error < 5e-6, "{level:?} {plan:?} weight {error:e}");
                let mut back = Winograd::of_input_gradient(&plan).expect("every case pays");
                back.level = level;
                let mut got = vec![f32::NAN; x.len()];
                back.maps_of_all(Weights::turned(&weight, channels), &grad, from, &mut got);
                let error = difference(&by_image(&got, channels, plane), &want_input);
                assert!(error < 5e-6, "{level:?} {plan:?} input {error:e}");
            }
        }
    }

    #[test]
    fn few_channels_tiny_maps_and_other_kernels_are_left_to_other_forms() {
        let plan = |x: [usize; 4], w: [usize; 4], options| Plan::new(&x, &w, &options).unwrap();
        let padded = ConvOptions::new(1, 1);
        if Level::detect().is_some() {
            assert!(Winograd::new(plan([1, 16, 8, 8], [16, 16, 3, 3], padded)).is_some());
        }
        assert!(Winograd::new(plan([1, 3, 8, 8], [16, 3, 3, 3], padded)).is_none());
        assert!(Winograd::new(plan([1, 16, 2, 2], [16, 16, 3, 3], padded)).is_none());
        assert!(Winograd::new(plan([1, 16, 8, 8], [16, 16, 3, 3], ConvOptions::new(2, 1))).is_none());
        assert!(Winograd::new(plan([1, 16, 8, 8], [16, 16, 1, 3], padded)).is_none());
        assert!(
            Winograd::new(plan([1, 16, 8, 8], [16, 8, 3, 3], ConvOptions { groups: 2, ..padded })).is_none()
        );
    }
}

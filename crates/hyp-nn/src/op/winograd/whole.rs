//! All images of a batch at once, for weights that are larger than their maps.
//!
//! A weight of 512 × 512 filters has 9 million transformed numbers, which no cache of a core holds; written down they would
//! be read again for every few images. Here the windows of all images are transformed first, then the threads share the
//! filters: a few of them at a time are transformed, used for every tile, and forgotten.

use rayon::prelude::*;

use super::super::fresh::fresh;
use super::super::gemm::Former;
use super::super::scratch::scratch;
use super::super::vector::Lines;
use super::tiles::{Run, Strides};
use super::{LANES, LARGE, SPARE, VALUES, Weights, Winograd, work};

/// Channels whose windows stand together, and are transformed by one task: whole vectors, and a multiple of what the
/// gradient of the weight computes together.
const CHANNELS: usize = 48;

/// Transformed numbers of the weight in work together, which stay in the second cache.
const PACKED: usize = 300_000;

/// Transformed numbers of the images above which reading them once for every few filters costs more than it saves.
const WINDOWS: usize = 1 << 22;

/// The transformed windows of a batch, `[block of channels][value][tile][channel of the block]`.
struct Windows {
    runs: Vec<Run>,
    tiles: usize,
    /// Elements from one value to the next.
    step: usize,
    numbers: Vec<f32>,
}

impl Windows {
    /// Those of a block of channels at one value.
    fn at(&self, block: usize, value: usize) -> &[f32] {
        &self.numbers[(block * VALUES + value) * self.step..][..self.step]
    }
}

impl Winograd {
    /// Whether a batch is better worked on at once.
    pub(in super::super) fn is_for_all(&self) -> bool {
        let (channels, filters) = (self.plan.channels, self.plan.filters);
        let tiles = self.plan.batch * self.tiling.tiles();
        VALUES * channels * filters > LARGE && VALUES * channels.max(filters) * tiles <= WINDOWS
    }

    fn windows_of_all(&self, images: &[f32], at: Strides) -> Windows {
        let (tiling, channels) = (&self.tiling, self.plan.channels);
        let mut blocks = tiling.blocks(self.plan.batch, usize::MAX);
        let (runs, tiles) = blocks.pop().expect("invariant: a batch is not empty");
        let step = tiles * CHANNELS + SPARE;
        let mut numbers = fresh(channels.div_ceil(CHANNELS) * VALUES * step);
        numbers.par_chunks_mut(VALUES * step).enumerate().for_each(|(n, out)| {
            let first = n * CHANNELS;
            scratch(tiling.work(self.level.lanes()), |work: &mut [f32]| {
                self.level.run(work::Windows {
                    tiling,
                    images: &images[first * at.channel..],
                    at,
                    channels: CHANNELS.min(channels - first),
                    runs: &runs,
                    work,
                    out,
                    steps: [CHANNELS, step],
                });
            });
        });
        Windows { runs, tiles, step, numbers }
    }

    /// Convolves a batch into `maps`, `[filter][image][position]`.
    pub(in super::super) fn maps_of_all(
        &self,
        weights: Weights<'_>,
        images: &[f32],
        at: Strides,
        maps: &mut [f32],
    ) {
        let (filters, plane, group) = (self.plan.filters, self.plan.out_plane(), self.level.columns());
        let windows = self.windows_of_all(images, at);
        let map = self.plan.batch * plane;
        maps.par_chunks_mut(group * map).enumerate().for_each(|(n, maps)| {
            let first = n * group;
            let count = group.min(filters - first);
            let width = count.next_multiple_of(LANES);
            let size = windows.tiles * width;
            scratch(VALUES * (size + SPARE), |products: &mut [f32]| {
                self.products_of_all(weights.from(first, 0), count, &windows, products);
                let to = Strides { image: plane, channel: map };
                self.results(products, [width, size + SPARE], &windows.runs, count, maps, to);
            });
        });
    }

    /// The products of all windows with so many filters, `[value][tile][filter]` with [`SPARE`] numbers behind each
    /// value's.
    fn products_of_all(&self, weights: Weights<'_>, count: usize, windows: &Windows, products: &mut [f32]) {
        let width = count.next_multiple_of(LANES);
        let size = windows.tiles * width;
        let offsets: Vec<u32> = (0..windows.tiles).map(|t| (t * CHANNELS) as u32).collect();
        let blocks = self.plan.channels.div_ceil(CHANNELS);
        let some = (PACKED / (VALUES * width * CHANNELS)).max(1);
        for from in (0..blocks).step_by(some) {
            let start = from * CHANNELS;
            let channels = (some * CHANNELS).min(self.plan.channels - start);
            let step = channels * width + SPARE;
            scratch(VALUES * step, |packed: &mut [f32]| {
                let weights = weights.from(0, start);
                self.level.run(work::Filters { weights, count, channels, packed });
                for value in 0..VALUES {
                    let products = &mut products[value * (size + SPARE)..][..size];
                    let packed = &packed[value * step..][..channels * width];
                    for (n, packed) in packed.chunks(CHANNELS * width).enumerate() {
                        let channels = packed.len() / width;
                        let lines = Lines { rows: 1, width: channels, step: channels };
                        let windows = windows.at(from + n, value);
                        let former = if from + n > 0 { Former::Kept } else { Former::Replaced };
                        self.level.products(packed, &offsets, windows, lines, products, width, former);
                    }
                }
            });
        }
    }

    /// The gradient of the weight, `[filter][channel][ky][kx]`, of a batch.
    pub(in super::super) fn weight_gradient_of_all(
        &self,
        images: &[f32],
        at: Strides,
        maps: &[f32],
        from: Strides,
        gradient: &mut [f32],
    ) {
        let (channels, filters) = (self.plan.channels, self.plan.filters);
        let windows = self.windows_of_all(images, at);
        let lines = Lines { rows: windows.tiles, width: 1, step: CHANNELS };
        let offsets: Vec<u32> = (0..CHANNELS as u32).collect();
        let group = self.level.columns();
        gradient.par_chunks_mut(group * channels * 9).enumerate().for_each(|(n, gradient)| {
            let first = n * group;
            let count = group.min(filters - first);
            let width = count.next_multiple_of(LANES);
            let size = windows.tiles * width;
            scratch(VALUES * (size + SPARE), |turned: &mut [f32]| {
                self.turned(&maps[first * from.channel..], from, count, &windows.runs, turned, size);
                scratch(CHANNELS * (VALUES * width + 9 * count), |work: &mut [f32]| {
                    let (sums, taps) = work.split_at_mut(CHANNELS * VALUES * width);
                    for start in (0..channels).step_by(CHANNELS) {
                        let some = CHANNELS.min(channels - start);
                        let sums = &mut sums[..VALUES * some * width];
                        for (value, sums) in sums.chunks_exact_mut(some * width).enumerate() {
                            let turned = &turned[value * (size + SPARE)..][..size];
                            let windows = windows.at(start / CHANNELS, value);
                            self.level.products(
                                turned,
                                &offsets[..some],
                                windows,
                                lines,
                                sums,
                                width,
                                Former::Replaced,
                            );
                        }
                        let taps = &mut taps[..some * 9 * count];
                        self.level.run(work::FiltersBack { sums, channels: some, count, gradient: taps });
                        for f in 0..count {
                            let to = &mut gradient[(f * channels + start) * 9..][..some * 9];
                            for (to, taps) in to.iter_mut().zip(taps.chunks_exact(count)) {
                                *to = taps[f];
                            }
                        }
                    }
                });
            });
        });
    }
}

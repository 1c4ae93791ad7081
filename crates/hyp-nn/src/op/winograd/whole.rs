//! All images of a batch at once, for weights that are larger than their maps.
//!
//! A weight of 512 × 512 filters has 9 million transformed numbers, which no cache of a core holds; written down they would
//! be read again for every few images. Here the windows of all images are transformed first, then the threads share the
//! filters: a few of them at a time are transformed, used for every tile, and forgotten.

use rayon::prelude::*;

use super::super::fresh::fresh;
use super::super::scratch::scratch;
use super::super::vector::Lines;
use super::tiles::{Run, Strides};
use super::{FILTERS, LANES, LARGE, SPARE, VALUES, Winograd, work};

/// Channels whose windows stand together, and are transformed by one task.
const CHANNELS: usize = 32;

/// Transformed numbers of the weight in work together, which stay in the second cache.
const PACKED: usize = 300_000;

/// Transformed numbers of the images above which reading them once for every few filters costs more than it saves.
const WINDOWS: usize = 1 << 22;

/// The transformed windows of a batch, `[block of channels][value][channel of the block][tile]`.
struct Windows {
    runs: Vec<Run>,
    tiles: usize,
    /// Tiles with those that fill the last vector.
    columns: usize,
    /// Elements from one value to the next.
    step: usize,
    numbers: Vec<f32>,
}

impl Windows {
    /// Elements of a block of channels.
    fn block(&self) -> usize {
        VALUES * self.step
    }
}

impl Winograd {
    /// Whether a batch is better worked on at once.
    pub(in super::super) fn is_for_all(&self) -> bool {
        let (channels, filters) = (self.plan.channels, self.plan.filters);
        let tiles = (self.plan.batch * self.tiling.tiles()).next_multiple_of(LANES);
        VALUES * channels * filters > LARGE && VALUES * channels.max(filters) * tiles <= WINDOWS
    }

    fn windows_of_all(&self, images: &[f32], at: Strides) -> Windows {
        let channels = self.plan.channels;
        let mut blocks = self.tiling.blocks(self.plan.batch, usize::MAX);
        let (runs, tiles) = blocks.pop().expect("invariant: a batch is not empty");
        let columns = tiles.next_multiple_of(LANES);
        // The last run writes whole vectors.
        let step = CHANNELS * columns + SPARE.max(LANES);
        let numbers = fresh(channels.div_ceil(CHANNELS) * VALUES * step);
        let mut windows = Windows { runs, tiles, columns, step, numbers };
        let (runs, block) = (&windows.runs, windows.block());
        let rows = runs.iter().map(|run| run.rows).max().unwrap_or(0);
        windows.numbers.par_chunks_mut(block).enumerate().for_each(|(n, out)| {
            let first = n * CHANNELS;
            scratch(self.tiling.windows_work(rows), |work: &mut [f32]| {
                self.level.run(work::Windows {
                    tiling: &self.tiling,
                    images: &images[first * at.channel..],
                    at,
                    channels: CHANNELS.min(channels - first),
                    runs,
                    work,
                    out,
                    columns,
                    step,
                });
            });
        });
        windows
    }

    /// Convolves a batch into `maps`, `[filter][image][position]`, with the weight of (filter, channel, tap).
    pub(in super::super) fn maps_of_all(
        &self,
        weight: impl Fn(usize, usize, usize) -> f32 + Sync,
        images: &[f32],
        at: Strides,
        maps: &mut [f32],
    ) {
        let (channels, filters, plane) = (self.plan.channels, self.plan.filters, self.plan.out_plane());
        let windows = self.windows_of_all(images, at);
        let (columns, step) = (windows.columns, windows.step);
        let offsets: Vec<u32> =
            (0..channels).map(|c| (c / CHANNELS * windows.block() + c % CHANNELS * columns) as u32).collect();
        let block = self.level.filters();
        let group = (PACKED / (VALUES * channels) / block * block).clamp(block, FILTERS);
        let map = self.plan.batch * plane;
        maps.par_chunks_mut(group * map).enumerate().for_each(|(n, maps)| {
            let first = n * group;
            let count = group.min(filters - first);
            let together = count.next_multiple_of(block);
            let (taps, size) = (together * channels, together * columns);
            scratch(VALUES * (taps + SPARE), |packed: &mut [f32]| {
                let weight = |f, c, tap| weight(first + f, c, tap);
                self.level.run(work::Filters { weight, count, channels, block, packed });
                // The last run reads whole vectors.
                scratch(VALUES * (size + SPARE) + LANES, |products: &mut [f32]| {
                    for value in 0..VALUES {
                        self.level.maps(
                            &packed[value * (taps + SPARE)..][..taps],
                            &offsets,
                            &windows.numbers[value * step..],
                            &mut products[value * (size + SPARE)..][..size],
                            columns,
                            columns,
                        );
                    }
                    let to = Strides { image: plane, channel: map };
                    self.results(products, columns, &windows.runs, 0..count, maps, to);
                });
            });
        });
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
        let (tiles, step) = (windows.tiles, windows.step);
        let offsets: Vec<u32> = (0..CHANNELS).map(|c| (c * windows.columns) as u32).collect();
        let group = self.level.columns();
        gradient.par_chunks_mut(group * channels * 9).enumerate().for_each(|(n, gradient)| {
            let first = n * group;
            let count = group.min(filters - first);
            let width = count.next_multiple_of(LANES);
            let value_step = tiles * width + SPARE;
            scratch(VALUES * value_step, |turned: &mut [f32]| {
                scratch(self.tiling.gradients_work(count), |work: &mut [f32]| {
                    self.level.run(work::Gradients {
                        tiling: &self.tiling,
                        maps: &maps[first * from.channel..],
                        from,
                        filters: count,
                        runs: &windows.runs,
                        work,
                        turned,
                        step: value_step,
                    });
                });
                scratch(CHANNELS * (VALUES * width + 9 * count), |work: &mut [f32]| {
                    let (sums, taps) = work.split_at_mut(CHANNELS * VALUES * width);
                    for (n, windows) in windows.numbers.chunks(windows.block()).enumerate() {
                        let some = CHANNELS.min(channels - n * CHANNELS);
                        let sums = &mut sums[..VALUES * some * width];
                        sums.fill(0.0);
                        for (value, sums) in sums.chunks_exact_mut(some * width).enumerate() {
                            self.level.weight_gradient(
                                &turned[value * value_step..][..tiles * width],
                                &offsets[..some],
                                &windows[value * step..(value + 1) * step],
                                Lines { rows: 1, width: tiles, step: tiles },
                                sums,
                                width,
                            );
                        }
                        let taps = &mut taps[..some * 9 * count];
                        self.level.run(work::FiltersBack { sums, channels: some, count, gradient: taps });
                        for f in 0..count {
                            let to = &mut gradient[(f * channels + n * CHANNELS) * 9..][..some * 9];
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

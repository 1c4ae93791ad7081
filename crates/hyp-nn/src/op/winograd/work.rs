//! The transforms of whole blocks of tiles and of weights, each as a piece of work for vectors of any kind.

use std::ops::Range;

use super::super::vector::{Lane, Work};
use super::tiles::{Run, Strides, Tiling, WINDOW};
use super::transform::{filters, filters_back};
use super::{LANES, SPARE};

/// `G w Gᵀ` of up to [`FILTERS`](super::FILTERS) filters: `[value][block of the kernel][channel][filter of it]`, with
/// [`SPARE`] numbers behind each value's.
pub(super) struct Filters<'a, W> {
    /// The weight of (filter, channel, tap).
    pub(super) weight: W,
    pub(super) count: usize,
    pub(super) channels: usize,
    /// Filters that the kernel computes together.
    pub(super) block: usize,
    pub(super) packed: &'a mut [f32],
}

impl<W: Fn(usize, usize, usize) -> f32> Work for Filters<'_, W> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { weight, count: all, channels, block, packed } = self;
        let together = all.next_multiple_of(block) * channels;
        // Lanes are filters within channels within blocks, the order in which they are stored.
        let some = L::LANES / block;
        for first in (0..all).step_by(block) {
            for channel in (0..channels).step_by(some) {
                let mut taps = [[0.0; LANES]; 9];
                for (n, c) in (channel..channels.min(channel + some)).enumerate() {
                    for (l, f) in (first..all.min(first + block)).enumerate() {
                        for (tap, taps) in taps.iter_mut().enumerate() {
                            taps[n * block + l] = weight(f, c, tap);
                        }
                    }
                }
                let at = first * channels + channel * block;
                let count = L::LANES.min((channels - channel) * block);
                filters(
                    |y, x| L::load(&taps[3 * y + x]),
                    |y, x, v| {
                        let to = &mut packed[(y * WINDOW + x) * (together + SPARE) + at..];
                        v.store_some(&mut to[..count]);
                    },
                );
            }
        }
    }
}

/// `Gᵀ m G` of the sums `[value][channel][filter]`, to `[channel][ky][kx][filter]`.
pub(super) struct FiltersBack<'a> {
    pub(super) sums: &'a [f32],
    pub(super) channels: usize,
    pub(super) count: usize,
    pub(super) gradient: &'a mut [f32],
}

impl Work for FiltersBack<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { sums, channels, count: all, gradient } = self;
        let width = all.next_multiple_of(LANES);
        for c in 0..channels {
            for first in (0..all).step_by(L::LANES) {
                let count = L::LANES.min(all - first);
                filters_back(
                    |y, x| L::load(&sums[((y * WINDOW + x) * channels + c) * width + first..]),
                    |y, x, v| {
                        let at = (c * 9 + 3 * y + x) * all + first;
                        v.store_some(&mut gradient[at..at + count]);
                    },
                );
            }
        }
    }
}

/// The windows of some runs of tiles, `[value][channel][tile]` with `columns` tiles; `step` elements a value.
pub(super) struct Windows<'a> {
    pub(super) tiling: &'a Tiling,
    pub(super) images: &'a [f32],
    pub(super) at: Strides,
    pub(super) channels: usize,
    pub(super) runs: &'a [Run],
    pub(super) work: &'a mut [f32],
    pub(super) out: &'a mut [f32],
    pub(super) columns: usize,
    pub(super) step: usize,
}

impl Work for Windows<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        for c in 0..self.channels {
            for run in self.runs {
                let channel = &self.images[run.image * self.at.image + c * self.at.channel..];
                let out = &mut self.out[c * self.columns + run.before..];
                self.tiling.windows::<L>(channel, run, self.work, out, self.step);
            }
        }
    }
}

/// The maps of some filters from the products `[value][filter][tile]`; `step` elements a value.
pub(super) struct Results<'a> {
    pub(super) tiling: &'a Tiling,
    pub(super) products: &'a [f32],
    pub(super) columns: usize,
    pub(super) step: usize,
    pub(super) runs: &'a [Run],
    pub(super) filters: Range<usize>,
    pub(super) work: &'a mut [f32],
    pub(super) maps: &'a mut [f32],
    pub(super) to: Strides,
}

impl Work for Results<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        for (n, f) in self.filters.enumerate() {
            for run in self.runs {
                let map = &mut self.maps[run.image * self.to.image + f * self.to.channel..];
                let tiles = &self.products[n * self.columns + run.before..];
                self.tiling.results::<L>(tiles, self.step, run, self.work, map);
            }
        }
    }
}

/// The transformed gradient of some maps, `[value][tile][filter]`; `step` elements a value.
pub(super) struct Gradients<'a> {
    pub(super) tiling: &'a Tiling,
    pub(super) maps: &'a [f32],
    pub(super) from: Strides,
    pub(super) filters: usize,
    pub(super) runs: &'a [Run],
    pub(super) work: &'a mut [f32],
    pub(super) turned: &'a mut [f32],
    pub(super) step: usize,
}

impl Work for Gradients<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        for run in self.runs {
            let maps = &self.maps[run.image * self.from.image..];
            let Self { from, filters, step, .. } = self;
            self.tiling.gradients::<L>(maps, from.channel, filters, run, self.work, self.turned, step);
        }
    }
}

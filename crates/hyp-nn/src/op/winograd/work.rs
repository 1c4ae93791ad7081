//! The transforms of whole blocks of tiles and of weights, each as a piece of work for vectors of any kind.

use super::super::vector::{Frame, Lane, Work, lay};
use super::tiles::{Run, Strides, Tiling, WINDOW};
use super::transform::{filters, filters_back};
use super::{LANES, SPARE};

/// The weight of a convolution, `[filter][channel][tap]`, as a form reads it.
#[derive(Clone, Copy)]
pub(in super::super) struct Weights<'a> {
    numbers: &'a [f32],
    /// Numbers from one filter to the next, and from one channel to the next.
    steps: [usize; 2],
    turned: bool,
}

impl<'a> Weights<'a> {
    /// For the convolution itself.
    pub(in super::super) fn new(numbers: &'a [f32], channels: usize) -> Self {
        Self { numbers, steps: [9 * channels, 9], turned: false }
    }

    /// For the gradient of its input, whose filters are the `channels` of the convolution, turned about.
    pub(in super::super) fn turned(numbers: &'a [f32], channels: usize) -> Self {
        Self { numbers, steps: [9, 9 * channels], turned: true }
    }

    /// Those from a filter and a channel on.
    #[inline(always)]
    pub(super) fn from(self, filter: usize, channel: usize) -> Self {
        Self { numbers: &self.numbers[filter * self.steps[0] + channel * self.steps[1]..], ..self }
    }
}

/// `G w Gᵀ` of some filters, `[value][channel][filter]` with filters filled up to whole vectors and [`SPARE`] numbers
/// behind each value's.
pub(super) struct Filters<'a> {
    pub(super) weights: Weights<'a>,
    pub(super) count: usize,
    pub(super) channels: usize,
    pub(super) packed: &'a mut [f32],
}

impl Work for Filters<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { weights, count, channels, packed } = self;
        let width = count.next_multiple_of(LANES);
        let frame = Frame { rows: 1, columns: 9, top: 0, left: 0 };
        let mut taps = [0.0; 9 * LANES];
        for channel in 0..channels {
            for first in (0..width).step_by(L::LANES) {
                // Whole vectors of zeros where no filter is left.
                let some = L::LANES.min(count.saturating_sub(first));
                let Weights { numbers, steps, turned } =
                    weights.from(if some > 0 { first } else { 0 }, channel);
                lay::<L>(numbers, steps[0], some, [1, 9], frame, &mut taps);
                let packed = &mut packed[channel * width + first..];
                filters(
                    |y, x| {
                        let tap = if turned { 8 - (3 * y + x) } else { 3 * y + x };
                        L::load(&taps[tap * L::LANES..])
                    },
                    |y, x, v| v.store(&mut packed[(y * WINDOW + x) * (channels * width + SPARE)..]),
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

/// The windows of some runs of tiles: value `v` of tile `t` and channel `c` goes to `out[v·step + t·row + c]`.
///
/// Lanes of a vector without a channel are zero, and written too; what follows the last vector of a row nobody reads.
pub(super) struct Windows<'a> {
    pub(super) tiling: &'a Tiling,
    pub(super) images: &'a [f32],
    pub(super) at: Strides,
    pub(super) channels: usize,
    pub(super) runs: &'a [Run],
    pub(super) work: &'a mut [f32],
    pub(super) out: &'a mut [f32],
    /// Elements from one tile to the next, and from one value to the next.
    pub(super) steps: [usize; 2],
}

impl Work for Windows<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { tiling, images, at, channels, runs, work, out, steps } = self;
        work.fill(0.0);
        for c in (0..channels).step_by(L::LANES) {
            for run in runs {
                let image = &images[run.image * at.image + c * at.channel..];
                let from = (image, at.channel, L::LANES.min(channels - c));
                tiling.windows::<L>(from, run, work, &mut out[c..], steps);
            }
        }
    }
}

/// Some maps, from the products whose value `v` of tile `t` and map `f` is at `products[v·step + t·row + f]`.
pub(super) struct Results<'a> {
    pub(super) tiling: &'a Tiling,
    pub(super) products: &'a [f32],
    /// Elements from one tile to the next, and from one value to the next.
    pub(super) steps: [usize; 2],
    pub(super) runs: &'a [Run],
    pub(super) count: usize,
    pub(super) work: &'a mut [f32],
    pub(super) maps: &'a mut [f32],
    pub(super) to: Strides,
}

impl Work for Results<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { tiling, products, steps, runs, count, work, maps, to } = self;
        for f in (0..count).step_by(L::LANES) {
            for run in runs {
                let map = &mut maps[run.image * to.image + f * to.channel..];
                let into = (map, to.channel, L::LANES.min(count - f));
                tiling.results::<L>(&products[f..], steps, run, work, into);
            }
        }
    }
}

/// The transformed gradient of some maps: value `v` of tile `t` and map `f` goes to `out[v·step + t·row + f]`.
///
/// Lanes of the last vector without a map are zero, and written too.
pub(super) struct Gradients<'a> {
    pub(super) tiling: &'a Tiling,
    pub(super) maps: &'a [f32],
    pub(super) from: Strides,
    pub(super) count: usize,
    pub(super) runs: &'a [Run],
    pub(super) work: &'a mut [f32],
    pub(super) out: &'a mut [f32],
    /// Elements from one tile to the next, and from one value to the next.
    pub(super) steps: [usize; 2],
}

impl Work for Gradients<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { tiling, maps, from, count, runs, work, out, steps } = self;
        work.fill(0.0);
        for f in (0..count.next_multiple_of(LANES)).step_by(L::LANES) {
            for run in runs {
                // Whole vectors of zeros where no map is left.
                let some = L::LANES.min(count.saturating_sub(f));
                let maps = &maps[run.image * from.image + if some > 0 { f * from.channel } else { 0 }..];
                tiling.gradients::<L>((maps, from.channel, some), run, work, &mut out[f..], steps);
            }
        }
    }
}

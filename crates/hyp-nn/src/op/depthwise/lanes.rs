//! Depthwise convolutions of `f32` with a channel in each lane of a vector.
//!
//! The numbers of as many channels as a vector has lanes are brought together, position by position, so that a tap is one
//! multiplication of vectors whatever the size of the maps, the stride and the padding.

use super::layout::{Out, lay_weight};
use crate::op::im2col::Plan;
use crate::op::scratch::scratch;
use crate::op::stored::Stored;
use crate::op::vector::{Frame, Lane, Level, Work, lay};

/// Positions of a row that are computed together.
const TOGETHER: usize = 4;

/// A depthwise convolution with one filter a channel, on this processor's vectors.
#[derive(Debug)]
pub(super) struct InLanes {
    level: Level,
    forward: Taps,
    /// The convolution that gives the gradient of the input, where the stride is 1.
    turned: Option<Taps>,
}

/// A convolution, and where its taps are.
#[derive(Debug)]
struct Taps {
    plan: Plan,
    frame: Frame,
    /// From the first tap to each, in positions of the frame.
    offsets: Vec<usize>,
}

impl Taps {
    fn new(plan: &Plan) -> Self {
        let padding = plan.options.padding;
        let frame = Frame {
            rows: plan.height + padding.top + padding.bottom,
            columns: plan.width + padding.left + padding.right,
            top: padding.top,
            left: padding.left,
        };
        let [height, width] = plan.kernel;
        let dilation = plan.options.dilation;
        let offset = |u, v| u * dilation[0] * frame.columns + v * dilation[1];
        let offsets = (0..height).flat_map(|u| (0..width).map(move |v| offset(u, v))).collect();
        Self { plan: *plan, frame, offsets }
    }

    /// The result without padding.
    fn bare(&self) -> Frame {
        Frame { rows: self.plan.out[0], columns: self.plan.out[1], top: 0, left: 0 }
    }

    /// Rows and columns of a map without its padding.
    fn inner(&self) -> [usize; 2] {
        [self.plan.height, self.plan.width]
    }

    /// Numbers of a map of the image, and of the result.
    fn planes(&self) -> [usize; 2] {
        [self.plan.height * self.plan.width, self.plan.out[0] * self.plan.out[1]]
    }

    /// The position of the first tap of an output.
    #[inline(always)]
    fn start(&self, row: usize, column: usize) -> usize {
        let stride = self.plan.options.stride;
        row * stride[0] * self.frame.columns + column * stride[1]
    }
}

impl InLanes {
    pub(super) fn new(plan: &Plan, level: Level) -> Option<Self> {
        if plan.filters != plan.channels {
            return None;
        }
        let turned = Stored::turned(plan).map(|turned| Taps::new(&turned));
        Some(Self { level, forward: Taps::new(plan), turned })
    }

    /// Convolves some channels of an image.
    pub(super) fn maps(&self, weight: &[f32], image: &[f32], maps: &mut [f32]) {
        self.convolve(&self.forward, weight, false, image, maps);
    }

    /// Adds the gradient of the weight of some channels from one image, `[channel][tap]`.
    pub(super) fn weight_gradient(&self, image: &[f32], maps: &[f32], gradient: &mut [f32]) {
        let taps = &self.forward;
        self.room(taps, |stored, sums| {
            let lanes = self.level.lanes();
            scratch(taps.bare().positions() * lanes, |given: &mut [f32]| {
                self.level.run(WeightGradient { taps, image, maps, gradient, stored, given, sums });
            });
        });
    }

    /// Writes the gradient of some channels of an image.
    pub(super) fn input_gradient(&self, weight: &[f32], maps: &[f32], gradient: &mut [f32]) {
        if let Some(taps) = &self.turned {
            return self.convolve(taps, weight, true, maps, gradient);
        }
        let taps = &self.forward;
        self.room(taps, |stored, weights| {
            let lanes = self.level.lanes();
            scratch(taps.bare().positions() * lanes, |given: &mut [f32]| {
                self.level.run(Scatter { taps, weight, from: maps, to: gradient, stored, given, weights });
            });
        });
    }

    fn convolve(&self, taps: &Taps, weight: &[f32], about: bool, from: &[f32], to: &mut [f32]) {
        self.room(taps, |stored, weights| {
            self.level.run(Convolve { taps, weight, about, from, to, stored, weights });
        });
    }

    /// Room for a map with its padding, which is zero, and for a number of each tap, all in every lane.
    ///
    /// Memory is taken here and not within [`Work::run`]: a function that is called with a closure is compiled for the
    /// vectors of every processor, and the closure with it.
    fn room(&self, taps: &Taps, work: impl FnOnce(&mut [f32], &mut [f32])) {
        let lanes = self.level.lanes();
        scratch(taps.frame.positions() * lanes, |stored: &mut [f32]| {
            if taps.frame.positions() > taps.plan.height * taps.plan.width {
                stored.fill(0.0);
            }
            scratch(taps.offsets.len() * lanes, |each: &mut [f32]| work(stored, each));
        });
    }
}

/// The sums over the taps, of some maps into others.
struct Convolve<'a> {
    taps: &'a Taps,
    weight: &'a [f32],
    /// Whether the filters are turned about.
    about: bool,
    from: &'a [f32],
    to: &'a mut [f32],
    stored: &'a mut [f32],
    weights: &'a mut [f32],
}

impl Work for Convolve<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { taps, weight, about, from, to, stored, weights } = self;
        let [from_step, to_step] = taps.planes();
        let all = from.len() / from_step;
        let mut first = 0;
        while first < all {
            let channels = L::LANES.min(all - first);
            lay::<L>(&from[first * from_step..], from_step, channels, taps.inner(), taps.frame, stored);
            lay_weight::<L>(weight, first, channels, about, weights);
            let mut out = Out::<L>::new(&mut to[first * to_step..], to_step, channels);
            match taps.square() {
                Some((3, 1)) => taps.results::<L, 3, 1>(stored, weights, &mut out),
                Some((3, 2)) => taps.results::<L, 3, 2>(stored, weights, &mut out),
                Some((5, 1)) => taps.results::<L, 5, 1>(stored, weights, &mut out),
                Some((5, 2)) => taps.results::<L, 5, 2>(stored, weights, &mut out),
                _ => taps.results::<L, 0, 0>(stored, weights, &mut out),
            }
            out.finish();
            first += L::LANES;
        }
    }
}

/// Adds to every input what its outputs send back.
struct Scatter<'a> {
    taps: &'a Taps,
    weight: &'a [f32],
    from: &'a [f32],
    to: &'a mut [f32],
    stored: &'a mut [f32],
    given: &'a mut [f32],
    weights: &'a mut [f32],
}

impl Work for Scatter<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { taps, weight, from, to, stored, given, weights } = self;
        let (plan, frame) = (&taps.plan, taps.frame);
        let ([rows, columns], [to_step, from_step]) = (plan.out, taps.planes());
        let all = from.len() / from_step;
        let mut first = 0;
        while first < all {
            let channels = L::LANES.min(all - first);
            lay::<L>(&from[first * from_step..], from_step, channels, plan.out, taps.bare(), given);
            lay_weight::<L>(weight, first, channels, false, weights);
            stored.fill(0.0);
            for row in 0..rows {
                for column in 0..columns {
                    let grad = L::load(&given[(row * columns + column) * L::LANES..]);
                    let start = taps.start(row, column);
                    for (offset, weight) in taps.offsets.iter().zip(weights.chunks_exact(L::LANES)) {
                        let slot = &mut stored[(start + offset) * L::LANES..];
                        L::load(slot).add_product(grad, L::load(weight)).store(slot);
                    }
                }
            }
            let mut out = Out::<L>::new(&mut to[first * to_step..], to_step, channels);
            for row in 0..plan.height {
                let start = (row + frame.top) * frame.columns + frame.left;
                let row = &stored[start * L::LANES..(start + plan.width) * L::LANES];
                for position in row.chunks_exact(L::LANES) {
                    out.push(L::load(position));
                }
            }
            out.finish();
            first += L::LANES;
        }
    }
}

/// The gradient of the weight: maps are of the image, and of what comes from above.
struct WeightGradient<'a> {
    taps: &'a Taps,
    image: &'a [f32],
    maps: &'a [f32],
    gradient: &'a mut [f32],
    stored: &'a mut [f32],
    given: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Work for WeightGradient<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { taps, image, maps, gradient, stored, given, sums } = self;
        let (plan, count) = (&taps.plan, taps.offsets.len());
        let [image_step, map_step] = taps.planes();
        let all = image.len() / image_step;
        let mut first = 0;
        while first < all {
            let channels = L::LANES.min(all - first);
            lay::<L>(&image[first * image_step..], image_step, channels, taps.inner(), taps.frame, stored);
            lay::<L>(&maps[first * map_step..], map_step, channels, plan.out, taps.bare(), given);
            match taps.square() {
                Some((3, _)) => taps.square_products::<L, 3>(stored, given, sums),
                Some((5, _)) => taps.square_products::<L, 5>(stored, given, sums),
                _ => taps.products::<L>(stored, given, sums),
            }
            for channel in 0..channels {
                let gradient = &mut gradient[(first + channel) * count..][..count];
                for (tap, slot) in gradient.iter_mut().enumerate() {
                    *slot += sums[tap * L::LANES + channel];
                }
            }
            first += L::LANES;
        }
    }
}

impl Taps {
    /// The width of a square filter whose taps touch, and its stride.
    fn square(&self) -> Option<(usize, usize)> {
        let options = &self.plan.options;
        let [height, width] = self.plan.kernel;
        (height == width && options.dilation == [1; 2]).then_some((width, options.stride[1]))
    }

    /// Every result in turn, for a square filter of width `W` at stride `S`, or any with zeros.
    #[inline(always)]
    fn results<L: Lane, const W: usize, const S: usize>(
        &self,
        stored: &[f32],
        weights: &[f32],
        out: &mut Out<'_, L>,
    ) {
        let [rows, columns] = self.plan.out;
        for row in 0..rows {
            let mut column = 0;
            while column + TOGETHER <= columns {
                for sum in
                    self.sums::<L, W, S, TOGETHER>(&stored[self.start(row, column) * L::LANES..], weights)
                {
                    out.push(sum);
                }
                column += TOGETHER;
            }
            while column < columns {
                let [sum] = self.sums::<L, W, S, 1>(&stored[self.start(row, column) * L::LANES..], weights);
                out.push(sum);
                column += 1;
            }
        }
    }

    /// Sums over the taps at `N` outputs of a row, the first of which begins `stored`.
    #[inline(always)]
    fn sums<L: Lane, const W: usize, const S: usize, const N: usize>(
        &self,
        stored: &[f32],
        weights: &[f32],
    ) -> [L; N] {
        let mut sums = [L::zero(); N];
        if W == 0 {
            let stride = self.plan.options.stride[1];
            for (offset, weight) in self.offsets.iter().zip(weights.chunks_exact(L::LANES)) {
                let (weight, stored) = (L::load(weight), &stored[offset * L::LANES..]);
                for n in 0..N {
                    sums[n] = sums[n].add_product(weight, L::load(&stored[n * stride * L::LANES..]));
                }
            }
            return sums;
        }
        // Slices of known length, so that nothing is checked in between.
        for u in 0..W {
            let taps = &stored[u * self.frame.columns * L::LANES..][..((N - 1) * S + W) * L::LANES];
            let weights = &weights[u * W * L::LANES..][..W * L::LANES];
            for v in 0..W {
                let weight = L::load(&weights[v * L::LANES..]);
                for n in 0..N {
                    sums[n] = sums[n].add_product(weight, L::load(&taps[(n * S + v) * L::LANES..]));
                }
            }
        }
        sums
    }

    /// Σ over the outputs of what comes from above times the input under each tap.
    ///
    /// A row is summed by itself first, so that no sum has more terms than a row, or than there are rows.
    #[inline(always)]
    fn products<L: Lane>(&self, stored: &[f32], given: &[f32], sums: &mut [f32]) {
        let [rows, columns] = self.plan.out;
        let stride = self.plan.options.stride[1] * L::LANES;
        for (offset, sum) in self.offsets.iter().zip(sums.chunks_exact_mut(L::LANES)) {
            let mut total = L::zero();
            for row in 0..rows {
                let given = &given[row * columns * L::LANES..(row + 1) * columns * L::LANES];
                let stored = &stored[(self.start(row, 0) + offset) * L::LANES..];
                let mut of_row = L::zero();
                for (column, grad) in given.chunks_exact(L::LANES).enumerate() {
                    of_row = of_row.add_product(L::load(grad), L::load(&stored[column * stride..]));
                }
                total = total.add(of_row);
            }
            total.store(sum);
        }
    }

    /// [`Taps::products`] of a square filter of width `W`, all taps at once.
    #[inline(always)]
    fn square_products<L: Lane, const W: usize>(&self, stored: &[f32], given: &[f32], sums: &mut [f32]) {
        let [rows, columns] = self.plan.out;
        let stride = self.plan.options.stride[1] * L::LANES;
        let mut totals = [[L::zero(); W]; W];
        for row in 0..rows {
            let given = &given[row * columns * L::LANES..(row + 1) * columns * L::LANES];
            let mut lines = [stored; W];
            for u in 0..W {
                lines[u] = &stored[(self.start(row, 0) + u * self.frame.columns) * L::LANES..];
            }
            let mut of_row = [[L::zero(); W]; W];
            for (column, grad) in given.chunks_exact(L::LANES).enumerate() {
                let grad = L::load(grad);
                for u in 0..W {
                    let taps = &lines[u][column * stride..][..W * L::LANES];
                    for v in 0..W {
                        of_row[u][v] = of_row[u][v].add_product(grad, L::load(&taps[v * L::LANES..]));
                    }
                }
            }
            for u in 0..W {
                for v in 0..W {
                    totals[u][v] = totals[u][v].add(of_row[u][v]);
                }
            }
        }
        for (total, sum) in totals.iter().flatten().zip(sums.chunks_exact_mut(L::LANES)) {
            total.store(sum);
        }
    }
}

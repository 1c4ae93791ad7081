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

    /// The position of the first tap of an output.
    #[inline(always)]
    fn start(&self, row: usize, column: usize) -> usize {
        let stride = self.plan.options.stride;
        row * stride[0] * self.frame.columns + column * stride[1]
    }
}

impl InLanes {
    pub(super) fn new(plan: &Plan) -> Option<Self> {
        if plan.filters != plan.channels {
            return None;
        }
        let level = Level::detect()?;
        let turned = Stored::turned(plan).map(|turned| Taps::new(&turned));
        Some(Self { level, forward: Taps::new(plan), turned })
    }

    /// Convolves one image into maps that start `map_step` numbers apart.
    pub(super) fn maps(&self, weight: &[f32], image: &[f32], maps: &mut [f32], map_step: usize) {
        let plane = self.forward.plan.height * self.forward.plan.width;
        self.convolve(&self.forward, weight, false, (image, plane), (maps, map_step));
    }

    /// Adds the gradient of the weight from one image, `[channel][tap]`.
    pub(super) fn weight_gradient(&self, image: &[f32], maps: &[f32], map_step: usize, gradient: &mut [f32]) {
        let taps = &self.forward;
        let (image, maps) = ((image, taps.plan.height * taps.plan.width), (maps, map_step));
        self.room(taps, |stored, sums| {
            let lanes = self.level.lanes();
            scratch(taps.bare().positions() * lanes, |given: &mut [f32]| {
                self.level.run(WeightGradient { taps, image, maps, gradient, stored, given, sums });
            });
        });
    }

    /// Writes the gradient of one image.
    pub(super) fn input_gradient(&self, weight: &[f32], maps: &[f32], map_step: usize, gradient: &mut [f32]) {
        let taps = &self.forward;
        let (from, to) = ((maps, map_step), (gradient, taps.plan.height * taps.plan.width));
        if let Some(taps) = &self.turned {
            return self.convolve(taps, weight, true, from, to);
        }
        self.room(taps, |stored, weights| {
            let lanes = self.level.lanes();
            scratch(taps.bare().positions() * lanes, |given: &mut [f32]| {
                self.level.run(Scatter { taps, weight, from, to, stored, given, weights });
            });
        });
    }

    fn convolve(
        &self,
        taps: &Taps,
        weight: &[f32],
        about: bool,
        from: (&[f32], usize),
        to: (&mut [f32], usize),
    ) {
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
            stored.fill(0.0);
            scratch(taps.offsets.len() * lanes, |each: &mut [f32]| work(stored, each));
        });
    }
}

/// The sums over the taps, of some maps into others, each with the numbers between their channels.
struct Convolve<'a> {
    taps: &'a Taps,
    weight: &'a [f32],
    /// Whether the filters are turned about.
    about: bool,
    from: (&'a [f32], usize),
    to: (&'a mut [f32], usize),
    stored: &'a mut [f32],
    weights: &'a mut [f32],
}

impl Work for Convolve<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { taps, weight, about, from: (from, from_step), to: (to, to_step), stored, weights } = self;
        let plan = &taps.plan;
        let mut first = 0;
        while first < plan.channels {
            let channels = L::LANES.min(plan.channels - first);
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
    from: (&'a [f32], usize),
    to: (&'a mut [f32], usize),
    stored: &'a mut [f32],
    given: &'a mut [f32],
    weights: &'a mut [f32],
}

impl Work for Scatter<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { taps, weight, from: (from, from_step), to: (to, to_step), stored, given, weights } = self;
        let (plan, frame) = (&taps.plan, taps.frame);
        let [rows, columns] = plan.out;
        let mut first = 0;
        while first < plan.channels {
            let channels = L::LANES.min(plan.channels - first);
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
    image: (&'a [f32], usize),
    maps: (&'a [f32], usize),
    gradient: &'a mut [f32],
    stored: &'a mut [f32],
    given: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Work for WeightGradient<'_> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { taps, image: (image, image_step), maps: (maps, map_step), gradient, stored, given, sums } =
            self;
        let (plan, count) = (&taps.plan, taps.offsets.len());
        let mut first = 0;
        while first < plan.channels {
            let channels = L::LANES.min(plan.channels - first);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::im2col::{ConvOptions, Padding};

    /// Numbers that look random, small enough for sums without rounding: the forms must agree to the bit.
    fn whole(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 37 + seed * 101) % 17) as f32 - 8.0).collect()
    }

    /// Every level against loops, for channels that fill no vector or more than one, maps of a few positions and many,
    /// strides, dilations and uneven padding.
    #[test]
    fn every_level_agrees_with_loops() {
        let uneven = Padding { top: 2, bottom: 0, left: 0, right: 1 };
        for (channels, height, width, kernel, stride, dilation, padding) in [
            (5, 1, 1, [3, 3], [1, 1], [1, 1], Padding::symmetric(1, 1)),
            (16, 8, 4, [3, 3], [1, 1], [1, 1], Padding::symmetric(1, 1)),
            (19, 7, 9, [3, 3], [2, 2], [1, 1], Padding::symmetric(1, 1)),
            (33, 6, 23, [5, 5], [1, 1], [1, 1], Padding::symmetric(2, 2)),
            (17, 11, 14, [5, 5], [2, 2], [1, 1], Padding::symmetric(2, 2)),
            (9, 9, 6, [3, 2], [1, 2], [2, 3], uneven),
            (20, 9, 8, [5, 3], [2, 1], [1, 2], Padding::symmetric(2, 2)),
            (3, 4, 5, [1, 1], [1, 1], [1, 1], Padding::symmetric(0, 0)),
        ] {
            let options = ConvOptions { stride, dilation, padding, groups: channels };
            let weight = [channels, 1, kernel[0], kernel[1]];
            let plan = Plan::new(&[1, channels, height, width], &weight, &options).unwrap();
            let (taps, [rows, columns]) = (kernel[0] * kernel[1], plan.out);
            let image = whole(channels * height * width, 1);
            let weight = whole(channels * taps, 2);
            let map_step = rows * columns + 3;
            let grad = whole(channels * map_step, 3);
            let (mut want, mut want_x) = (vec![7.0; channels * map_step], vec![0.0; image.len()]);
            let mut want_w = vec![1.0; weight.len()];
            for (c, i, j) in
                (0..channels).flat_map(|c| (0..rows).flat_map(move |i| (0..columns).map(move |j| (c, i, j))))
            {
                let mut sum = 0.0;
                let out = c * map_step + i * columns + j;
                for (u, v) in (0..kernel[0]).flat_map(|u| (0..kernel[1]).map(move |v| (u, v))) {
                    let y = (i * stride[0] + u * dilation[0]).wrapping_sub(padding.top);
                    let x = (j * stride[1] + v * dilation[1]).wrapping_sub(padding.left);
                    if y < height && x < width {
                        let (at, tap) = ((c * height + y) * width + x, c * taps + u * kernel[1] + v);
                        sum += weight[tap] * image[at];
                        want_x[at] += weight[tap] * grad[out];
                        want_w[tap] += image[at] * grad[out];
                    }
                }
                want[out] = sum;
            }
            for level in Level::all() {
                let form = InLanes { level, ..InLanes::new(&plan).unwrap() };
                let (mut got, mut got_x) = (vec![7.0; want.len()], vec![f32::NAN; image.len()]);
                let mut got_w = vec![1.0; weight.len()];
                form.maps(&weight, &image, &mut got, map_step);
                form.input_gradient(&weight, &grad, map_step, &mut got_x);
                form.weight_gradient(&image, &grad, map_step, &mut got_w);
                let said = format!("{level:?}, {channels} × {height} × {width}, {kernel:?}");
                assert!(got == want, "maps: {said}");
                assert!(got_x == want_x, "gradient of the image: {said}");
                assert!(got_w == want_w, "gradient of the weight: {said}");
            }
        }
    }
}

//! Convolutions in which every filter sees one channel.

mod halved;
mod in_place;
mod lanes;
mod layout;
mod masks;
mod planes;
mod rows;
#[cfg(test)]
mod tests;

use self::in_place::InPlace;
use self::lanes::InLanes;
use super::im2col::Plan;
use super::kernel::Element;
use super::scratch::scratch;
use super::stored::Stored;
use super::sums::sum_of_lanes;
use super::vector::Level;
use super::wide::wide;

/// Positions that are computed together, in registers.
const RUN: usize = 32;

/// Numbers of maps that are worked on together, where one has not more.
const GROUP: usize = 1 << 14;

/// A convolution with as many groups as channels.
///
/// A matrix product per channel has one row; here each map is a sum of shifted images instead, at the speed at which
/// they are read.
#[derive(Debug)]
pub(super) struct Depthwise {
    plan: Plan,
    /// How one channel is stored.
    stored: Stored,
    /// How the gradient of one map is stored to give the gradient of its channel, with stride 1.
    turned: Option<Stored>,
    /// The faster form for `f32`, where there is one.
    single: Option<Single>,
}

/// A form for `f32` on this processor's vectors.
#[derive(Debug)]
enum Single {
    InPlace(Box<InPlace>),
    InLanes(Box<InLanes>),
}

impl Single {
    fn new(plan: &Plan) -> Option<Self> {
        let level = Level::detect()?;
        let in_place = InPlace::new(plan, level).map(|form| Self::InPlace(Box::new(form)));
        in_place.or_else(|| InLanes::new(plan, level).map(|form| Self::InLanes(Box::new(form))))
    }
}

impl Depthwise {
    pub(super) fn new(plan: Plan) -> Option<Self> {
        if plan.options.groups != plan.channels || plan.channels == 1 {
            return None;
        }
        let turned = Stored::turned(&plan).and_then(|turned| Stored::new(&turned, 1));
        Some(Self { plan, stored: Stored::new(&plan, 1)?, turned, single: Single::new(&plan) })
    }

    /// Taps of one filter.
    fn taps(&self) -> usize {
        self.plan.kernel[0] * self.plan.kernel[1]
    }

    /// Filters of one channel.
    pub(super) fn multiplier(&self) -> usize {
        self.plan.filters / self.plan.channels
    }

    /// Channels that are worked on together, so that what one step leaves in the cache is there for the next.
    pub(super) fn together(&self) -> usize {
        match &self.single {
            // Its room is cleared for each group of channels.
            Some(Single::InLanes(_)) => self.plan.channels,
            _ => (GROUP / self.plan.out_plane().max(self.plan.height * self.plan.width).max(1)).max(1),
        }
    }

    /// Convolves some channels of an image.
    pub(super) fn maps<T: Element>(&self, weight: &[T], image: &[T], maps: &mut [T]) {
        if let (Some(single), Some(weight), Some(image)) = (&self.single, T::single(weight), T::single(image))
        {
            let maps = T::single_mut(maps).unwrap_or_default();
            return match single {
                Single::InPlace(form) => form.maps(weight, image, maps),
                Single::InLanes(form) => form.maps(weight, image, maps),
            };
        }
        let (multiplier, taps) = (self.multiplier(), self.taps());
        self.each_channel(
            image,
            #[inline(always)]
            |channel, stored, line| {
                for f in channel * multiplier..(channel + 1) * multiplier {
                    shifted_sum(&weight[f * taps..(f + 1) * taps], self.stored.offsets(), stored, line);
                    let map = &mut maps[f * self.plan.out_plane()..(f + 1) * self.plan.out_plane()];
                    drop_between(line, self.stored.row(), map, self.plan.out[1]);
                }
            },
        );
    }

    /// Adds the gradient of the weight of some channels from one image, `[channel][tap][filter of the channel]`.
    pub(super) fn weight_gradient<T: Element>(&self, image: &[T], maps: &[T], gradient: &mut [T]) {
        if let (Some(single), Some(image), Some(maps)) = (&self.single, T::single(image), T::single(maps)) {
            let gradient = T::single_mut(gradient).unwrap_or_default();
            return match single {
                Single::InPlace(form) => form.weight_gradient(image, maps, gradient),
                Single::InLanes(form) => form.weight_gradient(image, maps, gradient),
            };
        }
        let (multiplier, taps) = (self.multiplier(), self.taps());
        self.each_channel(
            image,
            #[inline(always)]
            |channel, stored, line| {
                for m in 0..multiplier {
                    let f = channel * multiplier + m;
                    let map = &maps[f * self.plan.out_plane()..(f + 1) * self.plan.out_plane()];
                    spread(map, self.plan.out[1], line, self.stored.row());
                    for (tap, offset) in self.stored.offsets().iter().enumerate() {
                        let sum = dot(line, &stored[*offset as usize..][..line.len()]);
                        gradient[(channel * taps + tap) * multiplier + m] += sum;
                    }
                }
            },
        );
    }

    /// Writes the gradient of some channels of an image.
    pub(super) fn input_gradient<T: Element>(&self, weight: &[T], maps: &[T], gradient: &mut [T]) {
        if let (Some(single), Some(weight), Some(maps)) = (&self.single, T::single(weight), T::single(maps)) {
            let gradient = T::single_mut(gradient).unwrap_or_default();
            return match single {
                Single::InPlace(form) => form.input_gradient(weight, maps, gradient),
                Single::InLanes(form) => form.input_gradient(weight, maps, gradient),
            };
        }
        let (multiplier, taps) = (self.multiplier(), self.taps());
        let plane = self.plan.height * self.plan.width;
        gradient.fill(T::zero());
        for (f, weight) in weight.chunks_exact(taps).enumerate() {
            let map = &maps[f * self.plan.out_plane()..(f + 1) * self.plan.out_plane()];
            let gradient = &mut gradient[f / multiplier * plane..(f / multiplier + 1) * plane];
            match &self.turned {
                Some(turned) => self.gather(turned, weight, map, gradient),
                None => self.scatter(weight, map, gradient),
            }
        }
    }

    fn gather<T: Element>(&self, turned: &Stored, weight: &[T], map: &[T], gradient: &mut [T]) {
        let about: Vec<T> = weight.iter().rev().copied().collect();
        let positions = turned.positions().next_multiple_of(RUN);
        scratch(turned.len() + RUN, |stored| {
            scratch(positions, |line| {
                wide(
                    #[inline(always)]
                    || {
                        turned.store(map, 0, stored);
                        shifted_sum(&about, turned.offsets(), stored, line);
                        let rows = line.chunks(turned.row());
                        for (to, from) in gradient.chunks_exact_mut(self.plan.width).zip(rows) {
                            to.iter_mut().zip(from).for_each(|(t, v)| *t += *v);
                        }
                    },
                );
            });
        });
    }

    fn scatter<T: Element>(&self, weight: &[T], map: &[T], gradient: &mut [T]) {
        scratch(self.stored.len(), |stored: &mut [T]| {
            scratch(self.stored.positions(), |line: &mut [T]| {
                wide(
                    #[inline(always)]
                    || {
                        stored.fill(T::zero());
                        spread(map, self.plan.out[1], line, self.stored.row());
                        for (w, offset) in weight.iter().zip(self.stored.offsets()) {
                            let target = &mut stored[*offset as usize..][..line.len()];
                            target.iter_mut().zip(line.iter()).for_each(|(t, g)| *t += *w * *g);
                        }
                        self.stored.add_back(stored, gradient, 0);
                    },
                );
            });
        });
    }

    /// Calls `work(channel, stored channel, room for a line of positions)` for each channel of an image.
    fn each_channel<T: Element>(&self, image: &[T], mut work: impl FnMut(usize, &[T], &mut [T])) {
        let plane = self.plan.height * self.plan.width;
        let positions = self.stored.positions().next_multiple_of(RUN);
        scratch(self.stored.len() + RUN, |stored: &mut [T]| {
            // Read beyond the image for positions that are dropped; a NaN left there would outlive them as 0 · NaN.
            stored.fill(T::zero());
            scratch(positions, |line: &mut [T]| {
                wide(
                    #[inline(always)]
                    || {
                        for (channel, image) in image.chunks_exact(plane).enumerate() {
                            self.stored.store(image, 0, &mut stored[..self.stored.len()]);
                            work(channel, stored, line);
                        }
                    },
                );
            });
        });
    }
}

/// `line[p] = Σ_t weight[t] · stored[offsets[t] + p]`.
#[inline(always)]
fn shifted_sum<T: Element>(weight: &[T], offsets: &[u32], stored: &[T], line: &mut [T]) {
    for (n, line) in line.as_chunks_mut::<RUN>().0.iter_mut().enumerate() {
        let mut sums = [T::zero(); RUN];
        for (w, offset) in weight.iter().zip(offsets) {
            let run = stored[*offset as usize + n * RUN..].first_chunk::<RUN>();
            let run = run.expect("invariant: stored with room for a run");
            for i in 0..RUN {
                sums[i] += *w * run[i];
            }
        }
        *line = sums;
    }
}

/// Σ a·b in interleaved partial sums, which are then added in pairs: one after the other they would take longer than the
/// products of a small map.
#[inline(always)]
fn dot<T: Element>(a: &[T], b: &[T]) -> T {
    let mut sums = [T::zero(); RUN];
    let ((a_runs, a_rest), (b_runs, b_rest)) = (a.as_chunks::<RUN>(), b.as_chunks::<RUN>());
    for (a, b) in a_runs.iter().zip(b_runs) {
        for i in 0..RUN {
            sums[i] += a[i] * b[i];
        }
    }
    for (sum, (a, b)) in sums.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *sum += *a * *b;
    }
    sum_of_lanes(sums)
}

/// Brings a line of positions to a map, without what stands between the rows.
#[inline(always)]
fn drop_between<T: Element>(line: &[T], row: usize, map: &mut [T], width: usize) {
    for (to, from) in map.chunks_exact_mut(width).zip(line.chunks(row)) {
        to.copy_from_slice(&from[..width]);
    }
}

/// Brings a map to a line of positions, with zeros between the rows and behind the last.
#[inline(always)]
fn spread<T: Element>(map: &[T], width: usize, line: &mut [T], row: usize) {
    line.fill(T::zero());
    for (from, to) in map.chunks_exact(width).zip(line.chunks_mut(row)) {
        to[..width].copy_from_slice(from);
    }
}

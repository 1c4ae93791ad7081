//! Depthwise convolutions of `f32` maps as they lie, without storing or transposing them.
#![expect(unsafe_code, reason = "what walks need is asserted once for many maps")]

use super::halved::{Doubled, Halved};
use super::planes::Planes;
use super::rows::Rows;
use crate::op::im2col::Plan;
use crate::op::stored::Stored;
use crate::op::vector::{Lane, Level, MOST, Work, sums_in_lanes};

/// A depthwise convolution with one square filter a channel and stride 1 or 2, whose vectors hold neighbours of a map.
#[derive(Debug)]
pub(super) struct InPlace {
    level: Level,
    /// Rows of a filter.
    taps: usize,
    forward: Walk,
    /// The way of the gradient back to the image.
    back: Walk,
}

/// How a convolution, or its gradient, walks over one map.
#[derive(Debug)]
enum Walk {
    Rows(Rows),
    Planes(Planes),
    Halved(Halved),
    /// Only back.
    Doubled(Doubled),
}

impl Walk {
    fn new(plan: &Plan, level: Level) -> Option<Self> {
        let rows = Rows::new(plan, level).map(Self::Rows);
        let plane = || Planes::new(plan, level).map(Self::Planes);
        rows.or_else(plane).or_else(|| Halved::new(plan, level).map(Self::Halved))
    }

    fn back(plan: &Plan, level: Level) -> Option<Self> {
        match Stored::turned(plan) {
            Some(turned) => Self::new(&turned, level),
            None => Doubled::new(plan, level).map(Self::Doubled),
        }
    }
}

/// What a walk was made for.
pub(super) struct Made {
    /// Lanes of its vectors.
    lanes: usize,
    /// Rows, and columns, of its filters.
    taps: usize,
    /// Numbers of a map before it, and behind it.
    planes: [usize; 2],
}

impl Made {
    /// For the way from the image to the result.
    pub(super) fn forward(plan: &Plan, lanes: usize) -> Self {
        let planes = [plan.height * plan.width, plan.out_plane()];
        Self { lanes, taps: plan.kernel[1], planes }
    }

    /// For the way back.
    pub(super) fn back(plan: &Plan, lanes: usize) -> Self {
        let Self { planes: [image, result], .. } = Self::forward(plan, lanes);
        Self { lanes, taps: plan.kernel[1], planes: [result, image] }
    }

    /// Numbers of a map before and behind, if vectors and filters are these.
    fn planes<L: Lane, const K: usize>(&self) -> [usize; 2] {
        assert_eq!((self.lanes, self.taps), (L::LANES, K), "vectors and filters of this walk");
        self.planes
    }
}

/// A walk over one map.
///
/// Code for each of them and each filter is compiled apart: in one function there are not enough registers for all.
pub(super) trait Convolves {
    /// What the walk was made for.
    fn made_for(&self) -> Made;

    /// The result of one map.
    ///
    /// # Safety
    /// The vectors, the filter and the lengths of both maps must be those for which the walk was made.
    unsafe fn map<L: Lane, const K: usize>(&self, filter: &[[L; K]; K], from: &[f32], to: &mut [f32]);
}

/// One that leads forward.
pub(super) trait Leads: Convolves {
    /// Σ over the results of what comes from above times the input under each tap, in lanes still to be added.
    ///
    /// # Safety
    /// As for [`Convolves::map`].
    unsafe fn products<L: Lane, const K: usize>(&self, image: &[f32], map: &[f32]) -> [[L; K]; K];
}

impl InPlace {
    /// The form on the vectors of a level, if the convolution is one of these.
    pub(super) fn new(plan: &Plan, level: Level) -> Option<Self> {
        let [height, width] = plan.kernel;
        let touching = plan.options.dilation == [1; 2];
        if plan.filters != plan.channels || height != width || !matches!(width, 3 | 5) || !touching {
            return None;
        }
        let (forward, back) = (Walk::new(plan, level)?, Walk::back(plan, level)?);
        Some(Self { level, taps: width, forward, back })
    }

    /// Convolves some channels of an image.
    pub(super) fn maps(&self, weight: &[f32], image: &[f32], maps: &mut [f32]) {
        self.convolve(&self.forward, Filters { weight, about: false }, image, maps);
    }

    /// Writes the gradient of some channels of an image.
    pub(super) fn input_gradient(&self, weight: &[f32], maps: &[f32], gradient: &mut [f32]) {
        // That of a convolution with stride 1 is a convolution itself.
        let about = !matches!(self.back, Walk::Doubled(_));
        self.convolve(&self.back, Filters { weight, about }, maps, gradient);
    }

    /// Some maps into others.
    fn convolve(&self, walk: &Walk, filters: Filters<'_>, from: &[f32], to: &mut [f32]) {
        match walk {
            Walk::Rows(walk) => self.convolve_by(walk, filters, from, to),
            Walk::Planes(walk) => self.convolve_by(walk, filters, from, to),
            Walk::Halved(walk) => self.convolve_by(walk, filters, from, to),
            Walk::Doubled(walk) => self.convolve_by(walk, filters, from, to),
        }
    }

    fn convolve_by(&self, walk: &impl Convolves, filters: Filters<'_>, from: &[f32], to: &mut [f32]) {
        match self.taps {
            3 => self.level.run(Convolve::<_, 3> { walk, filters, from, to }),
            _ => self.level.run(Convolve::<_, 5> { walk, filters, from, to }),
        }
    }

    /// Adds the gradient of the weight of some channels from one image, `[channel][tap]`.
    pub(super) fn weight_gradient(&self, image: &[f32], maps: &[f32], gradient: &mut [f32]) {
        match &self.forward {
            Walk::Rows(walk) => self.weight_gradient_by(walk, image, maps, gradient),
            Walk::Planes(walk) => self.weight_gradient_by(walk, image, maps, gradient),
            Walk::Halved(walk) => self.weight_gradient_by(walk, image, maps, gradient),
            Walk::Doubled(_) => unreachable!("this walk leads back"),
        }
    }

    fn weight_gradient_by(&self, walk: &impl Leads, image: &[f32], maps: &[f32], gradient: &mut [f32]) {
        match self.taps {
            3 => self.level.run(WeightGradient::<_, 3> { walk, image, maps, gradient }),
            _ => self.level.run(WeightGradient::<_, 5> { walk, image, maps, gradient }),
        }
    }
}

/// Some maps into others.
struct Convolve<'a, W, const K: usize> {
    walk: &'a W,
    filters: Filters<'a>,
    from: &'a [f32],
    to: &'a mut [f32],
}

impl<W: Convolves, const K: usize> Work for Convolve<'_, W, K> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { walk, filters, from, to } = self;
        let [input, output] = walk.made_for().planes::<L, K>();
        let maps = from.chunks_exact(input).zip(to.chunks_exact_mut(output));
        for (channel, (from, to)) in maps.enumerate() {
            // SAFETY: vectors and filters are asserted, and the maps are cut to their lengths.
            unsafe { walk.map(&filters.of::<L, K>(channel), from, to) };
        }
    }
}

/// The gradient of the weight, from an image and what comes from above.
struct WeightGradient<'a, W, const K: usize> {
    walk: &'a W,
    image: &'a [f32],
    maps: &'a [f32],
    gradient: &'a mut [f32],
}

impl<W: Leads, const K: usize> Work for WeightGradient<'_, W, K> {
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Self { walk, image, maps, gradient } = self;
        let [input, output] = walk.made_for().planes::<L, K>();
        let maps = image.chunks_exact(input).zip(maps.chunks_exact(output));
        for (gradient, (image, map)) in gradient.chunks_exact_mut(K * K).zip(maps) {
            // SAFETY: as for `Convolve`.
            let products = unsafe { walk.products::<L, K>(image, map) };
            add_sums(&products, gradient);
        }
    }
}

/// The filters of a convolution, `[channel][tap]`.
#[derive(Clone, Copy)]
struct Filters<'a> {
    weight: &'a [f32],
    /// Whether they are turned about.
    about: bool,
}

impl Filters<'_> {
    /// The filter of a channel, each of its numbers in all lanes of a vector.
    #[inline(always)]
    fn of<L: Lane, const K: usize>(self, channel: usize) -> [[L; K]; K] {
        let weight = &self.weight[channel * K * K..][..K * K];
        let mut filter = [[L::zero(); K]; K];
        for u in 0..K {
            for v in 0..K {
                let tap = u * K + v;
                filter[u][v] = L::all(weight[if self.about { K * K - 1 - tap } else { tap }]);
            }
        }
        filter
    }
}

/// Adds the sum of each vector's numbers to the gradient of its tap.
#[inline(always)]
fn add_sums<L: Lane, const K: usize>(products: &[[L; K]; K], gradient: &mut [f32]) {
    for (n, gradient) in gradient.chunks_mut(L::LANES).enumerate() {
        let mut vectors = [L::zero(); MOST];
        for i in 0..gradient.len() {
            let tap = n * L::LANES + i;
            vectors[i] = products[tap / K][tap % K];
        }
        L::load_some(gradient).add(sums_in_lanes(vectors)).store_some(gradient);
    }
}

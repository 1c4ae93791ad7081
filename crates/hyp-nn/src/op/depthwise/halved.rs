//! Depthwise convolutions of `f32` maps with stride 2, and the way of their gradient back.
//!
//! What a tap sees of a row of the image is every second number of two vectors. Of two rows of the image, the first lies
//! under the even rows of the filters and the second under the odd ones; their sums stay in registers, as with stride 1.
//! On the way back a row of the gradient has columns that come from the even columns of the filter and such that come
//! from the odd ones, which are summed apart and interleaved.
#![expect(unsafe_code, reason = "masked loads; what a mask names lies in the row by construction")]

use super::in_place::{Convolves, Leads, Made};
use super::masks::{add_to, bits, masked, store_within};
use crate::op::im2col::Plan;
use crate::op::vector::{Lane, Level};

/// How a convolution with stride 2 and a square filter walks over one map.
#[derive(Debug)]
pub(super) struct Halved {
    plan: Plan,
    lanes: usize,
    strips: Vec<Strip>,
}

/// As many columns of the result as a vector has lanes, or those that are left.
#[derive(Debug)]
struct Strip {
    /// The first column.
    first: usize,
    /// For each tap of a filter's row and each of the two vectors under it, the lanes whose column lies in the image.
    inside: Vec<[u16; 2]>,
    /// The lanes that the strip has.
    own: u16,
}

impl Halved {
    /// The walk of a convolution on such vectors, if its rows fill at least half of one.
    pub(super) fn new(plan: &Plan, level: Level) -> Option<Self> {
        let (lanes, columns) = (level.lanes(), plan.out[1]);
        if plan.options.stride != [2; 2] || columns < lanes / 2 {
            return None;
        }
        let strips = (0..columns).step_by(lanes).map(|first| {
            // Where no result is, nothing is seen, for 0 · ∞ would reach the gradient of the weight.
            let under = |behind: usize, v: usize| {
                bits(lanes, |lane| {
                    // Counted from the first column of the image under the first tap.
                    let at = 2 * first + behind + lane;
                    let column = at + v;
                    at / 2 < columns && column.wrapping_sub(plan.options.padding.left) < plan.width
                })
            };
            let inside = (0..plan.kernel[1]).map(|v| [under(0, v), under(lanes, v)]);
            Strip { first, inside: inside.collect(), own: bits(lanes, |lane| first + lane < columns) }
        });
        Some(Self { plan: *plan, lanes, strips: strips.collect() })
    }

    /// What the taps of a filter's row see of a row of the image.
    #[inline(always)]
    fn seen<L: Lane, const K: usize>(&self, map: &[f32], row: usize, strip: &Strip) -> [L; K] {
        let start = map.as_ptr().wrapping_add(row * self.plan.width + 2 * strip.first);
        let start = start.wrapping_sub(self.plan.options.padding.left);
        let inside = &strip.inside[..K];
        let mut seen = [L::zero(); K];
        for v in 0..K {
            // SAFETY: a mask names columns of the image alone, the row is one of its rows, and the map has them all.
            unsafe {
                let low: L = masked(start.wrapping_add(v), inside[v][0]);
                let high = masked(start.wrapping_add(v + L::LANES), inside[v][1]);
                seen[v] = low.every_second(high);
            }
        }
        seen
    }

    /// Calls `work(a, seen)` with what the taps see of row 2·`row` − top + a of the image, for a = 0 and 1, where there is
    /// one: it lies under the rows of the filters that leave a when divided by two.
    #[inline(always)]
    fn two_rows<L: Lane, const K: usize>(
        &self,
        map: &[f32],
        row: usize,
        strip: &Strip,
        mut work: impl FnMut(usize, [L; K]),
    ) {
        for a in 0..2 {
            let under = (2 * row + a).wrapping_sub(self.plan.options.padding.top);
            if under < self.plan.height {
                work(a, self.seen::<L, K>(map, under, strip));
            }
        }
    }
}

impl Convolves for Halved {
    fn made_for(&self) -> Made {
        Made::forward(&self.plan, self.lanes)
    }

    #[inline(always)]
    unsafe fn map<L: Lane, const K: usize>(&self, filter: &[[L; K]; K], from: &[f32], to: &mut [f32]) {
        let ([rows, columns], behind) = (self.plan.out, K / 2);
        for strip in &self.strips {
            // The sums of the result that begins in this step, of the one that began in the step before, and so on.
            let mut sums = [L::zero(); K];
            for step in 0..rows + behind {
                for m in (1..=behind).rev() {
                    sums[m] = sums[m - 1];
                }
                sums[0] = L::zero();
                self.two_rows::<L, K>(
                    from,
                    step,
                    strip,
                    #[inline(always)]
                    |a, seen| {
                        for u in (a..K).step_by(2) {
                            for v in 0..K {
                                sums[u / 2] = sums[u / 2].add_product(filter[u][v], seen[v]);
                            }
                        }
                    },
                );
                if step >= behind {
                    let line = &mut to[(step - behind) * columns..][..columns][strip.first..];
                    store_within(sums[behind], line);
                }
            }
        }
    }
}

impl Leads for Halved {
    /// A strip is summed by itself first, so that no sum has many terms.
    #[inline(always)]
    unsafe fn products<L: Lane, const K: usize>(&self, image: &[f32], map: &[f32]) -> [[L; K]; K] {
        let [rows, columns] = self.plan.out;
        let mut totals = [[L::zero(); K]; K];
        for strip in &self.strips {
            let mut sums = [[L::zero(); K]; K];
            // What comes from above to the result that begins in this step, to the one of the step before, and so on.
            let mut grads = [L::zero(); K];
            for step in 0..rows + K / 2 {
                for m in (1..=K / 2).rev() {
                    grads[m] = grads[m - 1];
                }
                grads[0] = L::zero();
                if step < rows {
                    let line = map[step * columns + strip.first..].as_ptr();
                    // SAFETY: the mask names the lanes that the strip has of its row.
                    grads[0] = unsafe { masked(line, strip.own) };
                }
                self.two_rows::<L, K>(
                    image,
                    step,
                    strip,
                    #[inline(always)]
                    |a, seen| {
                        for u in (a..K).step_by(2) {
                            for v in 0..K {
                                sums[u][v] = sums[u][v].add_product(grads[u / 2], seen[v]);
                            }
                        }
                    },
                );
            }
            add_to(&mut totals, &sums);
        }
        totals
    }
}

/// How the gradient of a result comes to the image, for the same convolutions.
#[derive(Debug)]
pub(super) struct Doubled {
    plan: Plan,
    lanes: usize,
    strips: Vec<BackStrip>,
}

/// Twice as many columns of the image as a vector has lanes, or those that are left.
#[derive(Debug)]
struct BackStrip {
    /// Half the first column.
    first: usize,
    /// For each tap of a filter's row, the lanes whose column lies in the result.
    inside: Vec<u16>,
}

/// The column of the result to which a tap leads from column 2·j or 2·j + 1 of the image, less j: (x + left − v)/2 for
/// the x of the two for which that is a whole number.
#[inline(always)]
fn shift(left: usize, v: usize) -> isize {
    (((left + v) % 2 + left) as isize - v as isize) / 2
}

impl Doubled {
    /// The walk of the gradient of a convolution on such vectors, if rows of the image fill at least half of two.
    pub(super) fn new(plan: &Plan, level: Level) -> Option<Self> {
        let (lanes, left) = (level.lanes(), plan.options.padding.left);
        if plan.options.stride != [2; 2] || plan.width < lanes {
            return None;
        }
        let strips = (0..plan.width.div_ceil(2)).step_by(lanes).map(|first| {
            let column = |lane: usize, v| (first + lane).wrapping_add_signed(shift(left, v));
            let inside = (0..plan.kernel[1]).map(|v| bits(lanes, |lane| column(lane, v) < plan.out[1]));
            BackStrip { first, inside: inside.collect() }
        });
        Some(Self { plan: *plan, lanes, strips: strips.collect() })
    }

    /// One map where the padding on the left leaves `LEFT` when divided by two.
    #[inline(always)]
    fn walk<L: Lane, const K: usize, const LEFT: usize>(
        &self,
        filter: &[[L; K]; K],
        from: &[f32],
        to: &mut [f32],
    ) {
        let ([rows, columns], padding, width) = (self.plan.out, self.plan.options.padding, self.plan.width);
        for (y, line) in to.chunks_exact_mut(width).enumerate() {
            for strip in &self.strips {
                let inside = &strip.inside[..K];
                // Of the even columns and of the odd ones.
                let mut sums = [L::zero(); 2];
                for u in ((y + padding.top) % 2..K).step_by(2) {
                    let row = (y + padding.top).wrapping_sub(u) / 2;
                    if row >= rows {
                        continue;
                    }
                    let start = from.as_ptr().wrapping_add(row * columns + strip.first);
                    for v in 0..K {
                        let start = start.wrapping_offset(shift(padding.left, v));
                        // SAFETY: a mask names columns of the result alone, the row is one of its rows, and the map
                        // has them all.
                        let grad = unsafe { masked(start, inside[v]) };
                        let sum = &mut sums[(LEFT + v) % 2];
                        *sum = sum.add_product(filter[u][v], grad);
                    }
                }
                let [low, high] = sums[0].interleaved(sums[1]);
                for (n, part) in [low, high].into_iter().enumerate() {
                    let line = line.get_mut(2 * strip.first + n * L::LANES..).unwrap_or_default();
                    store_within(part, line);
                }
            }
        }
    }
}

impl Convolves for Doubled {
    fn made_for(&self) -> Made {
        Made::back(&self.plan, self.lanes)
    }

    #[inline(always)]
    unsafe fn map<L: Lane, const K: usize>(&self, filter: &[[L; K]; K], from: &[f32], to: &mut [f32]) {
        if self.plan.options.padding.left.is_multiple_of(2) {
            self.walk::<L, K, 0>(filter, from, to);
        } else {
            self.walk::<L, K, 1>(filter, from, to);
        }
    }
}

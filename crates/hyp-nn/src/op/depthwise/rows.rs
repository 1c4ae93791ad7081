//! Depthwise convolutions of `f32` maps whose rows are one vector of AVX-512 long, or up to two.
//!
//! A vector holds neighbours of a row, in whatever layout the maps are: nothing is stored with padding and nothing is
//! transposed. A strip of columns is walked from the top down; each row of it is read once for every tap of a filter's
//! row, and adds to the sums of all results under which it lies, which stay in registers. More strips would be walked one
//! behind the other, and each would fetch its neighbours' lines of the cache again.
#![expect(unsafe_code, reason = "masked loads; what a mask names lies in the row by construction")]

use super::in_place::{Convolves, Leads, Made};
use super::masks::{add_to, bits};
use crate::op::im2col::Plan;
use crate::op::vector::{Lane, Level, MOST};

/// How a convolution with stride 1 and a square filter walks over one map.
#[derive(Debug)]
pub(super) struct Rows {
    plan: Plan,
    lanes: usize,
    strips: Vec<Strip>,
}

/// As many columns of the result as a vector has lanes.
#[derive(Debug)]
struct Strip {
    /// The first column.
    first: usize,
    /// For each tap of a filter's row, the lanes whose column lies in the image.
    inside: Vec<u16>,
    /// The lanes whose column no strip before this one has.
    new: u16,
}

impl Rows {
    /// The walk of a convolution on such vectors, if its rows fill one and no more than two, and masks cost nothing.
    pub(super) fn new(plan: &Plan, level: Level) -> Option<Self> {
        let (lanes, columns) = (level.lanes(), plan.out[1]);
        if plan.options.stride != [1; 2] || lanes < MOST || !(lanes..=2 * lanes).contains(&columns) {
            return None;
        }
        let strips = (0..columns).step_by(lanes).map(|start| {
            // The last strip ends with the row and repeats columns of the one before it.
            let first = start.min(columns - lanes);
            let column =
                |lane: usize, tap: usize| (first + lane + tap).wrapping_sub(plan.options.padding.left);
            let inside = (0..plan.kernel[1]).map(|tap| bits(lanes, |lane| column(lane, tap) < plan.width));
            Strip { first, inside: inside.collect(), new: bits(lanes, |lane| first + lane >= start) }
        });
        Some(Self { plan: *plan, lanes, strips: strips.collect() })
    }

    /// The strips that are walked side by side, and those alone.
    ///
    /// Two keep the multipliers busy where a sum has three terms a row; where it has five, they would be more numbers
    /// than there are registers.
    #[inline(always)]
    fn together<const K: usize>(&self) -> (&[[Strip; 2]], &[Strip]) {
        if K == 3 { self.strips.as_chunks::<2>() } else { (&[], &self.strips) }
    }

    /// The row of the image under the first tap of a row of the result; beyond the image for padding above and below.
    #[inline(always)]
    fn under(&self, row: usize) -> usize {
        row.wrapping_sub(self.plan.options.padding.top)
    }

    /// The number under a tap of the first lane of a strip, which need not be there.
    #[inline(always)]
    fn at(&self, map: &[f32], row: usize, strip: &Strip, tap: usize) -> *const f32 {
        let column = (strip.first + tap).wrapping_sub(self.plan.options.padding.left);
        map.as_ptr().wrapping_add(row * self.plan.width).wrapping_add(column)
    }

    /// What the taps of a filter's row see of a row of the image.
    #[inline(always)]
    fn seen<L: Lane, const K: usize>(
        &self,
        map: &[f32],
        row: usize,
        strip: &Strip,
        inside: [L::Mask; K],
    ) -> [L; K] {
        let mut seen = [L::zero(); K];
        for tap in 0..K {
            // SAFETY: a mask names columns of the image alone, the row is one of its rows, and the map has them all.
            seen[tap] = unsafe { L::load_where(self.at(map, row, strip, tap), inside[tap]) };
        }
        seen
    }
}

#[inline(always)]
fn masks<L: Lane, const K: usize>(strip: &Strip) -> [L::Mask; K] {
    std::array::from_fn(
        #[inline(always)]
        |tap| L::mask(strip.inside[tap]),
    )
}

impl Convolves for Rows {
    fn made_for(&self) -> Made {
        Made::forward(&self.plan, self.lanes)
    }

    #[inline(always)]
    unsafe fn map<L: Lane, const K: usize>(&self, filter: &[[L; K]; K], from: &[f32], to: &mut [f32]) {
        let (pairs, rest) = self.together::<K>();
        for strips in pairs {
            self.walk(filter, from, to, strips.each_ref());
        }
        for strip in rest {
            self.walk(filter, from, to, [strip]);
        }
    }
}

impl Leads for Rows {
    #[inline(always)]
    unsafe fn products<L: Lane, const K: usize>(&self, image: &[f32], map: &[f32]) -> [[L; K]; K] {
        let mut sums = [[L::zero(); K]; K];
        let (pairs, rest) = self.together::<K>();
        for strips in pairs {
            self.walk_back(image, map, strips.each_ref(), &mut sums);
        }
        for strip in rest {
            self.walk_back(image, map, [strip], &mut sums);
        }
        sums
    }
}

impl Rows {
    /// Some strips of a map, side by side.
    #[inline(always)]
    fn walk<L: Lane, const K: usize, const V: usize>(
        &self,
        filter: &[[L; K]; K],
        from: &[f32],
        to: &mut [f32],
        strips: [&Strip; V],
    ) {
        let inside = strips.map(masks::<L, K>);
        // The sums of the result that begins in this row, of the one that began in the row before, and so on.
        let mut sums = [[L::zero(); V]; K];
        for row in 0..self.plan.out[0] + K - 1 {
            for u in (1..K).rev() {
                sums[u] = sums[u - 1];
            }
            sums[0] = [L::zero(); V];
            let under = self.under(row);
            if under < self.plan.height {
                for v in 0..V {
                    let seen = self.seen::<L, K>(from, under, strips[v], inside[v]);
                    for tap in 0..K {
                        for u in 0..K {
                            sums[u][v] = sums[u][v].add_product(filter[u][tap], seen[tap]);
                        }
                    }
                }
            }
            if row + 1 >= K {
                let line = &mut to[(row + 1 - K) * self.plan.out[1]..];
                for v in 0..V {
                    sums[K - 1][v].store(&mut line[strips[v].first..]);
                }
            }
        }
    }

    /// Adds the products of some strips, side by side.
    #[inline(always)]
    fn walk_back<L: Lane, const K: usize, const V: usize>(
        &self,
        image: &[f32],
        map: &[f32],
        strips: [&Strip; V],
        totals: &mut [[L; K]; K],
    ) {
        let [height, width] = self.plan.out;
        let inside = strips.map(masks::<L, K>);
        let new = strips.map(|strip| L::mask(strip.new));
        let mut sums = [[L::zero(); K]; K];
        // What comes from above to the result that begins in this row, to the one of the row before, and so on.
        let mut grads = [[L::zero(); V]; K];
        for row in 0..height + K - 1 {
            for u in (1..K).rev() {
                grads[u] = grads[u - 1];
            }
            grads[0] = [L::zero(); V];
            if row < height {
                for v in 0..V {
                    let line = &map[row * width + strips[v].first..];
                    // SAFETY: a strip lies within its row.
                    grads[0][v] = unsafe { L::load_where(line.as_ptr(), new[v]) };
                }
            }
            let under = self.under(row);
            if under < self.plan.height {
                for v in 0..V {
                    let seen = self.seen::<L, K>(image, under, strips[v], inside[v]);
                    for tap in 0..K {
                        for u in 0..K {
                            sums[u][tap] = sums[u][tap].add_product(grads[u][v], seen[tap]);
                        }
                    }
                }
            }
        }
        add_to(totals, &sums);
    }
}

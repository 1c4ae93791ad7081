//! Depthwise convolutions of `f32` maps of any width, above all of those whose rows are shorter than a vector.
//!
//! A vector holds neighbours of a map, over the ends of its rows. Where the result is as wide as the image, what lies a
//! row below is as many neighbours further on, whatever the column. So the sums over each column of a filter come first,
//! of whole rows that are read once, and are then added up, shifted by a column each; masks keep what a shift brings over
//! the end of a row out of the next.
#![expect(unsafe_code, reason = "masked loads; what a mask names lies in the map by construction")]

use super::in_place::{Convolves, Leads, Made};
use super::masks::{add_to, bits, masked, span, store_within};
use crate::op::im2col::Plan;
use crate::op::vector::{Lane, Level};

/// Vectors whose products are summed by themselves, so that no sum has many terms.
const BLOCK: usize = 64;

/// How a convolution with stride 1 and a square filter, whose result is as wide as its image, walks over one map.
#[derive(Debug)]
pub(super) struct Planes {
    plan: Plan,
    lanes: usize,
    /// For each vector of the result: for each row of the filter, the lanes under which it is in the image; and for each
    /// column, the lanes of the result to which its sum belongs.
    masks: Vec<u16>,
}

impl Planes {
    /// The walk of a convolution on such vectors, if it is one of these.
    pub(super) fn new(plan: &Plan, level: Level) -> Option<Self> {
        let (lanes, [height, width], padding) =
            (level.lanes(), [plan.height, plan.width], plan.options.padding);
        let middle = plan.kernel[1] / 2;
        if plan.options.stride != [1; 2] || [padding.left, padding.right] != [middle; 2] {
            return None;
        }
        // As many rows as fill whole vectors; then the masks of the columns begin anew.
        let period = (1..=lanes).find(|rows| (rows * width).is_multiple_of(lanes)).unwrap_or(lanes) * width;
        let columns = (0..period).step_by(lanes).map(|first| {
            let inside =
                move |lane: usize, v: usize| ((first + lane) % width + v).wrapping_sub(middle) < width;
            (0..plan.kernel[1]).map(|v| bits(lanes, |lane| inside(lane, v))).collect::<Vec<_>>()
        });
        let (columns, numbers) = (columns.collect::<Vec<_>>(), plan.out_plane());
        let mut masks = Vec::with_capacity(numbers.div_ceil(lanes) * 2 * plan.kernel[0]);
        for (first, columns) in (0..numbers).step_by(lanes).zip(columns.iter().cycle()) {
            let lane = |row: usize| (row * width).saturating_sub(first);
            let top = padding.top;
            masks.extend((0..plan.kernel[0]).map(|u| {
                span(lane(top.saturating_sub(u)), lane((height + top).saturating_sub(u)).min(lanes))
            }));
            let own = span(0, (numbers - first).min(lanes));
            masks.extend(columns.iter().map(|bits| bits & own));
        }
        Some(Self { plan: *plan, lanes, masks })
    }

    /// The masks of the columns of a vector.
    #[inline(always)]
    fn columns(&self, vector: usize, taps: usize) -> &[u16] {
        &self.masks[(2 * vector + 1) * taps..][..taps]
    }

    /// What lies under each row of a filter whose middle column is above a vector of the result.
    #[inline(always)]
    fn under<L: Lane, const K: usize>(&self, map: &[f32], vector: usize) -> [L; K] {
        let width = self.plan.width;
        let inside = &self.masks[2 * vector * K..][..K];
        let first = map.as_ptr().wrapping_add(vector * L::LANES);
        let first = first.wrapping_sub(self.plan.options.padding.top * width);
        let mut under = [L::zero(); K];
        for u in 0..K {
            // SAFETY: the mask names numbers of the map alone, whose length is known.
            under[u] = unsafe { masked(first.wrapping_add(u * width), inside[u]) };
        }
        under
    }
}

impl Convolves for Planes {
    fn made_for(&self) -> Made {
        Made::forward(&self.plan, self.lanes)
    }

    #[inline(always)]
    unsafe fn map<L: Lane, const K: usize>(&self, filter: &[[L; K]; K], from: &[f32], to: &mut [f32]) {
        let (vectors, middle) = (to.len().div_ceil(L::LANES), K / 2);
        // The sums over the columns of the filter of the vector before, its result as far as it is known, and the masks
        // of the columns that follow in it.
        let (mut before, mut result) = ([L::zero(); K], L::zero());
        let mut columns = [L::mask(0); K];
        for vector in 0..=vectors {
            let (mut sums, mut next, mut next_columns) = ([L::zero(); K], L::zero(), columns);
            if vector < vectors {
                let of_columns = self.columns(vector, K);
                for v in 0..K {
                    next_columns[v] = L::mask(of_columns[v]);
                }
                let under = self.under::<L, K>(from, vector);
                for u in 0..K {
                    for v in 0..K {
                        sums[v] = sums[v].add_product(filter[u][v], under[u]);
                    }
                }
                next = sums[middle];
                for v in 0..middle {
                    next = next.add_where(sums[v].behind(before[v], middle - v), next_columns[v]);
                }
            }
            if vector > 0 {
                for v in middle + 1..K {
                    result = result.add_where(before[v].ahead(sums[v], v - middle), columns[v]);
                }
                store_within(result, &mut to[(vector - 1) * L::LANES..]);
            }
            (before, result, columns) = (sums, next, next_columns);
        }
    }
}

impl Leads for Planes {
    /// Here it is what comes from above that is shifted by the columns of the filter.
    #[inline(always)]
    unsafe fn products<L: Lane, const K: usize>(&self, image: &[f32], map: &[f32]) -> [[L; K]; K] {
        let vectors = map.len().div_ceil(L::LANES);
        let mut totals = [[L::zero(); K]; K];
        for block in (0..vectors).step_by(BLOCK) {
            let mut sums = [[L::zero(); K]; K];
            for vector in block..(block + BLOCK).min(vectors) {
                let columns = self.columns(vector, K);
                let under = self.under::<L, K>(image, vector);
                let last = map.as_ptr().wrapping_add(vector * L::LANES + K / 2);
                for v in 0..K {
                    // SAFETY: a number that the shift to the other side brings from the same row is in the map.
                    let grad = unsafe { masked::<L>(last.wrapping_sub(v), columns[K - 1 - v]) };
                    for u in 0..K {
                        sums[u][v] = sums[u][v].add_product(grad, under[u]);
                    }
                }
            }
            add_to(&mut totals, &sums);
        }
        totals
    }
}

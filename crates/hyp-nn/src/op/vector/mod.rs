//! The inner loops of the convolutions that unfold nothing, and the way of maps into lanes and back, once for AVX-512 and
//! once for AVX2 with FMA.
#![expect(unsafe_code, reason = "vector intrinsics; extents are asserted before each loop")]

mod lane;
mod layout;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::gemm::Former;
pub(super) use lane::{Lane, Work};
pub(super) use layout::{Frame, MOST, lay, lay_apart, lift, spread, sums_in_lanes, transposed};

/// Taps after which partial sums go to memory.
const TAPS: usize = 288;

/// Output positions: `rows` lines of `width`, which start `step` elements apart in the stored image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    pub(super) rows: usize,
    pub(super) width: usize,
    pub(super) step: usize,
}

/// The instructions that a kernel is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Level {
    /// 32 registers of 16 numbers.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 16 registers of 8 numbers.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Level {
    /// The best level of this processor, if it has any.
    pub(super) fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Some(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Some(Self::Avx2);
            }
        }
        None
    }

    /// Every level that this processor has, for tests.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        let mut all: Vec<Self> = Self::detect().into_iter().collect();
        #[cfg(target_arch = "x86_64")]
        if all.contains(&Self::Avx512) && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
        {
            all.push(Self::Avx2);
        }
        all
    }

    /// Numbers in a vector.
    pub(super) fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 16,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 8,
        }
    }

    /// Filters that are computed together.
    pub(super) fn filters(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 8,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 4,
        }
    }

    /// `maps[f][p] = Σ_t packed[f][t] · stored[offsets[t] + p]` for `p < columns`, a multiple of [`Level::lanes`].
    ///
    /// Rows of `maps` start `step` elements apart. `packed` is `[block][t][filter of the block]` with blocks of [`Level::filters`].
    pub(super) fn maps(
        self,
        packed: &[f32],
        offsets: &[u32],
        stored: &[f32],
        maps: &mut [f32],
        step: usize,
        columns: usize,
    ) {
        let block = self.filters();
        let filters = packed.len() / offsets.len();
        let reach = offsets.iter().max().map_or(0, |o| *o as usize) + columns;
        assert!(columns.is_multiple_of(self.lanes()) && filters.is_multiple_of(block), "whole tiles only");
        assert!(
            packed.len() == filters * offsets.len()
                && columns <= step
                && maps.len() >= (filters - 1) * step + columns
                && reach <= stored.len()
        );
        // The taps outermost: their part of the weight stays in the first cache and that of the image in the second.
        for first in (0..offsets.len()).step_by(TAPS) {
            let taps = &offsets[first..(first + TAPS).min(offsets.len())];
            for f in (0..filters).step_by(block) {
                let weight = &packed[f * offsets.len() + first * block..][..taps.len() * block];
                for p in (0..columns).step_by(3 * self.lanes()) {
                    let (stored, maps) = (&stored[p..], &mut maps[f * step + p..]);
                    match (self, (columns - p) / self.lanes()) {
                        // SAFETY: the level was detected; `taps.len() × filters` weights are there by the slice, as many
                        // vectors from each tap by `reach`, and rows of a tile by the assertion on `maps`.
                        #[cfg(target_arch = "x86_64")]
                        (Self::Avx512, vectors) => unsafe {
                            match vectors {
                                1 => x86::wide::tile::<8, 1>(weight, taps, stored, maps, step, first > 0),
                                2 => x86::wide::tile::<8, 2>(weight, taps, stored, maps, step, first > 0),
                                _ => x86::wide::tile::<8, 3>(weight, taps, stored, maps, step, first > 0),
                            }
                        },
                        // SAFETY: as above.
                        #[cfg(target_arch = "x86_64")]
                        (Self::Avx2, vectors) => unsafe {
                            match vectors {
                                1 => x86::narrow::tile::<4, 1>(weight, taps, stored, maps, step, first > 0),
                                2 => x86::narrow::tile::<4, 2>(weight, taps, stored, maps, step, first > 0),
                                _ => x86::narrow::tile::<4, 3>(weight, taps, stored, maps, step, first > 0),
                            }
                        },
                    }
                }
            }
        }
    }

    /// Columns of [`Level::products`] that are computed together; of fewer, as many vectors as hold them.
    pub(super) fn columns(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 4 * self.lanes(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 2 * self.lanes(),
        }
    }

    /// `to[t][f] = Σ_p right[p][f] · left[offsets[t] + position p]`, or added to what `to` held, over the positions of
    /// `lines` in order.
    ///
    /// Rows of `right` have some vectors, at most [`Level::columns`]; rows of `to` start `step` elements apart.
    pub(super) fn products(
        self,
        right: &[f32],
        offsets: &[u32],
        left: &[f32],
        lines: Lines,
        to: &mut [f32],
        step: usize,
        former: Former,
    ) {
        let columns = right.len() / (lines.rows * lines.width);
        let reach = (lines.rows - 1) * lines.step + lines.width;
        let reach = reach + offsets.iter().max().map_or(0, |o| *o as usize);
        let add = former == Former::Kept;
        assert!(columns > 0 && !offsets.is_empty(), "something to compute");
        assert!(columns.is_multiple_of(self.lanes()) && columns <= self.columns() && columns <= step);
        assert!(right.len() == lines.rows * lines.width * columns && reach <= left.len());
        assert!(to.len() >= (offsets.len() - 1) * step + columns, "a row of the result for each offset");
        match (self, columns / self.lanes()) {
            // SAFETY: the level was detected; the assertions above bound every access.
            #[cfg(target_arch = "x86_64")]
            (Self::Avx512, vectors) => unsafe {
                match vectors {
                    4 => x86::wide::products::<6, 4>(right, offsets, left, lines, to, step, add),
                    3 => x86::wide::products::<8, 3>(right, offsets, left, lines, to, step, add),
                    2 => x86::wide::products::<12, 2>(right, offsets, left, lines, to, step, add),
                    _ => x86::wide::products::<24, 1>(right, offsets, left, lines, to, step, add),
                }
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2, vectors) => unsafe {
                match vectors {
                    2 => x86::narrow::products::<6, 2>(right, offsets, left, lines, to, step, add),
                    _ => x86::narrow::products::<12, 1>(right, offsets, left, lines, to, step, add),
                }
            },
        }
    }
}

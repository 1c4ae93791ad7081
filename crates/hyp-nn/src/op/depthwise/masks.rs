//! Which lanes of a vector lie in a map.
#![expect(unsafe_code, reason = "loads whose extent the caller vouches for")]

use crate::op::vector::{Lane, MOST};

/// A bit for each lane that is inside, the first lane's the lowest.
pub(super) fn bits(lanes: usize, inside: impl Fn(usize) -> bool) -> u16 {
    (0..lanes).filter(|lane| inside(*lane)).fold(0, |bits, lane| bits | 1 << lane)
}

/// The bits of the lanes from one to before another.
#[inline(always)]
pub(super) fn span(from: usize, to: usize) -> u16 {
    let below = |end: usize| (1_u32 << end.min(MOST)) - 1;
    (below(to) & !below(from)) as u16
}

/// The numbers of the lanes inside, and zeros.
///
/// Where masks are vectors, most name all lanes, and a load without a mask is a fraction of one with it.
///
/// # Safety
/// Those numbers must be there.
#[inline(always)]
pub(super) unsafe fn masked<L: Lane>(from: *const f32, inside: u16) -> L {
    if L::LANES < MOST && inside == u16::MAX >> (MOST - L::LANES) {
        // SAFETY: all of them are there, as the caller vouches.
        unsafe { L::load_at(from) }
    } else {
        // SAFETY: as above for those that are named.
        unsafe { L::load_where(from, L::mask(inside)) }
    }
}

/// Writes as many numbers as the slice has room for.
#[inline(always)]
pub(super) fn store_within<L: Lane>(numbers: L, to: &mut [f32]) {
    if to.len() >= L::LANES {
        numbers.store(to);
    } else if !to.is_empty() {
        numbers.store_some(to);
    }
}

/// `totals += sums`, tap by tap.
#[inline(always)]
pub(super) fn add_to<L: Lane, const K: usize>(totals: &mut [[L; K]; K], sums: &[[L; K]; K]) {
    for u in 0..K {
        for v in 0..K {
            totals[u][v] = totals[u][v].add(sums[u][v]);
        }
    }
}

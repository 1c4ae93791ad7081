//! Filters with a channel in each lane of a vector, and results on their way from the lanes to maps.

use crate::op::vector::{Lane, MOST, transposed};

/// Brings the filters of some channels together, a channel in each lane; lanes without one are zero.
#[inline(always)]
pub(super) fn lay_weight<L: Lane>(
    weight: &[f32],
    first: usize,
    channels: usize,
    about: bool,
    to: &mut [f32],
) {
    let taps = to.len() / L::LANES;
    for (tap, to) in to.chunks_exact_mut(L::LANES).enumerate() {
        let tap = if about { taps - 1 - tap } else { tap };
        for (lane, slot) in to.iter_mut().enumerate() {
            *slot = if lane < channels { weight[(first + lane) * taps + tap] } else { 0.0 };
        }
    }
}

/// Brings positions back to maps that start `step` numbers apart, in their order.
pub(super) struct Out<'a, L> {
    maps: &'a mut [f32],
    step: usize,
    channels: usize,
    /// Positions that wait until there are as many as lanes.
    waiting: [L; MOST],
    count: usize,
    written: usize,
}

impl<'a, L: Lane> Out<'a, L> {
    #[inline(always)]
    pub(super) fn new(maps: &'a mut [f32], step: usize, channels: usize) -> Self {
        Self { maps, step, channels, waiting: [L::zero(); MOST], count: 0, written: 0 }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, position: L) {
        self.waiting[self.count] = position;
        self.count += 1;
        if self.count == L::LANES {
            for (channel, lane) in transposed(self.waiting).into_iter().enumerate().take(self.channels) {
                lane.store(&mut self.maps[channel * self.step + self.written..]);
            }
            (self.count, self.written) = (0, self.written + L::LANES);
        }
    }

    /// Writes what still waits.
    #[inline(always)]
    pub(super) fn finish(self) {
        if self.count > 0 {
            for (channel, lane) in transposed(self.waiting).into_iter().enumerate().take(self.channels) {
                lane.store_some(&mut self.maps[channel * self.step + self.written..][..self.count]);
            }
        }
    }
}

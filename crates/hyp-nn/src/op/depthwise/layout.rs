//! Filters with a channel in each lane of a vector, and results on their way from the lanes to maps.

use crate::op::vector::{Frame, Lane, MOST, lay, spread, transposed};

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
    let frame = Frame { rows: 1, columns: taps, top: 0, left: 0 };
    lay::<L>(&weight[first * taps..], taps, channels, [1, taps], frame, to);
    if about {
        for tap in 0..taps / 2 {
            let (low, high) = to.split_at_mut((taps - 1 - tap) * L::LANES);
            let (a, b) = (&mut low[tap * L::LANES..], high);
            let (x, y) = (L::load(a), L::load(b));
            x.store(b);
            y.store(a);
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
            spread(transposed(self.waiting), self.maps, self.step, self.channels, self.written, self.count);
            (self.count, self.written) = (0, self.written + L::LANES);
        }
    }

    /// Writes what still waits.
    #[inline(always)]
    pub(super) fn finish(self) {
        if self.count > 0 {
            spread(transposed(self.waiting), self.maps, self.step, self.channels, self.written, self.count);
        }
    }
}

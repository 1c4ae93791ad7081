//! Maps with a channel in each lane of a vector: how they are laid out so, and brought back.

use crate::op::vector::Lane;

/// Lanes of the longest vector.
const MOST: usize = 16;

/// A map with its padding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) top: usize,
    pub(super) left: usize,
}

impl Frame {
    pub(super) fn positions(self) -> usize {
        self.rows * self.columns
    }
}

/// Brings maps that start `step` numbers apart into a frame, a map in each lane; lanes without one are zero.
#[inline(always)]
pub(super) fn lay<L: Lane>(
    maps: &[f32],
    step: usize,
    channels: usize,
    [height, width]: [usize; 2],
    frame: Frame,
    to: &mut [f32],
) {
    let plane = height * width;
    let (mut row, mut column) = (frame.top, 0);
    for first in (0..plane).step_by(L::LANES) {
        let count = L::LANES.min(plane - first);
        let mut lanes = [L::zero(); MOST];
        for (channel, lane) in lanes.iter_mut().enumerate().take(channels) {
            let map = &maps[channel * step + first..][..count];
            *lane = if count == L::LANES { L::load(map) } else { L::load_some(map) };
        }
        for position in transposed(lanes).into_iter().take(count) {
            position.store(&mut to[(row * frame.columns + frame.left + column) * L::LANES..]);
            column += 1;
            if column == width {
                (row, column) = (row + 1, 0);
            }
        }
    }
}

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

/// The transposed square of as many vectors as they have lanes.
///
/// Rows i and i + n/2 interleaved bring the highest bit of the row behind those of the column, and the highest of the
/// column behind those of the row; after all bits have passed, rows are columns.
#[inline(always)]
fn transposed<L: Lane>(mut rows: [L; MOST]) -> [L; MOST] {
    let half = L::LANES / 2;
    let mut passed = 1;
    while passed < L::LANES {
        let mut next = rows;
        for i in 0..half {
            [next[2 * i], next[2 * i + 1]] = rows[i].interleaved(rows[i + half]);
        }
        rows = next;
        passed *= 2;
    }
    rows
}

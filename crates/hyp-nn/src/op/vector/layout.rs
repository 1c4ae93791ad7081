//! Maps with a channel in each lane of a vector: how they are laid out so, and brought back; and sums of vectors in lanes.

use super::Lane;

/// Lanes of the longest vector.
pub(in super::super) const MOST: usize = 16;

/// A map with its padding.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Frame {
    pub(in super::super) rows: usize,
    pub(in super::super) columns: usize,
    pub(in super::super) top: usize,
    pub(in super::super) left: usize,
}

impl Frame {
    pub(in super::super) fn positions(self) -> usize {
        self.rows * self.columns
    }
}

/// Brings maps that start `step` numbers apart into a frame, a map in each lane; lanes without one are zero.
#[inline(always)]
pub(in super::super) fn lay<L: Lane>(
    maps: &[f32],
    step: usize,
    channels: usize,
    [height, width]: [usize; 2],
    frame: Frame,
    to: &mut [f32],
) {
    lay_apart::<L>(maps, step, channels, [height, width], frame, to, L::LANES);
}

/// [`lay`] with so many numbers from one position of the frame to the next.
#[inline(always)]
pub(in super::super) fn lay_apart<L: Lane>(
    maps: &[f32],
    step: usize,
    channels: usize,
    [height, width]: [usize; 2],
    frame: Frame,
    to: &mut [f32],
    apart: usize,
) {
    debug_assert!(frame.left + width <= frame.columns && channels <= L::LANES);
    let plane = height * width;
    let (mut row, mut column) = (frame.top, 0);
    for first in (0..plane).step_by(L::LANES) {
        let count = L::LANES.min(plane - first);
        let mut lanes = [L::zero(); MOST];
        if channels == L::LANES {
            for channel in 0..L::LANES {
                let map = &maps[channel * step + first..][..count];
                lanes[channel] = if count == L::LANES { L::load(map) } else { L::load_some(map) };
            }
        } else {
            for (channel, lane) in lanes.iter_mut().enumerate().take(channels) {
                *lane = L::load_some(&maps[channel * step + first..][..count]);
            }
        }
        let positions = transposed(lanes);
        // By numbers and not by an iterator, which would move a kilobyte.
        if count == L::LANES && column + count <= width {
            let to = &mut to[(row * frame.columns + frame.left + column) * apart..];
            for i in 0..L::LANES {
                positions[i].store(&mut to[i * apart..]);
            }
            column += count;
        } else {
            for i in 0..count {
                if column == width {
                    (row, column) = (row + 1, 0);
                }
                positions[i].store(&mut to[(row * frame.columns + frame.left + column) * apart..]);
                column += 1;
            }
        }
        if column == width {
            (row, column) = (row + 1, 0);
        }
    }
}

/// The inverse of [`lay`]: brings what a frame holds within its padding to maps that start `step` numbers apart.
#[inline(always)]
pub(in super::super) fn lift<L: Lane>(
    from: &[f32],
    frame: Frame,
    [height, width]: [usize; 2],
    maps: &mut [f32],
    step: usize,
    channels: usize,
) {
    let plane = height * width;
    let (mut row, mut column) = (frame.top, 0);
    for first in (0..plane).step_by(L::LANES) {
        let count = L::LANES.min(plane - first);
        let mut positions = [L::zero(); MOST];
        if count == L::LANES && column + count <= width {
            let from = &from[(row * frame.columns + frame.left + column) * L::LANES..];
            for i in 0..L::LANES {
                positions[i] = L::load(&from[i * L::LANES..]);
            }
            column += count;
        } else {
            for i in 0..count {
                if column == width {
                    (row, column) = (row + 1, 0);
                }
                positions[i] = L::load(&from[(row * frame.columns + frame.left + column) * L::LANES..]);
                column += 1;
            }
        }
        if column == width {
            (row, column) = (row + 1, 0);
        }
        spread(transposed(positions), maps, step, channels, first, count);
    }
}

/// Writes the first `count` numbers of each of some vectors to maps that start `step` numbers apart, from number `at` on.
#[inline(always)]
pub(in super::super) fn spread<L: Lane>(
    lanes: [L; MOST],
    maps: &mut [f32],
    step: usize,
    channels: usize,
    at: usize,
    count: usize,
) {
    if count == L::LANES && channels == L::LANES {
        for channel in 0..L::LANES {
            lanes[channel].store(&mut maps[channel * step + at..]);
        }
    } else {
        for channel in 0..channels {
            lanes[channel].store_some(&mut maps[channel * step + at..][..count]);
        }
    }
}

/// The transposed square of as many vectors as they have lanes.
///
/// Rows i and i + n/2 interleaved bring the highest bit of the row behind those of the column, and the highest of the
/// column behind those of the row; after all bits have passed, rows are columns.
#[inline(always)]
pub(in super::super) fn transposed<L: Lane>(mut rows: [L; MOST]) -> [L; MOST] {
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

/// The sums of some vectors, that of the i-th in lane i.
///
/// Interleaving two vectors and adding the parts halves the numbers that are still to be added, and brings those of the
/// later vector behind those of the earlier: after all halves, every lane has one sum.
#[inline(always)]
pub(in super::super) fn sums_in_lanes<L: Lane>(mut vectors: [L; MOST]) -> L {
    let mut half = L::LANES / 2;
    while half > 0 {
        for i in 0..half {
            let [low, high] = vectors[i].interleaved(vectors[i + half]);
            vectors[i] = low.add(high);
        }
        half /= 2;
    }
    vectors[0]
}

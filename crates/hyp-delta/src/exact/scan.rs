//! The inner loops of the pruned search, over rows of levels in blocks of 64.

#![expect(
    unsafe_code,
    reason = "the same safe loops compiled for vector instructions that not every processor has"
)]

use super::order::BLOCK;
use crate::maxmin::{Padded, versions};

/// Numbers that one loop handles at once; every row is padded to a multiple of it.
const WIDTH: usize = 32;

versions! {
    /// The largest level of each block of a padded row.
    pub(crate) fn block_maxima(row: &[u16], out: &mut [u16]) -> () {
        for (block, most) in row.chunks(BLOCK).zip(out) {
            let mut lanes = [0_u16; WIDTH];
            for part in block.chunks_exact(WIDTH) {
                for l in 0..WIDTH {
                    lanes[l] = lanes[l].max(part[l]);
                }
            }
            *most = lanes.into_iter().fold(0, Ord::max);
        }
    }
}

versions! {
    /// The least level of each block of a padded row among the places where it is below `reach`; the highest level
    /// where there is none.
    pub(crate) fn block_minima(row: &[u16], reach: &[u16], out: &mut [u16]) -> () {
        for ((block, limits), least) in row.chunks(BLOCK).zip(reach.chunks(BLOCK)).zip(out) {
            let mut lanes = [u16::MAX; WIDTH];
            for (part, limit) in block.chunks_exact(WIDTH).zip(limits.chunks_exact(WIDTH)) {
                for l in 0..WIDTH {
                    let level = if part[l] < limit[l] { part[l] } else { u16::MAX };
                    lanes[l] = lanes[l].min(level);
                }
            }
            *least = lanes.into_iter().fold(u16::MAX, Ord::min);
        }
    }
}

/// A bit for each of up to 64 places where the smaller of two numbers is `least` or more.
#[inline(always)]
fn reaching(x: &[u16], y: &[u16], least: u16) -> u64 {
    let mut reached = [0_u8; BLOCK];
    for ((to, &a), &b) in reached.iter_mut().zip(x).zip(y) {
        *to = u8::from(a.min(b) >= least);
    }
    let mut bits = 0;
    for (n, part) in reached.chunks_exact(8).enumerate() {
        // The eight bytes 0 or 1 become the eight bits of the highest byte.
        let word = u64::from_le_bytes(part.try_into().expect("invariant: parts of eight"));
        bits |= (word.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * n);
    }
    bits
}

versions! {
    /// Lists the middles k of one row i for which both the level ik and a bound on the levels kj of a block of columns
    /// reach `least`. The row and the bounds are padded, and stand beside the largest of each of their blocks.
    pub(crate) fn list_middles(
        row: (&[u16], &[u16]),
        bounds: (&[u16], &[u16]),
        least: u16,
        out: &mut Vec<Middle>
    ) -> () {
        out.clear();
        for (part, (x, y)) in row.1.chunks(BLOCK).zip(bounds.1.chunks(BLOCK)).enumerate() {
            for block in places(reaching(x, y, least)) {
                let start = (part * BLOCK + block) * BLOCK;
                let end = (start + BLOCK).min(row.0.len());
                let (levels, bounds) = (&row.0[start..end], &bounds.0[start..end]);
                for place in places(reaching(levels, bounds, least)) {
                    out.push(Middle { place: (start + place) as u32, level: levels[place] });
                }
            }
        }
    }
}

/// The places of the bits that are set, from the lowest on.
#[inline(always)]
fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = bits.trailing_zeros() as usize;
        bits &= bits.wrapping_sub(1);
        (place < BLOCK).then_some(place)
    })
}

versions! {
    /// Raises `most[j]` to min(level ik, level kj) for the j of one block and every listed k.
    pub(crate) fn common_in_block(lines: &mut Lines<'_, u16>, middles: &[Middle], most: &mut [u16; BLOCK]) -> () {
        for &Middle { place, level } in middles {
            let others = lines.line(place as usize);
            for (common, &other) in most.iter_mut().zip(others) {
                *common = (*common).max(level.min(other));
            }
        }
    }
}

versions! {
    /// As [`common_in_block`] in finer levels, of which `row` holds those of i.
    pub(crate) fn fine_in_block(
        lines: &mut Lines<'_, i32>,
        row: &[i32],
        middles: &[Middle],
        most: &mut [i32; BLOCK]
    ) -> () {
        for &Middle { place, .. } in middles {
            let level = row[place as usize];
            let others = lines.line(place as usize);
            for (common, &other) in most.iter_mut().zip(others) {
                *common = (*common).max(level.min(other));
            }
        }
    }
}

/// A middle k of one row i: its place and the level ik.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Middle {
    pub(crate) place: u32,
    pub(crate) level: u16,
}

/// The rows of a matrix in one block of columns, each copied when it is first asked for.
///
/// In the matrix each row lies on a page of its own, whose address alone costs more than the arithmetic; several rows
/// that combine the same middles find them here side by side, in as much as a second-level cache holds.
#[derive(Debug)]
pub(crate) struct Lines<'a, T> {
    matrix: &'a Padded<T>,
    /// First column of the block, and one past the last.
    columns: (usize, usize),
    /// Copied lines, in the order of their first use.
    copies: Vec<[T; BLOCK]>,
    /// For each row, the number of its copy since the beginning; none of the present block below `first`.
    numbers: Vec<u32>,
    first: u32,
}

impl<'a, T: Copy + Default> Lines<'a, T> {
    pub(crate) fn new(matrix: &'a Padded<T>) -> Self {
        Self { matrix, columns: (0, 0), copies: Vec::new(), numbers: vec![0; matrix.points()], first: 1 }
    }

    /// Turns to the block of columns from `start` on.
    pub(crate) fn turn_to(&mut self, start: usize) {
        self.first += self.copies.len() as u32;
        if self.first > u32::MAX / 2 {
            self.numbers.fill(0);
            self.first = 1;
        }
        self.copies.clear();
        self.columns = (start, (start + BLOCK).min(self.matrix.stride()));
    }

    #[inline(always)]
    fn line(&mut self, row: usize) -> &[T; BLOCK] {
        let number = self.numbers[row];
        if number < self.first {
            self.numbers[row] = self.first + self.copies.len() as u32;
            let from = &self.matrix.padded_row(row)[self.columns.0..self.columns.1];
            let mut copy = [T::default(); BLOCK];
            if let Ok(whole) = from.try_into() {
                copy = whole;
            } else {
                copy[..from.len()].copy_from_slice(from);
            }
            self.copies.push(copy);
            return &self.copies[self.copies.len() - 1];
        }
        &self.copies[(number - self.first) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maxmin::Isa;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn block_scans_agree_with_iterators_on_every_instruction_set() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let n = 150;
        let values: Vec<u16> = (0..n * n).map(|_| random.random()).collect();
        let matrix = Padded::from_rows(n, &values, 0);
        let wide: Vec<i32> = values.iter().map(|&v| i32::from(v) << 8).collect();
        let fine = Padded::from_rows(n, &wide, 0);
        let reach: Vec<u16> = (0..matrix.stride()).map(|_| random.random()).collect();
        let row = matrix.padded_row(7);
        for isa in Isa::ALL {
            let mut out = [0; 3];
            block_maxima(isa, row, &mut out);
            let want: Vec<u16> = row.chunks(BLOCK).map(|b| *b.iter().max().unwrap()).collect();
            assert_eq!(out.to_vec(), want);
            block_minima(isa, row, &reach, &mut out);
            for (block, &got) in out.iter().enumerate() {
                let places = block * BLOCK..((block + 1) * BLOCK).min(row.len());
                let want = places.filter(|&j| row[j] < reach[j]).map(|j| row[j]).min().unwrap_or(u16::MAX);
                assert_eq!(got, want);
            }
            let (mut lines, mut fine_lines) = (Lines::new(&matrix), Lines::new(&fine));
            let mut middles = Vec::new();
            for (start, least) in [(64, 20_000), (128, 40_000), (64, 65_000)] {
                let mut bounds: Vec<u16> = (0..matrix.stride()).map(|_| random.random()).collect();
                bounds[n..].fill(0);
                let maxima = |of: &[u16]| -> Vec<u16> {
                    of.chunks(BLOCK).map(|block| *block.iter().max().unwrap()).collect()
                };
                let (of_row, of_bounds) = (maxima(row), maxima(&bounds));
                list_middles(isa, (row, &of_row), (&bounds, &of_bounds), least, &mut middles);
                let ks: Vec<usize> = (0..n).filter(|&k| row[k] >= least && bounds[k] >= least).collect();
                let listed = |m: &Middle| (m.place as usize, m.level);
                assert!(middles.iter().map(listed).eq(ks.iter().map(|&k| (k, row[k]))), "{isa:?}");
                let (mut most, mut finely) = ([0; BLOCK], [0; BLOCK]);
                lines.turn_to(start);
                fine_lines.turn_to(start);
                // The second time every line is there already.
                for _ in 0..2 {
                    common_in_block(isa, &mut lines, &middles, &mut most);
                    fine_in_block(isa, &mut fine_lines, fine.row(7), &middles, &mut finely);
                    for j in start..(start + BLOCK).min(n) {
                        let want = ks.iter().map(|&k| row[k].min(matrix.row(k)[j])).max().unwrap_or(0);
                        assert_eq!(most[j - start], want, "{isa:?} {j}");
                        assert_eq!(finely[j - start], i32::from(want) << 8, "{isa:?} {j}");
                    }
                }
                assert_eq!(lines.copies.len(), ks.len());
            }
        }
    }
}

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

versions! {
    /// Raises `most[j]` to min(level ik, level kj) for the j of one block and every k of some blocks with level
    /// ik ≥ `least`; returns how many k there were.
    pub(crate) fn common_in_block(
        matrix: &Padded<u16>,
        row: &[u16],
        blocks: &[u32],
        start: usize,
        least: u16,
        most: &mut [u16; BLOCK]
    ) -> u64 {
        let mut count = 0;
        let end = (start + BLOCK).min(row.len());
        for &block in blocks {
            let first = block as usize * BLOCK;
            let last = (first + BLOCK).min(matrix.points());
            for k in first..last {
                let cap = row[k];
                if cap < least {
                    continue;
                }
                count += 1;
                let others = &matrix.padded_row(k)[start..end];
                for (part, common) in others.chunks_exact(WIDTH).zip(most.chunks_exact_mut(WIDTH)) {
                    for l in 0..WIDTH {
                        common[l] = common[l].max(cap.min(part[l]));
                    }
                }
            }
        }
        count
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
            let mut most = [0; BLOCK];
            common_in_block(isa, &matrix, row, &[0, 2], 64, 20_000, &mut most);
            for j in 64..128 {
                let middles = (0..64).chain(128..n).filter(|&k| row[k] >= 20_000);
                let want = middles.map(|k| row[k].min(matrix.row(k)[j])).max().unwrap_or(0);
                assert_eq!(most[j - 64], want, "{isa:?} {j}");
            }
        }
    }
}

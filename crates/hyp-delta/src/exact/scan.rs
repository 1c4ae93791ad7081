//! The inner loops of the pruned search, over rows of levels in blocks of 64.

#![expect(
    unsafe_code,
    reason = "the same safe loops compiled for vector instructions that not every processor has"
)]

use super::order::BLOCK;
use crate::maxmin::{LINE, Padded, versions};

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
    /// Raises `most[j]` to min(level ik, level kj) for the j of one block and every listed k of which both the level
    /// ik and the bound on levels kj reach `least`; returns how many k there were.
    pub(crate) fn common_in_block(
        columns: Columns<'_>,
        middles: &[Middle],
        bounds: &[u16],
        least: u16,
        most: &mut [u16; BLOCK]
    ) -> u64 {
        let mut count = 0;
        for &Middle { place, level } in middles {
            if level < least || bounds[place as usize] < least {
                continue;
            }
            count += 1;
            let others = columns.line(place as usize);
            for (part, common) in others.chunks_exact(WIDTH).zip(most.chunks_exact_mut(WIDTH)) {
                for l in 0..WIDTH {
                    common[l] = common[l].max(level.min(part[l]));
                }
            }
        }
        count
    }
}

versions! {
    /// As [`common_in_block`] in finer levels, of which `row` holds those of i.
    pub(crate) fn fine_in_block(
        matrix: &Padded<i32>,
        row: &[i32],
        middles: &[Middle],
        bounds: &[u16],
        start: usize,
        least: u16,
        most: &mut [i32; BLOCK]
    ) -> () {
        const FINE: usize = WIDTH / 2;
        let end = (start + BLOCK).min(matrix.stride());
        for &Middle { place, level } in middles {
            if level < least || bounds[place as usize] < least {
                continue;
            }
            let level = row[place as usize];
            let others = &matrix.padded_row(place as usize)[start..end];
            for (part, common) in others.chunks_exact(FINE).zip(most.chunks_exact_mut(FINE)) {
                for l in 0..FINE {
                    common[l] = common[l].max(level.min(part[l]));
                }
            }
        }
    }
}

/// The levels of all rows in one block of columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns<'a> {
    values: &'a [u16],
    stride: usize,
    width: usize,
}

impl<'a> Columns<'a> {
    /// As they lie in the matrix, each row on a page of its own.
    pub(crate) fn of(matrix: &'a Padded<u16>, start: usize) -> Self {
        let (stride, width) = (matrix.stride(), BLOCK.min(matrix.stride() - start));
        Self { values: &matrix.all()[start..], stride, width }
    }

    #[inline(always)]
    fn line(&self, place: usize) -> &[u16] {
        &self.values[place * self.stride..][..self.width]
    }
}

/// Room for the levels of all rows in one block of columns, line after line.
///
/// Many rows that combine many middles each touch the whole block: in the matrix that is a page for each middle, whose
/// address alone costs more than the arithmetic; here it is as much as a second-level cache holds.
#[derive(Debug)]
pub(crate) struct Packed {
    values: Vec<u16>,
    start: usize,
}

impl Packed {
    pub(crate) fn new(rows: usize) -> Self {
        let per_line = LINE / size_of::<u16>();
        let values = vec![0; rows * BLOCK + per_line];
        let start = values.as_ptr().align_offset(LINE).min(per_line);
        Self { values, start }
    }

    /// Copies the columns from `start` on.
    pub(crate) fn fill(&mut self, matrix: &Padded<u16>, start: usize) -> Columns<'_> {
        let from = Columns::of(matrix, start);
        let values = &mut self.values[self.start..];
        for (place, to) in values.chunks_exact_mut(BLOCK).take(matrix.points()).enumerate() {
            to[..from.width].copy_from_slice(from.line(place));
        }
        Columns { values, stride: BLOCK, width: from.width }
    }
}

/// A middle k of one row i: its place and the level ik.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Middle {
    pub(crate) place: u32,
    pub(crate) level: u16,
}

/// The middles of one row from some level on, in buckets from the highest levels down.
#[derive(Debug, Clone, Default)]
pub(crate) struct Middles {
    list: Vec<Middle>,
    /// End of each bucket in the list.
    ends: Vec<u32>,
    top: u16,
    shift: u32,
}

/// Number of buckets, a power of two.
const BUCKETS: usize = 128;

impl Middles {
    /// Lists the places of a row whose level is `least` or more.
    pub(crate) fn fill(&mut self, row: &[u16], least: u16, top: u16) {
        self.top = top;
        self.list.clear();
        self.ends.clear();
        self.ends.resize(BUCKETS, 0);
        self.shift =
            (u32::from(top.saturating_sub(least)) / BUCKETS as u32 + 1).next_power_of_two().trailing_zeros();
        for (chunk, values) in row.chunks(WIDTH).enumerate() {
            if values.iter().fold(0, |most: u16, &v| most.max(v)) >= least {
                for (offset, &level) in values.iter().enumerate().filter(|&(_, &v)| v >= least) {
                    let bucket = self.bucket(level);
                    self.ends[bucket] += 1;
                    self.list.push(Middle { place: (chunk * WIDTH + offset) as u32, level });
                }
            }
        }
        let mut next = 0;
        let starts: Vec<u32> = self
            .ends
            .iter()
            .map(|&count| {
                let start = next;
                next += count;
                start
            })
            .collect();
        let unsorted = self.list.clone();
        self.ends.copy_from_slice(&starts);
        for middle in unsorted {
            let bucket = self.bucket(middle.level);
            self.list[self.ends[bucket] as usize] = middle;
            self.ends[bucket] += 1;
        }
    }

    fn bucket(&self, level: u16) -> usize {
        usize::from((self.top - level) >> self.shift)
    }

    /// All middles with this level or more, and perhaps a few with less.
    pub(crate) fn reaching(&self, least: u16) -> &[Middle] {
        if least > self.top {
            return &[];
        }
        &self.list[..self.ends[self.bucket(least).min(BUCKETS - 1)] as usize]
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
            let bounds: Vec<u16> = (0..n).map(|_| random.random()).collect();
            let mut middles = Middles::default();
            let plain = matrix.row(7);
            middles.fill(plain, 15_000, *plain.iter().max().unwrap());
            let mut most = [0; BLOCK];
            let columns = Columns::of(&matrix, 64);
            let listed = middles.reaching(20_000);
            let count = common_in_block(isa, columns, listed, &bounds, 20_000, &mut most);
            let mut packed = Packed::new(n);
            let mut again = [0; BLOCK];
            let copied = packed.fill(&matrix, 64);
            assert_eq!(common_in_block(isa, copied, listed, &bounds, 20_000, &mut again), count);
            assert_eq!(again, most);
            let ks: Vec<usize> = (0..n).filter(|&k| plain[k] >= 20_000 && bounds[k] >= 20_000).collect();
            assert_eq!(count, ks.len() as u64);
            let wide: Vec<i32> = values.iter().map(|&v| i32::from(v) << 8).collect();
            let fine = Padded::from_rows(n, &wide, 0);
            let mut finely = [0; BLOCK];
            fine_in_block(
                isa,
                &fine,
                fine.row(7),
                middles.reaching(20_000),
                &bounds,
                64,
                20_000,
                &mut finely,
            );
            for j in 64..128 {
                let want = ks.iter().map(|&k| plain[k].min(matrix.row(k)[j])).max().unwrap_or(0);
                assert_eq!(most[j - 64], want, "{isa:?} {j}");
                assert_eq!(finely[j - 64], i32::from(want) << 8, "{isa:?} {j}");
            }
        }
    }

    #[test]
    fn middles_come_from_the_highest_level_down() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        for spread in [3, 100, 40_000] {
            let row: Vec<u16> = (0..500).map(|_| 9000 + random.random_range(0..spread)).collect();
            let top = *row.iter().max().unwrap();
            let mut middles = Middles::default();
            middles.fill(&row, 9000 + spread / 3, top);
            for least in [9000 + spread / 3, 9000 + spread / 2, top, top.saturating_add(1)] {
                let listed = middles.reaching(least).iter().filter(|m| m.level >= least).count();
                assert_eq!(listed, row.iter().filter(|&&v| v >= least).count(), "{spread} {least}");
            }
            assert!(middles.reaching(0).iter().all(|m| row[m.place as usize] == m.level));
        }
    }
}

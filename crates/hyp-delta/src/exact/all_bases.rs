//! δ over all base points: bounds in 16 bits leave few triples, and those are evaluated in `f64`.
//!
//! Twice the excess of (i, k, j) at w is d(i, j) + min(d(w, k) − d(i, k) − d(w, j), d(w, k) − d(j, k) − d(w, i)). With
//! s(w, i) the largest d(w, k) − d(i, k) over k, it is at most d(i, j) + min(s(w, i) − d(w, j), s(w, j) − d(w, i)).
//! The four points can change roles, so w may be taken as the first of them.

#![expect(
    unsafe_code,
    reason = "the same safe loops compiled for vector instructions that not every processor has"
)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

use super::quad::{Shown, ascend, best_with};
use crate::distance::DistanceMatrix;
use crate::maxmin::{Isa, Padded, versions};

/// Starts of the ascent.
const STARTS: usize = 256;
/// Base points, and other points, that are handled together.
const TILE: usize = 4;
/// Distances as 16-bit numbers: sums and differences of three stay within range.
const TOP: f64 = 8191.0;
/// In place of a distance that must not be chosen.
const NEVER: i16 = 12_000;
/// Numbers that one loop handles at once; rows are padded to a multiple of it.
const WIDTH: usize = 32;

/// The best quadruple so far, and the bound below which nothing matters any more.
struct Search<'a> {
    distances: &'a DistanceMatrix,
    /// Bits of the value to reach.
    target: AtomicU64,
    best: Mutex<Shown>,
    /// Triples evaluated in `f64`.
    evaluated: AtomicU64,
    /// 16-bit steps in a distance of 1.
    per_step: f64,
}

impl Search<'_> {
    /// The least bound, in steps, that can belong to a value that matters.
    fn threshold(&self) -> i32 {
        let target = f64::from_bits(self.target.load(Ordering::Relaxed));
        // Four distances are each rounded by half a step at most.
        (2.0 * target * self.per_step * (1.0 - 1e-9) - 2.5).ceil() as i32
    }

    fn offer(&self, shown: Shown) {
        if shown.value >= f64::from_bits(self.target.load(Ordering::Relaxed)) {
            self.target.fetch_max(shown.value.to_bits(), Ordering::Relaxed);
            let mut best = self.best.lock().expect("invariant: no holder of the lock panics");
            *best = best.better(shown);
        }
    }
}

/// The best quadruple of at least four points with a positive diameter, and how many triples were evaluated in `f64`;
/// the best of the ascent and nothing else if more than `most` had to be.
pub(crate) fn search(distances: &DistanceMatrix, diameter: f64, most: u64, isa: Isa) -> (Shown, Option<u64>) {
    let points = distances.points();
    let start = ascend(distances, STARTS.min(8 * points));
    let per_step = TOP / diameter;
    let steps = |diagonal: i16| {
        let mut matrix = Padded::filled(points, 0_i16);
        let stride = matrix.stride();
        matrix.all_mut().par_chunks_mut(stride).enumerate().for_each(|(i, out)| {
            for (to, d) in out.iter_mut().zip(distances.row(i)) {
                *to = (d * per_step).round() as i16;
            }
            out[i] = diagonal;
        });
        matrix
    };
    // The point i is no middle of itself and j; where the triangle inequality fails, w can be one of i and j.
    let (from_base, from_end) = (steps(0), steps(NEVER));
    let search = Search {
        distances,
        target: AtomicU64::new(start.value.next_up().to_bits()),
        best: Mutex::new(start),
        evaluated: AtomicU64::new(0),
        per_step,
    };
    let stopped = AtomicBool::new(false);
    (0..points.div_ceil(TILE)).into_par_iter().with_max_len(1).for_each_init(
        || vec![vec![0_i16; from_end.stride()]; TILE],
        |slack, tile| {
            if !stopped.load(Ordering::Relaxed) {
                search_tile(&search, (&from_base, &from_end), tile * TILE, slack, isa);
                if search.evaluated.load(Ordering::Relaxed) > most {
                    stopped.store(true, Ordering::Relaxed);
                }
            }
        },
    );
    if stopped.into_inner() {
        return (start, None);
    }
    let best = search.best.into_inner().expect("invariant: no holder of the lock panics");
    (best, Some(search.evaluated.into_inner()))
}

/// All triples whose first point is one of a few.
fn search_tile(
    search: &Search<'_>,
    (from_base, from_end): (&Padded<i16>, &Padded<i16>),
    first: usize,
    slack: &mut [Vec<i16>],
    isa: Isa,
) {
    let points = search.distances.points();
    let bases: [usize; TILE] = std::array::from_fn(|t| (first + t).min(points - 1));
    let start = first / WIDTH * WIDTH;
    let end = points.next_multiple_of(WIDTH);
    for i in (first..points).step_by(TILE) {
        let others: [usize; TILE] = std::array::from_fn(|t| (i + t).min(points - 1));
        let rows = bases.map(|w| &from_base.padded_row(w)[start..end]);
        let columns = others.map(|i| &from_end.padded_row(i)[start..end]);
        let most = largest_differences(isa, &rows, &columns, points - start);
        for t in 0..TILE {
            for u in 0..TILE {
                slack[t][others[u]] = most[t][u];
            }
        }
    }
    for t in 0..TILE.min(points - first) {
        let w = first + t;
        let (own, slack) = (from_end.row(w), &slack[t][..points]);
        for i in w + 1..points {
            let from = i + 1;
            let row = &from_end.row(i)[from..];
            let most = largest_bound(isa, row, &own[from..], &slack[from..], slack[i], own[i]);
            // Where the triangle inequality fails, i can stand for both ends.
            if i32::from(slack[i]) - i32::from(own[i]) >= search.threshold() {
                search.offer(best_with(search.distances, w, i, i));
                search.evaluated.fetch_add(1, Ordering::Relaxed);
            }
            if i32::from(most) < search.threshold() {
                continue;
            }
            for j in from..points {
                let bound = i32::from(slack[i]) - i32::from(own[j]);
                let bound = bound.min(i32::from(slack[j]) - i32::from(own[i])) + i32::from(row[j - from]);
                if bound >= search.threshold() {
                    search.offer(best_with(search.distances, w, i, j));
                    search.evaluated.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

versions! {
    /// maxₖ (xₖ − yₖ) over the first `count` places for each pair of a row x and a row y, whose length is a multiple
    /// of 32 and at most 31 more than `count`.
    fn largest_differences(rows: &[&[i16]; TILE], columns: &[&[i16]; TILE], count: usize) -> [[i16; TILE]; TILE] {
        let mut most = [[[i16::MIN; WIDTH]; TILE]; TILE];
        let whole = count / WIDTH * WIDTH;
        for k in (0..whole).step_by(WIDTH) {
            for t in 0..TILE {
                let x = &rows[t][k..k + WIDTH];
                for u in 0..TILE {
                    let y = &columns[u][k..k + WIDTH];
                    for l in 0..WIDTH {
                        most[t][u][l] = most[t][u][l].max(x[l].saturating_sub(y[l]));
                    }
                }
            }
        }
        let mut all = [[i16::MIN; TILE]; TILE];
        for t in 0..TILE {
            for u in 0..TILE {
                let rest = (whole..count).map(|k| rows[t][k].saturating_sub(columns[u][k]));
                all[t][u] = most[t][u].iter().copied().chain(rest).fold(i16::MIN, Ord::max);
            }
        }
        all
    }
}

versions! {
    /// maxⱼ d(i, j) + min(s(w, i) − d(w, j), s(w, j) − d(w, i)), or the lowest number of empty rows.
    fn largest_bound(row: &[i16], own: &[i16], slack: &[i16], slack_i: i16, own_i: i16) -> i16 {
        let mut most = [i16::MIN; WIDTH];
        let bound = |d: i16, own_j: i16, slack_j: i16| {
            slack_i.saturating_sub(own_j).min(slack_j.saturating_sub(own_i)).saturating_add(d)
        };
        let (rows, owns, slacks) = (row.chunks_exact(WIDTH), own.chunks_exact(WIDTH), slack.chunks_exact(WIDTH));
        let rest = rows.remainder().iter().zip(owns.remainder()).zip(slacks.remainder());
        let rest = rest.map(|((&d, &o), &s)| bound(d, o, s)).fold(i16::MIN, Ord::max);
        for ((d, o), s) in rows.zip(owns).zip(slacks) {
            for l in 0..WIDTH {
                most[l] = most[l].max(bound(d[l], o[l], s[l]));
            }
        }
        most.into_iter().fold(rest, Ord::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_loops_agree_with_iterators_on_every_instruction_set() {
        let mut random = ChaCha8Rng::seed_from_u64(8);
        let mut row = |n: usize| (0..n).map(|_| random.random_range(-12_000..12_000_i16)).collect::<Vec<_>>();
        for count in [1, 31, 32, 100] {
            let rows: Vec<Vec<i16>> = (0..8).map(|_| row(128)).collect();
            let (x, y) = (std::array::from_fn(|t| &rows[t][..]), std::array::from_fn(|t| &rows[t + 4][..]));
            for isa in Isa::ALL {
                let got = largest_differences(isa, &x, &y, count);
                for t in 0..TILE {
                    for u in 0..TILE {
                        let want = (0..count).map(|k| x[t][k].saturating_sub(y[u][k])).max();
                        assert_eq!(Some(got[t][u]), want, "{isa:?} {count}");
                    }
                }
                let got = largest_bound(isa, &x[0][..count], &x[1][..count], &x[2][..count], 500, 300);
                let bound = |j: usize| (500_i16.saturating_sub(x[1][j])).min(x[2][j].saturating_sub(300));
                assert_eq!(
                    Some(got),
                    (0..count).map(|j| bound(j).saturating_add(x[0][j])).max(),
                    "{isa:?} {count}"
                );
            }
        }
    }
}

//! The max–min product in plain Rust: blocks that fit in cache, register tiles that the compiler vectorises.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::Excess;

/// Rows of a block: two blocks of 32 rows of 4,000 doubles are 2 MB.
const BLOCK: usize = 32;
/// Side of the register tile.
const TILE: usize = 2;
/// Running maxima for each entry of a tile.
const LANES: usize = 4;

/// [`super::largest_excess`] for as long as `goes_on` says so, which is told the share of the work that is done and the
/// largest value so far; and whether it came to its end.
pub(super) fn largest_excess_while(
    a: &[f64],
    points: usize,
    goes_on: &(dyn Fn(f64, f64) -> bool + Sync),
) -> (Excess, bool) {
    let blocks = points.div_ceil(BLOCK);
    let pairs: Vec<(usize, usize)> = (0..blocks).flat_map(|i| (i..blocks).map(move |j| (i, j))).collect();
    let (count, seen, stopped) = (pairs.len() as f64, AtomicUsize::new(0), AtomicBool::new(false));
    let best = Mutex::new(Excess::NONE);
    pairs.into_par_iter().for_each(|(block_i, block_j)| {
        if stopped.load(Ordering::Relaxed) {
            return;
        }
        let found = block_pair(a, points, block_i * BLOCK, block_j * BLOCK);
        let value = {
            let mut best = best.lock().expect("invariant: no holder of the lock panics");
            *best = best.better(found);
            best.value
        };
        let done = (seen.fetch_add(1, Ordering::Relaxed) + 1) as f64 / count;
        if done < 1.0 && !goes_on(done, value) {
            stopped.store(true, Ordering::Relaxed);
        }
    });
    let mut best = best.into_inner().expect("invariant: no holder of the lock panics");
    if best.i < points {
        best.k = first_inner_index(row(a, points, best.i), row(a, points, best.j));
    }
    (best, !stopped.into_inner())
}

fn row(a: &[f64], points: usize, i: usize) -> &[f64] {
    &a[i * points..(i + 1) * points]
}

/// The best entry on or above the diagonal in one pair of blocks; `k` is left for later.
fn block_pair(a: &[f64], points: usize, start_i: usize, start_j: usize) -> Excess {
    let mut best = Excess::NONE;
    let (end_i, end_j) = ((start_i + BLOCK).min(points), (start_j + BLOCK).min(points));
    for i in (start_i..end_i).step_by(TILE) {
        for j in (start_j..end_j).step_by(TILE) {
            if j + TILE <= i {
                continue;
            }
            // Past the edge the last row is taken again, which changes no maximum.
            let rows = std::array::from_fn(|t| row(a, points, (i + t).min(end_i - 1)));
            let columns = std::array::from_fn(|t| row(a, points, (j + t).min(end_j - 1)));
            let products = tile(rows, columns);
            for (p, line) in products.iter().enumerate() {
                for (q, &product) in line.iter().enumerate() {
                    let (i, j) = ((i + p).min(end_i - 1), (j + q).min(end_j - 1));
                    if i <= j {
                        best = best.better(Excess { value: product - a[i * points + j], i, j, k: 0 });
                    }
                }
            }
        }
    }
    best
}

/// maxₖ min(rowₖ, columnₖ) for each pair of a row and a column.
fn tile(rows: [&[f64]; TILE], columns: [&[f64]; TILE]) -> [[f64; TILE]; TILE] {
    let length = rows[0].len();
    let whole = length / LANES * LANES;
    let mut running = [[[f64::NEG_INFINITY; LANES]; TILE]; TILE];
    for k in (0..whole).step_by(LANES) {
        for p in 0..TILE {
            let x = &rows[p][k..k + LANES];
            for q in 0..TILE {
                let y = &columns[q][k..k + LANES];
                for lane in 0..LANES {
                    let least = if x[lane] < y[lane] { x[lane] } else { y[lane] };
                    let most = &mut running[p][q][lane];
                    *most = if least > *most { least } else { *most };
                }
            }
        }
    }
    std::array::from_fn(|p| {
        std::array::from_fn(|q| {
            let rest = (whole..length).map(|k| rows[p][k].min(columns[q][k]));
            running[p][q].iter().copied().chain(rest).fold(f64::NEG_INFINITY, f64::max)
        })
    })
}

/// The first k with the largest min(xₖ, yₖ).
fn first_inner_index(x: &[f64], y: &[f64]) -> usize {
    let mut best = (f64::NEG_INFINITY, 0);
    for (k, (&a, &b)) in x.iter().zip(y).enumerate() {
        let least = a.min(b);
        if least > best.0 {
            best = (least, k);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn slow(a: &[f64], n: usize) -> Excess {
        let mut best = Excess::NONE;
        for i in 0..n {
            for j in i..n {
                let mut product = (f64::NEG_INFINITY, 0);
                for k in 0..n {
                    let least = a[i * n + k].min(a[k * n + j]);
                    if least > product.0 {
                        product = (least, k);
                    }
                }
                let value = product.0 - a[i * n + j];
                if value > best.value {
                    best = Excess { value, i, j, k: product.1 };
                }
            }
        }
        best
    }

    #[test]
    fn equal_to_three_loops_on_random_matrices_with_ties() {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        for case in 0..200_usize {
            let n = 1 + case % 70;
            let mut a = vec![0.0; n * n];
            for i in 0..n {
                for j in i..n {
                    let value = if case % 2 == 0 {
                        random.random_range(0..6) as f64
                    } else {
                        random.random::<f64>() - 0.2
                    };
                    (a[i * n + j], a[j * n + i]) = (value, value);
                }
            }
            let (found, whole) = largest_excess_while(&a, n, &|_, _| true);
            assert_eq!(found, slow(&a, n), "case {case}, n = {n}, seed 11");
            let (part, _) = largest_excess_while(&a, n, &|_, _| false);
            assert!(whole && part.value <= found.value);
        }
    }
}

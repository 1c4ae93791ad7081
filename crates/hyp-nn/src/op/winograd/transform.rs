//! The transforms of F(4 × 4, 3 × 3) by the points 0, ±√½, ±√2 and ∞, on lanes of numbers.
//!
//! With d the window of six values that a tile of four results reads, and g the filter of three,
//! `y = Aᵀ[(G g) ⊙ (Bᵀ d)]`; in two dimensions each transform is applied to columns and rows.
//! Source: Winograd, *Arithmetic Complexity of Computations* (1980); Lavin and Gray, CVPR 2016, for networks. The usual
//! points 0, ±1, ±2 and ∞ make errors four times as large.

use super::super::vector::Lane;

const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
const B: f32 = std::f32::consts::SQRT_2;

/// `Bᵀ d`.
#[inline(always)]
fn window<L: Lane>(d: [L; 6]) -> [L; 6] {
    let (even, odd) = (d[4].add_times(-2.0, d[2]), d[3].add_times(-2.0, d[1]));
    let (even2, odd2) = (d[4].add_times(-0.5, d[2]), d[3].add_times(-0.5, d[1]));
    [
        d[0].add(d[4]).add_times(-2.5, d[2]),
        even.add_times(A, odd),
        even.add_times(-A, odd),
        even2.add_times(B, odd2),
        even2.add_times(-B, odd2),
        d[1].add(d[5]).add_times(-2.5, d[3]),
    ]
}

/// `Aᵀ m`.
#[inline(always)]
fn result<L: Lane>(m: [L; 6]) -> [L; 4] {
    let (sum, difference) = (m[1].add(m[2]), m[1].sub(m[2]));
    let (sum2, difference2) = (m[3].add(m[4]), m[3].sub(m[4]));
    [
        m[0].add(sum).add(sum2),
        difference.times(A).add_times(B, difference2),
        sum.times(0.5).add_times(2.0, sum2),
        m[5].add_times(0.5 * A, difference).add_times(2.0 * B, difference2),
    ]
}

/// `A y`, by which a gradient goes back through [`result`].
#[inline(always)]
fn result_back<L: Lane>(y: [L; 4]) -> [L; 6] {
    let (even, odd) = (y[0].add_times(0.5, y[2]), y[1].add_times(0.5, y[3]));
    let (even2, odd2) = (y[0].add_times(2.0, y[2]), y[1].add_times(2.0, y[3]));
    [
        y[0],
        even.add_times(A, odd),
        even.add_times(-A, odd),
        even2.add_times(B, odd2),
        even2.add_times(-B, odd2),
        y[3],
    ]
}

/// What `G` divides the values at ±√½ and ±√2 by.
const N: f32 = -2.0 / 3.0;
const M: f32 = 1.0 / 6.0;

/// `G g`.
#[inline(always)]
fn filter<L: Lane>(g: [L; 3]) -> [L; 6] {
    let even = g[0].add_times(0.5, g[2]).times(N);
    let even2 = g[0].add_times(2.0, g[2]).times(M);
    [
        g[0],
        even.add_times(N * A, g[1]),
        even.add_times(-N * A, g[1]),
        even2.add_times(M * B, g[1]),
        even2.add_times(-M * B, g[1]),
        g[2],
    ]
}

/// `Gᵀ m`, by which a gradient goes back through [`filter`].
#[inline(always)]
fn filter_back<L: Lane>(m: [L; 6]) -> [L; 3] {
    let (sum, difference) = (m[1].add(m[2]), m[1].sub(m[2]));
    let (sum2, difference2) = (m[3].add(m[4]), m[3].sub(m[4]));
    [
        m[0].add_times(N, sum).add_times(M, sum2),
        difference.times(N * A).add_times(M * B, difference2),
        m[5].add_times(0.5 * N, sum).add_times(2.0 * M, sum2),
    ]
}

/// A transform of columns, then of rows: from `load(row, column)` to `store(row, column, numbers)`.
macro_rules! plane {
    ($name:ident, $line:ident, $from:literal, $to:literal, $doc:literal) => {
        #[doc = $doc]
        #[inline(always)]
        pub(super) fn $name<L: Lane>(
            load: impl Fn(usize, usize) -> L,
            mut store: impl FnMut(usize, usize, L),
        ) {
            let mut columns = [[L::zero(); $from]; $to];
            for x in 0..$from {
                let mut column = [L::zero(); $from];
                for y in 0..$from {
                    column[y] = load(y, x);
                }
                let line = $line(column);
                for y in 0..$to {
                    columns[y][x] = line[y];
                }
            }
            for y in 0..$to {
                let line = $line(columns[y]);
                for x in 0..$to {
                    store(y, x, line[x]);
                }
            }
        }
    };
}

plane!(windows, window, 6, 6, "`Bᵀ d B` of windows.");
plane!(results, result, 6, 4, "`Aᵀ m A`, the results of tiles.");
plane!(results_back, result_back, 4, 6, "`A y Aᵀ`, the way back of [`results`].");
plane!(filters, filter, 3, 6, "`G g Gᵀ` of filters.");
plane!(filters_back, filter_back, 6, 3, "`Gᵀ m G`, the way back of [`filters`].");

//! The inner loops over a tile of `ROWS × LANES` pairs: sums over the coordinates, and sums over the rows.

use super::lanes::{LANES, Lanes, mul_add};

/// Coordinates added up in registers before the sum is folded: bounds the rounding error of long rows.
const FOLD: usize = 64;

/// The squared distances of all pairs of a tile, by differences: exact to rounding also for near pairs.
///
/// `x` is `[dim, ROWS]` and `y` is `[dim, LANES]`, both panels.
#[inline(always)]
pub(super) fn squares<const FMA: bool, const ROWS: usize>(x: &[f64], y: &[f64]) -> [Lanes; ROWS] {
    let mut total = [[0.0; LANES]; ROWS];
    for (x, y) in x.chunks(FOLD * ROWS).zip(y.chunks(FOLD * LANES)) {
        let mut sum = [[0.0; LANES]; ROWS];
        let (x, y) = (x.as_chunks::<ROWS>().0, y.as_chunks::<LANES>().0);
        for (x, y) in x.iter().zip(y) {
            for row in 0..ROWS {
                for lane in 0..LANES {
                    let difference = x[row] - y[lane];
                    sum[row][lane] = mul_add::<FMA>(difference, difference, sum[row][lane]);
                }
            }
        }
        add(&mut total, &sum);
    }
    total
}

/// The squared distances `‖x − p‖²` and the products `⟨x − p, a⟩` of all pairs of a tile.
///
/// `x` is `[dim, ROWS]`, `p` and `a` are `[dim, LANES]`, all panels.
#[inline(always)]
pub(super) fn squares_and_products<const FMA: bool, const ROWS: usize>(
    x: &[f64],
    p: &[f64],
    a: &[f64],
) -> ([Lanes; ROWS], [Lanes; ROWS]) {
    let mut totals = ([[0.0; LANES]; ROWS], [[0.0; LANES]; ROWS]);
    for ((x, p), a) in x.chunks(FOLD * ROWS).zip(p.chunks(FOLD * LANES)).zip(a.chunks(FOLD * LANES)) {
        let mut square = [[0.0; LANES]; ROWS];
        let mut product = [[0.0; LANES]; ROWS];
        let x = x.as_chunks::<ROWS>().0;
        let (p, a) = (p.as_chunks::<LANES>().0, a.as_chunks::<LANES>().0);
        for ((x, p), a) in x.iter().zip(p).zip(a) {
            for row in 0..ROWS {
                for lane in 0..LANES {
                    let difference = x[row] - p[lane];
                    square[row][lane] = mul_add::<FMA>(difference, difference, square[row][lane]);
                    product[row][lane] = mul_add::<FMA>(difference, a[lane], product[row][lane]);
                }
            }
        }
        add(&mut totals.0, &square);
        add(&mut totals.1, &product);
    }
    totals
}

/// Adds `w·(own − other)` to `sum` for every row of a tile, or `w·other` if not `DIFFERENCE`.
#[inline(always)]
pub(super) fn accumulate<const FMA: bool, const DIFFERENCE: bool, const ROWS: usize>(
    sum: &mut [Lanes; ROWS],
    own: &[Lanes; ROWS],
    other: &Lanes,
    weights: [f64; ROWS],
) {
    for row in 0..ROWS {
        for lane in 0..LANES {
            let value = if DIFFERENCE { own[row][lane] - other[lane] } else { other[lane] };
            sum[row][lane] = mul_add::<FMA>(weights[row], value, sum[row][lane]);
        }
    }
}

#[inline(always)]
fn add<const ROWS: usize>(total: &mut [Lanes; ROWS], part: &[Lanes; ROWS]) {
    for (total, part) in total.iter_mut().zip(part) {
        for (total, part) in total.iter_mut().zip(part) {
            *total += part;
        }
    }
}

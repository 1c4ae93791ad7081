//! The inner loops over a tile of `ROWS × LANES` pairs: sums over the coordinates, and sums over the rows.
//!
//! Plain loops over indices on purpose: iterator adaptors are separate functions, and the compiler does not inline all
//! of them into a function compiled for another instruction set.

use super::isa::{LANES, Lanes, Vector};

/// Coordinates added up in registers before the sum is folded: bounds the rounding error of long rows.
const FOLD: usize = 64;

/// The squared distances of all pairs of a tile, by differences: exact to rounding also for near pairs.
///
/// `x` is `[dim]` of `ROWS` rows and `y` is `[dim]` of [`LANES`] rows.
#[inline(always)]
pub(super) fn squares<V: Vector, const ROWS: usize>(x: &[[f64; ROWS]], y: &[Lanes]) -> [Lanes; ROWS] {
    let dim = x.len();
    assert_eq!(dim, y.len(), "invariant: both sides of a tile have one dimension");
    let mut total = [[0.0; LANES]; ROWS];
    let mut start = 0;
    while start < dim {
        let end = if dim - start > FOLD { start + FOLD } else { dim };
        let mut sum = [V::splat(0.0); ROWS];
        for d in start..end {
            let y = V::load(&y[d]);
            for row in 0..ROWS {
                let difference = V::splat(x[d][row]).minus(y);
                sum[row] = difference.mul_add(difference, sum[row]);
            }
        }
        add(&mut total, &sum);
        start = end;
    }
    total
}

/// The inner products of all pairs of a tile, shaped as in [`squares`].
#[inline(always)]
pub(super) fn dot_products<V: Vector, const ROWS: usize>(x: &[[f64; ROWS]], y: &[Lanes]) -> [Lanes; ROWS] {
    let dim = x.len();
    assert_eq!(dim, y.len(), "invariant: both sides of a tile have one dimension");
    let mut total = [[0.0; LANES]; ROWS];
    let mut start = 0;
    while start < dim {
        let end = if dim - start > FOLD { start + FOLD } else { dim };
        let mut sum = [V::splat(0.0); ROWS];
        for d in start..end {
            let y = V::load(&y[d]);
            for row in 0..ROWS {
                sum[row] = V::splat(x[d][row]).mul_add(y, sum[row]);
            }
        }
        add(&mut total, &sum);
        start = end;
    }
    total
}

/// The squared distances `‖x − p‖²` and the products `⟨x − p, a⟩` of all pairs of a tile.
///
/// `x` is `[dim]` of `ROWS` rows, `p` and `a` are `[dim]` of [`LANES`] rows.
#[inline(always)]
pub(super) fn squares_and_products<V: Vector, const ROWS: usize>(
    x: &[[f64; ROWS]],
    p: &[Lanes],
    a: &[Lanes],
) -> ([Lanes; ROWS], [Lanes; ROWS]) {
    let dim = x.len();
    assert!(dim == p.len() && dim == a.len(), "invariant: all sides of a tile have one dimension");
    let mut squares = [[0.0; LANES]; ROWS];
    let mut products = [[0.0; LANES]; ROWS];
    let mut start = 0;
    while start < dim {
        let end = if dim - start > FOLD { start + FOLD } else { dim };
        let mut square = [V::splat(0.0); ROWS];
        let mut product = [V::splat(0.0); ROWS];
        for d in start..end {
            let (p, a) = (V::load(&p[d]), V::load(&a[d]));
            for row in 0..ROWS {
                let difference = V::splat(x[d][row]).minus(p);
                square[row] = difference.mul_add(difference, square[row]);
                product[row] = difference.mul_add(a, product[row]);
            }
        }
        add(&mut squares, &square);
        add(&mut products, &product);
        start = end;
    }
    (squares, products)
}

/// Adds `w·(own − other)` to `sum` for every row of a tile, or `w·other` if not `DIFFERENCE`.
#[inline(always)]
pub(super) fn accumulate<V: Vector, const DIFFERENCE: bool, const ROWS: usize>(
    sum: &mut [V; ROWS],
    own: &[V; ROWS],
    other: V,
    weights: [f64; ROWS],
) {
    for row in 0..ROWS {
        let value = if DIFFERENCE { own[row].minus(other) } else { other };
        sum[row] = V::splat(weights[row]).mul_add(value, sum[row]);
    }
}

#[inline(always)]
fn add<V: Vector, const ROWS: usize>(total: &mut [Lanes; ROWS], part: &[V; ROWS]) {
    for row in 0..ROWS {
        let part = part[row].lanes();
        for lane in 0..LANES {
            total[row][lane] += part[lane];
        }
    }
}

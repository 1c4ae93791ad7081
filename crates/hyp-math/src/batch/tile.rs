//! The inner loops over a tile of `ROWS × LANES` pairs: sums over the coordinates, and sums over the rows.
//!
//! Plain loops over indices on purpose: iterator adaptors are separate functions, and the compiler does not inline all
//! of them into a function compiled for another instruction set.

use super::isa::{LANES, Lanes, Vector};
use crate::Real;

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

/// A squared distance below this share of ‖x‖² + ‖y‖² is summed by differences: what products leave of it has lost more
/// than 1e-9 of its value, which `f32` results must not notice.
const NEAR: f64 = 1e-6;

/// A product ⟨x − p, a⟩ below the square root of this share of its factors is summed by differences likewise.
const FLAT: f64 = 1e-14;

/// The squared distances of all pairs of a tile, right to 1e-9: by one product where the pairs are far enough apart, by
/// differences where any is not. Half the work of [`squares`], for results that are rounded to `f32`.
#[inline(always)]
pub(super) fn squares_for_single<V: Vector, const ROWS: usize>(
    x: &[[f64; ROWS]],
    y: &[Lanes],
    x_squares: &[f64],
    y_squares: &Lanes,
) -> [Lanes; ROWS] {
    let mut tile = dot_products::<V, ROWS>(x, y);
    let mut nearest = V::splat(0.0);
    for row in 0..ROWS {
        let sum = V::splat(1.0).mul_add(V::load(y_squares), V::splat(x_squares[row]));
        let square = V::splat(-2.0).mul_add(V::load(&tile[row]), sum);
        nearest = V::splat(-NEAR).mul_add(sum, square).min(nearest);
        tile[row] = square.lanes();
    }
    if smallest(nearest) < 0.0 { squares::<V, ROWS>(x, y) } else { tile }
}

/// The smallest of all lanes.
#[inline(always)]
pub(super) fn smallest<V: Vector>(value: V) -> f64 {
    let lanes = value.lanes();
    let mut least = lanes[0];
    for lane in 1..LANES {
        least = if lanes[lane] < least { lanes[lane] } else { least };
    }
    least
}

/// Whether results of this type are rounded to `f32`.
pub(super) const fn single<T: Real>() -> bool {
    T::EPS > 1e-10
}

/// [`squares_and_products`] for results that are rounded to `f32`, as [`squares_for_single`].
///
/// `class` holds ‖p‖², ⟨p, a⟩ and ‖a‖ of the columns.
#[inline(always)]
pub(super) fn squares_and_products_for_single<V: Vector, const ROWS: usize>(
    x: &[[f64; ROWS]],
    p: &[Lanes],
    a: &[Lanes],
    x_squares: &[f64],
    (p_squares, along, normal): (&Lanes, &Lanes, &Lanes),
) -> ([Lanes; ROWS], [Lanes; ROWS]) {
    let (mut squares, mut products) = two_dot_products::<V, ROWS>(x, p, a);
    let mut nearest = V::splat(0.0);
    let (p_squares, along, normal) = (V::load(p_squares), V::load(along), V::load(normal));
    let flat = V::splat(-FLAT).times(normal).times(normal);
    for row in 0..ROWS {
        let sum = V::splat(1.0).mul_add(p_squares, V::splat(x_squares[row]));
        let square = V::splat(-2.0).mul_add(V::load(&squares[row]), sum);
        let product = V::load(&products[row]).minus(along);
        nearest = V::splat(-NEAR).mul_add(sum, square).min(nearest);
        nearest = product.mul_add(product, flat.times(sum)).min(nearest);
        squares[row] = square.lanes();
        products[row] = product.lanes();
    }
    if smallest(nearest) < 0.0 { squares_and_products::<V, ROWS>(x, p, a) } else { (squares, products) }
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

/// [`dot_products`] with two matrices, for one reading of `x`.
#[inline(always)]
fn two_dot_products<V: Vector, const ROWS: usize>(
    x: &[[f64; ROWS]],
    p: &[Lanes],
    a: &[Lanes],
) -> ([Lanes; ROWS], [Lanes; ROWS]) {
    let dim = x.len();
    assert!(dim == p.len() && dim == a.len(), "invariant: all sides of a tile have one dimension");
    let mut totals = ([[0.0; LANES]; ROWS], [[0.0; LANES]; ROWS]);
    let mut start = 0;
    while start < dim {
        let end = if dim - start > FOLD { start + FOLD } else { dim };
        let (mut by_p, mut by_a) = ([V::splat(0.0); ROWS], [V::splat(0.0); ROWS]);
        for d in start..end {
            let (p, a) = (V::load(&p[d]), V::load(&a[d]));
            for row in 0..ROWS {
                let x = V::splat(x[d][row]);
                by_p[row] = x.mul_add(p, by_p[row]);
                by_a[row] = x.mul_add(a, by_a[row]);
            }
        }
        add(&mut totals.0, &by_p);
        add(&mut totals.1, &by_a);
        start = end;
    }
    totals
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

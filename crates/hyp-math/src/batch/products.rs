//! Matrix products in `f64`, for the layers whose matrices are small enough not to need more.

use rayon::prelude::*;

use super::{
    check_rows,
    isa::{Isa, Kernel, LANES, Lanes, Vector},
    lanes::store,
    panels::{ColumnPanels, RowPanels},
    parallel::tasks_per_thread,
    tile::dot_products,
    weighted::{Direction, weighted_rows},
};
use crate::Real;

/// `⟨xᵢ, yⱼ⟩` of all rows of `x` and `y`: `[rows of x, rows of y]`.
pub(super) fn products<T: Real>(x: &[T], y: &[T], dim: usize) -> Vec<f64> {
    let (count, columns) = (check_rows(x, dim), check_rows(y, dim));
    let mut out = vec![0.0; count * columns];
    if out.is_empty() {
        return out;
    }
    let isa = Isa::detect();
    let rows = isa.rows();
    let (x, y) = (RowPanels::new(x, dim, rows), RowPanels::new(y, dim, LANES));
    out.par_chunks_mut(rows * columns)
        .with_min_len(tasks_per_thread(rows * columns * dim))
        .enumerate()
        .for_each(|(panel, out)| isa.run(rows, Products { x: &x, panel, y: &y, columns, out }));
    out
}

struct Products<'a> {
    x: &'a RowPanels,
    panel: usize,
    y: &'a RowPanels,
    columns: usize,
    out: &'a mut [f64],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        let x = self.x.group::<ROWS>(self.panel);
        let rows = self.out.len() / self.columns;
        for group in 0..self.y.len() {
            let tile = dot_products::<V, ROWS>(x, self.y.group::<LANES>(group));
            let first = group * LANES;
            let last = self.columns.min(first + LANES);
            for row in 0..rows {
                store(&tile[row], &mut self.out[row * self.columns + first..row * self.columns + last]);
            }
        }
    }
}

/// Writes `Σⱼ wᵢⱼ yⱼ + kᵢ xᵢ` to row `i` of `grad_x` and `Σᵢ wᵢⱼ xᵢ + lⱼ yⱼ` to row `j` of `grad_y`: the gradients of
/// [`products`], with terms along the rows themselves.
pub(super) fn products_vjp<T: Real>(
    x: &[T],
    y: &[T],
    weights: &[f64],
    own_x: &[f64],
    own_y: &[f64],
    dim: usize,
    grad_x: &mut [T],
    grad_y: &mut [T],
) {
    let (count, columns) = (check_rows(x, dim), check_rows(y, dim));
    assert_eq!(weights.len(), count * columns, "invariant: one weight per pair");
    if weights.is_empty() {
        grad_x.fill(T::ZERO);
        grad_y.fill(T::ZERO);
        return;
    }
    let isa = Isa::detect();
    let rows = isa.rows();
    let groups = columns.div_ceil(LANES);
    let mut tiles: Vec<Lanes> = vec![[0.0; LANES]; count.div_ceil(rows) * groups * rows];
    for (index, row) in weights.chunks_exact(columns).enumerate() {
        for (group, values) in row.chunks(LANES).enumerate() {
            let tile = ((index / rows) * groups + group) * rows + index % rows;
            tiles[tile][..values.len()].copy_from_slice(values);
        }
    }
    let (x, y) = (ColumnPanels::new(x, dim), ColumnPanels::new(y, dim));
    let along = |direction| (isa, rows, direction, &tiles[..], groups);
    weighted_rows::<T, false>(along(Direction::Rows), &x, &y, (own_x, 1.0), dim, grad_x);
    weighted_rows::<T, false>(along(Direction::Columns), &y, &x, (own_y, 1.0), dim, grad_y);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Curvature;
    use crate::testing::{assert_close, ball_points};
    use crate::vector::dot;

    #[test]
    fn products_and_their_gradients_are_those_of_a_plain_loop() {
        let (count, columns, dim) = (11, 13, 19);
        let x: Vec<f64> = ball_points(1, count, dim, Curvature::FLAT, 2.0);
        let y: Vec<f64> = ball_points(2, columns, dim, Curvature::FLAT, 2.0);
        let want: Vec<f64> = (0..count * columns)
            .map(|at| dot(&x[at / columns * dim..][..dim], &y[at % columns * dim..][..dim]))
            .collect();
        assert_close(&products(&x, &y, dim), &want, 1e-14);
        let (own_x, own_y) = (vec![0.5; count], vec![-2.0; columns]);
        let (mut grad_x, mut grad_y) = (vec![0.0; x.len()], vec![0.0; y.len()]);
        products_vjp(&x, &y, &want, &own_x, &own_y, dim, &mut grad_x, &mut grad_y);
        let by_x: Vec<f64> = (0..count * dim)
            .map(|at| {
                let sum: f64 =
                    (0..columns).map(|j| want[at / dim * columns + j] * y[j * dim + at % dim]).sum();
                sum + 0.5 * x[at]
            })
            .collect();
        assert_close(&grad_x, &by_x, 1e-14);
        let by_y: Vec<f64> = (0..columns * dim)
            .map(|at| {
                let sum: f64 = (0..count).map(|i| want[i * columns + at / dim] * x[i * dim + at % dim]).sum();
                sum - 2.0 * y[at]
            })
            .collect();
        assert_close(&grad_y, &by_y, 1e-14);
    }
}

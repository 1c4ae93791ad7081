//! The gradient of the distances of all pairs: one matrix of weights, and sums over its rows and columns.

use std::marker::PhantomData;

use rayon::prelude::*;

use super::{
    check_rows,
    distance_matrix::{Pairs, Panel},
    isa::{Isa, Kernel, LANES, Lanes, Vector},
    lanes::{asinh, asinh_excess, load, scaled, total},
    panels::ColumnPanels,
    parallel::tasks_per_thread,
    tile::{single, smallest},
    weighted::{Direction, weighted_rows},
};
use crate::{Curvature, Real};

/// The gradient of [`super::distance_matrix`]: overwrites `grad_x` and `grad_y`, returns the derivative by c.
///
/// $$ \frac{\partial d}{\partial x} = \frac{2}{\|x-y\|\sqrt{A_xA_y + c\|x-y\|^2}}
///    \Big[(x-y) + \frac{c\|x-y\|^2}{A_x}\,x\Big], \qquad A_x = 1 - c\|x\|^2 $$
///
/// **Shapes.** As [`super::distance_matrix`]; `grad_out`: `[batch, points]`.
/// **Numerics.** Differences are weighted, not products, so that the gradient of a near pair keeps its direction; for
/// `f32`, products in `f64` are where no pair is nearer than a millionth of its norms.
/// A pair at distance zero contributes zero, a subgradient. Memory: one `[batch, points]` array of `f64`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn distance_matrix_vjp<T: Real>(
    x: &[T],
    y: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
) -> f64 {
    vjp_on::<T, true>(Isa::detect(), x, y, grad_out, dim, c, [grad_x, grad_y])
}

/// [`distance_matrix_vjp`] for a constant c, whose derivative costs an asinh of every pair.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn distance_matrix_vjp_of_points<T: Real>(
    x: &[T],
    y: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
) {
    vjp_on::<T, false>(Isa::detect(), x, y, grad_out, dim, c, [grad_x, grad_y]);
}

fn vjp_on<T: Real, const BY_CURVATURE: bool>(
    isa: Isa,
    x: &[T],
    y: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    gradients: [&mut [T]; 2],
) -> f64 {
    let points = check_rows(y, dim);
    assert_eq!(grad_out.len(), check_rows(x, dim) * points, "grad_out is [batch, points]");
    let size = isa.rows() * points;
    over_panels(isa, x, y, &Pairs::new(isa, x, y, dim, c), dim, c, gradients, |panel, work| {
        let grad_out = &grad_out[panel.number * size..grad_out.len().min((panel.number + 1) * size)];
        let kernel = Backward::<T, T, BY_CURVATURE> { panel, grad_out, kept: None, work, of: PhantomData };
        isa.run(isa.rows(), kernel)
    })
    .by_curvature
}

/// What the points of one panel leave for the gradients.
pub(super) struct Work<'a> {
    /// The weight of `x − y` in the gradient, of every pair.
    weights: &'a mut [Lanes],
    row_sums: &'a mut [Pulls<f64>],
    column_sums: &'a mut [Pulls<Lanes>],
}

/// What is found in the pairs of one panel, or of all.
#[derive(Clone, Copy, Default)]
pub(super) struct Found {
    /// The derivative by c.
    pub(super) by_curvature: f64,
    /// The loss, where there is one.
    pub(super) loss: f64,
    /// Whether any pair is too near for products.
    pub(super) near: bool,
}

/// Calls `each` with every panel, in parallel, and makes the gradients by x and y of what it leaves; returns what was
/// found in the order of the panels.
pub(super) fn over_panels<T: Real>(
    isa: Isa,
    x: &[T],
    y: &[T],
    pairs: &Pairs,
    dim: usize,
    c: Curvature,
    [grad_x, grad_y]: [&mut [T]; 2],
    each: impl Fn(Panel<'_>, Work<'_>) -> Found + Sync,
) -> Found {
    let (batch, points) = (check_rows(x, dim), check_rows(y, dim));
    assert_eq!(grad_x.len(), x.len(), "grad_x is shaped as x");
    assert_eq!(grad_y.len(), y.len(), "grad_y is shaped as y");
    if batch * points == 0 {
        grad_x.fill(T::ZERO);
        grad_y.fill(T::ZERO);
        return Found::default();
    }
    let rows = isa.rows();
    let Pairs { x_side, y_side, .. } = pairs;
    let (row_groups, column_groups) = (pairs.x.len(), pairs.y.len());
    let mut weights = vec![[0.0; LANES]; row_groups * column_groups * rows];
    let mut row_sums = vec![Pulls::default(); row_groups * rows];
    let mut column_sums = vec![Pulls::<Lanes>::default(); row_groups * column_groups];
    let panels = weights
        .par_chunks_mut(column_groups * rows)
        .with_min_len(tasks_per_thread(rows * points * dim))
        .zip(row_sums.par_chunks_mut(rows))
        .zip(column_sums.par_chunks_mut(column_groups))
        .enumerate();
    let found: Vec<Found> = panels
        .map(|(number, ((weights, row_sums), column_sums))| {
            each(Panel { number, pairs, c, points }, Work { weights, row_sums, column_sums })
        })
        .collect();
    let found = found.iter().fold(Found::default(), |all, panel| Found {
        by_curvature: all.by_curvature + panel.by_curvature,
        loss: all.loss + panel.loss,
        near: all.near || panel.near,
    });
    let mut column_totals = vec![Pulls::<Lanes>::default(); column_groups];
    for panel in column_sums.chunks_exact(column_groups) {
        for (total, part) in column_totals.iter_mut().zip(panel) {
            for lane in 0..LANES {
                total.weight[lane] += part.weight[lane];
                total.pull[lane] += part.pull[lane];
            }
        }
    }
    let column_totals = column_totals
        .iter()
        .flat_map(|sums| (0..LANES).map(|lane| Pulls { weight: sums.weight[lane], pull: sums.pull[lane] }));
    let by_products = single::<T>() && !found.near;
    // Weighted differences, and each point's own pull: x (c/A) Σ w‖x − y‖².
    let own =
        |sums: Pulls<f64>, gap: &f64| c.get() * sums.pull / gap + if by_products { sums.weight } else { 0.0 };
    let x_own: Vec<f64> = row_sums.iter().zip(&x_side.gap).map(|(s, m)| own(*s, m)).collect();
    let y_own: Vec<f64> = column_totals.zip(&y_side.gap).map(|(s, m)| own(s, m)).collect();
    let (x_columns, y_columns) = (ColumnPanels::new(x, dim), ColumnPanels::new(y, dim));
    let along = |direction| (isa, rows, direction, &weights[..], column_groups);
    let (by_row, by_column) = (along(Direction::Rows), along(Direction::Columns));
    if by_products {
        weighted_rows::<T, false>(by_row, &x_columns, &y_columns, (&x_own, -1.0), dim, grad_x);
        weighted_rows::<T, false>(by_column, &y_columns, &x_columns, (&y_own, -1.0), dim, grad_y);
    } else {
        weighted_rows::<T, true>(by_row, &x_columns, &y_columns, (&x_own, 1.0), dim, grad_x);
        weighted_rows::<T, true>(by_column, &y_columns, &x_columns, (&y_own, 1.0), dim, grad_y);
    }
    found
}

/// Sums over the pairs of one point: Σ w, and Σ w‖x − y‖².
#[derive(Clone, Copy, Default)]
pub(super) struct Pulls<N> {
    weight: N,
    pull: N,
}

/// The gradient of one panel; points are of type `T`, which says how ‖x − y‖² is computed where it is not known.
pub(super) struct Backward<'a, T, G, const BY_CURVATURE: bool> {
    pub(super) panel: Panel<'a>,
    /// The gradient by the distances, `[rows, points]`.
    pub(super) grad_out: &'a [G],
    /// ‖x − y‖² of its pairs, where they are known.
    pub(super) kept: Option<&'a [Lanes]>,
    pub(super) work: Work<'a>,
    pub(super) of: PhantomData<T>,
}

/// Pairs whose squared distance is below this share of ‖x‖² + ‖y‖² are weighted as differences.
const COINCIDENT: f64 = 1e-12;

impl<T: Real, G: Real, const BY_CURVATURE: bool> Kernel for Backward<'_, T, G, BY_CURVATURE> {
    type Output = Found;

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) -> Found {
        let Panel { number, pairs, points, .. } = self.panel;
        let (c, root_c) = (self.panel.c.get(), self.panel.c.sqrt());
        let (mut by_curvature, mut nearest) = ([0.0; LANES], V::splat(0.0));
        let y_gaps = pairs.y_side.gap.as_chunks::<LANES>().0;
        let y_squares = pairs.y_side.square.as_chunks::<LANES>().0;
        let rows = self.grad_out.len() / points;
        for group in 0..pairs.y.len() {
            let tile = match self.kept {
                None => self.panel.squares::<V, T, ROWS>(group),
                Some(squares) => squares.as_chunks::<ROWS>().0[group],
            };
            let first = group * LANES;
            let last = points.min(first + LANES);
            let (y_gap, y_square) = (&y_gaps[group], &y_squares[group]);
            let weights = &mut self.work.weights[group * ROWS..(group + 1) * ROWS];
            let (mut column_weight, mut column_pull) = (V::splat(0.0), V::splat(0.0));
            for row in 0..rows {
                let x_gap = pairs.x_side.gap[number * ROWS + row];
                let x_square = pairs.x_side.square[number * ROWS + row];
                let grad = load(&self.grad_out[row * points + first..row * points + last]);
                let square = V::load(&tile[row]);
                let gaps = V::splat(x_gap).times(V::load(y_gap));
                let hypotenuse = V::splat(c).mul_add(square, gaps);
                // ‖x − y‖ and the hypotenuse under one root: both are far from the ends of the range.
                let below = square.times(hypotenuse).root();
                let weight = V::splat(2.0).times(V::load(&grad)).over(below).where_not_zero(square);
                let pull = weight.times(square);
                let sum = V::splat(1.0).mul_add(V::load(y_square), V::splat(x_square));
                let margin = V::splat(-COINCIDENT).mul_add(sum, square);
                nearest = margin.where_not_zero(square).min(nearest);
                column_weight = V::splat(1.0).mul_add(weight, column_weight);
                column_pull = V::splat(1.0).mul_add(pull, column_pull);
                let (weight, pull) = (weight.lanes(), pull.lanes());
                weights[row] = weight;
                if BY_CURVATURE {
                    let mut chord = [0.0; LANES];
                    for lane in 0..LANES {
                        chord[lane] = (tile[row][lane] / (x_gap * y_gap[lane])).sqrt();
                    }
                    let angle = scaled(chord, root_c);
                    let excess = asinh_excess::<V>(angle, asinh::<V>(angle));
                    let x_ratio = x_square / x_gap;
                    for lane in 0..LANES {
                        let cube = chord[lane] * chord[lane] * chord[lane];
                        let ratios = x_ratio + y_square[lane] / y_gap[lane];
                        by_curvature[lane] += 0.5 * pull[lane] * ratios - grad[lane] * cube * excess[lane];
                    }
                }
                self.work.row_sums[row].weight += total(&weight);
                self.work.row_sums[row].pull += total(&pull);
            }
            self.work.column_sums[group] = Pulls { weight: column_weight.lanes(), pull: column_pull.lanes() };
        }
        Found { by_curvature: total(&by_curvature), loss: 0.0, near: smallest(nearest) < 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::distance_matrix::{distance_matrix, distance_matrix_on};
    use crate::testing::{assert_close, ball_points, difference_by_curvature, differences};

    /// The vector forms against the portable one, which is the oracle; sums may round differently.
    #[test]
    fn every_instruction_set_gives_the_portable_result() {
        let c = Curvature::new(0.7).unwrap();
        let (dim, batch, points) = (67, 13, 21);
        let x: Vec<f64> = ball_points(1, batch, dim, c, 0.999);
        let mut y: Vec<f64> = ball_points(2, points, dim, c, 0.999);
        y[..dim].copy_from_slice(&x[..dim]);
        let grad_out: Vec<f64> = (0..batch * points).map(|i| ((i * 7) % 11) as f64 - 5.0).collect();
        let run = |isa: Isa| {
            let mut out = vec![0.0; batch * points];
            distance_matrix_on(isa, &x, &y, dim, c, &mut out);
            let (mut grad_x, mut grad_y) = (vec![0.0; x.len()], vec![0.0; y.len()]);
            let by_c = vjp_on::<_, true>(isa, &x, &y, &grad_out, dim, c, [&mut grad_x, &mut grad_y]);
            (out, grad_x, grad_y, by_c)
        };
        let want = run(Isa::Portable);
        assert_eq!(want.0[0], 0.0, "a point and itself");
        for isa in [Isa::Avx2, Isa::Avx512] {
            let got = run(isa);
            // 67 terms of f64 in another order: far below 1e-13 of the largest.
            assert_close(&got.0, &want.0, 1e-13);
            assert_close(&got.1, &want.1, 1e-13);
            assert_close(&got.2, &want.2, 1e-13);
            assert_close(&[got.3], &[want.3], 1e-13);
        }
    }

    /// Results for `f32` come from products where pairs are far and from differences where they are near: both are the
    /// `f64` results of the same points, rounded.
    #[test]
    fn single_precision_keeps_its_digits_near_and_far() {
        let c = Curvature::new(1.0).unwrap();
        let (dim, batch, points) = (35, 11, 19);
        // Nearness of the first pair, relative to its norm; 0 is far for every pair.
        for near in [0.0, 1e-2, 3e-4, 1e-5, 2e-7] {
            let x: Vec<f32> = ball_points(1, batch, dim, c, 0.99);
            let mut y: Vec<f32> = ball_points(2, points, dim, c, 0.99);
            if near > 0.0 {
                for (y, x) in y[..dim].iter_mut().zip(&x) {
                    *y = x * (1.0 - near);
                }
            }
            let grad_out: Vec<f32> = (0..batch * points).map(|i| ((i * 7) % 11) as f32 - 5.0).collect();
            let wide = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
            let (wide_x, wide_y, wide_grad) = (wide(&x), wide(&y), wide(&grad_out));
            let (mut want, mut got) = (vec![0.0_f64; batch * points], vec![0.0_f32; batch * points]);
            distance_matrix(&wide_x, &wide_y, dim, c, &mut want);
            distance_matrix(&x, &y, dim, c, &mut got);
            for (got, want) in got.iter().zip(&want) {
                // Half a unit in the last place of f32, and 1e-9 of the product form.
                assert!((f64::from(*got) - want).abs() <= 6.2e-8 * want, "{near}: {got} is not {want}");
            }
            let (mut want_x, mut want_y) = (wide_x.clone(), wide_y.clone());
            distance_matrix_vjp(&wide_x, &wide_y, &wide_grad, dim, c, &mut want_x, &mut want_y);
            let (mut got_x, mut got_y) = (x.clone(), y.clone());
            distance_matrix_vjp_of_points(&x, &y, &grad_out, dim, c, &mut got_x, &mut got_y);
            assert_close(&wide(&got_x), &want_x, 1e-7);
            assert_close(&wide(&got_y), &want_y, 1e-7);
        }
    }

    #[test]
    fn gradients_are_central_differences() {
        let (dim, batch, points) = (5, 4, 9);
        for curvature in [0.0, 0.05, 1.0] {
            let c = Curvature::new(curvature).unwrap();
            let x: Vec<f64> = ball_points(1, batch, dim, c, 0.9);
            let y: Vec<f64> = ball_points(2, points, dim, c, 0.9);
            let grad_out: Vec<f64> = (0..batch * points).map(|i| ((i * 7) % 11) as f64 - 5.0).collect();
            let loss = |x: &[f64], y: &[f64], c: Curvature| -> f64 {
                let mut out = vec![0.0; batch * points];
                distance_matrix(x, y, dim, c, &mut out);
                out.iter().zip(&grad_out).map(|(d, g)| d * g).sum()
            };
            let (mut grad_x, mut grad_y) = (vec![0.0; x.len()], vec![0.0; y.len()]);
            let by_c = distance_matrix_vjp(&x, &y, &grad_out, dim, c, &mut grad_x, &mut grad_y);
            // step² times third derivatives of about 1e3 at 0.9 of the radius.
            assert_close(&grad_x, &differences(&x, |x| loss(x, &y, c)), 1e-8);
            assert_close(&grad_y, &differences(&y, |y| loss(&x, y, c)), 1e-8);
            let want = difference_by_curvature(curvature, |c| loss(&x, &y, c));
            assert!((by_c - want).abs() < 1e-6 * (1.0 + want.abs()), "by c: {by_c} is not {want}");
        }
    }
}

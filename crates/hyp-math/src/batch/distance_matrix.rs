//! Distances of all pairs of two sets of points, and their gradient, in O(B·K) memory.

use rayon::prelude::*;

use super::{
    check_rows,
    isa::{Isa, Kernel, LANES, Lanes, Vector},
    lanes::{asinh, asinh_excess, load, scaled, store, total},
    panels::{ColumnPanels, RowPanels},
    parallel::tasks_per_thread,
    side::Side,
    tile::{single, smallest, squares, squares_for_single},
    weighted::{Direction, weighted_rows},
};
use crate::{Curvature, Real};

/// The distance of every row of `x` to every row of `y`, written to `out`.
///
/// $$ d_c(x, y) = \frac{2}{\sqrt c}\,
///    \operatorname{asinh}\frac{\sqrt c\,\|x-y\|}{\sqrt{(1-c\|x\|^2)(1-c\|y\|^2)}} $$
///
/// **Source.** \[HIE\] Sec. 3, equation `distance` of `docs/paper/equations.md`, in the form that does not cancel.
/// **Shapes.** `x`: `[batch, dim]`, `y`: `[points, dim]`, `out`: `[batch, points]`.
/// **Domain.** Points of the ball; `c = 0` gives `2‖x − y‖`.
/// **Numerics.** Sums and asinh in `f64` in registers: as accurate for near pairs as for far ones. For `f64`, squared
/// distances are sums of squared differences; for `f32`, the cheaper `‖x‖² + ‖y‖² − 2⟨x, y⟩` in `f64` is taken where it
/// is right to 1e-9, and differences elsewhere. No array larger than `out` and the inputs is made.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, batch::distance_matrix};
/// let mut out = [0.0_f64; 2];
/// distance_matrix(&[0.0, 0.0], &[0.0, 0.0, 0.5, 0.0], 2, Curvature::new(1.0)?, &mut out);
/// assert_eq!(out[0], 0.0);
/// assert!((out[1] - 3.0_f64.ln()).abs() < 1e-15); // 2 artanh ½ = ln 3
/// # Ok::<(), hyp_math::InvalidCurvature>(())
/// ```
pub fn distance_matrix<T: Real>(x: &[T], y: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    let isa = Isa::detect();
    distance_matrix_on(isa, x, y, dim, c, out);
}

fn distance_matrix_on<T: Real>(isa: Isa, x: &[T], y: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    let (batch, points) = (check_rows(x, dim), check_rows(y, dim));
    assert_eq!(out.len(), batch * points, "out is [batch, points]");
    if out.is_empty() {
        return;
    }
    let rows = isa.rows();
    let (x_panels, y_panels) = (RowPanels::new(x, dim, rows), RowPanels::new(y, dim, LANES));
    let (x_side, y_side) = (Side::new(x, dim, c), Side::new(y, dim, c));
    let inverse_roots = |side: &Side| side.gap.iter().map(|gap| 1.0 / gap.sqrt()).collect::<Vec<_>>();
    let (x_scale, y_scale) = (inverse_roots(&x_side), inverse_roots(&y_side));
    let pairs = Pairs { x: &x_panels, y: &y_panels, x_side: &x_side, y_side: &y_side };
    out.par_chunks_mut(rows * points)
        .with_min_len(tasks_per_thread(rows * points * dim))
        .enumerate()
        .for_each(|(panel, out)| {
            isa.run(rows, Forward { pairs, panel, x_scale: &x_scale, y_scale: &y_scale, c, points, out });
        });
}

/// Both sets of points, in panels.
#[derive(Clone, Copy)]
struct Pairs<'a> {
    x: &'a RowPanels,
    y: &'a RowPanels,
    x_side: &'a Side,
    y_side: &'a Side,
}

impl Pairs<'_> {
    /// ‖x − y‖² of a tile, by the cheaper form where the result is rounded to `f32`.
    #[inline(always)]
    fn squares<V: Vector, T: Real, const ROWS: usize>(&self, panel: usize, group: usize) -> [Lanes; ROWS] {
        let (x, y) = (self.x.group::<ROWS>(panel), self.y.group::<LANES>(group));
        if single::<T>() {
            let y_squares = &self.y_side.square.as_chunks::<LANES>().0[group];
            squares_for_single::<V, ROWS>(x, y, &self.x_side.square[panel * ROWS..], y_squares)
        } else {
            squares::<V, ROWS>(x, y)
        }
    }
}

/// Distances of one panel of `x` to all of `y`.
struct Forward<'a, T> {
    pairs: Pairs<'a>,
    panel: usize,
    x_scale: &'a [f64],
    y_scale: &'a [f64],
    c: Curvature,
    points: usize,
    out: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        let root = self.c.sqrt();
        let y_scales = self.y_scale.as_chunks::<LANES>().0;
        let rows = self.out.len() / self.points;
        for group in 0..self.pairs.y.len() {
            let tile = self.pairs.squares::<V, T, ROWS>(self.panel, group);
            let y_scale = &y_scales[group];
            let first = group * LANES;
            let last = self.points.min(first + LANES);
            for row in 0..rows {
                let x_scale = self.x_scale[self.panel * ROWS + row];
                let mut chord = [0.0; LANES];
                for lane in 0..LANES {
                    chord[lane] = tile[row][lane].sqrt() * x_scale * y_scale[lane];
                }
                let distance = if root > 0.0 {
                    scaled(asinh::<V>(scaled(chord, root)), 2.0 / root)
                } else {
                    scaled(chord, 2.0)
                };
                store(&distance, &mut self.out[row * self.points + first..row * self.points + last]);
            }
        }
    }
}

/// The gradient of [`distance_matrix`]: overwrites `grad_x` and `grad_y`, returns the derivative by c.
///
/// $$ \frac{\partial d}{\partial x} = \frac{2}{\|x-y\|\sqrt{A_xA_y + c\|x-y\|^2}}
///    \Big[(x-y) + \frac{c\|x-y\|^2}{A_x}\,x\Big], \qquad A_x = 1 - c\|x\|^2 $$
///
/// **Shapes.** As [`distance_matrix`]; `grad_out`: `[batch, points]`.
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
    [grad_x, grad_y]: [&mut [T]; 2],
) -> f64 {
    let (batch, points) = (check_rows(x, dim), check_rows(y, dim));
    assert_eq!(grad_out.len(), batch * points, "grad_out is [batch, points]");
    assert_eq!(grad_x.len(), x.len(), "grad_x is shaped as x");
    assert_eq!(grad_y.len(), y.len(), "grad_y is shaped as y");
    if grad_out.is_empty() {
        grad_x.fill(T::ZERO);
        grad_y.fill(T::ZERO);
        return 0.0;
    }
    let rows = isa.rows();
    let (x_panels, y_panels) = (RowPanels::new(x, dim, rows), RowPanels::new(y, dim, LANES));
    let (x_side, y_side) = (Side::new(x, dim, c), Side::new(y, dim, c));
    let pairs = Pairs { x: &x_panels, y: &y_panels, x_side: &x_side, y_side: &y_side };
    let (row_groups, column_groups) = (x_panels.len(), y_panels.len());
    let mut weights = vec![[0.0; LANES]; row_groups * column_groups * rows];
    let mut row_sums = vec![Pulls::default(); row_groups * rows];
    let mut column_sums = vec![Pulls::<Lanes>::default(); row_groups * column_groups];
    let partial: Vec<(f64, bool)> = weights
        .par_chunks_mut(column_groups * rows)
        .with_min_len(tasks_per_thread(rows * points * dim))
        .zip(row_sums.par_chunks_mut(rows))
        .zip(column_sums.par_chunks_mut(column_groups))
        .zip(grad_out.par_chunks(rows * points))
        .enumerate()
        .map(|(panel, (((weights, row_sums), column_sums), grad_out))| {
            let c = c.get();
            let kernel = Backward::<T, BY_CURVATURE> {
                pairs,
                panel,
                c,
                points,
                grad_out,
                weights,
                row_sums,
                column_sums,
            };
            isa.run(rows, kernel)
        })
        .collect();
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
    let by_products = single::<T>() && !partial.iter().any(|part| part.1);
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
    partial.iter().map(|part| part.0).sum()
}

/// Sums over the pairs of one point: Σ w, and Σ w‖x − y‖².
#[derive(Clone, Copy, Default)]
struct Pulls<N> {
    weight: N,
    pull: N,
}

/// The weight of `x − y` in the gradient, for one panel of `x` and all of `y`; returns the derivative by c, and whether
/// any pair is too near for products.
struct Backward<'a, T, const BY_CURVATURE: bool> {
    pairs: Pairs<'a>,
    panel: usize,
    c: f64,
    points: usize,
    grad_out: &'a [T],
    weights: &'a mut [Lanes],
    row_sums: &'a mut [Pulls<f64>],
    column_sums: &'a mut [Pulls<Lanes>],
}

/// Pairs whose squared distance is below this share of ‖x‖² + ‖y‖² are weighted as differences.
const COINCIDENT: f64 = 1e-12;

impl<T: Real, const BY_CURVATURE: bool> Kernel for Backward<'_, T, BY_CURVATURE> {
    type Output = (f64, bool);

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) -> (f64, bool) {
        let (c, root_c) = (self.c, self.c.sqrt());
        let (mut by_curvature, mut nearest) = ([0.0; LANES], V::splat(0.0));
        let y_gaps = self.pairs.y_side.gap.as_chunks::<LANES>().0;
        let y_squares = self.pairs.y_side.square.as_chunks::<LANES>().0;
        let rows = self.grad_out.len() / self.points;
        for group in 0..self.pairs.y.len() {
            let tile = self.pairs.squares::<V, T, ROWS>(self.panel, group);
            let first = group * LANES;
            let last = self.points.min(first + LANES);
            let (y_gap, y_square) = (&y_gaps[group], &y_squares[group]);
            let weights = &mut self.weights[group * ROWS..(group + 1) * ROWS];
            let (mut column_weight, mut column_pull) = (V::splat(0.0), V::splat(0.0));
            for row in 0..rows {
                let x_gap = self.pairs.x_side.gap[self.panel * ROWS + row];
                let x_square = self.pairs.x_side.square[self.panel * ROWS + row];
                let grad = load(&self.grad_out[row * self.points + first..row * self.points + last]);
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
                self.row_sums[row].weight += total(&weight);
                self.row_sums[row].pull += total(&pull);
            }
            self.column_sums[group] = Pulls { weight: column_weight.lanes(), pull: column_pull.lanes() };
        }
        (total(&by_curvature), smallest(nearest) < 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[test]
    fn near_pairs_in_single_precision_keep_five_digits() {
        // Points 1e-6 of the radius apart at 0.99 of it, against the same formula on exact differences.
        let c = Curvature::ONE;
        let x: Vec<f32> = ball_points(1, 1, 128, c, 1.0).iter().map(|v: &f32| v * 0.99).collect();
        let mut y = x.clone();
        y[7] = f32::from_bits(y[7].to_bits() + 3);
        let mut out = [0.0_f32];
        distance_matrix(&x, &y, 128, c, &mut out);
        let gap = |v: &[f32]| 1.0 - v.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
        let chord = (f64::from(x[7]) - f64::from(y[7])).abs();
        let want = 2.0 * (chord / (gap(&x) * gap(&y)).sqrt()).asinh();
        assert!((f64::from(out[0]) - want).abs() < 1e-7 * want, "{} is not {want}", out[0]);
    }
}

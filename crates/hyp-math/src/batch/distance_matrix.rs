//! Distances of all pairs of two sets of points, and their gradient, in O(B·K) memory.

use rayon::prelude::*;

use super::{
    check_rows,
    isa::{Isa, Kernel, LANES, Lanes, Vector},
    lanes::{asinh, asinh_excess, load, scaled, store},
    panels::{ColumnPanels, RowPanels},
    parallel::tasks_per_thread,
    side::Side,
    tile::squares,
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
/// **Numerics.** Differences, sums and asinh in `f64` in registers: as accurate for near pairs as for far ones, which
/// the matrix-product form `‖x‖² + ‖y‖² − 2⟨x, y⟩` is not. No array larger than `out` and the inputs is made.
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
    let inverse_roots = |side: Side| side.gap.iter().map(|gap| 1.0 / gap.sqrt()).collect::<Vec<_>>();
    let (x_scale, y_scale) = (inverse_roots(Side::new(x, dim, c)), inverse_roots(Side::new(y, dim, c)));
    out.par_chunks_mut(rows * points)
        .with_min_len(tasks_per_thread(rows * points * dim))
        .zip(x_scale.par_chunks(rows))
        .enumerate()
        .for_each(|(panel, (out, x_scale))| {
            isa.run(
                rows,
                Forward { x: &x_panels, panel, y: &y_panels, x_scale, y_scale: &y_scale, c, points, out },
            );
        });
}

/// Distances of one panel of `x` to all of `y`.
struct Forward<'a, T> {
    x: &'a RowPanels,
    panel: usize,
    y: &'a RowPanels,
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
        let x = self.x.group::<ROWS>(self.panel);
        let y_scales = self.y_scale.as_chunks::<LANES>().0;
        let rows = self.out.len() / self.points;
        for group in 0..self.y.len() {
            let tile = squares::<V, ROWS>(x, self.y.group::<LANES>(group));
            let y_scale = &y_scales[group];
            let first = group * LANES;
            let last = self.points.min(first + LANES);
            for row in 0..rows {
                let x_scale = self.x_scale[row];
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
/// **Numerics.** Differences are weighted, not products, so that the gradient of a near pair keeps its direction.
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
    distance_matrix_vjp_on(Isa::detect(), x, y, grad_out, dim, c, grad_x, grad_y)
}

fn distance_matrix_vjp_on<T: Real>(
    isa: Isa,
    x: &[T],
    y: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
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
    let (row_groups, column_groups) = (x_panels.len(), y_panels.len());
    let mut weights = vec![[0.0; LANES]; row_groups * column_groups * rows];
    let mut row_sums = vec![0.0; row_groups * rows];
    let mut column_sums = vec![[0.0; LANES]; row_groups * column_groups];
    let by_curvature: Vec<f64> = weights
        .par_chunks_mut(column_groups * rows)
        .with_min_len(tasks_per_thread(rows * points * dim))
        .zip(row_sums.par_chunks_mut(rows))
        .zip(column_sums.par_chunks_mut(column_groups))
        .zip(grad_out.par_chunks(rows * points))
        .enumerate()
        .map(|(panel, (((weights, row_sums), column_sums), grad_out))| {
            let kernel = Backward {
                x: &x_panels,
                panel,
                y: &y_panels,
                x_side: &x_side,
                y_side: &y_side,
                c: c.get(),
                points,
                grad_out,
                weights,
                row_sums,
                column_sums,
            };
            isa.run(rows, kernel)
        })
        .collect();
    let mut column_totals = vec![[0.0; LANES]; column_groups];
    for panel in column_sums.chunks_exact(column_groups) {
        for (total, part) in column_totals.iter_mut().zip(panel) {
            for lane in 0..LANES {
                total[lane] += part[lane];
            }
        }
    }
    // Weighted differences, and each point's own pull: x (c/A) Σ w‖x − y‖².
    let own = |sum: &f64, gap: &f64| c.get() * sum / gap;
    let x_own: Vec<f64> = row_sums.iter().zip(&x_side.gap).map(|(s, m)| own(s, m)).collect();
    let y_own: Vec<f64> =
        column_totals.as_flattened().iter().zip(&y_side.gap).map(|(s, m)| own(s, m)).collect();
    let (x_columns, y_columns) = (ColumnPanels::new(x, dim), ColumnPanels::new(y, dim));
    let along = |direction| (isa, rows, direction, &weights[..], column_groups);
    weighted_rows::<T, true>(along(Direction::Rows), &x_columns, &y_columns, &x_own, dim, grad_x);
    weighted_rows::<T, true>(along(Direction::Columns), &y_columns, &x_columns, &y_own, dim, grad_y);
    by_curvature.iter().sum()
}

/// The weight of `x − y` in the gradient, for one panel of `x` and all of `y`; returns the derivative by c.
struct Backward<'a, T> {
    x: &'a RowPanels,
    panel: usize,
    y: &'a RowPanels,
    x_side: &'a Side,
    y_side: &'a Side,
    c: f64,
    points: usize,
    grad_out: &'a [T],
    weights: &'a mut [Lanes],
    row_sums: &'a mut [f64],
    column_sums: &'a mut [Lanes],
}

impl<T: Real> Kernel for Backward<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) -> f64 {
        let (c, root_c) = (self.c, self.c.sqrt());
        let mut by_curvature = [0.0; LANES];
        let y_gaps = self.y_side.gap.as_chunks::<LANES>().0;
        let y_squares = self.y_side.square.as_chunks::<LANES>().0;
        let x = self.x.group::<ROWS>(self.panel);
        let rows = self.grad_out.len() / self.points;
        for group in 0..self.y.len() {
            let tile = squares::<V, ROWS>(x, self.y.group::<LANES>(group));
            let first = group * LANES;
            let last = self.points.min(first + LANES);
            let (y_gap, y_square) = (&y_gaps[group], &y_squares[group]);
            let weights = &mut self.weights[group * ROWS..(group + 1) * ROWS];
            let column_sum = &mut self.column_sums[group];
            for row in 0..rows {
                let x_gap = self.x_side.gap[self.panel * ROWS + row];
                let x_ratio = self.x_side.square[self.panel * ROWS + row] / x_gap;
                let grad = load(&self.grad_out[row * self.points + first..row * self.points + last]);
                let (mut chord, mut pull) = ([0.0; LANES], [0.0; LANES]);
                for lane in 0..LANES {
                    let square = tile[row][lane];
                    let distance = square.sqrt();
                    let gaps = x_gap * y_gap[lane];
                    let hypotenuse = (gaps + c * square).sqrt();
                    chord[lane] = distance / gaps.sqrt();
                    pull[lane] = 2.0 * grad[lane] * distance / hypotenuse;
                    let weight = 2.0 * grad[lane] / (distance * hypotenuse);
                    weights[row][lane] = if square == 0.0 { 0.0 } else { weight };
                    column_sum[lane] += pull[lane];
                }
                let angle = scaled(chord, root_c);
                let excess = asinh_excess::<V>(angle, asinh::<V>(angle));
                let mut sum = 0.0;
                for lane in 0..LANES {
                    let cube = chord[lane] * chord[lane] * chord[lane];
                    let ratios = x_ratio + y_square[lane] / y_gap[lane];
                    by_curvature[lane] += 0.5 * pull[lane] * ratios - grad[lane] * cube * excess[lane];
                    sum += pull[lane];
                }
                self.row_sums[row] += sum;
            }
        }
        let mut sum = 0.0;
        for lane in 0..LANES {
            sum += by_curvature[lane];
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::testing::{assert_close, ball_points};

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
            let by_c = distance_matrix_vjp_on(isa, &x, &y, &grad_out, dim, c, &mut grad_x, &mut grad_y);
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

    #[test]
    fn gradients_are_central_differences() {
        let (dim, batch, points) = (5, 4, 9);
        for curvature in [0.0, 0.05, 1.0] {
            let c = Curvature::new(curvature).unwrap();
            let mut x: Vec<f64> = ball_points(1, batch, dim, c, 0.9);
            let mut y: Vec<f64> = ball_points(2, points, dim, c, 0.9);
            let grad_out: Vec<f64> = (0..batch * points).map(|i| ((i * 7) % 11) as f64 - 5.0).collect();
            let loss = |x: &[f64], y: &[f64], c: Curvature| -> f64 {
                let mut out = vec![0.0; batch * points];
                distance_matrix(x, y, dim, c, &mut out);
                out.iter().zip(&grad_out).map(|(d, g)| d * g).sum()
            };
            let (mut grad_x, mut grad_y) = (vec![0.0; x.len()], vec![0.0; y.len()]);
            let by_c = distance_matrix_vjp(&x, &y, &grad_out, dim, c, &mut grad_x, &mut grad_y);
            let step = 1e-6;
            let mut want = vec![0.0; x.len()];
            for i in 0..x.len() {
                let value = x[i];
                x[i] = value + step;
                let above = loss(&x, &y, c);
                x[i] = value - step;
                want[i] = (above - loss(&x, &y, c)) / (2.0 * step);
                x[i] = value;
            }
            // step² times third derivatives of about 1e3 at 0.9 of the radius.
            assert_close(&grad_x, &want, 1e-8);
            let mut want = vec![0.0; y.len()];
            for i in 0..y.len() {
                let value = y[i];
                y[i] = value + step;
                let above = loss(&x, &y, c);
                y[i] = value - step;
                want[i] = (above - loss(&x, &y, c)) / (2.0 * step);
                y[i] = value;
            }
            assert_close(&grad_y, &want, 1e-8);
            let at = |c: f64| loss(&x, &y, Curvature::new(c).unwrap());
            let want = if curvature > 0.0 {
                (at(curvature + step) - at(curvature - step)) / (2.0 * step)
            } else {
                (4.0 * at(1e-5) - 3.0 * at(0.0) - at(2e-5)) / 2e-5
            };
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

//! Distances of all pairs of two sets of points, in O(B·K) memory.

use rayon::prelude::*;

use super::{
    check_rows,
    isa::{Isa, Kernel, LANES, Lanes, Vector},
    lanes::{asinh, scaled, store},
    panels::RowPanels,
    parallel::tasks_per_thread,
    side::Side,
    tile::{single, squares, squares_for_single},
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

pub(super) fn distance_matrix_on<T: Real>(
    isa: Isa,
    x: &[T],
    y: &[T],
    dim: usize,
    c: Curvature,
    out: &mut [T],
) {
    let (batch, points) = (check_rows(x, dim), check_rows(y, dim));
    assert_eq!(out.len(), batch * points, "out is [batch, points]");
    if out.is_empty() {
        return;
    }
    let rows = isa.rows();
    let pairs = &Pairs::new(isa, x, y, dim, c);
    let scales = Scales::new(pairs, c);
    out.par_chunks_mut(rows * points)
        .with_min_len(tasks_per_thread(rows * points * dim))
        .enumerate()
        .for_each(|(number, out)| {
            isa.run(rows, Forward { panel: Panel { number, pairs, c, points }, scales: &scales, out });
        });
}

/// Both sets of points, in panels.
pub(super) struct Pairs {
    pub(super) x: RowPanels,
    pub(super) y: RowPanels,
    pub(super) x_side: Side,
    pub(super) y_side: Side,
}

impl Pairs {
    pub(super) fn new<T: Real>(isa: Isa, x: &[T], y: &[T], dim: usize, c: Curvature) -> Self {
        Self {
            x: RowPanels::new(x, dim, isa.rows()),
            y: RowPanels::new(y, dim, LANES),
            x_side: Side::new(x, dim, c),
            y_side: Side::new(y, dim, c),
        }
    }
}

/// One panel of `x` with all of `y`.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    pub(super) number: usize,
    pub(super) pairs: &'a Pairs,
    pub(super) c: Curvature,
    /// The number of points of `y`.
    pub(super) points: usize,
}

impl Panel<'_> {
    /// ‖x − y‖² of the tile of one group of `y`, by the cheaper form where the result is rounded to `f32`.
    #[inline(always)]
    pub(super) fn squares<V: Vector, T: Real, const ROWS: usize>(&self, group: usize) -> [Lanes; ROWS] {
        let Pairs { x, y, x_side, y_side } = self.pairs;
        let (x, y) = (x.group::<ROWS>(self.number), y.group::<LANES>(group));
        if single::<T>() {
            let y_squares = &y_side.square.as_chunks::<LANES>().0[group];
            squares_for_single::<V, ROWS>(x, y, &x_side.square[self.number * ROWS..], y_squares)
        } else {
            squares::<V, ROWS>(x, y)
        }
    }
}

/// What turns the length of a straight line into half a distance: 1/√(1 − c‖x‖²) of every point.
pub(super) struct Scales {
    x: Vec<f64>,
    y: Vec<f64>,
    root: f64,
}

impl Scales {
    pub(super) fn new(pairs: &Pairs, c: Curvature) -> Self {
        let [x, y] =
            [&pairs.x_side, &pairs.y_side].map(|side| side.gap.iter().map(|gap| 1.0 / gap.sqrt()).collect());
        Self { x, y, root: c.sqrt() }
    }

    /// Distances of one point of `x` to a group of `y`, given their ‖x − y‖².
    #[inline(always)]
    pub(super) fn distances<V: Vector>(&self, squares: &Lanes, row: usize, group: usize) -> Lanes {
        let (x, y) = (self.x[row], &self.y.as_chunks::<LANES>().0[group]);
        let mut chord = [0.0; LANES];
        for lane in 0..LANES {
            chord[lane] = squares[lane].sqrt() * x * y[lane];
        }
        if self.root > 0.0 {
            scaled(asinh::<V>(scaled(chord, self.root)), 2.0 / self.root)
        } else {
            scaled(chord, 2.0)
        }
    }
}

/// Distances of one panel of `x` to all of `y`.
struct Forward<'a, T> {
    panel: Panel<'a>,
    scales: &'a Scales,
    out: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        let Panel { number, pairs, points, .. } = self.panel;
        let rows = self.out.len() / points;
        for group in 0..pairs.y.len() {
            let tile = self.panel.squares::<V, T, ROWS>(group);
            let first = group * LANES;
            let last = points.min(first + LANES);
            for row in 0..rows {
                let distances = self.scales.distances::<V>(&tile[row], number * ROWS + row, group);
                store(&distances, &mut self.out[row * points + first..row * points + last]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ball_points;

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

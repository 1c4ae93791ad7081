//! The negative log-likelihood of a softmax over minus distances with its gradients, in one pass over the pairs.
//!
//! Distances and their gradient separately compute ‖x − y‖² of every pair twice; here a panel of points keeps them from
//! its distances to its gradients.

use std::marker::PhantomData;

use super::{
    check_rows,
    distance_gradient::{Backward, Found, Work, over_panels},
    distance_matrix::{Pairs, Panel, Scales},
    isa::{Isa, Kernel, LANES, Vector},
    mlr_loss::LossAndCurvature,
    softmax::loss_and_gradient,
};
use crate::{Curvature, Real};

/// The mean negative log-likelihood of `labels` where −d/T are the logits, and its gradients.
///
/// $$ \frac1B \sum_b \Bigl(\frac{d_c(x_b, y_{l_b})}{T} + \log \sum_k e^{-d_c(x_b, y_k)/T}\Bigr) $$
///
/// Overwrites `grad_x` and `grad_y`; returns the loss and its derivative by c.
///
/// **Source.** \[HIE\] Sec. 5.2; Snell et al. 2017, eq. 2, with the distance of the ball.
/// **Shapes.** As [`super::distance_matrix`]; `labels`: `[batch]`, numbers of rows of `y`.
/// **Domain.** Points of the ball; the temperature T is positive. `c = 0` has the logits −2‖x − y‖/T. An empty batch has
/// the loss 0.
/// **Numerics.** Distances stay in `f64` and are those of [`super::distance_matrix`]; the largest logit of a row is
/// subtracted first. NaN gives NaN. A pair at distance zero contributes no gradient by its points, a subgradient.
///
/// # Panics
/// If `dim` is zero, a length does not fit, a label is not below the number of points, or the temperature is not
/// positive.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, batch::distance_cross_entropy};
/// // As far from one prototype as from the other: both classes are equally likely.
/// let (mut gx, mut gy) = ([0.0_f64; 2], [0.0; 4]);
/// let (x, y) = ([0.0, 0.0], [0.5, 0.0, -0.5, 0.0]);
/// let (loss, _) = distance_cross_entropy(&x, &y, &[0], 2, Curvature::new(1.0)?, 1.0, &mut gx, &mut gy);
/// assert!((loss - 2.0_f64.ln()).abs() < 1e-15);
/// assert!((gx[0] + 2.0).abs() < 1e-15); // the distance to the nearer grows by 2 at the origin
/// # Ok::<(), hyp_math::InvalidCurvature>(())
/// ```
pub fn distance_cross_entropy<T: Real>(
    x: &[T],
    y: &[T],
    labels: &[u32],
    dim: usize,
    c: Curvature,
    temperature: f64,
    grad_x: &mut [T],
    grad_y: &mut [T],
) -> LossAndCurvature {
    loss_on::<T, true>(Isa::detect(), x, y, labels, dim, c, temperature, [grad_x, grad_y])
}

/// [`distance_cross_entropy`] for a constant c, whose derivative costs an asinh of every pair; returns the loss.
///
/// # Panics
/// As [`distance_cross_entropy`].
pub fn distance_cross_entropy_of_points<T: Real>(
    x: &[T],
    y: &[T],
    labels: &[u32],
    dim: usize,
    c: Curvature,
    temperature: f64,
    grad_x: &mut [T],
    grad_y: &mut [T],
) -> f64 {
    loss_on::<T, false>(Isa::detect(), x, y, labels, dim, c, temperature, [grad_x, grad_y]).0
}

fn loss_on<T: Real, const BY_CURVATURE: bool>(
    isa: Isa,
    x: &[T],
    y: &[T],
    labels: &[u32],
    dim: usize,
    c: Curvature,
    temperature: f64,
    gradients: [&mut [T]; 2],
) -> LossAndCurvature {
    let (batch, points) = (check_rows(x, dim), check_rows(y, dim));
    assert_eq!(labels.len(), batch, "there is one label a row");
    assert!(labels.iter().all(|&label| (label as usize) < points), "labels are below the number of points");
    assert!(temperature > 0.0, "the temperature is positive");
    let pairs = Pairs::new(isa, x, y, dim, c);
    let (scales, rows) = (Scales::new(&pairs, c), isa.rows());
    let found = over_panels(isa, x, y, &pairs, dim, c, gradients, |panel, work| {
        let labels = &labels[panel.number * rows..batch.min((panel.number + 1) * rows)];
        let share = 1.0 / batch as f64;
        let kernel = Loss::<T, BY_CURVATURE> {
            panel,
            scales: &scales,
            labels,
            share,
            temperature,
            work,
            of: PhantomData,
        };
        isa.run(rows, kernel)
    });
    (found.loss, found.by_curvature)
}

/// The part of the loss that the points of one panel have, and what they leave for the gradients.
struct Loss<'a, T, const BY_CURVATURE: bool> {
    panel: Panel<'a>,
    scales: &'a Scales,
    labels: &'a [u32],
    /// One over the size of the batch.
    share: f64,
    temperature: f64,
    work: Work<'a>,
    of: PhantomData<T>,
}

impl<T: Real, const BY_CURVATURE: bool> Kernel for Loss<'_, T, BY_CURVATURE> {
    type Output = Found;

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) -> Found {
        let Panel { number, pairs, points, .. } = self.panel;
        let groups = pairs.y.len();
        let by_distance = -1.0 / self.temperature;
        let mut kept = vec![[0.0; LANES]; groups * ROWS];
        let mut logits = vec![0.0; self.labels.len() * points];
        for group in 0..groups {
            let tile = self.panel.squares::<V, T, ROWS>(group);
            let first = group * LANES;
            let last = points.min(first + LANES);
            for row in 0..self.labels.len() {
                let distances = self.scales.distances::<V>(&tile[row], number * ROWS + row, group);
                let slots = &mut logits[row * points + first..row * points + last];
                for (slot, distance) in slots.iter_mut().zip(distances) {
                    *slot = by_distance * distance;
                }
            }
            kept[group * ROWS..(group + 1) * ROWS].copy_from_slice(&tile);
        }
        let mut loss = 0.0;
        for (row, &label) in logits.chunks_exact_mut(points).zip(self.labels) {
            loss += self.share * loss_and_gradient(row, label as usize, self.share);
            for slot in row {
                *slot *= by_distance;
            }
        }
        let backward = Backward::<T, f64, BY_CURVATURE> {
            panel: self.panel,
            grad_out: &logits,
            kept: Some(&kept),
            work: self.work,
            of: PhantomData,
        };
        Found { loss, ..backward.run::<V, ROWS>() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{distance_matrix, distance_matrix_vjp};
    use crate::testing::{assert_close, ball_points, difference_by_curvature, differences};

    fn labels(batch: usize, points: usize) -> Vec<u32> {
        (0..batch).map(|at| (at * 5 % points) as u32).collect()
    }

    /// The loss and its gradients are those of the distances followed by the softmax cross-entropy, near and at equal
    /// points too, for an odd number of rows and points.
    #[test]
    fn loss_and_gradients_are_those_of_the_composition() {
        let (batch, points, dim) = (11, 13, 7);
        let labels = labels(batch, points);
        for (curvature, temperature) in [(0.0, 1.0), (1e-5, 0.3), (0.7, 1.0), (1.0, 4.0)] {
            let c = Curvature::new(curvature).unwrap();
            let x: Vec<f64> = ball_points(1, batch, dim, c, 0.95);
            let mut y: Vec<f64> = ball_points(2, points, dim, c, 0.9);
            y[..dim].copy_from_slice(&x[..dim]);
            for (y, x) in y[dim..2 * dim].iter_mut().zip(&x) {
                *y = x * (1.0 - 1e-9);
            }
            let mut logits = vec![0.0; batch * points];
            distance_matrix(&x, &y, dim, c, &mut logits);
            let share = 1.0 / batch as f64;
            let mut want = 0.0;
            for (row, &label) in logits.chunks_exact_mut(points).zip(&labels) {
                let scale = |row: &mut [f64]| {
                    for d in row {
                        *d *= -1.0 / temperature;
                    }
                };
                scale(row);
                want += share * loss_and_gradient(row, label as usize, share);
                scale(row);
            }
            let [mut gx, mut gy] = [&x, &y].map(|of| vec![0.0; of.len()]);
            let want_c = distance_matrix_vjp(&x, &y, &logits, dim, c, &mut gx, &mut gy);
            let [mut hx, mut hy] = [&x, &y].map(|of| vec![0.0; of.len()]);
            let (loss, by_c) = distance_cross_entropy(&x, &y, &labels, dim, c, temperature, &mut hx, &mut hy);
            assert_close(&[loss, by_c], &[want, want_c], 1e-13);
            assert_close(&hx, &gx, 1e-13);
            assert_close(&hy, &gy, 1e-13);
            let [mut kx, mut ky] = [&x, &y].map(|of| vec![0.0; of.len()]);
            let same =
                distance_cross_entropy_of_points(&x, &y, &labels, dim, c, temperature, &mut kx, &mut ky);
            assert_eq!((same, kx, ky), (loss, hx, hy), "a constant c");
        }
    }

    #[test]
    fn gradients_are_central_differences() {
        let (batch, points, dim, temperature) = (4, 9, 5, 0.7);
        let labels = labels(batch, points);
        for curvature in [0.0, 0.05, 1.0] {
            let c = Curvature::new(curvature).unwrap();
            let x: Vec<f64> = ball_points(1, batch, dim, c, 0.9);
            let y: Vec<f64> = ball_points(2, points, dim, c, 0.9);
            let value = |x: &[f64], y: &[f64], c: Curvature| {
                let [mut gx, mut gy] = [x, y].map(|of| vec![0.0; of.len()]);
                distance_cross_entropy(x, y, &labels, dim, c, temperature, &mut gx, &mut gy).0
            };
            let [mut gx, mut gy] = [&x, &y].map(|of| vec![0.0; of.len()]);
            let (_, by_c) = distance_cross_entropy(&x, &y, &labels, dim, c, temperature, &mut gx, &mut gy);
            // step² times third derivatives of about 1e3 at 0.9 of the radius.
            assert_close(&gx, &differences(&x, |x| value(x, &y, c)), 1e-8);
            assert_close(&gy, &differences(&y, |y| value(&x, y, c)), 1e-8);
            let want = difference_by_curvature(curvature, |c| value(&x, &y, c));
            assert!((by_c - want).abs() < 1e-6 * (1.0 + want.abs()), "by c: {by_c} is not {want}");
        }
    }

    /// Every instruction set and `f32` give what `f64` in portable numbers gives, with near and equal pairs among them
    /// and without, since `f32` has a form for either.
    #[test]
    fn every_instruction_set_and_element_type_agrees() {
        let (batch, points, dim) = (11, 13, 19);
        let c = Curvature::new(0.7).unwrap();
        let labels = labels(batch, points);
        for near in [false, true] {
            let x: Vec<f32> = ball_points(1, batch, dim, c, 0.9);
            let mut y: Vec<f32> = ball_points(2, points, dim, c, 0.9);
            if near {
                y[..dim].copy_from_slice(&x[..dim]);
                y[dim..2 * dim].copy_from_slice(&x[..dim]);
                y[dim] += 1e-7;
            }
            let wide = |of: &[f32]| of.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
            let (x64, y64) = (wide(&x), wide(&y));
            let of_double = |isa| {
                let [mut gx, mut gy] = [&x64, &y64].map(|of| vec![0.0_f64; of.len()]);
                let into: [&mut [f64]; 2] = [&mut gx, &mut gy];
                let (loss, by_c) = loss_on::<_, true>(isa, &x64, &y64, &labels, dim, c, 1.0, into);
                [vec![loss, by_c], gx, gy]
            };
            let of_single = |isa| {
                let [mut gx, mut gy] = [&x, &y].map(|of| vec![0.0_f32; of.len()]);
                let into: [&mut [f32]; 2] = [&mut gx, &mut gy];
                let (loss, by_c) = loss_on::<_, true>(isa, &x, &y, &labels, dim, c, 1.0, into);
                [vec![loss, by_c], wide(&gx), wide(&gy)]
            };
            let want = of_double(Isa::Portable);
            for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
                for ((double, single), want) in of_double(isa).iter().zip(&of_single(isa)).zip(&want) {
                    // Sums of 19 terms in another order, and one rounding to `f32`.
                    assert_close(double, want, 1e-13);
                    assert_close(single, want, 1e-6);
                }
            }
        }
    }

    #[test]
    fn what_is_not_a_number_is_no_loss() {
        let (mut gx, mut gy) = ([0.0; 2], [0.0; 4]);
        let y = [0.1, 0.0, 0.0, 0.1];
        let x = [f64::NAN, 0.1];
        let (loss, _) = distance_cross_entropy(&x, &y, &[1], 2, Curvature::ONE, 1.0, &mut gx, &mut gy);
        assert!(loss.is_nan() && gx.iter().all(|g| g.is_nan()));
        let (loss, _) = distance_cross_entropy::<f64>(&[], &y, &[], 2, Curvature::ONE, 1.0, &mut [], &mut gy);
        assert_eq!((loss, gy), (0.0, [0.0; 4]));
    }

    /// A point on its own prototype and far from the others has no loss, and nothing is infinite there.
    #[test]
    fn a_certain_point_has_no_loss() {
        let (mut gx, mut gy) = ([1.0; 2], [1.0; 4]);
        let x = [0.999_999, 0.0];
        let y = [0.999_999, 0.0, -0.999_999, 0.0];
        let (loss, by_c) = distance_cross_entropy(&x, &y, &[0], 2, Curvature::ONE, 1e-3, &mut gx, &mut gy);
        assert_eq!((loss, by_c, gx, gy), (0.0, 0.0, [0.0; 2], [0.0; 4]));
    }
}

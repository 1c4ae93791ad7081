//! The Fréchet mean: the point with the least weighted sum of squared distances.

use super::{Weights, einstein_midpoint};
use crate::vector::{dot, norm, square};
use crate::{Curvature, Real, gyro, maps, scalar::gap};

/// Steps after which the iteration gives up: a step of safe length gains at least a factor 1 − 1/L of the way, and
/// the last few steps are of Newton's kind.
const MOST_STEPS: usize = 2000;

/// A step shorter than this part of its scale has only rounding left to correct.
const ROUNDING: f64 = 4.0 * f64::EPSILON;

/// How an iteration ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Convergence {
    /// Steps taken.
    pub iterations: usize,
    /// Length of the last step, as a part of its scale: the mean distance of the points from the result, plus the
    /// length of which one rounding of the result is the part ε.
    pub last_step: f64,
    /// Whether the steps became as short as rounding allows.
    pub converged: bool,
}

/// The Fréchet mean of the rows of `points`: the minimiser of `Σ wᵢ d(m, xᵢ)²`, written to `out`.
///
/// $$ \sum_i w_i \log_m(x_i) = 0 $$
///
/// **Source.** Karcher's iteration `m ← exp_m(τ Σ wᵢ log_m(xᵢ) / Σ wᵢ)` from the Einstein midpoint, with the step
/// 1/L that cannot overshoot (L = mean of θ coth θ, θ = √c d) while far, and Newton's step once close. The minimum is
/// unique, because squared distances are convex in a space of negative curvature. \[HIE\] uses
/// [`super::einstein_midpoint`] instead, for its closed form.
/// **Shapes.** `points`: `[count, dim]`, `weights`: `[count]` or `None` for equal ones, `out`: `[dim]`.
/// **Domain.** Points of the ball, weights ≥ 0 and not all 0. `c = 0` gives the weighted mean.
/// **Numerics.** Every step is taken in the frame that has the current mean at the origin, in `f64`.
///
/// # Panics
/// If a length does not fit or there is no point.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, midpoint::frechet_mean};
/// let mut out = [0.0_f64; 1];
/// // On a line, artanh turns the mean into an ordinary one: (0 + 0 + 3 artanh ½)/3.
/// let x = (3.0 * 0.5_f64.atanh()).tanh();
/// let report = frechet_mean(&[0.0, 0.0, x], None, 1, Curvature::ONE, &mut out);
/// assert!(report.converged && (out[0] - 0.5).abs() < 1e-14);
/// ```
pub fn frechet_mean<T: Real>(
    points: &[T],
    weights: Option<&[T]>,
    dim: usize,
    c: Curvature,
    out: &mut [T],
) -> Convergence {
    assert_eq!(out.len(), dim, "out is one point");
    let problem = Problem::new(points, weights, dim, c);
    let (mean, convergence) = problem.solve();
    for (slot, value) in out.iter_mut().zip(&mean) {
        *slot = T::from_f64(*value);
    }
    convergence
}

/// Gradients of [`frechet_mean`] with respect to the points and, if wanted, the weights, overwritten; returns the
/// gradient with respect to c.
///
/// By differentiation of the condition `Σ wᵢ log_m(xᵢ) = 0`: the Hessian of the mean is solved by conjugate gradients,
/// and the iteration is not recorded.
///
/// **Shapes.** `grad_out`: `[dim]`, `grad_points`: `[count, dim]`, `grad_weights`: `[count]` or `None`.
///
/// # Panics
/// If a length does not fit or there is no point.
pub fn frechet_mean_vjp<T: Real>(
    points: &[T],
    weights: Option<&[T]>,
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    grad_points: &mut [T],
    mut grad_weights: Option<&mut [T]>,
) -> f64 {
    assert_eq!(grad_out.len(), dim, "grad_out is one point");
    assert_eq!(grad_points.len(), points.len(), "grad_points is shaped as points");
    let problem = Problem::new(points, weights, dim, c);
    if let Some(grad) = &grad_weights {
        assert_eq!(grad.len(), problem.weights.len(), "grad_weights has one entry per point");
    }
    let (mean, _) = problem.solve();
    let frame = problem.frame(&mean);
    // A step u in the frame moves the mean by (1 − c‖m‖²) u.
    let scale = gap(c, square(&mean));
    let by_step: Vec<f64> = grad_out.iter().map(|g| scale * g.to_f64()).collect();
    let adjoint = frame.solve(&by_step, dim);
    let (mut by_log, mut unused, mut grad) = (vec![0.0; dim], vec![0.0; dim], vec![0.0; dim]);
    let mut by_c = 0.0;
    for (index, x) in problem.points.chunks_exact(dim).enumerate() {
        // The frame's logarithms are those at the mean over `scale`, which depends on c and m alone: the condition that
        // they cancel does not feel it.
        let weight = problem.weights[index] / scale;
        for (slot, value) in by_log.iter_mut().zip(&adjoint) {
            *slot = weight * value;
        }
        by_c += maps::log_map_at_vjp(&mean, x, &by_log, c, &mut unused, &mut grad);
        for (slot, value) in grad_points[index * dim..(index + 1) * dim].iter_mut().zip(&grad) {
            *slot = T::from_f64(*value);
        }
        if let Some(grad) = &mut grad_weights {
            let log = &frame.logs[index * dim..(index + 1) * dim];
            grad[index] = T::from_f64(dot(log, &adjoint) / problem.total);
        }
    }
    by_c
}

/// The points and weights in `f64`; the weights sum to one.
struct Problem {
    points: Vec<f64>,
    weights: Vec<f64>,
    /// Their sum as given.
    total: f64,
    dim: usize,
    c: Curvature,
}

impl Problem {
    fn new<T: Real>(points: &[T], weights: Option<&[T]>, dim: usize, c: Curvature) -> Self {
        let (weights, count) = Weights::new(points, weights, dim);
        let total = weights.total(count);
        Self {
            points: points.iter().map(|x| x.to_f64()).collect(),
            weights: (0..count).map(|index| weights.of(index) / total).collect(),
            total,
            dim,
            c,
        }
    }

    fn frame(&self, mean: &[f64]) -> Frame {
        let mut frame = Frame {
            logs: vec![0.0; self.points.len()],
            directions: vec![0.0; self.points.len()],
            curvatures: Vec::with_capacity(self.weights.len()),
            weights: self.weights.clone(),
            step: vec![0.0; self.dim],
            reach: 0.0,
            steepest: 0.0,
        };
        // log₀((−m) ⊕ x) = log_m(x)/(1 − c‖m‖²), where the right side does not lose a far point to the rounded boundary.
        let stretch = 1.0 / gap(self.c, square(mean));
        for (index, x) in self.points.chunks_exact(self.dim).enumerate() {
            let range = index * self.dim..(index + 1) * self.dim;
            let log = &mut frame.logs[range.clone()];
            maps::log_map_at(mean, x, self.c, log);
            for slot in log.iter_mut() {
                *slot *= stretch;
            }
            let (log, weight) = (&frame.logs[range.clone()], self.weights[index]);
            let length = norm(log);
            // θ coth θ with θ = √c d = 2√c‖log‖.
            let angle = 2.0 * self.c.sqrt() * length;
            let curvature = if angle > 0.0 { angle / angle.tanh() } else { 1.0 };
            for ((direction, step), log) in frame.directions[range].iter_mut().zip(&mut frame.step).zip(log) {
                *direction = if length > 0.0 { log / length } else { 0.0 };
                *step += weight * log;
            }
            frame.curvatures.push(curvature);
            frame.reach += weight * length;
            frame.steepest += weight * curvature;
        }
        frame
    }

    fn solve(&self) -> (Vec<f64>, Convergence) {
        let mut mean = vec![0.0; self.dim];
        einstein_midpoint(&self.points, Some(&self.weights), self.dim, self.c, &mut mean);
        let (mut shift, mut next) = (vec![0.0; self.dim], vec![0.0; self.dim]);
        let mut best = f64::INFINITY;
        let mut last_step = 0.0;
        for iteration in 0..MOST_STEPS {
            let frame = self.frame(&mean);
            let newton = frame.solve(&frame.step, self.dim);
            let length = norm(&newton);
            // Within a quarter of the curvature radius the logarithms are close to affine and Newton's step is safe.
            let close = self.c.sqrt() * length < 0.25;
            // One rounding of the mean is ε‖m‖/(1 − c‖m‖²) in its own frame: no step can be told from 0 below that.
            let scale = frame.reach + norm(&mean) / gap(self.c, square(&mean));
            last_step = if scale > 0.0 { length / scale } else { 0.0 };
            let stalled = close && last_step >= 0.5 * best && last_step < 1e-10;
            if last_step <= ROUNDING || stalled {
                return (mean, Convergence { iterations: iteration, last_step, converged: true });
            }
            if !last_step.is_finite() {
                break;
            }
            if close {
                best = last_step;
                maps::exp_map_zero(&newton, self.c, &mut shift);
            } else {
                let safe: Vec<f64> = frame.step.iter().map(|v| v / frame.steepest).collect();
                maps::exp_map_zero(&safe, self.c, &mut shift);
            }
            gyro::mobius_add(&mean, &shift, self.c, &mut next);
            std::mem::swap(&mut mean, &mut next);
        }
        (mean, Convergence { iterations: MOST_STEPS, last_step, converged: false })
    }
}

/// The problem seen from a point: that point at the origin.
struct Frame {
    /// The logarithms of (−m) ⊕ xᵢ at the origin.
    logs: Vec<f64>,
    /// The logarithms' directions, 0 for a point at the origin.
    directions: Vec<f64>,
    /// θᵢ coth θᵢ, the second derivative of ½d² across the direction; it is 1 along it.
    curvatures: Vec<f64>,
    weights: Vec<f64>,
    /// Σ wᵢ logᵢ.
    step: Vec<f64>,
    /// Σ wᵢ ‖logᵢ‖.
    reach: f64,
    /// Σ wᵢ θᵢ coth θᵢ.
    steepest: f64,
}

impl Frame {
    /// Applies the Hessian Σ wᵢ (κᵢ + (1 − κᵢ) ûᵢûᵢᵀ).
    fn hessian(&self, v: &[f64], out: &mut [f64]) {
        for (slot, v) in out.iter_mut().zip(v) {
            *slot = self.steepest * v;
        }
        for ((direction, curvature), weight) in
            self.directions.chunks_exact(v.len()).zip(&self.curvatures).zip(&self.weights)
        {
            let along = weight * (1.0 - curvature) * dot(direction, v);
            for (slot, u) in out.iter_mut().zip(direction) {
                *slot += along * u;
            }
        }
    }

    /// Solves Hessian · v = b by conjugate gradients; the Hessian is a multiple of the identity plus one rank per point,
    /// with eigenvalues between 1 and `steepest`.
    fn solve(&self, b: &[f64], dim: usize) -> Vec<f64> {
        let mut v = vec![0.0; dim];
        let mut residual = b.to_vec();
        let mut direction = b.to_vec();
        let mut image = vec![0.0; dim];
        let mut size = square(&residual);
        let target = size * f64::EPSILON * f64::EPSILON;
        for _ in 0..4 * (dim.min(self.weights.len()) + 8) {
            if size <= target || !size.is_finite() {
                break;
            }
            self.hessian(&direction, &mut image);
            let step = size / dot(&direction, &image);
            for (((v, residual), direction), image) in
                v.iter_mut().zip(&mut residual).zip(&direction).zip(&image)
            {
                *v += step * direction;
                *residual -= step * image;
            }
            let next = square(&residual);
            let ratio = next / size;
            for (direction, residual) in direction.iter_mut().zip(&residual) {
                *direction = residual + ratio * *direction;
            }
            size = next;
        }
        v
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, ball_points};

    #[test]
    fn the_weighted_logarithms_at_the_mean_cancel() {
        for curvature in [1e-4, 0.5, 10.0] {
            let c = Curvature::new(curvature).unwrap();
            let points: Vec<f64> = ball_points(11, 9, 6, c, 0.999);
            let weights: Vec<f64> = (1..=9).map(f64::from).collect();
            let mut mean = [0.0; 6];
            let report = frechet_mean(&points, Some(&weights), 6, c, &mut mean);
            assert!(report.converged, "{report:?}");
            let mut sum = [0.0; 6];
            let mut log = [0.0; 6];
            for (x, w) in points.chunks_exact(6).zip(&weights) {
                maps::log_map_at(&mean, x, c, &mut log);
                for (sum, log) in sum.iter_mut().zip(log) {
                    *sum += w * log;
                }
            }
            // Nine logarithms of length up to 3 with weights up to 9, each good to a few roundings.
            assert!(norm(&sum) * c.sqrt() < 1e-12, "c = {curvature}: {sum:?}");
        }
    }

    #[test]
    fn points_spread_to_the_boundary_converge() {
        let c = Curvature::ONE;
        let far = 1.0 - 1e-9;
        let mut mean = [0.0; 2];
        let report = frechet_mean(&[far, 0.0, -0.5 * far, 0.866 * far, 0.0, -far], None, 2, c, &mut mean);
        assert!(report.converged, "{report:?}");
        assert!(report.iterations < 100, "{report:?}");
    }

    #[test]
    fn coincident_points_and_flat_space_need_no_iteration() {
        let mut mean = [0.0; 2];
        let report = frechet_mean(&[0.3, 0.4, 0.3, 0.4], None, 2, Curvature::ONE, &mut mean);
        assert!(report.converged && report.iterations <= 2, "{report:?}");
        assert_close(&mean, &[0.3, 0.4], 1e-15);
        let report = frechet_mean(&[1.0, 2.0, 4.0, 8.0], Some(&[1.0, 3.0]), 2, Curvature::FLAT, &mut mean);
        assert!(report.converged);
        assert_close(&mean, &[3.25, 6.5], 1e-15);
    }
}

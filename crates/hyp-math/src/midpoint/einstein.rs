//! The Einstein midpoint.

use super::Weights;
use crate::scalar::{gap, times};
use crate::vector::{map1, map3, square, sums2, sums3};
use crate::{Curvature, Real};

/// Coordinates whose spread is summed side by side.
const SIDE_BY_SIDE: usize = 32;

/// The Einstein midpoint of the rows of `points`: the average of \[HIE\], weighted by Lorentz factors in the Klein model.
///
/// $$ m = \frac{s}{t + \sqrt{t^2 - c\|s\|^2}}, \qquad s = \sum_i w_i\lambda_i x_i, \quad
///    t = \sum_i w_i(\lambda_i - 1), \quad \lambda_i = \frac{2}{1 - c\|x_i\|^2} $$
///
/// **Source.** \[HIE\] equations (10)–(12), `einstein-midpoint` of `docs/paper/equations.md`, with the Klein model
/// eliminated: γᵢ = λᵢ − 1 and γᵢkᵢ = λᵢxᵢ.
/// **Shapes.** `points`: `[count, dim]`, `weights`: `[count]` or `None` for equal ones, `out`: `[dim]`.
/// Many sets at once: [`crate::batch::einstein_midpoint`].
/// **Domain.** Points of the ball, weights ≥ 0 and not all 0. `c = 0` gives the weighted mean.
/// **Numerics.** t² − c‖s‖² cancels for a tight set near the boundary. It is (Σwᵢ)² + cW Σ wᵢλᵢ‖xᵢ − x̄‖² with
/// W = Σ wᵢλᵢ and x̄ = s/W, in which every term is positive. In `f64` throughout.
///
/// # Panics
/// If a length does not fit or there is no point.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, midpoint::einstein_midpoint};
/// let mut out = [1.0_f64; 2];
/// einstein_midpoint(&[0.3, 0.4, -0.3, -0.4], None, 2, Curvature::ONE, &mut out);
/// assert!(out[0].abs() < 1e-16 && out[1].abs() < 1e-16);
/// einstein_midpoint(&[0.8, 0.0, 0.0, 0.0], None, 2, Curvature::ONE, &mut out);
/// assert!((out[0] - 0.5).abs() < 1e-15); // halfway: artanh ½ = ½ artanh 0.8
/// ```
#[inline(always)]
pub fn einstein_midpoint<T: Real>(
    points: &[T],
    weights: Option<&[T]>,
    dim: usize,
    c: Curvature,
    out: &mut [T],
) {
    assert_eq!(out.len(), dim, "out is one point");
    let (weights, _) = Weights::new(points, weights, dim);
    let state = State::new(points, weights, dim, c);
    map1(out, &state.middle, |m| m);
}

/// Gradients of [`einstein_midpoint`] with respect to the points and, if wanted, the weights, overwritten; returns the
/// gradient with respect to c.
///
/// **Shapes.** `grad_out`: `[dim]`, `grad_points`: `[count, dim]`, `grad_weights`: `[count]` or `None`.
///
/// # Panics
/// If a length does not fit or there is no point.
#[inline(always)]
pub fn einstein_midpoint_vjp<T: Real>(
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
    let (weights, count) = Weights::new(points, weights, dim);
    if let Some(grad) = &grad_weights {
        assert_eq!(grad.len(), count, "grad_weights has one entry per point");
    }
    let state = State::new(points, weights, dim, c);
    let middle = &state.middle[..];
    let [along, middle_square] = sums2(middle, grad_out, |m, g| [m * g, m * m]);
    // 1 − c‖m‖² = 2R/T with R the root and T the denominator. All that follows is in differences x − m: for points close
    // together next to the boundary the factors are huge, and what they multiply is nearly nothing.
    let tension = along * state.denominator / (2.0 * state.root);
    let mut by_c = tension * middle_square * state.excess / state.denominator;
    for (index, (x, grad_x)) in points.chunks_exact(dim).zip(grad_points.chunks_exact_mut(dim)).enumerate() {
        let factor = state.factors[index];
        let share = weights.of(index) * factor / state.denominator;
        let [across, chord, outward, square] = sums3(x, grad_out, middle, |x, g, m| {
            let difference = x - m;
            [g * difference, difference * difference, (x + m) * difference, x * x]
        });
        // T times the derivative by λ, less the part that cancels against that of λ − 1 and of the root.
        let by_factor = across - tension * times(c, chord);
        let (own, inward) = (share * c.get() * factor * by_factor, 2.0 * share * c.get() * tension);
        map3(grad_x, x, grad_out, middle, |x, g, m| share * g + inward * (m - x) + own * x);
        if let Some(grad) = &mut grad_weights {
            grad[index] = T::from_f64(factor / state.denominator * by_factor);
        }
        by_c += share * (0.5 * factor * square * by_factor - tension * outward);
    }
    by_c
}

/// One midpoint, and what its gradient needs.
struct State {
    /// The conformal factors λ of the points.
    factors: Vec<f64>,
    /// The midpoint.
    middle: Vec<f64>,
    /// √(t² − c‖s‖²).
    root: f64,
    /// t + √(t² − c‖s‖²).
    denominator: f64,
    /// √(t² − c‖s‖²) − Σ wᵢ.
    excess: f64,
}

impl State {
    #[inline(always)]
    fn new<T: Real>(points: &[T], weights: Weights<T>, dim: usize, c: Curvature) -> Self {
        let mut factors = Vec::with_capacity(points.len() / dim);
        let mut sum = vec![0.0; dim];
        let (mut t, mut total, mut mass) = (0.0, 0.0, 0.0);
        for (index, x) in points.chunks_exact(dim).enumerate() {
            let square = square(x);
            let (weight, factor) = (weights.of(index), 2.0 / gap(c, square));
            // λ − 1 = (1 + c‖x‖²)/(1 − c‖x‖²).
            t += weight * 0.5 * factor * (1.0 + times(c, square));
            total += weight;
            mass += weight * factor;
            for (sum, x) in sum.iter_mut().zip(x) {
                *sum += weight * factor * x.to_f64();
            }
            factors.push(factor);
        }
        let over = times(c, mass * spread(points, weights, &factors, dim, (&sum, mass)));
        let root = (total * total + over).sqrt();
        let denominator = t + root;
        for coordinate in &mut sum {
            *coordinate /= denominator;
        }
        Self { factors, middle: sum, root, denominator, excess: over / (root + total) }
    }
}

/// Σ wᵢλᵢ‖xᵢ − x̄‖² with x̄ = `sum`/`mass`, less what the rounding of x̄ has added.
#[inline(always)]
fn spread<T: Real>(
    points: &[T],
    weights: Weights<T>,
    factors: &[f64],
    dim: usize,
    (sum, mass): (&[f64], f64),
) -> f64 {
    let mut spread = 0.0;
    for (block, sum) in sum.chunks(SIDE_BY_SIDE).enumerate() {
        let mut centre = [0.0; SIDE_BY_SIDE];
        for (centre, sum) in centre.iter_mut().zip(sum) {
            *centre = sum / mass;
        }
        let (mut squares, mut rest) = ([0.0; SIDE_BY_SIDE], [0.0; SIDE_BY_SIDE]);
        for (index, x) in points.chunks_exact(dim).enumerate() {
            let share = weights.of(index) * factors[index];
            let x = &x[block * SIDE_BY_SIDE..][..sum.len()];
            for (j, x) in x.iter().enumerate() {
                let difference = x.to_f64() - centre[j];
                squares[j] += share * difference * difference;
                rest[j] += share * difference;
            }
        }
        for (square, rest) in squares.iter().zip(rest) {
            spread += (square - rest * rest / mass).max(0.0);
        }
    }
    spread
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, ball_points};

    #[test]
    fn one_point_is_its_own_midpoint_even_at_the_boundary() {
        let c = Curvature::new(10.0).unwrap();
        let radius = (1.0 - 1e-12) * c.radius();
        let x = [0.6 * radius, 0.8 * radius];
        let mut out = [0.0; 2];
        einstein_midpoint(&x, None, 2, c, &mut out);
        assert_close(&out, &x, 1e-15);
        einstein_midpoint(&[x, x, x].concat(), Some(&[0.2, 1.0, 3.0]), 2, c, &mut out);
        // The three gaps of 1e-12 are computed alike, so their rounding cancels in s and t.
        assert_close(&out, &x, 1e-15);
    }

    #[test]
    fn the_scale_of_the_weights_does_not_matter_and_zero_drops_a_point() {
        let c = Curvature::new(0.3).unwrap();
        let points: Vec<f64> = ball_points(1, 4, 3, c, 0.9);
        let (mut a, mut b, mut d) = ([0.0; 3], [0.0; 3], [0.0; 3]);
        einstein_midpoint(&points, Some(&[1.0, 2.0, 0.5, 0.0]), 3, c, &mut a);
        einstein_midpoint(&points, Some(&[8.0, 16.0, 4.0, 0.0]), 3, c, &mut b);
        einstein_midpoint(&points[..9], Some(&[1.0, 2.0, 0.5]), 3, c, &mut d);
        assert_close(&a, &b, 1e-15);
        assert_close(&a, &d, 1e-15);
    }

    #[test]
    fn a_point_of_weight_two_is_two_points() {
        // 70 points, and 35 points of weight two.
        let c = Curvature::ONE;
        let points: Vec<f64> = ball_points(7, 35, 5, c, 0.9);
        let twice = [&points[..], &points[..]].concat();
        let (mut few, mut many) = ([0.0; 5], [0.0; 5]);
        einstein_midpoint(&points, None, 5, c, &mut few);
        einstein_midpoint(&twice, None, 5, c, &mut many);
        assert_close(&few, &many, 1e-14);
    }
}

//! The Einstein midpoint.

use super::Weights;
use crate::scalar::{gap, times};
use crate::vector::{square, sums2};
use crate::{Curvature, Real};

/// Up to so many points the spread is summed over pairs, which cancels nowhere; with more it costs too much.
const PAIRWISE: usize = 64;

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
/// **Numerics.** t² − c‖s‖² cancels for a tight set near the boundary. For up to 64 points it is summed over pairs,
/// (Σwᵢ)² + 4c Σᵢ﹤ⱼ wᵢwⱼ‖xᵢ−xⱼ‖²/((1−c‖xᵢ‖²)(1−c‖xⱼ‖²)), in which every term is positive. In `f64` throughout.
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
pub fn einstein_midpoint<T: Real>(
    points: &[T],
    weights: Option<&[T]>,
    dim: usize,
    c: Curvature,
    out: &mut [T],
) {
    assert_eq!(out.len(), dim, "out is one point");
    let (weights, count) = Weights::new(points, weights, dim);
    let mut factors = Factors::new(count);
    let state = factors.fill(points, weights, dim, c);
    for (j, slot) in out.iter_mut().enumerate() {
        *slot = T::from_f64(state.coordinate(points, weights, factors.as_slice(), dim, j));
    }
}

/// Gradients of [`einstein_midpoint`] with respect to the points and, if wanted, the weights, overwritten; returns the
/// gradient with respect to c.
///
/// **Shapes.** `grad_out`: `[dim]`, `grad_points`: `[count, dim]`, `grad_weights`: `[count]` or `None`.
///
/// # Panics
/// If a length does not fit or there is no point.
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
    let mut factors = Factors::new(count);
    let state = factors.fill(points, weights, dim, c);
    let factors = factors.as_slice();
    let middle: Vec<f64> = (0..dim).map(|j| state.coordinate(points, weights, factors, dim, j)).collect();
    let along: f64 = middle.iter().zip(grad_out).map(|(m, g)| m * g.to_f64()).sum();
    let middle_square: f64 = middle.iter().map(|m| m * m).sum();
    // 1 − c‖m‖² = 2R/T with R the root and T the denominator. All that follows is in differences x − m: for points close
    // together next to the boundary the factors are huge, and what they multiply is nearly nothing.
    let tension = along * state.denominator / (2.0 * state.root);
    let mut by_c = tension * middle_square * state.excess / state.denominator;
    for (index, (x, grad_x)) in points.chunks_exact(dim).zip(grad_points.chunks_exact_mut(dim)).enumerate() {
        let factor = factors[index];
        let share = weights.of(index) * factor / state.denominator;
        let (mut across, mut chord, mut outward) = (0.0, 0.0, 0.0);
        for ((x, m), g) in x.iter().zip(&middle).zip(grad_out) {
            let (x, difference) = (x.to_f64(), x.to_f64() - m);
            across += g.to_f64() * difference;
            chord += difference * difference;
            outward += (x + m) * difference;
        }
        // T times the derivative by λ, less the part that cancels against that of λ − 1 and of the root.
        let by_factor = across - tension * times(c, chord);
        let (own, inward) = (share * c.get() * factor * by_factor, 2.0 * share * c.get() * tension);
        for (((slot, x), m), g) in grad_x.iter_mut().zip(x).zip(&middle).zip(grad_out) {
            let x = x.to_f64();
            *slot = T::from_f64(share * g.to_f64() + inward * (m - x) + own * x);
        }
        if let Some(grad) = &mut grad_weights {
            grad[index] = T::from_f64(factor / state.denominator * by_factor);
        }
        by_c += share * (0.5 * factor * square(x) * by_factor - tension * outward);
    }
    by_c
}

/// The conformal factors λ of the points, on the stack if they are few.
struct Factors {
    few: [f64; PAIRWISE],
    many: Vec<f64>,
    count: usize,
}

/// The sums of one midpoint.
struct State {
    /// √(t² − c‖s‖²).
    root: f64,
    /// t + √(t² − c‖s‖²).
    denominator: f64,
    /// √(t² − c‖s‖²) − Σ wᵢ.
    excess: f64,
}

impl Factors {
    fn new(count: usize) -> Self {
        Self { few: [0.0; PAIRWISE], many: vec![0.0; if count > PAIRWISE { count } else { 0 }], count }
    }

    fn as_slice(&self) -> &[f64] {
        if self.count > PAIRWISE { &self.many } else { &self.few[..self.count] }
    }

    fn fill<T: Real>(&mut self, points: &[T], weights: Weights<T>, dim: usize, c: Curvature) -> State {
        let count = self.count;
        let factors = if count > PAIRWISE { &mut self.many[..] } else { &mut self.few[..count] };
        let mut t = 0.0;
        for (index, x) in points.chunks_exact(dim).enumerate() {
            let sum = square(x);
            factors[index] = 2.0 / gap(c, sum);
            // λ − 1 = (1 + c‖x‖²)/(1 − c‖x‖²).
            t += weights.of(index) * 0.5 * factors[index] * (1.0 + times(c, sum));
        }
        let total = weights.total(count);
        // t² − c‖s‖² = (Σ wᵢ)² + what the pairs add.
        let mut over = 0.0;
        if count <= PAIRWISE {
            for i in 0..count {
                for j in 0..i {
                    let (x, y) = (&points[i * dim..(i + 1) * dim], &points[j * dim..(j + 1) * dim]);
                    let [chord] = sums2(x, y, |x, y| [(x - y) * (x - y)]);
                    let pair = weights.of(i) * weights.of(j) * factors[i] * factors[j];
                    over += pair * times(c, chord);
                }
            }
        } else {
            let mut s_square = 0.0;
            for j in 0..dim {
                let s: f64 =
                    (0..count).map(|i| weights.of(i) * factors[i] * points[i * dim + j].to_f64()).sum();
                s_square += s * s;
            }
            let reach = c.sqrt() * s_square.sqrt();
            over = ((t - reach) * (t + reach) - total * total).max(0.0);
        }
        let square_root = total * total + over;
        let root = square_root.sqrt();
        State { root, denominator: t + root, excess: over / (root + total) }
    }
}

impl State {
    #[inline(always)]
    fn coordinate<T: Real>(
        &self,
        points: &[T],
        weights: Weights<T>,
        factors: &[f64],
        dim: usize,
        j: usize,
    ) -> f64 {
        let mut sum = 0.0;
        for (index, factor) in factors.iter().enumerate() {
            sum += weights.of(index) * factor * points[index * dim + j].to_f64();
        }
        sum / self.denominator
    }
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
    fn sums_over_pairs_and_over_points_agree() {
        // 70 points take the other branch; 35 points of weight two are the same set.
        let c = Curvature::ONE;
        let points: Vec<f64> = ball_points(7, 35, 5, c, 0.9);
        let twice = [&points[..], &points[..]].concat();
        let (mut few, mut many) = ([0.0; 5], [0.0; 5]);
        einstein_midpoint(&points, None, 5, c, &mut few);
        einstein_midpoint(&twice, None, 5, c, &mut many);
        assert_close(&few, &many, 1e-14);
    }
}

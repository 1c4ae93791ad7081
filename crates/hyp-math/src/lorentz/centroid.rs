//! The Lorentz centroid: the weighted sum, scaled back onto the hyperboloid.

use super::distance::Pair;
use crate::vector::{square, sums2};
use crate::{Curvature, Real};

/// Up to so many points the norm of the sum is summed over pairs, which cancels nowhere.
const PAIRWISE: usize = 64;

/// The centroid of the rows of `points` (space parts): the minimiser of the weighted sum of ‖X − Xᵢ‖_L².
///
/// $$ \mu = \frac{\sum_i w_i X_i}{\sqrt c\,\bigl\|\sum_i w_i X_i\bigr\|_L} $$
///
/// **Source.** Law et al. 2019, Lorentzian distance learning; `lorentz-centroid` of `docs/paper/equations.md`. The
/// Einstein midpoint of \[HIE\] is this centroid seen in the ball: both sum λᵢxᵢ and weigh it by Σ wᵢ(λᵢ − 1).
/// **Shapes.** `points`: `[count, dim]`, `weights`: `[count]` or `None`, `out`: `[dim]`.
/// **Domain.** Any space parts, weights ≥ 0 and not all 0. `c = 0` gives the weighted mean.
/// **Numerics.** For up to 64 points, −‖Σ wᵢXᵢ‖² is (Σwᵢ)²/c + Σᵢ﹤ⱼ wᵢwⱼ‖Xᵢ−Xⱼ‖_L², a sum of positive terms.
///
/// # Panics
/// If a length does not fit or there is no point.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, lorentz::centroid};
/// let mut out = [0.0_f64; 2];
/// // Two points of equal distance from the origin on a right angle: their middle lies on the diagonal.
/// centroid(&[3.0, 0.0, 0.0, 3.0], None, 2, Curvature::ONE, &mut out);
/// // Σ has space part (3, 3) and time part 2√10; −‖Σ‖² = 40 − 18 = 22.
/// assert!((out[0] - 3.0 / 22.0_f64.sqrt()).abs() < 1e-15 && out[0] == out[1]);
/// ```
pub fn centroid<T: Real>(points: &[T], weights: Option<&[T]>, dim: usize, c: Curvature, out: &mut [T]) {
    assert_eq!(out.len(), dim, "out is one point");
    let sums = Sums::new(points, weights, dim, c);
    for (slot, sum) in out.iter_mut().zip(&sums.space) {
        *slot = T::from_f64(sum / sums.norm);
    }
}

/// Gradients of [`centroid`] with respect to the points and, if wanted, the weights, overwritten; returns the gradient
/// with respect to c.
///
/// # Panics
/// If a length does not fit or there is no point.
pub fn centroid_vjp<T: Real>(
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
    let sums = Sums::new(points, weights, dim, c);
    let count = sums.weights.len();
    if let Some(grad) = &grad_weights {
        assert_eq!(grad.len(), count, "grad_weights has one entry per point");
    }
    let along: f64 = sums.space.iter().zip(grad_out).map(|(s, g)| s * g.to_f64()).sum::<f64>() / sums.norm;
    // norm² = (Σw)² + c Σᵢ﹤ⱼ wᵢwⱼ‖Xᵢ−Xⱼ‖², so ∂norm/∂sᵢ = c wᵢ (T sᵢ/X₀ᵢ − S)/norm, in which c T is finite at c = 0.
    let pull = along / (sums.norm * sums.norm);
    let mut aside = vec![0.0; dim];
    for (index, (x, grad_x)) in points.chunks_exact(dim).zip(grad_points.chunks_exact_mut(dim)).enumerate() {
        let weight = sums.weights[index];
        sums.aside(points, index, c, &mut aside);
        for ((slot, g), aside) in grad_x.iter_mut().zip(grad_out).zip(&aside) {
            *slot = T::from_f64(weight * (g.to_f64() / sums.norm + c.get() * pull * aside));
        }
        if let Some(grad) = &mut grad_weights {
            let across: f64 = x.iter().zip(grad_out).map(|(x, g)| g.to_f64() * x.to_f64()).sum();
            let by_norm = sums.inner(points, index, c);
            grad[index] = T::from_f64(across / sums.norm - pull * by_norm);
        }
    }
    // By c with the space parts held: norm² = (Σw)² + Σ wᵢwⱼ (c‖Xᵢ−Xⱼ‖²), whose derivative is
    // ‖Xᵢ−Xⱼ‖² − (X₀ᵢ − X₀ⱼ)²/(c X₀ᵢX₀ⱼ) for each pair.
    let mut by_norm_square = 0.0;
    if count > PAIRWISE {
        for (index, x) in points.chunks_exact(dim).enumerate() {
            by_norm_square += sums.weights[index] * square(x) * sums.ratio(index);
        }
        by_norm_square -= square(&sums.space);
    }
    for i in 0..if count > PAIRWISE { 0 } else { count } {
        for j in 0..i {
            let (x, y) = (&points[i * dim..(i + 1) * dim], &points[j * dim..(j + 1) * dim]);
            let gap = Pair::new(x, y, c);
            by_norm_square += sums.weights[i] * sums.weights[j] * gap.chord_square_by_curvature(c);
        }
    }
    -0.5 * pull * by_norm_square
}

/// The sums of one centroid; times are scaled by √c so that they stay finite for c = 0.
struct Sums {
    weights: Vec<f64>,
    /// Σ wᵢ sᵢ.
    space: Vec<f64>,
    /// √c X₀ᵢ.
    scaled_times: Vec<f64>,
    /// √c Σ wᵢ X₀ᵢ.
    scaled_time: f64,
    /// √c ‖Σ wᵢ Xᵢ‖_L.
    norm: f64,
}

impl Sums {
    fn new<T: Real>(points: &[T], weights: Option<&[T]>, dim: usize, c: Curvature) -> Self {
        assert!(dim > 0, "a point needs at least one coordinate");
        assert_eq!(points.len() % dim, 0, "the length of a matrix is a multiple of its number of columns");
        let count = points.len() / dim;
        assert!(count > 0, "a centroid needs at least one point");
        let weights: Vec<f64> = match weights {
            Some(weights) => weights.iter().map(|w| w.to_f64()).collect(),
            None => vec![1.0; count],
        };
        assert_eq!(weights.len(), count, "there is one weight per point");
        let mut space = vec![0.0; dim];
        let mut scaled_times = Vec::with_capacity(count);
        for (x, weight) in points.chunks_exact(dim).zip(&weights) {
            for (slot, x) in space.iter_mut().zip(x) {
                *slot += weight * x.to_f64();
            }
            scaled_times.push((1.0 + c.get() * square(x)).sqrt());
        }
        let scaled_time: f64 = scaled_times.iter().zip(&weights).map(|(t, w)| t * w).sum();
        let total: f64 = weights.iter().sum();
        let mut norm_square = total * total;
        if count <= PAIRWISE {
            for i in 0..count {
                for j in 0..i {
                    let (x, y) = (&points[i * dim..(i + 1) * dim], &points[j * dim..(j + 1) * dim]);
                    let chord = Pair::new(x, y, c).chord;
                    norm_square += c.get() * weights[i] * weights[j] * chord * chord;
                }
            }
        } else {
            let reach = c.sqrt() * square(&space).sqrt();
            norm_square = norm_square.max((scaled_time - reach) * (scaled_time + reach));
        }
        Self { weights, space, scaled_times, scaled_time, norm: norm_square.sqrt() }
    }

    /// Σ wⱼ (sⱼ − sᵢX₀ⱼ/X₀ᵢ): how far the sum lies aside from the point, in differences while pairs are affordable.
    fn aside<T: Real>(&self, points: &[T], index: usize, c: Curvature, out: &mut [f64]) {
        let dim = self.space.len();
        let x = &points[index * dim..(index + 1) * dim];
        if self.weights.len() > PAIRWISE {
            let ratio = self.ratio(index);
            for ((slot, s), x) in out.iter_mut().zip(&self.space).zip(x) {
                *slot = s - ratio * x.to_f64();
            }
            return;
        }
        out.fill(0.0);
        let time = self.scaled_times[index];
        for ((y, weight), other) in points.chunks_exact(dim).zip(&self.weights).zip(&self.scaled_times) {
            let [along] = sums2(y, x, |y, x| [(y - x) * (y + x)]);
            let longer = c.get() * along / (time + other) / time;
            for ((slot, x), y) in out.iter_mut().zip(x).zip(y) {
                *slot += weight * (y.to_f64() - x.to_f64() - longer * x.to_f64());
            }
        }
    }

    /// −c⟨Xᵢ, Σ wⱼXⱼ⟩_L.
    fn inner<T: Real>(&self, points: &[T], index: usize, c: Curvature) -> f64 {
        let dim = self.space.len();
        let x = &points[index * dim..(index + 1) * dim];
        if self.weights.len() > PAIRWISE {
            let shared: f64 = x.iter().zip(&self.space).map(|(x, s)| x.to_f64() * s).sum();
            return self.scaled_time * self.scaled_times[index] - c.get() * shared;
        }
        let others = points.chunks_exact(dim).zip(&self.weights);
        others
            .map(|(y, weight)| {
                let chord = Pair::new(x, y, c).chord;
                weight * (1.0 + 0.5 * c.get() * chord * chord)
            })
            .sum()
    }

    /// Σ wⱼX₀ⱼ/X₀ᵢ.
    fn ratio(&self, index: usize) -> f64 {
        self.scaled_time / self.scaled_times[index]
    }
}

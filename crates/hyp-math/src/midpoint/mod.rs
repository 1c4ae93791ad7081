//! Averages of points of the ball: the Einstein midpoint, in closed form, and the Fréchet mean, by iteration.
//!
//! Both commute with every isometry, agree for two points of equal weight, and are the weighted mean for c = 0; for
//! more points they differ. Points are the rows of a matrix, weights are not negative and not all zero; their scale
//! does not matter.

mod einstein;
mod frechet;

pub use einstein::{einstein_midpoint, einstein_midpoint_vjp};
pub use frechet::{Convergence, frechet_mean, frechet_mean_vjp};

use crate::Real;

/// The weight of every point: as given, or one.
#[derive(Clone, Copy)]
struct Weights<'a, T>(Option<&'a [T]>);

impl<'a, T: Real> Weights<'a, T> {
    /// Checks the shape and that there is something to average.
    fn new(points: &[T], weights: Option<&'a [T]>, dim: usize) -> (Self, usize) {
        assert!(dim > 0, "a point needs at least one coordinate");
        assert_eq!(points.len() % dim, 0, "the length of a matrix is a multiple of its number of columns");
        let count = points.len() / dim;
        assert!(count > 0, "a midpoint needs at least one point");
        if let Some(weights) = weights {
            assert_eq!(weights.len(), count, "there is one weight per point");
        }
        (Self(weights), count)
    }

    #[inline(always)]
    fn of(self, index: usize) -> f64 {
        self.0.map_or(1.0, |weights| weights[index].to_f64())
    }

    fn total(self, count: usize) -> f64 {
        (0..count).map(|index| self.of(index)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Curvature;
    use crate::testing::{ball_points, difference_by_curvature, differences};
    use crate::vector::dot;

    type Mean = fn(&[f64], Option<&[f64]>, usize, Curvature, &mut [f64]);
    type MeanVjp =
        fn(&[f64], Option<&[f64]>, &[f64], usize, Curvature, &mut [f64], Option<&mut [f64]>) -> f64;

    fn converged(points: &[f64], weights: Option<&[f64]>, dim: usize, c: Curvature, out: &mut [f64]) {
        assert!(frechet_mean(points, weights, dim, c, out).converged);
    }

    #[test]
    fn gradients_of_both_are_central_differences() {
        let means: [(Mean, MeanVjp); 2] =
            [(einstein_midpoint, einstein_midpoint_vjp), (converged, frechet_mean_vjp)];
        for ((mean, vjp), curvature) in means.into_iter().flat_map(|m| [0.0, 0.2, 1.0].map(|c| (m, c))) {
            let c = Curvature::new(curvature).unwrap();
            let points: Vec<f64> = ball_points(3, 4, 3, c, 0.9);
            let (weights, grad_out) = ([1.0, 0.3, 2.0, 0.7], [0.4, -1.0, 0.8]);
            let loss = |points: &[f64], weights: &[f64], c: Curvature| {
                let mut out = [0.0; 3];
                mean(points, Some(weights), 3, c, &mut out);
                dot(&out, &grad_out)
            };
            let (mut by_points, mut by_weights) = ([0.0; 12], [0.0; 4]);
            let by_c = vjp(&points, Some(&weights), &grad_out, 3, c, &mut by_points, Some(&mut by_weights));
            let near = |got: &[f64], want: &[f64], what: &str| {
                for (got, want) in got.iter().zip(want) {
                    assert!((got - want).abs() < 1e-8, "{what}: {got} is not {want}, c = {curvature}");
                }
            };
            near(&by_points, &differences(&points, |points| loss(points, &weights, c)), "points");
            near(&by_weights, &differences(&weights, |weights| loss(&points, weights, c)), "weights");
            if curvature > 0.0 {
                let want = difference_by_curvature(curvature, |c| loss(&points, &weights, c));
                near(&[by_c], &[want], "c");
            }
        }
    }
}

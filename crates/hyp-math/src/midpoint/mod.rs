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

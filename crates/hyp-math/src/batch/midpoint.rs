//! Einstein midpoints and Fréchet means of many groups of points.

use super::groups::{Groups, group_wise};
use crate::{Curvature, Real, midpoint};

group_wise! {
    /// [`midpoint::einstein_midpoint`] of every group of `shots` consecutive points: prototypes of few-shot classes.
    midpoint::[einstein_midpoint, einstein_midpoint_vjp]
}

/// [`midpoint::frechet_mean`] of every group of `shots` consecutive points; returns how many did not converge.
///
/// **Shapes.** As [`einstein_midpoint`].
///
/// # Panics
/// As [`einstein_midpoint`].
pub fn frechet_mean<T: Real>(
    points: &[T],
    weights: Option<&[T]>,
    shots: usize,
    dim: usize,
    c: Curvature,
    out: &mut [T],
) -> usize {
    let failed = Groups::new(points, weights, shots, dim).map(out, |points, weights, out| {
        let report = midpoint::frechet_mean(points, weights, dim, c, out);
        if report.converged { 0.0 } else { 1.0 }
    });
    failed.one() as usize
}

group_wise!(gradient of midpoint::[frechet_mean, frechet_mean_vjp]);

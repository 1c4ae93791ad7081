//! Einstein midpoints of many sets of points, one set per task.

use super::{check_rows, rows::for_rows};
use crate::{Curvature, Real, midpoint};

/// [`midpoint::einstein_midpoint`] of every group of `shots` consecutive points: prototypes of few-shot classes.
///
/// **Shapes.** `points`: `[groups, shots, dim]`, `weights`: `[groups, shots]` or `None`, `out`: `[groups, dim]`.
///
/// # Panics
/// If `dim` or `shots` is zero or a length does not fit.
pub fn einstein_midpoint<T: Real>(
    points: &[T],
    weights: Option<&[T]>,
    shots: usize,
    dim: usize,
    c: Curvature,
    out: &mut [T],
) {
    let groups = check_groups(points, shots, dim);
    match weights {
        Some(weights) => for_rows(
            groups,
            [(points, shots * dim), (weights, shots)],
            [(out, dim)],
            |[points, weights], [out]| midpoint::einstein_midpoint(points, Some(weights), dim, c, out),
        ),
        None => for_rows(groups, [(points, shots * dim)], [(out, dim)], |[points], [out]| {
            midpoint::einstein_midpoint(points, None, dim, c, out);
        }),
    };
}

/// The gradient of [`einstein_midpoint`]: overwrites `grad_points` and, if wanted, `grad_weights`; returns the
/// derivative by c, summed over the groups.
///
/// **Shapes.** As [`einstein_midpoint`]; `grad_out`: `[groups, dim]`, `grad_weights`: `[groups, shots]` or `None`, which
/// must go with `weights`.
///
/// # Panics
/// If `dim` or `shots` is zero, a length does not fit, or `grad_weights` is wanted without `weights`.
pub fn einstein_midpoint_vjp<T: Real>(
    points: &[T],
    weights: Option<&[T]>,
    grad_out: &[T],
    shots: usize,
    dim: usize,
    c: Curvature,
    grad_points: &mut [T],
    grad_weights: Option<&mut [T]>,
) -> f64 {
    let groups = check_groups(points, shots, dim);
    let set = shots * dim;
    match (weights, grad_weights) {
        (Some(weights), Some(grad_weights)) => for_rows(
            groups,
            [(points, set), (grad_out, dim), (weights, shots)],
            [(grad_points, set), (grad_weights, shots)],
            |[points, grad_out, weights], [grad, by_weight]| {
                midpoint::einstein_midpoint_vjp(
                    points,
                    Some(weights),
                    grad_out,
                    dim,
                    c,
                    grad,
                    Some(by_weight),
                )
            },
        ),
        (Some(weights), None) => for_rows(
            groups,
            [(points, set), (grad_out, dim), (weights, shots)],
            [(grad_points, set)],
            |[points, grad_out, weights], [grad]| {
                midpoint::einstein_midpoint_vjp(points, Some(weights), grad_out, dim, c, grad, None)
            },
        ),
        (None, None) => for_rows(
            groups,
            [(points, set), (grad_out, dim)],
            [(grad_points, set)],
            |[points, grad_out], [grad]| {
                midpoint::einstein_midpoint_vjp(points, None, grad_out, dim, c, grad, None)
            },
        ),
        (None, Some(_)) => panic!("the gradient of weights that were not given is not defined"),
    }
    .one()
}

fn check_groups<T: Real>(points: &[T], shots: usize, dim: usize) -> usize {
    assert!(shots > 0, "a midpoint needs at least one point");
    let rows = check_rows(points, dim);
    assert_eq!(rows % shots, 0, "every group has the same number of points");
    rows / shots
}

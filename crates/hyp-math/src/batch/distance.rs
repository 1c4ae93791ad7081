//! Distances, row by row.

use super::row_wise::{row_op, row_wise};
use crate::{Curvature, Real, distance};

row_wise! {
    /// [`crate::distance::distance`] of every row of `x` to the same row of `y`.
    ///
    /// All pairs: [`super::distance_matrix`].
    distance::[distance, distance_vjp](x grad_x, y grad_y) -> number
}

row_wise! {
    /// [`crate::distance::distance_to_origin`] of every row of `x`.
    distance::[distance_to_origin, distance_to_origin_vjp](x grad_x) -> number
}

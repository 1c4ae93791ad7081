//! The Klein model, row by row.

use super::row_wise::{row_op, row_wise};
use crate::{Curvature, Real, klein};

row_wise! {
    /// [`klein::poincare_to_klein`] of every row of `x`.
    klein::[poincare_to_klein, poincare_to_klein_vjp](x grad_x) -> point
}

row_wise! {
    /// [`klein::klein_to_poincare`] of every row of `k`.
    klein::[klein_to_poincare, klein_to_poincare_vjp](k grad_k) -> point
}

//! The driver of averages: the same function on every group of points, with weights or without.

/// Defines an average of every group of points and its gradient from the forms for one set of points; `gradient of`
/// defines the gradient alone.
macro_rules! group_wise {
    ($(#[$doc:meta])* $one:ident::[$op:ident, $vjp:ident]) => {
        $(#[$doc])*
        ///
        /// **Shapes.** `points`: `[groups, shots, dim]`, `weights`: `[groups, shots]` or `None`, `out`: `[groups, dim]`.
        ///
        /// # Panics
        /// If `dim` or `shots` is zero or a length does not fit.
        pub fn $op<T: Real>(
            points: &[T],
            weights: Option<&[T]>,
            shots: usize,
            dim: usize,
            c: Curvature,
            out: &mut [T],
        ) {
            struct One<'a, T>(&'a [T], Option<&'a [T]>, usize, Curvature, &'a mut [T]);
            impl<T: Real> super::isa::Plain for One<'_, T> {
                type Output = ();
                #[inline(always)]
                fn run(self) {
                    let Self(points, weights, dim, c, out) = self;
                    $one::$op(points, weights, dim, c, out);
                }
            }
            super::groups::Groups::new(points, weights, shots, dim)
                .map(out, |points, weights, out| super::isa::widest(One(points, weights, dim, c, out)));
        }

        group_wise!(gradient of $one::[$op, $vjp]);
    };
    (gradient of $one:ident::[$op:ident, $vjp:ident]) => {
        #[doc = concat!("The gradient of [`", stringify!($op), "`]: overwrites `grad_points` and, if wanted, \
            `grad_weights`; returns the derivative by c, summed over the groups.")]
        ///
        /// **Shapes.** `points`, `grad_points`: `[groups, shots, dim]`, `weights`: `[groups, shots]` or `None`,
        /// `grad_out`: `[groups, dim]`, `grad_weights`: `[groups, shots]` or `None`, which must go with `weights`.
        ///
        /// # Panics
        /// If `dim` or `shots` is zero, a length does not fit, or `grad_weights` is wanted without `weights`.
        pub fn $vjp<T: Real>(
            points: &[T],
            weights: Option<&[T]>,
            grad_out: &[T],
            shots: usize,
            dim: usize,
            c: Curvature,
            grad_points: &mut [T],
            grad_weights: Option<&mut [T]>,
        ) -> f64 {
            struct One<'a, T>(
                (&'a [T], Option<&'a [T]>, &'a [T]),
                usize,
                Curvature,
                (&'a mut [T], Option<&'a mut [T]>),
            );
            impl<T: Real> super::isa::Plain for One<'_, T> {
                type Output = f64;
                #[inline(always)]
                fn run(self) -> f64 {
                    let Self((points, weights, grad), dim, c, (by_points, by_weights)) = self;
                    $one::$vjp(points, weights, grad, dim, c, by_points, by_weights)
                }
            }
            super::groups::Groups::new(points, weights, shots, dim).pull(
                grad_out,
                grad_points,
                grad_weights,
                |points, weights, grad, by_points, by_weights| {
                    super::isa::widest(One((points, weights, grad), dim, c, (by_points, by_weights)))
                },
            )
        }
    };
}

pub(super) use group_wise;

use super::{
    check_rows,
    rows::{Total, for_rows},
};
use crate::Real;

/// Groups of `shots` consecutive points and, if the averages are weighted, one weight for each.
#[derive(Clone, Copy)]
pub(super) struct Groups<'a, T> {
    points: &'a [T],
    weights: Option<&'a [T]>,
    count: usize,
    shots: usize,
    dim: usize,
}

impl<'a, T: Real> Groups<'a, T> {
    /// Checks the shapes.
    pub(super) fn new(points: &'a [T], weights: Option<&'a [T]>, shots: usize, dim: usize) -> Self {
        assert!(shots > 0, "a midpoint needs at least one point");
        let rows = check_rows(points, dim);
        assert_eq!(rows % shots, 0, "every group has the same number of points");
        Self { points, weights, count: rows / shots, shots, dim }
    }

    /// The weights as a matrix; it has no columns if there are none.
    fn weights(&self) -> (&'a [T], usize) {
        (self.weights.unwrap_or_default(), if self.weights.is_some() { self.shots } else { 0 })
    }

    /// Calls `f` with the points and weights of every group and its row of `out`.
    pub(super) fn map<R: Into<Total>>(
        self,
        out: &mut [T],
        f: impl Fn(&[T], Option<&[T]>, &mut [T]) -> R + Sync,
    ) -> Total {
        for_rows(
            self.count,
            [(self.points, self.shots * self.dim), self.weights()],
            [(out, self.dim)],
            |[points, weights], [out]| f(points, self.weights.map(|_| weights), out),
        )
    }

    /// Calls `f` with the points, the weights and the gradient of every group, and where the gradients by its points and
    /// by its weights go; returns the sum of what it returns.
    ///
    /// # Panics
    /// If `grad_weights` is wanted where there are no weights.
    pub(super) fn pull(
        self,
        grad_out: &[T],
        grad_points: &mut [T],
        grad_weights: Option<&mut [T]>,
        f: impl Fn(&[T], Option<&[T]>, &[T], &mut [T], Option<&mut [T]>) -> f64 + Sync,
    ) -> f64 {
        let wanted = grad_weights.is_some();
        assert!(!wanted || self.weights.is_some(), "there is no gradient by weights that were not given");
        let set = self.shots * self.dim;
        for_rows(
            self.count,
            [(self.points, set), self.weights(), (grad_out, self.dim)],
            [(grad_points, set), (grad_weights.unwrap_or_default(), if wanted { self.shots } else { 0 })],
            |[points, weights, grad_out], [grad_points, grad_weights]| {
                let weights = self.weights.map(|_| weights);
                f(points, weights, grad_out, grad_points, wanted.then_some(grad_weights))
            },
        )
        .one()
    }
}

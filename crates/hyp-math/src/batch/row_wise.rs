//! The batched form of an operation on one point, and of its gradient, written once for all of them.

/// Defines `operation(inputs…, dim, c, out)` and its gradient over the rows of matrices, from the forms for one point.
///
/// `[operation, gradient] (input grad_input, …) -> point` for operations that give a point, `-> number` for those that
/// give one number. The functions for one point are those of the module that is named before them.
macro_rules! row_wise {
    ($(#[$doc:meta])* $one:ident::[$op:ident, $vjp:ident]
     ($first:ident $grad_first:ident $(, $more:ident $grad_more:ident)*) -> point) => {
        $(#[$doc])*
        ///
        /// **Shapes.** The inputs and `out`: `[rows, dim]`.
        ///
        /// # Panics
        /// If `dim` is zero or a length does not fit.
        pub fn $op<T: Real>($first: &[T], $($more: &[T],)* dim: usize, c: Curvature, out: &mut [T]) {
            for_rows(
                check_rows($first, dim),
                [($first, dim) $(, ($more, dim))*],
                [(out, dim)],
                |[$first $(, $more)*], [out]| $one::$op($first, $($more,)* c, out),
            );
        }

        #[doc = concat!("The gradient of [`fn@", stringify!($op), "`]: overwrites the gradient by every input, returns \
            the derivative by c, summed over the rows.")]
        ///
        /// **Shapes.** All matrices: `[rows, dim]`.
        ///
        /// # Panics
        /// If `dim` is zero or a length does not fit.
        pub fn $vjp<T: Real>(
            $first: &[T],
            $($more: &[T],)*
            grad_out: &[T],
            dim: usize,
            c: Curvature,
            $grad_first: &mut [T],
            $($grad_more: &mut [T],)*
        ) -> f64 {
            for_rows(
                check_rows($first, dim),
                [($first, dim), $(($more, dim),)* (grad_out, dim)],
                [($grad_first, dim) $(, ($grad_more, dim))*],
                |[$first, $($more,)* grad_out], [$grad_first $(, $grad_more)*]| {
                    $one::$vjp($first, $($more,)* grad_out, c, $grad_first $(, $grad_more)*)
                },
            )
            .one()
        }
    };
    ($(#[$doc:meta])* $one:ident::[$op:ident, $vjp:ident]
     ($first:ident $grad_first:ident $(, $more:ident $grad_more:ident)*) -> number) => {
        $(#[$doc])*
        ///
        /// **Shapes.** The inputs: `[rows, dim]`, `out`: `[rows]`.
        ///
        /// # Panics
        /// If `dim` is zero or a length does not fit.
        pub fn $op<T: Real>($first: &[T], $($more: &[T],)* dim: usize, c: Curvature, out: &mut [T]) {
            for_rows(
                check_rows($first, dim),
                [($first, dim) $(, ($more, dim))*],
                [(out, 1)],
                |[$first $(, $more)*], [out]| out[0] = $one::$op($first, $($more,)* c),
            );
        }

        #[doc = concat!("The gradient of [`fn@", stringify!($op), "`]: overwrites the gradient by every input, returns \
            the derivative by c, summed over the rows.")]
        ///
        /// **Shapes.** The inputs and their gradients: `[rows, dim]`, `grad_out`: `[rows]`.
        ///
        /// # Panics
        /// If `dim` is zero or a length does not fit.
        pub fn $vjp<T: Real>(
            $first: &[T],
            $($more: &[T],)*
            grad_out: &[T],
            dim: usize,
            c: Curvature,
            $grad_first: &mut [T],
            $($grad_more: &mut [T],)*
        ) -> f64 {
            for_rows(
                check_rows($first, dim),
                [($first, dim), $(($more, dim),)* (grad_out, 1)],
                [($grad_first, dim) $(, ($grad_more, dim))*],
                |[$first, $($more,)* grad_out], [$grad_first $(, $grad_more)*]| {
                    $one::$vjp($first, $($more,)* grad_out[0], c, $grad_first $(, $grad_more)*)
                },
            )
            .one()
        }
    };
}

pub(super) use row_wise;

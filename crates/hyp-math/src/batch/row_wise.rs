//! The batched form of an operation on one point, and of its gradient, written once for all of them.

/// Defines `Op`, which does `$body` with one row of every input and output; in it, `$c` is the curvature.
macro_rules! row_op {
    ($c:ident, [$($input:ident),*], [$($output:ident),*] => $body:expr) => {
        struct Op(Curvature);
        impl<T: Real> super::rows::RowOp<T, { row_op!(count $($input)*) }, { row_op!(count $($output)*) }> for Op {
            #[inline(always)]
            fn row(
                &self,
                [$($input),*]: [&[T]; row_op!(count $($input)*)],
                [$($output),*]: [&mut [T]; row_op!(count $($output)*)],
            ) -> impl Into<super::rows::Total> {
                let $c = self.0;
                $body
            }
        }
    };
    // How many names there are.
    (count $($name:ident)*) => { [$(stringify!($name)),*].len() };
}

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
            row_op!(c, [$first $(, $more)*], [out] => $one::$op($first, $($more,)* c, out));
            super::rows::over_rows(
                super::check_rows($first, dim),
                [($first, dim) $(, ($more, dim))*],
                [(out, dim)],
                &Op(c),
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
            row_op!(
                c,
                [$first, $($more,)* grad_out],
                [$grad_first $(, $grad_more)*]
                => $one::$vjp($first, $($more,)* grad_out, c, $grad_first $(, $grad_more)*)
            );
            super::rows::over_rows(
                super::check_rows($first, dim),
                [($first, dim), $(($more, dim),)* (grad_out, dim)],
                [($grad_first, dim) $(, ($grad_more, dim))*],
                &Op(c),
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
            row_op!(c, [$first $(, $more)*], [out] => out[0] = $one::$op($first, $($more,)* c));
            super::rows::over_rows(
                super::check_rows($first, dim),
                [($first, dim) $(, ($more, dim))*],
                [(out, 1)],
                &Op(c),
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
            row_op!(
                c,
                [$first, $($more,)* grad_out],
                [$grad_first $(, $grad_more)*]
                => $one::$vjp($first, $($more,)* grad_out[0], c, $grad_first $(, $grad_more)*)
            );
            super::rows::over_rows(
                super::check_rows($first, dim),
                [($first, dim), $(($more, dim),)* (grad_out, 1)],
                [($grad_first, dim) $(, ($grad_more, dim))*],
                &Op(c),
            )
            .one()
        }
    };
}

pub(super) use {row_op, row_wise};

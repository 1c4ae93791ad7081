//! Matrix products on slices: a checked wrapper of the `gemm` crate whose bits do not depend on the thread count.
#![expect(unsafe_code, reason = "the `gemm` crate takes raw pointers; bounds are asserted before each call")]

use gemm::Parallelism;
use rayon::prelude::*;

use super::fresh::fresh;
use super::kernel::Element;

/// Columns (or rows) of the result that one task of [`product_parallel`] computes; fixed, so that the way a product
/// is cut never depends on the number of threads.
const BLOCK: usize = 128;

/// A matrix in a slice, with its strides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// A row-major matrix that fills the slice.
    pub(crate) fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "a {rows}×{cols} matrix needs as many elements");
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transpose, without a copy.
    pub(crate) fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }
}

/// What becomes of the former content of the result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Former {
    /// It is overwritten, and may hold anything.
    Replaced,
    /// The product is added to it.
    Kept,
}

/// `out = lhs · rhs`, or `out += lhs · rhs`, on the calling thread; `out` is row-major.
pub(crate) fn product<T: Element>(out: &mut [T], former: Former, lhs: Matrix<'_, T>, rhs: Matrix<'_, T>) {
    check(out.len(), lhs, rhs);
    // SAFETY: `check` has asserted that `out` holds all of `lhs.rows × rhs.cols`.
    unsafe { block(out.as_mut_ptr(), rhs.cols, former, lhs, rhs, 0..lhs.rows, 0..rhs.cols) }
}

/// The product in a new vector, its longer side cut into blocks that are shared among the threads.
pub(crate) fn product_parallel<T: Element>(lhs: Matrix<'_, T>, rhs: Matrix<'_, T>) -> Vec<T> {
    let mut out = fresh(lhs.rows * rhs.cols);
    product_parallel_to(&mut out, lhs, rhs);
    out
}

/// [`product_parallel`] to a slice, which may hold anything.
pub(crate) fn product_parallel_to<T: Element>(out: &mut [T], lhs: Matrix<'_, T>, rhs: Matrix<'_, T>) {
    check(out.len(), lhs, rhs);
    let (rows, cols) = (lhs.rows, rhs.cols);
    let by_rows = rows >= cols;
    let longer = if by_rows { rows } else { cols };
    let target = Shared(out.as_mut_ptr());
    (0..longer.div_ceil(BLOCK)).into_par_iter().for_each(|i| {
        let span = i * BLOCK..((i + 1) * BLOCK).min(longer);
        let (r, c) = if by_rows { (span, 0..cols) } else { (0..rows, span) };
        let target = &target;
        // SAFETY: `check` has asserted that the slice holds all of the result, and the spans of two tasks are disjoint.
        unsafe { block(target.0, cols, Former::Replaced, lhs, rhs, r, c) }
    });
}

struct Shared<T>(*mut T);

// SAFETY: the tasks of `product_parallel_to` write disjoint blocks through this pointer and outlive none of them.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

fn check<T>(out_len: usize, lhs: Matrix<'_, T>, rhs: Matrix<'_, T>) {
    assert_eq!(lhs.cols, rhs.rows, "inner sizes of a matrix product differ");
    assert_eq!(out_len, lhs.rows * rhs.cols, "the result of a matrix product has the wrong size");
}

/// Computes the rows `r` and columns `c` of the product.
///
/// # Safety
/// `out` must point to a row-major matrix of `lhs.rows` rows of `out_cols` elements that nobody else accesses in
/// these rows and columns meanwhile.
unsafe fn block<T: Element>(
    out: *mut T,
    out_cols: usize,
    former: Former,
    lhs: Matrix<'_, T>,
    rhs: Matrix<'_, T>,
    r: std::ops::Range<usize>,
    c: std::ops::Range<usize>,
) {
    let alpha = if former == Former::Kept { T::one() } else { T::zero() };
    // SAFETY: the ranges lie within the matrices, whose constructor has checked the extent of their slices, and the
    // caller vouches for `out`. `gemm` reads only the given extents.
    unsafe {
        gemm::gemm(
            r.len(),
            c.len(),
            lhs.cols,
            out.add(r.start * out_cols + c.start),
            1,
            out_cols as isize,
            former == Former::Kept,
            lhs.data.as_ptr().add(r.start * lhs.row_stride),
            lhs.col_stride as isize,
            lhs.row_stride as isize,
            rhs.data.as_ptr().add(c.start * rhs.col_stride),
            rhs.col_stride as isize,
            rhs.row_stride as isize,
            alpha,
            T::one(),
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, step: f64) -> Vec<f64> {
        (0..n).map(|i| ((i as f64 * step).sin() * 8.0).round() / 4.0).collect()
    }

    fn naive(lhs: Matrix<'_, f64>, rhs: Matrix<'_, f64>) -> Vec<f64> {
        let mut out = vec![0.0; lhs.rows * rhs.cols];
        for i in 0..lhs.rows {
            for j in 0..rhs.cols {
                for k in 0..lhs.cols {
                    out[i * rhs.cols + j] += lhs.data[i * lhs.row_stride + k * lhs.col_stride]
                        * rhs.data[k * rhs.row_stride + j * rhs.col_stride];
                }
            }
        }
        out
    }

    /// Entries are small multiples of 1/4, so that every sum is exact and equality is too.
    #[test]
    fn products_equal_the_naive_sum() {
        for (m, n, k) in [(1, 1, 1), (3, 300, 5), (260, 7, 9), (20, 33, 64), (2, 2, 0)] {
            let (a, b) = (numbers(m * k, 0.7), numbers(k * n, 1.3));
            for (lhs, rhs) in [
                (Matrix::new(&a, m, k), Matrix::new(&b, k, n)),
                (Matrix::new(&a, k, m).transposed(), Matrix::new(&b, n, k).transposed()),
            ] {
                let want = naive(lhs, rhs);
                let mut got = vec![f64::NAN; m * n];
                product(&mut got, Former::Replaced, lhs, rhs);
                assert_eq!(got, want);
                assert_eq!(product_parallel(lhs, rhs), want);
                product(&mut got, Former::Kept, lhs, rhs);
                assert!(got.iter().zip(&want).all(|(g, w)| *g == 2.0 * w));
            }
        }
    }
}

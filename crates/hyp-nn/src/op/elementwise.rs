//! Functions of single elements, over whole tensors: in parallel, in the widest vectors, to memory that is not cleared.

use rayon::prelude::*;

use super::fresh::fresh;
use super::kernel::Element;
use super::wide::wide;

/// Elements that one task handles.
const CHUNK: usize = 1 << 14;

/// `f(x)` of each element.
pub(crate) fn mapped<T: Element>(xs: &[T], f: impl Fn(T) -> T + Sync) -> Vec<T> {
    let mut out = fresh(xs.len());
    out.par_chunks_mut(CHUNK).zip(xs.par_chunks(CHUNK)).for_each(|(out, xs)| {
        wide(
            #[inline(always)]
            || out.iter_mut().zip(xs).for_each(|(out, x)| *out = f(*x)),
        );
    });
    out
}

/// `f(x, y)` of each pair of elements of two tensors of one size.
pub(crate) fn mapped_pairs<T: Element>(xs: &[T], ys: &[T], f: impl Fn(T, T) -> T + Sync) -> Vec<T> {
    assert_eq!(xs.len(), ys.len(), "pairs need tensors of one size");
    let mut out = fresh(xs.len());
    let inputs = xs.par_chunks(CHUNK).zip(ys.par_chunks(CHUNK));
    out.par_chunks_mut(CHUNK).zip(inputs).for_each(|(out, (xs, ys))| {
        wide(
            #[inline(always)]
            || {
                for (out, (x, y)) in out.iter_mut().zip(xs.iter().zip(ys)) {
                    *out = f(*x, *y);
                }
            },
        );
    });
    out
}

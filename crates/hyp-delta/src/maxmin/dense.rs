//! All products of a symmetric matrix, block pair by block pair, handed on as soon as they are made.

use rayon::prelude::*;

use super::Excess;
use super::block::{BLOCK, Block, Element, multiply};
use super::isa::Isa;
use super::padded::Padded;

/// The products of one pair of blocks on or above the diagonal.
pub(crate) struct Products<'a, T> {
    /// First and one past the last row.
    pub(crate) rows: (usize, usize),
    /// First and one past the last column.
    pub(crate) columns: (usize, usize),
    values: &'a [T],
}

impl<T: Copy> Products<'_, T> {
    /// maxₖ min(Aᵢₖ, Aₖⱼ) for the columns of the block, at row `i`; valid from column `i` on.
    pub(crate) fn row(&self, i: usize) -> &[T] {
        &self.values[(i - self.rows.0) * BLOCK..][..self.columns.1 - self.columns.0]
    }
}

/// How many pairs of blocks [`for_each_block`] visits.
pub(crate) fn block_pairs(points: usize) -> usize {
    let blocks = points.div_ceil(BLOCK);
    blocks * (blocks + 1) / 2
}

/// Calls `visit` with the products of every pair of blocks on or above the diagonal, in parallel, as long as `wanted`.
///
/// Memory: one block for each thread beside the matrix.
pub(crate) fn for_each_block<T: Element>(
    matrix: &Padded<T>,
    isa: Isa,
    wanted: impl Fn() -> bool + Sync,
    visit: impl Fn(&Products<'_, T>) + Sync,
) {
    let points = matrix.points();
    let blocks = points.div_ceil(BLOCK);
    let pairs: Vec<(usize, usize)> = (0..blocks).flat_map(|i| (i..blocks).map(move |j| (i, j))).collect();
    let range = |block: usize| (block * BLOCK, ((block + 1) * BLOCK).min(points));
    pairs.into_par_iter().for_each_init(
        || vec![T::LOWEST; BLOCK * BLOCK],
        |values, (i, j)| {
            if !wanted() {
                return;
            }
            let (rows, columns) = (range(i), range(j));
            multiply(isa, &mut Block { matrix, rows, columns, out: values });
            visit(&Products { rows, columns, values });
        },
    );
}

/// The largest entry of (A ⊗ A) − A of a symmetric matrix of small numbers, by the kernels of one instruction set.
///
/// The same as [`super::largest_excess`], but in the number's own type, many times as fast; the difference is taken in
/// `f64`, where it is exact for integers. The result is the same on every instruction set.
///
/// # Panics
/// If the matrix is empty or the processor does not have the instruction set.
///
/// # Examples
/// ```
/// use hyp_delta::maxmin::{Isa, Padded, largest_excess_of};
/// let a = Padded::from_rows(3, &[4_u8, 3, 1, 3, 5, 2, 1, 2, 6], 0);
/// let excess = largest_excess_of(&a, Isa::detect());
/// assert_eq!((excess.value, excess.i, excess.k, excess.j), (1.0, 0, 1, 2));
/// ```
pub fn largest_excess_of<T: Element>(matrix: &Padded<T>, isa: Isa) -> Excess {
    assert!(matrix.points() > 0, "an empty matrix has no largest entry");
    let best = std::sync::Mutex::new(Excess::NONE);
    for_each_block(
        matrix,
        isa,
        || true,
        |products| {
            let mut found = Excess::NONE;
            for i in products.rows.0..products.rows.1 {
                let first = products.columns.0.max(i);
                let row = &matrix.row(i)[first..products.columns.1];
                for ((&product, &entry), j) in
                    products.row(i)[first - products.columns.0..].iter().zip(row).zip(first..)
                {
                    let value = product.into() - entry.into();
                    if value > found.value {
                        found = Excess { value, i, j, k: 0 };
                    }
                }
            }
            let mut best = best.lock().expect("invariant: no holder of the lock panics");
            *best = best.better(found);
        },
    );
    let mut best = best.into_inner().expect("invariant: no holder of the lock panics");
    let (x, y) = (matrix.row(best.i), matrix.row(best.j));
    let mut most = T::LOWEST;
    for (k, (&a, &b)) in x.iter().zip(y).enumerate() {
        let least = if a < b { a } else { b };
        if k == 0 || least > most {
            (most, best.k) = (least, k);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maxmin::largest_excess;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Compares one number type on every instruction set with the plain `f64` form.
    fn same_as_doubles<T: Element>(draw: impl Fn(&mut ChaCha8Rng) -> T, sizes: &[usize]) {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        for &n in sizes {
            let mut a = vec![T::LOWEST; n * n];
            for i in 0..n {
                for j in i..n {
                    let value = draw(&mut random);
                    (a[i * n + j], a[j * n + i]) = (value, value);
                }
            }
            let doubles: Vec<f64> = a.iter().map(|&v| v.into()).collect();
            let want = largest_excess(&doubles, n);
            let padded = Padded::from_rows(n, &a, T::LOWEST);
            for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
                assert_eq!(largest_excess_of(&padded, isa), want, "{isa:?}, n = {n}, seed 5");
            }
        }
    }

    /// Around the sides of tiles, blocks and registers.
    const SIZES: [usize; 16] = [1, 2, 3, 4, 7, 15, 16, 17, 31, 33, 47, 48, 49, 64, 97, 145];

    #[test]
    fn bytes_agree_on_every_instruction_set() {
        same_as_doubles(RngExt::random::<u8>, &SIZES);
        same_as_doubles(|r| r.random_range(0..4_u8), &SIZES);
    }

    #[test]
    fn words_agree_on_every_instruction_set() {
        same_as_doubles(RngExt::random::<u16>, &SIZES);
    }

    #[test]
    fn integers_agree_on_every_instruction_set() {
        same_as_doubles(RngExt::random::<i32>, &SIZES);
    }

    #[test]
    fn floats_agree_on_every_instruction_set() {
        same_as_doubles(|r| r.random::<f32>() - 0.5, &SIZES);
    }

    /// Rows longer than a chunk.
    #[test]
    fn long_rows_are_taken_in_chunks() {
        same_as_doubles(RngExt::random::<f32>, &[2100]);
    }
}

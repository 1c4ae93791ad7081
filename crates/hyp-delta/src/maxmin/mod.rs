//! The max–min product (A ⊗ A)ᵢⱼ = maxₖ min(Aᵢₖ, Aₖⱼ) of a symmetric matrix, fused with what δ asks of it.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod block;
mod dense;
mod isa;
mod lanes;
mod level;
mod padded;
mod portable;

pub use block::Element;
pub use dense::largest_excess_of;
pub(crate) use dense::{block_pairs, for_each_block};
pub use isa::Isa;
pub(crate) use isa::versions;
pub(crate) use level::{Level, Scans};
pub use padded::Padded;

/// The largest entry of (A ⊗ A) − A, and the indices that have it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Excess {
    /// min(Aᵢₖ, Aₖⱼ) − Aᵢⱼ at the indices below.
    pub value: f64,
    /// Row of the entry; not above `j`.
    pub i: usize,
    /// Column of the entry.
    pub j: usize,
    /// The inner index, the first that has the maximum.
    pub k: usize,
}

impl Excess {
    /// What is better than nothing.
    const NONE: Self = Self { value: f64::NEG_INFINITY, i: usize::MAX, j: usize::MAX, k: 0 };

    /// The larger of two, and of equals the one whose entry comes first.
    fn better(self, other: Self) -> Self {
        let first = (other.i, other.j) < (self.i, self.j);
        if other.value > self.value || (other.value == self.value && first) { other } else { self }
    }
}

/// The largest entry of (A ⊗ A) − A of a symmetric matrix without NaN, in memory of the order of A itself.
///
/// $$ \max_{i,j} \Bigl( \max_k \min(A_{ik}, A_{kj}) - A_{ij} \Bigr) $$
///
/// **Source.** \[HIE\] Sec. 3.1, (4); Fournier, Ismail and Vigneron, 2015.
///
/// **Shapes.** `a`: `[points, points]`, row by row.
/// **Numerics.** Minimum and maximum do not round; each entry is one rounded difference. Of equal entries the first
/// in row order is returned, whatever the number of threads.
///
/// # Panics
/// If `a` is empty or its length is not `points`².
///
/// # Examples
/// ```
/// use hyp_delta::maxmin::largest_excess;
/// // Through k = 1, rows 0 and 2 are joined at min(3, 2) = 2, one above A₀₂ = 1.
/// let a = [4.0, 3.0, 1.0, 3.0, 5.0, 2.0, 1.0, 2.0, 6.0];
/// let excess = largest_excess(&a, 3);
/// assert_eq!((excess.value, excess.i, excess.k, excess.j), (1.0, 0, 1, 2));
/// ```
pub fn largest_excess(a: &[f64], points: usize) -> Excess {
    largest_excess_while(a, points, &|_, _| true).0
}

/// [`largest_excess`] for as long as `goes_on` says so, and whether it came to its end.
pub(crate) fn largest_excess_while(
    a: &[f64],
    points: usize,
    goes_on: &(dyn Fn(f64, f64) -> bool + Sync),
) -> (Excess, bool) {
    assert!(points > 0, "an empty matrix has no largest entry");
    assert_eq!(a.len(), points * points, "a matrix of {points} points has {points}² entries");
    portable::largest_excess_while(a, points, goes_on)
}

//! The max–min product of a block of rows with a block of columns, in register tiles.

#![expect(unsafe_code, reason = "kernels in vector instructions, chosen when the processor has them")]

use super::isa::Isa;
use super::lanes::{Array, Lanes};
use super::padded::{LINE, Padded};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// Rows and columns of a block: a multiple of every tile side below.
pub(super) const BLOCK: usize = 48;

/// Bytes of a row that a tile runs through before it moves on, so that the rows of a tile stay in the nearest cache.
const CHUNK: usize = 8192;

/// A number that the kernels take: `u8`, `u16`, `i32` or `f32`. The float must not be NaN.
pub trait Element: Copy + PartialOrd + Into<f64> + Send + Sync + 'static + sealed::Kernel {
    /// A value that no other is below.
    const LOWEST: Self;
}

mod sealed {
    use super::{Block, Isa};

    /// The product of one block on one instruction set.
    pub trait Kernel: Sized {
        /// Writes the products to `block.out`. The caller has made sure that the processor has the instruction set.
        fn block(isa: Isa, block: &mut Block<'_, Self>);
    }
}

/// Which rows and columns to multiply, and where the products go.
#[derive(Debug)]
pub struct Block<'a, T> {
    /// The symmetric matrix.
    pub(super) matrix: &'a Padded<T>,
    /// First and one past the last row.
    pub(super) rows: (usize, usize),
    /// First and one past the last column.
    pub(super) columns: (usize, usize),
    /// maxₖ min(Aᵢₖ, Aⱼₖ) at place `(i - first row) * BLOCK + (j - first column)`; entries below the diagonal of the
    /// whole matrix may be left at the lowest value.
    pub(super) out: &'a mut [T],
}

/// Multiplies one block.
///
/// # Panics
/// If the instruction set is missing, or the block does not lie in the matrix or in `out`.
pub(super) fn multiply<T: Element>(isa: Isa, block: &mut Block<'_, T>) {
    let points = block.matrix.points();
    assert!(isa.is_available(), "the processor has no {isa:?}");
    for (first, end) in [block.rows, block.columns] {
        assert!(first < end && end <= points && end - first <= BLOCK, "block {first}..{end} of {points}");
    }
    assert_eq!(block.out.len(), BLOCK * BLOCK);
    block.out.fill(T::LOWEST);
    T::block(isa, block);
}

/// All tiles of R × C of a block, with V registers.
///
/// # Safety
/// The processor has the instructions of `V`; `multiply` has checked the block.
#[inline(always)]
unsafe fn tiles<V: Lanes, const R: usize, const C: usize>(block: &mut Block<'_, V::Scalar>) {
    let stride = block.matrix.stride();
    let line = LINE / size_of::<V::Scalar>();
    let chunks = stride.div_ceil(CHUNK / size_of::<V::Scalar>());
    let chunk = (stride / line).div_ceil(chunks) * line;
    let (last_row, last_column) = (block.rows.1 - 1, block.columns.1 - 1);
    for start in (0..stride).step_by(chunk) {
        let length = chunk.min(stride - start);
        for i in (block.rows.0..block.rows.1).step_by(R) {
            // Past the edge the last row is taken again; its products land on themselves.
            let x: [*const V::Scalar; R] =
                std::array::from_fn(|r| block.matrix.padded_row((i + r).min(last_row))[start..].as_ptr());
            for j in (block.columns.0..block.columns.1).step_by(C) {
                if j + C <= i {
                    continue;
                }
                let y: [*const V::Scalar; C] = std::array::from_fn(|c| {
                    block.matrix.padded_row((j + c).min(last_column))[start..].as_ptr()
                });
                // SAFETY: each pointer is the start of `length` numbers of a padded row, a whole number of registers.
                let products = unsafe { tile::<V, R, C>(&x, &y, length) };
                for r in 0..R {
                    for c in 0..C {
                        let place = ((i + r).min(last_row) - block.rows.0) * BLOCK + (j + c).min(last_column)
                            - block.columns.0;
                        let out = &mut block.out[place];
                        if products[r][c] > *out {
                            *out = products[r][c];
                        }
                    }
                }
            }
        }
    }
}

/// maxₖ min(xₖ, yₖ) for R rows and C columns at once.
///
/// # Safety
/// The processor has the instructions of `V`, and `length` numbers, a multiple of `V::COUNT` and not zero, can be
/// read at each pointer.
#[inline(always)]
unsafe fn tile<V: Lanes, const R: usize, const C: usize>(
    x: &[*const V::Scalar; R],
    y: &[*const V::Scalar; C],
    length: usize,
) -> [[V::Scalar; C]; R] {
    // SAFETY: every offset is below `length` and a multiple of the register, by the loop; the first registers exist
    // because `length` is not zero.
    unsafe {
        let lowest = V::load(x[0]);
        let mut most = [[lowest; C]; R];
        for r in 0..R {
            let a = V::load(x[r]);
            for c in 0..C {
                most[r][c] = a.min(V::load(y[c]));
            }
        }
        let mut k = V::COUNT;
        while k < length {
            let mut a = [lowest; R];
            for r in 0..R {
                a[r] = V::load(x[r].add(k));
            }
            for c in 0..C {
                let b = V::load(y[c].add(k));
                for r in 0..R {
                    most[r][c] = most[r][c].max(a[r].min(b));
                }
            }
            k += V::COUNT;
        }
        V::largest_of_each(&most)
    }
}

/// 24 running maxima, four rows and a column fill 29 of the 32 registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn block_avx512<V: Lanes>(block: &mut Block<'_, V::Scalar>) {
    // SAFETY: `V` is one of the 512-bit registers, whose instructions this function enables.
    unsafe { tiles::<V, 4, 6>(block) }
}

/// 12 running maxima, three rows and a column fill the 16 registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn block_avx2<V: Lanes>(block: &mut Block<'_, V::Scalar>) {
    // SAFETY: `V` is one of the 256-bit registers, whose instructions this function enables.
    unsafe { tiles::<V, 3, 4>(block) }
}

/// Implements the kernels of one number type by its register types.
macro_rules! element {
    ($scalar:ty, $lowest:expr, $wide:ident, $narrow:ident, $lanes:literal) => {
        impl Element for $scalar {
            const LOWEST: Self = $lowest;
        }

        impl sealed::Kernel for $scalar {
            fn block(isa: Isa, block: &mut Block<'_, Self>) {
                match isa {
                    // SAFETY: arrays need no special instructions.
                    Isa::Portable => unsafe { tiles::<Array<$scalar, $lanes>, 2, 2>(block) },
                    // SAFETY: `multiply` has made sure that the processor has AVX2.
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => unsafe { block_avx2::<avx2::$narrow>(block) },
                    // SAFETY: `multiply` has made sure that the processor has AVX-512F and AVX-512BW.
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => unsafe { block_avx512::<avx512::$wide>(block) },
                    #[cfg(not(target_arch = "x86_64"))]
                    Isa::Avx2 | Isa::Avx512 => unreachable!("invariant: not available on this processor"),
                }
            }
        }
    };
}

element!(u8, 0, U8x64, U8x32, 32);
element!(u16, 0, U16x32, U16x16, 16);
element!(i32, i32::MIN, I32x16, I32x8, 8);
element!(f32, f32::NEG_INFINITY, F32x16, F32x8, 8);

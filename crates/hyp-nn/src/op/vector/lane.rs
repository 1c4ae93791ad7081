//! Vectors of `f32` with the operations that transforms of images need, for code that is written once for all of them.
#![expect(
    unsafe_code,
    reason = "vector intrinsics; they run only within Level::run, which was told what there is"
)]

use super::Level;

/// A vector.
pub(in super::super) trait Lane: Copy {
    /// Numbers in it.
    const LANES: usize;
    /// Zeros.
    fn zero() -> Self;
    /// The first numbers of a slice, which must have so many.
    fn load(from: &[f32]) -> Self;
    /// Writes the numbers to the start of a slice, which must have room.
    fn store(self, to: &mut [f32]);
    /// As many of the first numbers as the slice has, and zeros.
    fn load_some(from: &[f32]) -> Self;
    /// Writes as many of the numbers as the slice has room for.
    fn store_some(self, to: &mut [f32]);
    /// The sum.
    fn add(self, other: Self) -> Self;
    /// The difference.
    fn sub(self, other: Self) -> Self;
    /// `k·self`.
    fn times(self, k: f32) -> Self;
    /// `self + k·other`, rounded once.
    fn add_times(self, k: f32, other: Self) -> Self;
    /// `self + a·b`, rounded once.
    fn add_product(self, a: Self, b: Self) -> Self;
    /// `[x₀, y₀, x₁, y₁, …]`, in two parts.
    fn interleaved(self, other: Self) -> [Self; 2];
}

/// What runs on vectors of any kind. `run` and all that it calls must be inlined, or they are compiled for vectors of
/// four numbers.
pub(in super::super) trait Work {
    /// Does the work.
    fn run<L: Lane>(self);
}

impl Level {
    /// Does some work on the vectors of this level.
    pub(in super::super) fn run(self, work: impl Work) {
        match self {
            // SAFETY: a level exists only where its features were detected.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { x86::avx512(work) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::avx2(work) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Lane, Work};
    use std::arch::x86_64::{
        __m256, __m256i, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
        _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_mul_ps, _mm256_permute2f128_ps, _mm256_set1_ps,
        _mm256_setzero_ps, _mm256_storeu_ps, _mm256_sub_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
        _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
        _mm512_mul_ps, _mm512_permutex2var_ps, _mm512_set1_ps, _mm512_setr_epi32, _mm512_setzero_ps,
        _mm512_storeu_ps, _mm512_sub_ps,
    };

    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512(work: impl Work) {
        work.run::<__m512>();
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(work: impl Work) {
        work.run::<__m256>();
    }

    macro_rules! arithmetic {
        ($lanes:literal, $zero:ident, $load:ident, $store:ident, $add:ident, $sub:ident, $mul:ident, $all:ident, $fma:ident) => {
            const LANES: usize = $lanes;

            #[inline(always)]
            fn zero() -> Self {
                // SAFETY: only `Level::run` names this type.
                unsafe { $zero() }
            }

            #[inline(always)]
            fn load(from: &[f32]) -> Self {
                let from = &from[..$lanes];
                // SAFETY: as above; the slice has as many numbers.
                unsafe { $load(from.as_ptr()) }
            }

            #[inline(always)]
            fn store(self, to: &mut [f32]) {
                let to = &mut to[..$lanes];
                // SAFETY: as above; the slice has as many numbers.
                unsafe { $store(to.as_mut_ptr(), self) }
            }

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                // SAFETY: only `Level::run` names this type.
                unsafe { $add(self, other) }
            }

            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                // SAFETY: as above.
                unsafe { $sub(self, other) }
            }

            #[inline(always)]
            fn times(self, k: f32) -> Self {
                // SAFETY: as above.
                unsafe { $mul($all(k), self) }
            }

            #[inline(always)]
            fn add_times(self, k: f32, other: Self) -> Self {
                // SAFETY: as above.
                unsafe { $fma($all(k), other, self) }
            }

            #[inline(always)]
            fn add_product(self, a: Self, b: Self) -> Self {
                // SAFETY: as above.
                unsafe { $fma(a, b, self) }
            }
        };
    }

    impl Lane for __m512 {
        arithmetic!(
            16,
            _mm512_setzero_ps,
            _mm512_loadu_ps,
            _mm512_storeu_ps,
            _mm512_add_ps,
            _mm512_sub_ps,
            _mm512_mul_ps,
            _mm512_set1_ps,
            _mm512_fmadd_ps
        );

        #[inline(always)]
        fn load_some(from: &[f32]) -> Self {
            let mask = ((1_u32 << from.len().min(16)) - 1) as u16;
            // SAFETY: as above; no number is read that the mask does not name.
            unsafe { _mm512_maskz_loadu_ps(mask, from.as_ptr()) }
        }

        #[inline(always)]
        fn store_some(self, to: &mut [f32]) {
            let mask = ((1_u32 << to.len().min(16)) - 1) as u16;
            // SAFETY: as above; no number is written that the mask does not name.
            unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), mask, self) }
        }

        #[inline(always)]
        fn interleaved(self, other: Self) -> [Self; 2] {
            // SAFETY: as above.
            unsafe {
                let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
                let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
                [_mm512_permutex2var_ps(self, low, other), _mm512_permutex2var_ps(self, high, other)]
            }
        }
    }

    /// The mask of the first `len` of eight numbers.
    #[inline(always)]
    fn mask(len: usize) -> __m256i {
        const ONES: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
        let from = &ONES[8 - len.min(8)..][..8];
        // SAFETY: only the vectors of eight numbers use this, and the slice has as many.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }

    impl Lane for __m256 {
        arithmetic!(
            8,
            _mm256_setzero_ps,
            _mm256_loadu_ps,
            _mm256_storeu_ps,
            _mm256_add_ps,
            _mm256_sub_ps,
            _mm256_mul_ps,
            _mm256_set1_ps,
            _mm256_fmadd_ps
        );

        #[inline(always)]
        fn load_some(from: &[f32]) -> Self {
            // SAFETY: as above; no number is read that the mask does not name.
            unsafe { _mm256_maskload_ps(from.as_ptr(), mask(from.len())) }
        }

        #[inline(always)]
        fn store_some(self, to: &mut [f32]) {
            // SAFETY: as above; no number is written that the mask does not name.
            unsafe { _mm256_maskstore_ps(to.as_mut_ptr(), mask(to.len()), self) }
        }

        #[inline(always)]
        fn interleaved(self, other: Self) -> [Self; 2] {
            // SAFETY: as above.
            unsafe {
                // The instructions work within halves: x₀ y₀ x₁ y₁ | x₄ …, and x₂ y₂ x₃ y₃ | x₆ ….
                let (first, second) = (_mm256_unpacklo_ps(self, other), _mm256_unpackhi_ps(self, other));
                [_mm256_permute2f128_ps::<0x20>(first, second), _mm256_permute2f128_ps::<0x31>(first, second)]
            }
        }
    }
}

//! Vectors of `f32` with the operations that transforms of images need, for code that is written once for all of them.
#![expect(
    unsafe_code,
    reason = "vector intrinsics; they run only within Level::run, which was told what there is"
)]

use super::Level;

/// A vector.
pub(in super::super) trait Lane: Copy {
    /// A choice of lanes.
    type Mask: Copy;
    /// Numbers in it.
    const LANES: usize;
    /// Zeros.
    fn zero() -> Self;
    /// The same number in every lane.
    fn all(number: f32) -> Self;
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
    /// The sum in the chosen lanes, and `self` in the others.
    fn add_where(self, other: Self, mask: Self::Mask) -> Self;
    /// The last numbers of `self` but the first `n`, 1 or 2, and behind them the first `n` of `next`.
    fn ahead(self, next: Self, n: usize) -> Self;
    /// The last `n`, 1 or 2, numbers of `before`, and behind them the first of `self`.
    fn behind(self, before: Self, n: usize) -> Self;
    /// `[x₀, x₂, …, y₀, y₂, …]` of `self` and `other`.
    fn every_second(self, other: Self) -> Self;
    /// The choice of the lanes whose bits are set, the first lane's the lowest.
    fn mask(bits: u16) -> Self::Mask;
    /// The numbers from there on.
    ///
    /// # Safety
    /// There must be as many as lanes.
    unsafe fn load_at(from: *const f32) -> Self;
    /// The numbers of the chosen lanes, each from as far behind `from` as its lane, and zeros.
    ///
    /// # Safety
    /// The numbers of the chosen lanes must be there; those of others are not read, and `from` itself need not be.
    unsafe fn load_where(from: *const f32, mask: Self::Mask) -> Self;
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
        __m256, __m256i, __m512, __mmask16, _mm256_add_ps, _mm256_alignr_epi8, _mm256_and_ps,
        _mm256_and_si256, _mm256_castpd_ps, _mm256_castps_pd, _mm256_castps_si256, _mm256_castsi256_ps,
        _mm256_cmpeq_epi32, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_maskload_ps,
        _mm256_maskstore_ps, _mm256_mul_ps, _mm256_permute2f128_ps, _mm256_permute4x64_pd, _mm256_set1_epi32,
        _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps, _mm256_shuffle_ps, _mm256_storeu_ps,
        _mm256_sub_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps, _mm512_add_ps, _mm512_alignr_epi32,
        _mm512_castps_si512, _mm512_castsi512_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_add_ps,
        _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_permutex2var_ps, _mm512_set1_ps,
        _mm512_setr_epi32, _mm512_setzero_ps, _mm512_storeu_ps, _mm512_sub_ps,
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
            fn all(number: f32) -> Self {
                // SAFETY: as above.
                unsafe { $all(number) }
            }

            #[inline(always)]
            fn load(from: &[f32]) -> Self {
                let from = &from[..$lanes];
                // SAFETY: as above; the slice has as many numbers.
                unsafe { $load(from.as_ptr()) }
            }

            #[inline(always)]
            unsafe fn load_at(from: *const f32) -> Self {
                // SAFETY: as above; the caller vouches for the numbers.
                unsafe { $load(from) }
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
        type Mask = __mmask16;

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

        #[inline(always)]
        fn add_where(self, other: Self, mask: Self::Mask) -> Self {
            // SAFETY: as above.
            unsafe { _mm512_mask_add_ps(self, mask, self, other) }
        }

        #[inline(always)]
        fn ahead(self, next: Self, n: usize) -> Self {
            // SAFETY: as above.
            unsafe {
                let (low, high) = (_mm512_castps_si512(self), _mm512_castps_si512(next));
                _mm512_castsi512_ps(match n {
                    1 => _mm512_alignr_epi32::<1>(high, low),
                    _ => _mm512_alignr_epi32::<2>(high, low),
                })
            }
        }

        #[inline(always)]
        fn behind(self, before: Self, n: usize) -> Self {
            // SAFETY: as above.
            unsafe {
                let (low, high) = (_mm512_castps_si512(before), _mm512_castps_si512(self));
                _mm512_castsi512_ps(match n {
                    1 => _mm512_alignr_epi32::<15>(high, low),
                    _ => _mm512_alignr_epi32::<14>(high, low),
                })
            }
        }

        #[inline(always)]
        fn every_second(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe {
                let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
                _mm512_permutex2var_ps(self, even, other)
            }
        }

        #[inline(always)]
        fn mask(bits: u16) -> Self::Mask {
            bits
        }

        #[inline(always)]
        unsafe fn load_where(from: *const f32, mask: Self::Mask) -> Self {
            // SAFETY: as above; the caller vouches for the numbers that the mask names, and no other is read.
            unsafe { _mm512_maskz_loadu_ps(mask, from) }
        }
    }

    /// The mask of the first `len` of eight numbers.
    #[inline(always)]
    fn first_lanes(len: usize) -> __m256i {
        const ONES: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
        let from = &ONES[8 - len.min(8)..][..8];
        // SAFETY: only the vectors of eight numbers use this, and the slice has as many.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }

    impl Lane for __m256 {
        type Mask = __m256i;

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
            unsafe { _mm256_maskload_ps(from.as_ptr(), first_lanes(from.len())) }
        }

        #[inline(always)]
        fn store_some(self, to: &mut [f32]) {
            // SAFETY: as above; no number is written that the mask does not name.
            unsafe { _mm256_maskstore_ps(to.as_mut_ptr(), first_lanes(to.len()), self) }
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

        #[inline(always)]
        fn add_where(self, other: Self, mask: Self::Mask) -> Self {
            // SAFETY: as above.
            unsafe { _mm256_add_ps(self, _mm256_and_ps(other, _mm256_castsi256_ps(mask))) }
        }

        #[inline(always)]
        fn ahead(self, next: Self, n: usize) -> Self {
            // SAFETY: as above.
            unsafe {
                // The second half of the one and the first of the other; the shift works within halves.
                let between = _mm256_castps_si256(_mm256_permute2f128_ps::<0x21>(self, next));
                let low = _mm256_castps_si256(self);
                _mm256_castsi256_ps(match n {
                    1 => _mm256_alignr_epi8::<4>(between, low),
                    _ => _mm256_alignr_epi8::<8>(between, low),
                })
            }
        }

        #[inline(always)]
        fn behind(self, before: Self, n: usize) -> Self {
            // SAFETY: as above.
            unsafe {
                let between = _mm256_castps_si256(_mm256_permute2f128_ps::<0x21>(before, self));
                let high = _mm256_castps_si256(self);
                _mm256_castsi256_ps(match n {
                    1 => _mm256_alignr_epi8::<12>(high, between),
                    _ => _mm256_alignr_epi8::<8>(high, between),
                })
            }
        }

        #[inline(always)]
        fn every_second(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe {
                // The shuffle works within halves: x₀ x₂ y₀ y₂ | x₄ x₆ y₄ y₆.
                let mixed = _mm256_shuffle_ps::<0b10_00_10_00>(self, other);
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_castps_pd(mixed)))
            }
        }

        #[inline(always)]
        fn mask(bits: u16) -> Self::Mask {
            // SAFETY: as above.
            unsafe {
                let lanes = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
                _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(bits.into()), lanes), lanes)
            }
        }

        #[inline(always)]
        unsafe fn load_where(from: *const f32, mask: Self::Mask) -> Self {
            // SAFETY: as above; the caller vouches for the numbers that the mask names, and no other is read.
            unsafe { _mm256_maskload_ps(from, mask) }
        }
    }
}

//! Run-time choice of the instruction set: the only file of the crate with `unsafe`.
//!
//! Kernels are generic over [`Vector`], eight numbers in whatever registers hold them, and are compiled three times,
//! for AVX-512, for AVX2 with fused multiply-add, and for the baseline of the target. The portable form is the oracle
//! of the other two.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "vector instructions, behind a check that the processor has them")
)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256d, __m512d, _CMP_NEQ_UQ, _mm256_and_pd, _mm256_cmp_pd, _mm256_div_pd, _mm256_fmadd_pd,
    _mm256_loadu_pd, _mm256_min_pd, _mm256_mul_pd, _mm256_set1_pd, _mm256_setzero_pd, _mm256_sqrt_pd,
    _mm256_storeu_pd, _mm256_sub_pd, _mm512_cmp_pd_mask, _mm512_div_pd, _mm512_fmadd_pd, _mm512_loadu_pd,
    _mm512_maskz_mov_pd, _mm512_min_pd, _mm512_mul_pd, _mm512_set1_pd, _mm512_setzero_pd, _mm512_sqrt_pd,
    _mm512_storeu_pd, _mm512_sub_pd,
};

/// Numbers handled together: one AVX-512 register of `f64`.
pub(super) const LANES: usize = 8;

/// [`LANES`] numbers in memory.
pub(super) type Lanes = [f64; LANES];

/// [`LANES`] numbers in registers. The vector types are only made by kernels that [`Isa::run`] started.
pub(super) trait Vector: Copy {
    /// Whether a fused multiply-add is one instruction here.
    const FMA: bool;
    /// One number in every lane.
    fn splat(value: f64) -> Self;
    /// From memory.
    fn load(lanes: &Lanes) -> Self;
    /// To memory.
    fn lanes(self) -> Lanes;
    /// `self − other`.
    fn minus(self, other: Self) -> Self;
    /// `self·factor + term`.
    fn mul_add(self, factor: Self, term: Self) -> Self;
    /// `self·other`.
    fn times(self, other: Self) -> Self;
    /// `self/other`.
    fn over(self, other: Self) -> Self;
    /// √`self`.
    fn root(self) -> Self;
    /// The smaller of both; `other` where one is `NaN`.
    fn min(self, other: Self) -> Self;
    /// `self` where `test` is not zero, and zero elsewhere.
    fn where_not_zero(self, test: Self) -> Self;
}

/// A computation that is compiled once per instruction set and number of rows in a tile.
pub(super) trait Kernel {
    /// What it returns.
    type Output;
    /// Runs it on tiles of `ROWS` rows.
    fn run<V: Vector, const ROWS: usize>(self) -> Self::Output;
}

/// A computation in plain numbers, which the compiler arranges for each instruction set by itself.
///
/// It computes the same bits in all of them: nothing is fused and no sum is reordered that the source does not fuse or
/// reorder.
pub(super) trait Plain {
    /// What it returns.
    type Output;
    /// Runs it. It and what takes its time must be inlined always, or they keep the registers of the baseline.
    fn run(self) -> Self::Output;
}

/// An instruction set that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Isa {
    /// Whatever the target's baseline is.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, DQ, VL and BW.
    Avx512,
}

impl Isa {
    /// The best one of this processor.
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw");
            if avx2 && avx512 {
                return Self::Avx512;
            }
            if avx2 {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// Rows of a tile that keeps one sum per pair.
    pub(super) fn rows(self) -> usize {
        match self {
            Self::Portable => 2,
            Self::Avx2 => 4,
            Self::Avx512 => 8,
        }
    }

    /// Rows of a tile that keeps two sums per pair: as many as the registers hold.
    pub(super) fn rows_of_two_sums(self) -> usize {
        match self {
            Self::Portable => 1,
            Self::Avx2 => 2,
            Self::Avx512 => 8,
        }
    }

    /// Runs a kernel on tiles of `rows` rows, one of those that the methods above give for `self`.
    pub(super) fn run<K: Kernel>(self, rows: usize, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: what `detect` did not find is not taken, so the features of the callee are present.
        unsafe {
            match (self.min(Self::detect()), rows) {
                (Self::Avx512, 8) => return avx512::<K, 8>(kernel),
                (Self::Avx2, 2) => return avx2::<K, 2>(kernel),
                (Self::Avx2, 4) => return avx2::<K, 4>(kernel),
                _ => {}
            }
        }
        match rows {
            1 => kernel.run::<Portable, 1>(),
            2 => kernel.run::<Portable, 2>(),
            4 => kernel.run::<Portable, 4>(),
            8 => kernel.run::<Portable, 8>(),
            _ => unreachable!("invariant: tiles have 1, 2, 4 or 8 rows"),
        }
    }
}

/// Runs `work` in the widest registers of this processor.
pub(super) fn widest<P: Plain>(work: P) -> P::Output {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: `detect` found the features of the callee.
    unsafe {
        match Isa::detect() {
            Isa::Avx512 => return plain_avx512(work),
            Isa::Avx2 => return plain_avx2(work),
            Isa::Portable => {}
        }
    }
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
fn plain_avx512<P: Plain>(work: P) -> P::Output {
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn plain_avx2<P: Plain>(work: P) -> P::Output {
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
fn avx512<K: Kernel, const ROWS: usize>(kernel: K) -> K::Output {
    kernel.run::<Avx512, ROWS>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<K: Kernel, const ROWS: usize>(kernel: K) -> K::Output {
    kernel.run::<Avx2, ROWS>()
}

/// Plain numbers, for the compiler to arrange.
#[derive(Clone, Copy)]
struct Portable(Lanes);

impl Vector for Portable {
    // In the baseline of 64-bit Arm; a slow library call in that of x86.
    const FMA: bool = cfg!(target_arch = "aarch64");

    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    fn load(lanes: &Lanes) -> Self {
        Self(*lanes)
    }

    #[inline(always)]
    fn lanes(self) -> Lanes {
        self.0
    }

    #[inline(always)]
    fn minus(mut self, other: Self) -> Self {
        for lane in 0..LANES {
            self.0[lane] -= other.0[lane];
        }
        self
    }

    #[inline(always)]
    fn mul_add(mut self, factor: Self, term: Self) -> Self {
        for lane in 0..LANES {
            self.0[lane] = if Self::FMA {
                self.0[lane].mul_add(factor.0[lane], term.0[lane])
            } else {
                self.0[lane] * factor.0[lane] + term.0[lane]
            };
        }
        self
    }

    #[inline(always)]
    fn times(mut self, other: Self) -> Self {
        for lane in 0..LANES {
            self.0[lane] *= other.0[lane];
        }
        self
    }

    #[inline(always)]
    fn over(mut self, other: Self) -> Self {
        for lane in 0..LANES {
            self.0[lane] /= other.0[lane];
        }
        self
    }

    #[inline(always)]
    fn root(mut self) -> Self {
        for lane in 0..LANES {
            self.0[lane] = self.0[lane].sqrt();
        }
        self
    }

    #[inline(always)]
    fn min(mut self, other: Self) -> Self {
        for lane in 0..LANES {
            self.0[lane] = if self.0[lane] < other.0[lane] { self.0[lane] } else { other.0[lane] };
        }
        self
    }

    #[inline(always)]
    fn where_not_zero(mut self, test: Self) -> Self {
        for lane in 0..LANES {
            self.0[lane] = if test.0[lane] == 0.0 { 0.0 } else { self.0[lane] };
        }
        self
    }
}

/// Two AVX2 registers.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Avx2(__m256d, __m256d);

#[cfg(target_arch = "x86_64")]
impl Vector for Avx2 {
    const FMA: bool = true;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        // SAFETY: only reached from the function `avx2` (as all of this impl), which needs AVX2.
        unsafe { Self(_mm256_set1_pd(value), _mm256_set1_pd(value)) }
    }

    #[inline(always)]
    fn load(lanes: &Lanes) -> Self {
        // SAFETY: as `splat`; both halves lie within the eight numbers, and the load needs no alignment.
        unsafe { Self(_mm256_loadu_pd(lanes.as_ptr()), _mm256_loadu_pd(lanes.as_ptr().add(4))) }
    }

    #[inline(always)]
    fn lanes(self) -> Lanes {
        let mut out = [0.0; LANES];
        // SAFETY: as `load`, for stores.
        unsafe {
            _mm256_storeu_pd(out.as_mut_ptr(), self.0);
            _mm256_storeu_pd(out.as_mut_ptr().add(4), self.1);
        }
        out
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm256_sub_pd(self.0, other.0), _mm256_sub_pd(self.1, other.1)) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: as `splat`; `avx2` needs FMA too.
        unsafe { Self(_mm256_fmadd_pd(self.0, factor.0, term.0), _mm256_fmadd_pd(self.1, factor.1, term.1)) }
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm256_mul_pd(self.0, other.0), _mm256_mul_pd(self.1, other.1)) }
    }

    #[inline(always)]
    fn over(self, other: Self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm256_div_pd(self.0, other.0), _mm256_div_pd(self.1, other.1)) }
    }

    #[inline(always)]
    fn root(self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm256_sqrt_pd(self.0), _mm256_sqrt_pd(self.1)) }
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm256_min_pd(self.0, other.0), _mm256_min_pd(self.1, other.1)) }
    }

    #[inline(always)]
    fn where_not_zero(self, test: Self) -> Self {
        // SAFETY: as `splat`.
        unsafe {
            let zero = _mm256_setzero_pd();
            Self(
                _mm256_and_pd(self.0, _mm256_cmp_pd::<_CMP_NEQ_UQ>(test.0, zero)),
                _mm256_and_pd(self.1, _mm256_cmp_pd::<_CMP_NEQ_UQ>(test.1, zero)),
            )
        }
    }
}

/// One AVX-512 register.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Avx512(__m512d);

#[cfg(target_arch = "x86_64")]
impl Vector for Avx512 {
    const FMA: bool = true;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        // SAFETY: only reached from the function `avx512` (as all of this impl), which needs AVX-512 F.
        unsafe { Self(_mm512_set1_pd(value)) }
    }

    #[inline(always)]
    fn load(lanes: &Lanes) -> Self {
        // SAFETY: as `splat`; the load covers the eight numbers and needs no alignment.
        unsafe { Self(_mm512_loadu_pd(lanes.as_ptr())) }
    }

    #[inline(always)]
    fn lanes(self) -> Lanes {
        let mut out = [0.0; LANES];
        // SAFETY: as `load`, for a store.
        unsafe { _mm512_storeu_pd(out.as_mut_ptr(), self.0) };
        out
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm512_sub_pd(self.0, other.0)) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm512_fmadd_pd(self.0, factor.0, term.0)) }
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm512_mul_pd(self.0, other.0)) }
    }

    #[inline(always)]
    fn over(self, other: Self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm512_div_pd(self.0, other.0)) }
    }

    #[inline(always)]
    fn root(self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm512_sqrt_pd(self.0)) }
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: as `splat`.
        unsafe { Self(_mm512_min_pd(self.0, other.0)) }
    }

    #[inline(always)]
    fn where_not_zero(self, test: Self) -> Self {
        // SAFETY: as `splat`.
        unsafe {
            let mask = _mm512_cmp_pd_mask::<_CMP_NEQ_UQ>(test.0, _mm512_setzero_pd());
            Self(_mm512_maskz_mov_pd(mask, self.0))
        }
    }
}

//! Run-time choice of the instruction set: the only file of the crate with `unsafe`.
//!
//! Kernels are ordinary safe code with `#[inline(always)]`; here they are compiled three times, for AVX-512,
//! for AVX2 with fused multiply-add, and for the baseline of the target. Nothing else differs, so the portable form
//! is the oracle of the other two.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calling a function compiled for a feature that was detected at run time")
)]

/// A computation that is compiled once per instruction set and number of rows in a tile.
pub(super) trait Kernel {
    /// What it returns.
    type Output;
    /// Runs it; `FMA` says whether a fused multiply-add is one instruction, `ROWS` how many rows a tile holds.
    fn run<const FMA: bool, const ROWS: usize>(self) -> Self::Output;
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

    /// Runs a kernel on tiles of `rows` rows, which must be 1, 2, 4 or 8.
    pub(super) fn run<K: Kernel>(self, rows: usize, kernel: K) -> K::Output {
        // A fused multiply-add is in the baseline of 64-bit Arm, and a slow library call in that of x86.
        const BASE: bool = cfg!(target_arch = "aarch64");
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `detect` is checked again below, so the features that the callee is compiled for are present.
        unsafe {
            match (self.min(Self::detect()), rows) {
                (Self::Avx512, 8) => return avx512::<K, 8>(kernel),
                (Self::Avx2, 2) => return avx2::<K, 2>(kernel),
                (Self::Avx2, 4) => return avx2::<K, 4>(kernel),
                _ => {}
            }
        }
        match rows {
            1 => kernel.run::<BASE, 1>(),
            2 => kernel.run::<BASE, 2>(),
            4 => kernel.run::<BASE, 4>(),
            8 => kernel.run::<BASE, 8>(),
            _ => unreachable!("invariant: tiles have 1, 2, 4 or 8 rows"),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
fn avx512<K: Kernel, const ROWS: usize>(kernel: K) -> K::Output {
    kernel.run::<true, ROWS>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<K: Kernel, const ROWS: usize>(kernel: K) -> K::Output {
    kernel.run::<true, ROWS>()
}

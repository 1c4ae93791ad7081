//! Which vector instructions the kernels use.

/// An instruction set that the kernels are written for; every one gives the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// What the compiler makes of plain Rust.
    Portable,
    /// 256-bit vectors (x86-64 with AVX2).
    Avx2,
    /// 512-bit vectors with byte and word operations (x86-64 with AVX-512F and AVX-512BW).
    Avx512,
}

impl Isa {
    /// The instruction sets, from the narrowest to the widest.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The widest instruction set of this processor.
    pub fn detect() -> Self {
        Self::ALL.into_iter().rev().find(|isa| isa.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this processor has the instruction set.
    ///
    /// # Examples
    /// ```
    /// use hyp_delta::maxmin::Isa;
    /// assert!(Isa::Portable.is_available() && Isa::detect().is_available());
    /// ```
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// This instruction set, or the portable path where the processor does not have it.
    pub(crate) fn or_portable(self) -> Self {
        if self.is_available() { self } else { Self::Portable }
    }
}

/// Generates, for one safe loop, its versions for each instruction set and the choice between them. The same bits come
/// from all: the compiler may not reorder or fuse the arithmetic of floats.
macro_rules! versions {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty $body:block) => {
        $(#[$doc])*
        $visibility fn $name(isa: $crate::maxmin::Isa, $($argument: $type),*) -> $result {
            #[inline(always)]
            fn plain($($argument: $type),*) -> $result $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($argument: $type),*) -> $result {
                plain($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw")]
            fn avx512($($argument: $type),*) -> $result {
                plain($($argument),*)
            }
            match isa.or_portable() {
                // SAFETY: `or_portable` returns an instruction set that the processor has.
                #[cfg(target_arch = "x86_64")]
                $crate::maxmin::Isa::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::maxmin::Isa::Avx2 => unsafe { avx2($($argument),*) },
                _ => plain($($argument),*),
            }
        }
    };
}
pub(crate) use versions;

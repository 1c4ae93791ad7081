//! Compiles a loop for the vector registers that the processor turns out to have.
//!
//! Programs are built for the oldest processors of an architecture. A loop passed to [`wide`] is compiled twice more,
//! for AVX2 and for AVX-512, and the widest form that the processor has is run. The arithmetic is the same in all
//! of them (the compiler contracts and reorders nothing), so the bits are too.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calling a function compiled for a feature that was detected at run time")
)]

/// Runs `work`, whose body must be inlined for this to be of use, with the widest vectors there are.
#[inline]
pub(crate) fn wide<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        let has_512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq");
        if has_512 {
            // SAFETY: the features were just detected.
            return unsafe { avx512(work) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the feature was just detected.
            return unsafe { avx2(work) };
        }
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq")]
fn avx512<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}

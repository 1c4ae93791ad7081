//! Vectors for results of which every number that is ever looked at is written, so that nobody need clear them before.
#![expect(unsafe_code, reason = "a vector's length is set over memory that holds whatever it held")]

use super::kernel::Element;

/// A vector of `len` numbers that may be anything; NaN in this crate's unit tests, so that one which nobody writes is
/// seen.
pub(crate) fn fresh<T: Element>(len: usize) -> Vec<T> {
    if cfg!(test) {
        return vec![T::from_f64(f64::NAN); len];
    }
    // SAFETY: elements are `f32` and `f64`.
    unsafe { whatever(len, T::zero()) }
}

/// The same of positions.
pub(crate) fn fresh_positions(len: usize) -> Vec<u32> {
    if cfg!(test) {
        return vec![u32::MAX; len];
    }
    // SAFETY: every pattern of bits is a `u32`.
    unsafe { whatever(len, 0) }
}

/// # Safety
/// Every pattern of bits must be a `T`, and no bit of it padding.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
unsafe fn whatever<T: Copy>(len: usize, _: T) -> Vec<T> {
    let mut numbers = Vec::<T>::with_capacity(len);
    // SAFETY: the memory is the vector's own and has room for `len` numbers. The assembly is empty, but the compiler must
    // take it to write whatever is there, so that the numbers count as written; and every pattern of bits is a number.
    unsafe {
        std::arch::asm!("/* {0} */", in(reg) numbers.as_mut_ptr(), options(nostack, preserves_flags));
        numbers.set_len(len);
    }
    numbers
}

/// # Safety
/// None is needed here.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn whatever<T: Copy>(len: usize, blank: T) -> Vec<T> {
    vec![blank; len]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_its_length_and_is_writable() {
        for len in [0, 1, 1000] {
            // SAFETY: every pattern of bits is an `f64`.
            let mut numbers = unsafe { whatever(len, 0.0_f64) };
            numbers.fill(2.0);
            assert_eq!(numbers.iter().sum::<f64>(), 2.0 * len as f64);
        }
        assert!(fresh::<f32>(3).iter().all(|n| n.is_nan()));
    }
}

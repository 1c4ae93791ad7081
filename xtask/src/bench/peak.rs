//! The arithmetic that this machine can reach at most, measured: the roof over every rate.
//!
//! Multiply-adds on registers alone, enough of them in flight to hide their latency, on all threads at once.
#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "functions for an instruction set, behind a check that the processor has it"
    )
)]

use std::hint::black_box;
use std::time::Instant;

/// Multiply-adds in flight: covers a latency of 4 on two units, with registers to spare.
const CHAINS: usize = 12;
/// Multiply-adds of each chain in one timed run, a few milliseconds.
const LENGTH: usize = 1_000_000;
/// Timed runs; the fastest counts, for a roof.
const RUNS: usize = 8;

/// Peaks in GFLOP/s, all threads together.
pub(super) struct Peak {
    pub(super) single: f64,
    pub(super) double: f64,
    /// How it was measured.
    pub(super) how: &'static str,
}

/// Peaks of whole-number minima and maxima, counted one by one, in thousand millions a second, all threads together.
#[derive(Clone, Copy)]
pub(super) struct Whole {
    /// Of `u8`.
    pub(super) bytes: f64,
    /// Of `u16`.
    pub(super) words: f64,
    /// Of `i32`.
    pub(super) doubles: f64,
}

/// Measures the whole numbers.
pub(super) fn measure_whole() -> Whole {
    #[cfg(target_arch = "x86_64")]
    {
        use x86::{avx2_bytes, avx2_doubles, avx2_words, avx512_bytes, avx512_doubles, avx512_words};
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
            // SAFETY: the processor has the features that the functions need.
            return Whole {
                bytes: fastest(|| unsafe { avx512_bytes() }, 64),
                words: fastest(|| unsafe { avx512_words() }, 32),
                doubles: fastest(|| unsafe { avx512_doubles() }, 16),
            };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return Whole {
                bytes: fastest(|| unsafe { avx2_bytes() }, 32),
                words: fastest(|| unsafe { avx2_words() }, 16),
                doubles: fastest(|| unsafe { avx2_doubles() }, 8),
            };
        }
    }
    // Without a roof nothing is claimed.
    Whole { bytes: f64::INFINITY, words: f64::INFINITY, doubles: f64::INFINITY }
}

/// Measures both.
pub(super) fn measure() -> Peak {
    #[cfg(target_arch = "x86_64")]
    {
        use x86::{avx2_double, avx2_single, avx512_double, avx512_single};
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has the feature that both functions need.
            let runs = [|| unsafe { avx512_single() }, || unsafe { avx512_double() }];
            let [single, double] = [fastest(runs[0], 16), fastest(runs[1], 8)];
            return Peak { single, double, how: "AVX-512 multiply-adds on registers, all threads" };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has the features that both functions need.
            let runs = [|| unsafe { avx2_single() }, || unsafe { avx2_double() }];
            let [single, double] = [fastest(runs[0], 8), fastest(runs[1], 4)];
            return Peak { single, double, how: "AVX2 multiply-adds on registers, all threads" };
        }
    }
    let [single, double] = [fastest(plain::<f32>, 4), fastest(plain::<f64>, 2)];
    Peak { single, double, how: "multiplications and additions of the portable build, all threads" }
}

/// GFLOP/s of `run`, which makes [`CHAINS`] × [`LENGTH`] multiply-adds of `lanes` numbers, on every thread.
fn fastest(run: fn(), lanes: usize) -> f64 {
    let threads = rayon::current_num_threads();
    let flops = (2 * CHAINS * LENGTH * lanes * threads) as f64;
    let times = (0..RUNS).map(|_| {
        let start = Instant::now();
        rayon::broadcast(|_| run());
        start.elapsed().as_secs_f64()
    });
    flops / times.fold(f64::INFINITY, f64::min) / 1e9
}

/// For the compiler to arrange: four or two numbers fill the registers of every 64-bit baseline.
fn plain<T: From<f32> + Copy + std::ops::Mul<Output = T> + std::ops::Add<Output = T>>() {
    let (factor, term) = (black_box(T::from(1.0)), black_box(T::from(0.0)));
    let mut sums = [[T::from(1.0); 4]; CHAINS];
    let lanes = 16 / size_of::<T>();
    for _ in 0..LENGTH {
        for sum in &mut sums {
            for value in &mut sum[..lanes] {
                *value = *value * factor + term;
            }
        }
    }
    black_box(sums);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::asm;
    use std::arch::x86_64::{
        _mm256_fmadd_pd, _mm256_fmadd_ps, _mm256_max_epi32, _mm256_max_epu8, _mm256_max_epu16,
        _mm256_min_epi32, _mm256_min_epu8, _mm256_min_epu16, _mm256_set1_epi32, _mm256_set1_pd,
        _mm256_set1_ps, _mm512_fmadd_pd, _mm512_fmadd_ps, _mm512_max_epi32, _mm512_max_epu8,
        _mm512_max_epu16, _mm512_min_epi32, _mm512_min_epu8, _mm512_min_epu16, _mm512_set1_epi32,
        _mm512_set1_pd, _mm512_set1_ps,
    };
    use std::hint::black_box;

    use super::{CHAINS, LENGTH};

    macro_rules! chains {
        ($name:ident, $features:literal, $splat:ident, $multiply_add:ident) => {
            #[target_feature(enable = $features)]
            pub(super) fn $name() {
                let (factor, term) = (black_box($splat(1.0)), black_box($splat(0.0)));
                let mut sums = [$splat(1.0); CHAINS];
                for _ in 0..LENGTH {
                    for sum in &mut sums {
                        *sum = $multiply_add(*sum, factor, term);
                    }
                }
                black_box(sums);
            }
        };
    }

    /// As in the product: the running maximum of minima, of which each takes part in one chain only.
    macro_rules! whole_chains {
        ($name:ident, $features:literal, $class:ident, $splat:ident, $min:ident, $max:ident) => {
            #[target_feature(enable = $features)]
            pub(super) fn $name() {
                let mut left = [black_box($splat(0x0102_0304)), black_box($splat(0x0201_0403))];
                let right = black_box($splat(0x0103_0204));
                let mut most = [$splat(0); CHAINS];
                for _ in 0..LENGTH / 2 {
                    for value in &mut left {
                        for chain in &mut most {
                            *chain = $max($min(*value, *chain), right);
                        }
                        // SAFETY: the assembly is empty; after it the compiler does not know what the register holds.
                        unsafe {
                            asm!("/* {0} */", inout($class) * value, options(nomem, nostack, preserves_flags))
                        };
                    }
                }
                black_box(most);
            }
        };
    }

    chains!(avx512_single, "avx512f", _mm512_set1_ps, _mm512_fmadd_ps);
    chains!(avx512_double, "avx512f", _mm512_set1_pd, _mm512_fmadd_pd);
    chains!(avx2_single, "avx2,fma", _mm256_set1_ps, _mm256_fmadd_ps);
    chains!(avx2_double, "avx2,fma", _mm256_set1_pd, _mm256_fmadd_pd);
    whole_chains!(
        avx512_bytes,
        "avx512f,avx512bw",
        zmm_reg,
        _mm512_set1_epi32,
        _mm512_min_epu8,
        _mm512_max_epu8
    );
    whole_chains!(
        avx512_words,
        "avx512f,avx512bw",
        zmm_reg,
        _mm512_set1_epi32,
        _mm512_min_epu16,
        _mm512_max_epu16
    );
    whole_chains!(
        avx512_doubles,
        "avx512f,avx512bw",
        zmm_reg,
        _mm512_set1_epi32,
        _mm512_min_epi32,
        _mm512_max_epi32
    );
    whole_chains!(avx2_bytes, "avx2", ymm_reg, _mm256_set1_epi32, _mm256_min_epu8, _mm256_max_epu8);
    whole_chains!(avx2_words, "avx2", ymm_reg, _mm256_set1_epi32, _mm256_min_epu16, _mm256_max_epu16);
    whole_chains!(avx2_doubles, "avx2", ymm_reg, _mm256_set1_epi32, _mm256_min_epi32, _mm256_max_epi32);
}

#[cfg(test)]
mod tests {
    use super::measure;

    #[test]
    fn a_roof_is_a_number_that_a_processor_can_have() {
        let peak = measure();
        assert!(peak.single > 0.1 && peak.double > 0.1, "{} and {}", peak.single, peak.double);
        assert!(peak.single < 1e6 && peak.double < 1e6, "{} and {}", peak.single, peak.double);
    }
}

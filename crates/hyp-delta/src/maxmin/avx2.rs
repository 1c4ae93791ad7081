//! Registers of 256 bits.

#![expect(unsafe_code, reason = "instructions that not every processor has")]
#![allow(clippy::wildcard_imports, reason = "the list of instructions would be longer than the code")]

use std::arch::x86_64::*;

use super::lanes::{Lanes, lanes};

lanes!(U8x32, u8, __m256i, 32, _mm256_loadu_si256, _mm256_min_epu8, _mm256_max_epu8, largest_u8);
lanes!(U16x16, u16, __m256i, 16, _mm256_loadu_si256, _mm256_min_epu16, _mm256_max_epu16, largest_u16);
lanes!(I32x8, i32, __m256i, 8, _mm256_loadu_si256, _mm256_min_epi32, _mm256_max_epi32, largest_i32);
lanes!(F32x8, f32, __m256, 8, _mm256_loadu_ps, _mm256_min_ps, _mm256_max_ps, largest_f32);

/// The largest of 32 bytes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn largest_u8(v: __m256i) -> u8 {
    let half = _mm_max_epu8(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
    // The one horizontal instruction finds the least of eight words, so look for the least complement.
    let flipped = _mm_xor_si128(half, _mm_set1_epi8(-1));
    let least = _mm_min_epu8(flipped, _mm_srli_epi16::<8>(flipped));
    let words = _mm_and_si128(least, _mm_set1_epi16(0xFF));
    !(_mm_cvtsi128_si32(_mm_minpos_epu16(words)) as u8)
}

/// The largest of 16 words.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn largest_u16(v: __m256i) -> u16 {
    let half = _mm_max_epu16(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
    !(_mm_cvtsi128_si32(_mm_minpos_epu16(_mm_xor_si128(half, _mm_set1_epi8(-1)))) as u16)
}

/// The largest of 8 integers.
#[inline]
#[target_feature(enable = "avx2")]
fn largest_i32(v: __m256i) -> i32 {
    let four = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
    let two = _mm_max_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
    _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two)))
}

/// The largest of 8 floats.
#[inline]
#[target_feature(enable = "avx2")]
fn largest_f32(v: __m256) -> f32 {
    let four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
}

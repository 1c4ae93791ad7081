//! Registers of 512 bits.

#![expect(unsafe_code, reason = "instructions that not every processor has")]
#![allow(clippy::wildcard_imports, reason = "the list of instructions would be longer than the code")]

use std::arch::x86_64::*;

use super::avx2;
use super::lanes::{Lanes, lanes};

lanes!(U8x64, u8, __m512i, 64, _mm512_loadu_si512, _mm512_min_epu8, _mm512_max_epu8, largest_u8, each_u8);
lanes!(
    U16x32,
    u16,
    __m512i,
    32,
    _mm512_loadu_si512,
    _mm512_min_epu16,
    _mm512_max_epu16,
    largest_u16,
    each_u16
);
lanes!(
    I32x16,
    i32,
    __m512i,
    16,
    _mm512_loadu_si512,
    _mm512_min_epi32,
    _mm512_max_epi32,
    _mm512_reduce_max_epi32
);
lanes!(F32x16, f32, __m512, 16, _mm512_loadu_ps, _mm512_min_ps, _mm512_max_ps, _mm512_reduce_max_ps);

/// The largest of 64 bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn largest_u8(v: __m512i) -> u8 {
    avx2::largest_u8(_mm256_max_epu8(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v)))
}

/// The largest of 32 words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn largest_u16(v: __m512i) -> u16 {
    avx2::largest_u16(_mm256_max_epu16(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v)))
}

/// The larger of corresponding bytes of the four quarters.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn quarter_u8(v: __m512i) -> __m128i {
    let half = _mm256_max_epu8(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v));
    _mm_max_epu8(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half))
}

/// The larger of corresponding words of the four quarters.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn quarter_u16(v: __m512i) -> __m128i {
    let half = _mm256_max_epu16(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v));
    _mm_max_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half))
}

/// The largest byte of each of 16 registers: two registers are interleaved and halved at a time, so that 15 maxima of
/// 16 bytes serve all of them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn each_u8(registers: &[__m512i; 16]) -> [u8; 16] {
    let mut v = registers.map(|register| quarter_u8(register));
    for n in 0..8 {
        let (a, b) = (v[2 * n], v[2 * n + 1]);
        v[n] = _mm_max_epu8(_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b));
    }
    for n in 0..4 {
        let (a, b) = (v[2 * n], v[2 * n + 1]);
        v[n] = _mm_max_epu8(_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b));
    }
    for n in 0..2 {
        let (a, b) = (v[2 * n], v[2 * n + 1]);
        v[n] = _mm_max_epu8(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
    }
    let all = _mm_max_epu8(_mm_unpacklo_epi64(v[0], v[1]), _mm_unpackhi_epi64(v[0], v[1]));
    // SAFETY: both are 16 plain bytes.
    unsafe { std::mem::transmute(all) }
}

/// The largest word of each of 8 registers, likewise.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn each_u16(registers: &[__m512i; 8]) -> [u16; 8] {
    let mut v = registers.map(|register| quarter_u16(register));
    for n in 0..4 {
        let (a, b) = (v[2 * n], v[2 * n + 1]);
        v[n] = _mm_max_epu16(_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b));
    }
    for n in 0..2 {
        let (a, b) = (v[2 * n], v[2 * n + 1]);
        v[n] = _mm_max_epu16(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
    }
    let all = _mm_max_epu16(_mm_unpacklo_epi64(v[0], v[1]), _mm_unpackhi_epi64(v[0], v[1]));
    // SAFETY: both are 16 plain bytes, the lowest word first on this architecture.
    unsafe { std::mem::transmute(all) }
}

//! Registers of 512 bits.

#![expect(unsafe_code, reason = "instructions that not every processor has")]
#![allow(clippy::wildcard_imports, reason = "the list of instructions would be longer than the code")]

use std::arch::x86_64::*;

use super::avx2;
use super::lanes::{Lanes, lanes};

lanes!(U8x64, u8, __m512i, 64, _mm512_loadu_si512, _mm512_min_epu8, _mm512_max_epu8, largest_u8);
lanes!(U16x32, u16, __m512i, 32, _mm512_loadu_si512, _mm512_min_epu16, _mm512_max_epu16, largest_u16);
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

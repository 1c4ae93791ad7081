//! Points and comparisons for the tests of this crate.

use crate::{Curvature, Real};

/// `rows` pseudo-random points with radii up to `reach` of the ball's (of 1 in flat space), decided by `seed`.
pub(crate) fn ball_points<T: Real>(seed: u64, rows: usize, dim: usize, c: Curvature, reach: f64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut uniform = || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let unit = if c.is_flat() { 1.0 } else { c.radius() };
    let mut points = Vec::with_capacity(rows * dim);
    for _ in 0..rows {
        let direction: Vec<f64> = (0..dim).map(|_| uniform() - 0.5).collect();
        let norm = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
        let radius = reach * uniform() * unit;
        points.extend(direction.iter().map(|v| T::from_f64(v / norm * radius)));
    }
    points
}

/// Asserts that every entry differs by at most `tolerance` times the largest entry of `want`.
pub(crate) fn assert_close<T: Real>(got: &[T], want: &[T], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().map(|v| v.to_f64().abs()).fold(0.0, f64::max);
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (got.to_f64() - want.to_f64()).abs();
        assert!(error <= tolerance * scale, "entry {index}: {got} is not {want} (largest {scale:e})");
    }
}

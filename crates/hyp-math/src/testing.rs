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

/// Central differences of `loss` by every entry of `values`.
///
/// They are off by step² = 1e-12 times a sixth of the third derivative, and by rounding over step.
pub(crate) fn differences(values: &[f64], loss: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let step = 1e-6;
    let mut moved = values.to_vec();
    (0..values.len())
        .map(|i| {
            moved[i] = values[i] + step;
            let above = loss(&moved);
            moved[i] = values[i] - step;
            let below = loss(&moved);
            moved[i] = values[i];
            (above - below) / (2.0 * step)
        })
        .collect()
}

/// The derivative of `loss` by c: by central differences or, at the end of the domain, by one-sided ones of second order.
pub(crate) fn difference_by_curvature(c: f64, loss: impl Fn(Curvature) -> f64) -> f64 {
    let at = |c: f64| loss(Curvature::new(c).expect("a curvature"));
    if c > 0.0 {
        differences(&[c], |c| at(c[0]))[0]
    } else {
        let step = 1e-5;
        (4.0 * at(step) - 3.0 * at(0.0) - at(2.0 * step)) / (2.0 * step)
    }
}

//! Networks train as they do in PyTorch, from the same weights on the same pictures.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conv4;
mod lenet;

/// `count` numbers in [0, 1): splitmix64 of the counter stream·2³² + i.
fn fill(stream: u64, count: usize) -> Vec<f64> {
    let draw = |i: u64| {
        let mut z = ((stream << 32) + i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / 2.0_f64.powi(53)
    };
    (0..count as u64).map(draw).collect()
}

//! Sums of many numbers in `f64`, in interleaved partial sums that fill the processor's vectors.

use std::ops::AddAssign;

use super::kernel::Element;

/// Partial sums: so many that no addition waits for the one before it.
const LANES: usize = 32;

/// Σ f(x).
#[inline(always)]
pub(super) fn sum_of<T: Element>(xs: &[T], f: impl Fn(f64) -> f64) -> f64 {
    sum_of_pairs(xs, xs, |x, _| f(x))
}

/// Σ f(x, y) of two rows of one length.
#[inline(always)]
pub(super) fn sum_of_pairs<T: Element>(xs: &[T], ys: &[T], f: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (x_runs, x_rest) = xs.as_chunks::<LANES>();
    let (y_runs, y_rest) = ys.as_chunks::<LANES>();
    for (x, y) in x_runs.iter().zip(y_runs) {
        for i in 0..LANES {
            lanes[i] += f(x[i].to_f64(), y[i].to_f64());
        }
    }
    for (lane, (x, y)) in lanes.iter_mut().zip(x_rest.iter().zip(y_rest)) {
        *lane += f(x.to_f64(), y.to_f64());
    }
    sum_of_lanes(lanes)
}

/// The sum of partial sums, whose number is a power of two, in pairs: no addition waits for all before it.
#[inline(always)]
pub(super) fn sum_of_lanes<T: Copy + AddAssign, const N: usize>(mut lanes: [T; N]) -> T {
    let mut half = N / 2;
    while half > 0 {
        for i in 0..half {
            let other = lanes[i + half];
            lanes[i] += other;
        }
        half /= 2;
    }
    lanes[0]
}

/// Σ f(x, y, z) of three rows of one length, where f gives two values.
#[inline(always)]
pub(super) fn sums_of_triples<T: Element>(
    [xs, ys, zs]: [&[T]; 3],
    f: impl Fn(T, T, T) -> [f64; 2],
) -> [f64; 2] {
    const LANES: usize = 16;
    let mut lanes = [[0.0; LANES]; 2];
    let ((xs, x_rest), (ys, y_rest), (zs, z_rest)) =
        (xs.as_chunks::<LANES>(), ys.as_chunks::<LANES>(), zs.as_chunks::<LANES>());
    for ((x, y), z) in xs.iter().zip(ys).zip(zs) {
        for i in 0..LANES {
            let [a, b] = f(x[i], y[i], z[i]);
            lanes[0][i] += a;
            lanes[1][i] += b;
        }
    }
    for (i, ((x, y), z)) in x_rest.iter().zip(y_rest).zip(z_rest).enumerate() {
        let [a, b] = f(*x, *y, *z);
        lanes[0][i] += a;
        lanes[1][i] += b;
    }
    lanes.map(|lanes| lanes.iter().sum())
}

/// Mean of a map, and the sum of the squared differences from it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Those of a map, in one pass, by the differences from its first value: the square of the mean of `n` of them is at most
    /// `n` times their variance, so that the rounding of the variance stays below about `n` units in the last place of `f64`.
    #[inline(always)]
    pub(super) fn of<T: Element>(map: &[T]) -> Self {
        let Some(pivot) = map.first() else { return Self::default() };
        let (pivot, count) = (pivot.to_f64(), map.len() as f64);
        let [sum, squares] = sums_of_triples([map; 3], |v, _, _| {
            let v = v.to_f64() - pivot;
            [v, v * v]
        });
        let squares = squares - sum * (sum / count);
        // Not `max`, which would hide NaN.
        Self { mean: pivot + sum / count, squares: if squares < 0.0 { 0.0 } else { squares } }
    }

    /// Mean and variance (divided by the count) of all maps of a channel, each with `plane` values.
    ///
    /// Source: Chan, Golub and LeVeque 1979, for parts of one size.
    pub(super) fn together(maps: impl Iterator<Item = Self> + Clone, plane: usize) -> (f64, f64) {
        let count = maps.clone().count() as f64;
        let mean = maps.clone().map(|m| m.mean).sum::<f64>() / count;
        let squares: f64 = maps.map(|m| m.squares + plane as f64 * (m.mean - mean).powi(2)).sum();
        (mean, squares / (count * plane as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_any_length_are_complete() {
        for n in [0, 1, 2, 31, 32, 33, 100] {
            let numbers: Vec<f32> = (1..=n).map(|v| v as f32).collect();
            assert_eq!(sum_of(&numbers, |v| v), (n * (n + 1) / 2) as f64);
            let squares = n * (n + 1) * (2 * n + 1) / 6;
            assert_eq!(sum_of_pairs(&numbers, &numbers, |x, y| x * y), squares as f64);
            let both = sums_of_triples([&numbers; 3], |x, y, z| [x.into(), f64::from(y) * f64::from(z)]);
            assert_eq!(both, [(n * (n + 1) / 2) as f64, squares as f64]);
        }
    }

    #[test]
    fn moments_of_parts_are_those_of_the_whole_far_from_zero_too() {
        let values: Vec<f64> = (0..60).map(|i| 1e8 + f64::from(i * i % 17)).collect();
        let mean = values.iter().sum::<f64>() / 60.0;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 60.0;
        for plane in [1, 4, 20, 60] {
            let parts: Vec<_> = values.chunks_exact(plane).map(Moments::of).collect();
            let (got, got_variance) = Moments::together(parts.iter().copied(), plane);
            assert!((got - mean).abs() < 1e-7, "{plane}: {got} {mean}");
            assert!((got_variance / variance - 1.0).abs() < 1e-7, "{plane}: {got_variance} {variance}");
        }
    }

    #[test]
    fn an_outlier_at_the_front_costs_no_digits_and_nan_is_not_hidden() {
        let mut values: Vec<f64> = (0..400).map(|i| f64::from(i % 7) / 7.0).collect();
        values[0] = 1e6;
        let mean = values.iter().sum::<f64>() / 400.0;
        let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        let moments = Moments::of(&values);
        assert!((moments.mean - mean).abs() < 1e-9 && (moments.squares / squares - 1.0).abs() < 1e-12);
        assert_eq!(Moments::of(&[3.0_f32; 50]).squares, 0.0);
        for hidden in [[1.0, f64::NAN], [1e200, -1e200]] {
            assert!(!Moments::of(&hidden).squares.is_finite(), "{hidden:?}");
        }
    }
}

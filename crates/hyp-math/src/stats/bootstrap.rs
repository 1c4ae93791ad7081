//! The percentile bootstrap, from resample indices that the caller drew.

use super::{StatsError, error::check};

/// Bounds of a percentile interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PercentileInterval {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// The percentile interval of a statistic over given resamples.
///
/// Row `r` of `resamples` (`[resamples, values.len()]`, row-major) names the values of one resample, drawn with
/// replacement by the caller from a seeded generator; this function draws nothing.
///
/// **Domain.** `0 < level < 1`, for example 0.95; the bounds are the `(1 − level)/2` and `(1 + level)/2` points
/// of the statistics of the resamples.
///
/// # Errors
/// If the sample is empty or not finite, if there is no resample, if an index names no value, or if the statistic
/// of a resample is not finite.
///
/// # Panics
/// If `resamples` is not a whole number of rows, or `level` is not strictly between 0 and 1.
///
/// # Examples
/// ```
/// use hyp_math::stats::bootstrap_interval;
/// let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
/// // Three resamples of two values have means 0, 1 and 2; the middle half of them lies between 0.5 and 1.5.
/// let interval = bootstrap_interval(&[0.0, 2.0], &[0, 0, 0, 1, 1, 1], 0.5, mean)?;
/// assert_eq!((interval.low, interval.high), (0.5, 1.5));
/// # Ok::<(), hyp_math::stats::StatsError>(())
/// ```
pub fn bootstrap_interval(
    values: &[f64],
    resamples: &[usize],
    level: f64,
    mut statistic: impl FnMut(&[f64]) -> f64,
) -> Result<PercentileInterval, StatsError> {
    assert!(level > 0.0 && level < 1.0, "a level lies strictly between 0 and 1, got {level}");
    check("a bootstrap", values, 1)?;
    assert_eq!(resamples.len() % values.len(), 0, "resamples must be rows as long as the sample");
    if let Some(&index) = resamples.iter().find(|&&i| i >= values.len()) {
        return Err(StatsError::IndexOutOfRange { index, len: values.len() });
    }
    let mut drawn = vec![0.0; values.len()];
    let statistics: Vec<f64> = resamples
        .chunks_exact(values.len())
        .map(|row| {
            for (slot, &index) in drawn.iter_mut().zip(row) {
                *slot = values[index];
            }
            statistic(&drawn)
        })
        .collect();
    check("the bootstrap's statistics", &statistics, 1)?;
    let tail = 0.5 * (1.0 - level);
    Ok(PercentileInterval { low: percentile(&statistics, tail)?, high: percentile(&statistics, 1.0 - tail)? })
}

/// The `fraction`-point of a sample, linear between neighbouring order statistics (numpy's default).
///
/// # Errors
/// If the sample is empty or holds a non-finite value.
///
/// # Panics
/// If `fraction` is outside `[0, 1]`.
///
/// # Examples
/// ```
/// use hyp_math::stats::percentile;
/// assert_eq!(percentile(&[3.0, 1.0, 2.0], 0.25)?, 1.5);
/// # Ok::<(), hyp_math::stats::StatsError>(())
/// ```
pub fn percentile(values: &[f64], fraction: f64) -> Result<f64, StatsError> {
    assert!((0.0..=1.0).contains(&fraction), "a percentile lies in [0, 1], got {fraction}");
    check("a percentile", values, 1)?;
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let position = fraction * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let part = position - below as f64;
    Ok(sorted[below] * (1.0 - part) + sorted[above] * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resamples_that_repeat_one_value_give_its_statistic() {
        let first = |v: &[f64]| v[0];
        let interval = bootstrap_interval(&[4.0, 7.0], &[1, 1, 1, 1], 0.95, first).unwrap();
        assert_eq!(interval, PercentileInterval { low: 7.0, high: 7.0 });
    }

    #[test]
    fn an_index_beyond_the_sample_is_an_error() {
        let got = bootstrap_interval(&[1.0, 2.0], &[0, 2], 0.95, |v| v[0]);
        assert_eq!(got, Err(StatsError::IndexOutOfRange { index: 2, len: 2 }));
        assert!(bootstrap_interval(&[1.0], &[], 0.95, |v| v[0]).is_err());
    }

    #[test]
    fn the_ends_of_a_percentile_are_the_extremes() {
        let values = [5.0, -1.0, 3.0, 3.0];
        assert_eq!(percentile(&values, 0.0).unwrap(), -1.0);
        assert_eq!(percentile(&values, 1.0).unwrap(), 5.0);
        assert_eq!(percentile(&values, 0.5).unwrap(), 3.0);
    }
}

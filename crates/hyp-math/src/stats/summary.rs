//! Mean, standard deviation and 95 % intervals.

use super::{StatsError, error::check, student::t_quantile};

/// The 97.5 % point of the standard normal law: half the width of a 95 % interval, in standard errors.
pub const NORMAL_95: f64 = 1.959_963_984_540_054;

/// A mean with the half width of its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The mean of the sample.
    pub mean: f64,
    /// The interval is `mean ± half_width`.
    pub half_width: f64,
}

/// The arithmetic mean.
///
/// **Numerics.** The mean of the deviations from a first mean is added, so that a large offset costs no digits.
///
/// # Errors
/// If `values` is empty or holds a non-finite value.
///
/// # Examples
/// ```
/// assert_eq!(hyp_math::stats::mean(&[1.0, 2.0, 6.0])?, 3.0);
/// # Ok::<(), hyp_math::stats::StatsError>(())
/// ```
pub fn mean(values: &[f64]) -> Result<f64, StatsError> {
    check("a mean", values, 1)?;
    Ok(corrected_mean(values))
}

/// The sample standard deviation, with `n − 1` in the denominator.
///
/// # Errors
/// If there are fewer than two values, or one is not finite.
///
/// # Examples
/// ```
/// assert_eq!(hyp_math::stats::std(&[1.0, 3.0, 5.0])?, 2.0); // squares 4 + 0 + 4, over 2
/// # Ok::<(), hyp_math::stats::StatsError>(())
/// ```
pub fn std(values: &[f64]) -> Result<f64, StatsError> {
    check("a standard deviation", values, 2)?;
    let mean = corrected_mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    Ok((squares / (values.len() - 1) as f64).sqrt())
}

/// The 95 % interval of a mean by the normal law: for many values, such as the accuracies of episodes.
///
/// $$ \bar v \pm 1.96\, \sigma / \sqrt n $$
///
/// # Errors
/// If there are fewer than two values, or one is not finite.
pub fn normal_interval(values: &[f64]) -> Result<Interval, StatsError> {
    let error = std(values)? / (values.len() as f64).sqrt();
    Ok(Interval { mean: corrected_mean(values), half_width: NORMAL_95 * error })
}

/// The 95 % interval of a mean by Student's law: for a few values, such as one per seed.
///
/// $$ \bar v \pm t_{0.975,\,n-1}\, \sigma / \sqrt n $$
///
/// # Errors
/// If there are fewer than two values, or one is not finite.
///
/// # Examples
/// ```
/// let interval = hyp_math::stats::t_interval(&[1.0, 3.0])?;
/// // σ = √2, so the standard error is 1 and the half width is t₀.₉₇₅ for one degree of freedom.
/// assert!((interval.half_width - 12.706_204_736).abs() < 1e-8);
/// # Ok::<(), hyp_math::stats::StatsError>(())
/// ```
pub fn t_interval(values: &[f64]) -> Result<Interval, StatsError> {
    let error = std(values)? / (values.len() as f64).sqrt();
    let quantile = t_quantile(0.975, (values.len() - 1) as f64);
    Ok(Interval { mean: corrected_mean(values), half_width: quantile * error })
}

fn corrected_mean(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let first = values.iter().sum::<f64>() / n;
    first + values.iter().map(|v| v - first).sum::<f64>() / n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_offset_costs_no_digits() {
        let values = [1e9 + 1.0, 1e9 + 3.0, 1e9 + 5.0];
        assert_eq!(mean(&values).unwrap(), 1e9 + 3.0);
        assert_eq!(std(&values).unwrap(), 2.0);
    }

    #[test]
    fn the_normal_interval_uses_1_96_standard_errors() {
        let interval = normal_interval(&[0.0, 2.0, 0.0, 2.0]).unwrap();
        let standard_error = (4.0_f64 / 3.0).sqrt() / 2.0;
        assert_eq!(interval.mean, 1.0);
        assert!((interval.half_width - 1.96 * standard_error).abs() < 1e-4);
    }

    #[test]
    fn three_seeds_use_the_quantile_of_two_degrees_of_freedom() {
        let interval = t_interval(&[1.0, 3.0, 5.0]).unwrap();
        // t(0.975, 2) = 4.302652729749..., and the standard error is 2/√3.
        assert!((interval.half_width - 4.302_652_729_749 * 2.0 / 3.0_f64.sqrt()).abs() < 1e-10);
    }

    #[test]
    fn empty_short_and_non_finite_samples_are_named() {
        assert!(matches!(mean(&[]), Err(StatsError::TooFew { needed: 1, got: 0, .. })));
        assert!(matches!(std(&[1.0]), Err(StatsError::TooFew { needed: 2, got: 1, .. })));
        assert!(matches!(mean(&[0.0, f64::NAN]), Err(StatsError::NotFinite { index: 1, .. })));
    }
}

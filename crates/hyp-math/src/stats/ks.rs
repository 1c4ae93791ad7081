//! The two-sample Kolmogorov–Smirnov distance.

use super::{StatsError, error::check};

/// The two-sample Kolmogorov–Smirnov distance: the largest gap between two empirical distribution functions.
///
/// $$ D = \sup_v |F_a(v) - F_b(v)| $$
///
/// **Source.** \[HIE\] Table 3 compares the distributions of distances to the origin, and of the largest
/// probabilities, by this distance.
/// **Shapes.** Samples of any two sizes. **Domain.** `0 ≤ D ≤ 1`; symmetric.
/// **Numerics.** Equal values are passed together, so ties between and within the samples make no gap.
///
/// # Errors
/// If a sample is empty or holds a non-finite value.
///
/// # Examples
/// ```
/// use hyp_math::stats::kolmogorov_smirnov;
/// assert_eq!(kolmogorov_smirnov(&[1.0, 2.0], &[3.0, 4.0])?, 1.0);
/// assert_eq!(kolmogorov_smirnov(&[1.0, 2.0], &[2.0, 1.0, 1.0, 2.0])?, 0.0);
/// # Ok::<(), hyp_math::stats::StatsError>(())
/// ```
pub fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> Result<f64, StatsError> {
    check("the first sample", a, 1)?;
    check("the second sample", b, 1)?;
    let sorted = |values: &[f64]| {
        let mut copy = values.to_vec();
        copy.sort_unstable_by(f64::total_cmp);
        copy
    };
    let (a, b) = (sorted(a), sorted(b));
    let (mut i, mut j) = (0, 0);
    let mut largest = 0.0_f64;
    while i < a.len() && j < b.len() {
        let value = if a[i] <= b[j] { a[i] } else { b[j] };
        while i < a.len() && a[i] <= value {
            i += 1;
        }
        while j < b.len() && b[j] <= value {
            j += 1;
        }
        let gap = i as f64 / a.len() as f64 - j as f64 / b.len() as f64;
        largest = largest.max(gap.abs());
    }
    Ok(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, evaluated at every value of either sample.
    fn by_definition(a: &[f64], b: &[f64]) -> f64 {
        let share =
            |values: &[f64], v: f64| values.iter().filter(|&&w| w <= v).count() as f64 / values.len() as f64;
        a.iter().chain(b).map(|&v| (share(a, v) - share(b, v)).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn a_case_worked_by_hand() {
        // At 2 the first sample has 3 of 4 below or at, the second 1 of 5.
        let (a, b) = ([1.0, 2.0, 2.0, 5.0], [2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!((kolmogorov_smirnov(&a, &b).unwrap() - 0.55).abs() < 1e-15);
    }

    #[test]
    fn agrees_with_the_definition_on_samples_full_of_ties() {
        for step in 1..40_usize {
            let a: Vec<f64> = (0..37).map(|i| ((i * step) % 11) as f64).collect();
            let b: Vec<f64> = (0..23).map(|i| ((i * (step + 3)) % 7) as f64 - 1.0).collect();
            let got = kolmogorov_smirnov(&a, &b).unwrap();
            assert_eq!(got, by_definition(&a, &b), "step {step}");
            assert_eq!(got, kolmogorov_smirnov(&b, &a).unwrap(), "symmetric, step {step}");
        }
    }

    #[test]
    fn negative_zero_equals_zero() {
        assert_eq!(kolmogorov_smirnov(&[-0.0, 1.0], &[0.0, 1.0]).unwrap(), 0.0);
        assert_eq!(kolmogorov_smirnov(&[0.0, 1.0], &[-0.0, 1.0]).unwrap(), 0.0);
    }

    #[test]
    fn non_finite_values_are_refused() {
        assert!(kolmogorov_smirnov(&[0.0], &[f64::INFINITY]).is_err());
        assert!(kolmogorov_smirnov(&[], &[1.0]).is_err());
    }
}

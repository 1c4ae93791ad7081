//! Student's t law: distribution function and quantile for any number of degrees of freedom.

/// The distribution function of Student's t law with `dof` degrees of freedom.
///
/// $$ F(t) = 1 - \tfrac12 I_{\nu/(\nu+t^2)}(\nu/2, 1/2) \quad (t \ge 0) $$
///
/// **Domain.** `dof > 0`, not necessarily whole; any `t`.
/// **Numerics.** The regularised incomplete beta function by its continued fraction; about `1e-14`.
///
/// # Panics
/// If `dof` is not positive.
pub fn t_cdf(t: f64, dof: f64) -> f64 {
    assert!(dof > 0.0, "a t law needs a positive number of degrees of freedom, got {dof}");
    let tail = 0.5 * incomplete_beta(dof / (dof + t * t), t * t / (dof + t * t), 0.5 * dof, 0.5);
    if t < 0.0 { tail } else { 1.0 - tail }
}

/// The `probability`-quantile of Student's t law with `dof` degrees of freedom.
///
/// **Domain.** `0 < probability < 1`, `dof > 0`.
/// **Numerics.** Bisection of [`t_cdf`] to the last bit it can resolve; about `1e-12` relative for
/// probabilities between 0.001 and 0.999.
///
/// # Panics
/// If `probability` is not strictly between 0 and 1, or `dof` is not positive.
///
/// # Examples
/// ```
/// use hyp_math::stats::t_quantile;
/// assert_eq!(t_quantile(0.5, 3.0), 0.0);
/// assert!((t_quantile(0.75, 1.0) - 1.0).abs() < 1e-12); // Cauchy: tan(π/4)
/// ```
pub fn t_quantile(probability: f64, dof: f64) -> f64 {
    assert!(
        probability > 0.0 && probability < 1.0,
        "a quantile needs a probability strictly between 0 and 1, got {probability}"
    );
    assert!(dof > 0.0, "a t law needs a positive number of degrees of freedom, got {dof}");
    if probability == 0.5 {
        return 0.0;
    }
    // The upper tail is the smaller number, so it is compared there: no digits are lost in 1 − tail.
    let tail = probability.min(1.0 - probability);
    let upper_tail =
        |t: f64| 0.5 * incomplete_beta(dof / (dof + t * t), t * t / (dof + t * t), 0.5 * dof, 0.5);
    let (mut low, mut high) = (0.0, 1.0);
    while upper_tail(high) > tail && high < f64::MAX / 4.0 {
        low = high;
        high *= 2.0;
    }
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return if probability < 0.5 { -middle } else { middle };
        }
        if upper_tail(middle) > tail {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The regularised incomplete beta function `I_x(a, b)`; `y` is `1 − x`, given apart to keep its digits.
fn incomplete_beta(x: f64, y: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * y.ln()).exp();
    // The fraction converges fast on the side of the mean that x lies on.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(x, a, b) / a
    } else {
        1.0 - front * beta_fraction(y, b, a) / b
    }
}

/// Lentz's evaluation of the continued fraction of the incomplete beta function.
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for m in 1..10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        value *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        value *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

/// `ln Γ(x)` for `x > 0`: Stirling's series, after raising the argument above 12.
fn ln_gamma(x: f64) -> f64 {
    let mut shifted = x;
    let mut product = 1.0;
    while shifted < 12.0 {
        product *= shifted;
        shifted += 1.0;
    }
    // B₂ₖ / (2k (2k − 1)) for k = 1…7.
    const COEFFICIENTS: [f64; 7] = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
    ];
    let inverse = 1.0 / shifted;
    let square = inverse * inverse;
    let series = COEFFICIENTS.iter().rev().fold(0.0, |sum, k| sum * square + k) * inverse;
    (shifted - 0.5) * shifted.ln() - shifted + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - product.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ln_gamma_of_known_arguments() {
        for (x, want) in [
            (0.5, std::f64::consts::PI.sqrt().ln()),
            (1.0, 0.0),
            (5.0, 24.0_f64.ln()),
            (11.0, 3_628_800.0_f64.ln()),
        ] {
            assert!((ln_gamma(x) - want).abs() < 1e-14 * (1.0 + want.abs()), "ln Γ({x})");
        }
    }

    #[test]
    fn one_degree_of_freedom_is_the_cauchy_law() {
        for t in [-30.0, -1.0, -0.1, 0.0, 0.5, 2.0, 1e3] {
            let want = 0.5 + f64::atan(t) / std::f64::consts::PI;
            assert!((t_cdf(t, 1.0) - want).abs() < 1e-14, "at {t}");
        }
        for p in [0.001, 0.1, 0.6, 0.975, 0.9999] {
            let want = (std::f64::consts::PI * (p - 0.5)).tan();
            assert!((t_quantile(p, 1.0) - want).abs() < 1e-11 * want.abs(), "at {p}");
        }
    }

    #[test]
    fn two_degrees_of_freedom_have_a_closed_form() {
        // t = (2p − 1) √(2 / (4p (1 − p)))
        for p in [0.01, 0.3, 0.9, 0.975, 0.999] {
            let want = (2.0 * p - 1.0) * f64::sqrt(2.0 / (4.0 * p * (1.0 - p)));
            assert!((t_quantile(p, 2.0) - want).abs() < 1e-12 * want.abs(), "at {p}");
        }
    }

    #[test]
    fn tabulated_quantiles_and_the_normal_limit() {
        // t(0.975, ν) of any printed table, to the three decimals printed there.
        for (dof, want) in
            [(1.0, 12.706), (2.0, 4.303), (4.0, 2.776), (9.0, 2.262), (29.0, 2.045), (100.0, 1.984)]
        {
            assert!((t_quantile(0.975, dof) - want).abs() < 5.1e-4, "at {dof}");
        }
        // For large ν the quantile exceeds the normal one by about (z + z³)/(4ν).
        let z = super::super::NORMAL_95;
        let want = z + (z + z * z * z) / 4e6;
        assert!((t_quantile(0.975, 1e6) - want).abs() < 1e-9);
    }

    #[test]
    fn the_quantile_inverts_the_distribution_function() {
        for dof in [1.0, 2.5, 7.0, 40.0] {
            for p in [0.002, 0.2, 0.7, 0.99] {
                assert!((t_cdf(t_quantile(p, dof), dof) - p).abs() < 1e-13, "p = {p}, dof = {dof}");
            }
        }
    }
}

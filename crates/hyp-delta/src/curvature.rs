//! The curvature that a measured δ_rel suggests for the Poincaré ball.

/// The relative δ of the unit ball that a suggested curvature scales to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BallConstant {
    /// 0.144, as printed: 2 · 0.88 / 12.2.
    ///
    /// It divides the slim-triangle constant of the hyperbolic plane by the *radius* of the ball at clipping 1e-5.
    #[default]
    Printed,
    /// 2 ln 2 / (4 artanh(1 − 1e-5)) = 0.0568: the four-point constant by the *diameter* of the same ball.
    Consistent,
}

impl BallConstant {
    /// The value of the constant.
    ///
    /// # Examples
    /// ```
    /// use hyp_delta::BallConstant;
    /// assert_eq!(BallConstant::Printed.value(), 0.144);
    /// assert!((BallConstant::Consistent.value() - 0.0568).abs() < 5e-5);
    /// ```
    pub fn value(self) -> f64 {
        match self {
            Self::Printed => 0.144,
            Self::Consistent => 2.0 * std::f64::consts::LN_2 / (4.0 * (1.0 - 1e-5_f64).atanh()),
        }
    }
}

/// The curvature parameter c that makes the δ_rel of the ball equal to a measured one.
///
/// $$ c = \Bigl(\frac{\text{constant}}{\delta_{rel}}\Bigr)^2 $$
///
/// **Source.** \[HIE\] Sec. 3.2, (5).
///
/// **Domain.** δ_rel ≥ 0; at 0 (a tree) no finite curvature is enough and the result is ∞.
///
/// # Panics
/// If `delta_rel` is negative or NaN.
///
/// # Examples
/// ```
/// use hyp_delta::{BallConstant, suggested_curvature};
/// assert!((suggested_curvature(0.288, BallConstant::Printed) - 0.25).abs() < 1e-12);
/// assert_eq!(suggested_curvature(0.0, BallConstant::Printed), f64::INFINITY);
/// ```
pub fn suggested_curvature(delta_rel: f64, constant: BallConstant) -> f64 {
    assert!(delta_rel >= 0.0, "δ_rel is not negative, got {delta_rel}");
    (constant.value() / delta_rel).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// \[HIE\] Sec. 3.1 speaks of c ≈ 0.33 for data sets with δ_rel near 0.25, and a tree asks for unbounded curvature.
    #[test]
    fn the_papers_values_come_out() {
        assert_eq!(suggested_curvature(0.144, BallConstant::Printed), 1.0);
        assert!((suggested_curvature(0.25, BallConstant::Printed) - 0.331_776).abs() < 1e-15);
        assert_eq!(suggested_curvature(0.0, BallConstant::Printed), f64::INFINITY);
        // 2 ln 2 / 24.41, the diameter of the unit ball within 1 − 1e-5 being 24.41.
        assert!((suggested_curvature(0.0568, BallConstant::Consistent) - 1.0).abs() < 1e-3);
    }
}

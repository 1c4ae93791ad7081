//! The curvature of the space, checked once where it is made.

use thiserror::Error;

/// The parameter c ≥ 0 of the Poincaré ball; **the space has curvature −c**.
///
/// The ball is the set of points with `c‖x‖² < 1`, of radius `1/√c`. With `c = 0` the ball is all of
/// Euclidean space and every operation takes its limit: the distance tends to `2‖x − y‖`, the exponential map
/// at 0 to the identity, Möbius addition to addition.
///
/// **Source.** \[HIE\] Sec. 3, "Poincaré ball"; the letter c and its sign are the paper's.
/// **Domain.** c ≥ 0.
/// **Numerics.** c below [`Curvature::SMALLEST`] is taken as 0: at norms up to 10⁷ no operation differs from its limit by
/// more than its rounding, while the powers of c in the gradients would leave the range of `f64`.
///
/// # Examples
/// ```
/// use hyp_math::Curvature;
/// let c = Curvature::new(4.0)?;
/// assert_eq!(c.get(), 4.0);
/// assert_eq!(c.sqrt(), 2.0);
/// assert_eq!(c.radius(), 0.5);
/// assert!(Curvature::new(-1.0).is_err());
/// assert!(Curvature::new(1e-300)?.is_flat());
/// # Ok::<(), hyp_math::InvalidCurvature>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Curvature {
    c: f64,
    sqrt: f64,
}

/// A number that is not a curvature parameter.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("c = {0} is not a curvature parameter: give a finite c ≥ 0 (the space then has curvature −c)")]
pub struct InvalidCurvature(pub f64);

impl Curvature {
    /// c = 0: Euclidean space.
    pub const FLAT: Self = Self { c: 0.0, sqrt: 0.0 };
    /// c = 1: the unit ball.
    pub const ONE: Self = Self { c: 1.0, sqrt: 1.0 };

    /// The smallest c > 0 that is told from 0.
    pub const SMALLEST: f64 = 1e-30;

    /// Checks that `c` is finite and not negative.
    ///
    /// # Errors
    /// [`InvalidCurvature`] if `c` is negative, infinite or NaN.
    pub fn new(c: f64) -> Result<Self, InvalidCurvature> {
        if c.is_finite() && c >= 0.0 {
            // Also turns −0.0 into 0.0, so that 1/√c is +∞ and never −∞.
            let c = if c < Self::SMALLEST { 0.0 } else { c };
            Ok(Self { c, sqrt: c.sqrt() })
        } else {
            Err(InvalidCurvature(c))
        }
    }

    /// The parameter c.
    #[inline(always)]
    pub const fn get(self) -> f64 {
        self.c
    }

    /// √c.
    #[inline(always)]
    pub const fn sqrt(self) -> f64 {
        self.sqrt
    }

    /// True if c = 0.
    #[inline(always)]
    pub const fn is_flat(self) -> bool {
        self.c == 0.0
    }

    /// The radius 1/√c of the ball; infinite if c = 0.
    #[inline(always)]
    pub fn radius(self) -> f64 {
        1.0 / self.sqrt
    }

    /// The largest norm (1 − margin)/√c that keeps a relative distance `margin` from the boundary.
    #[inline(always)]
    pub fn max_norm(self, margin: f64) -> f64 {
        (1.0 - margin) / self.sqrt
    }
}

impl TryFrom<f64> for Curvature {
    type Error = InvalidCurvature;

    fn try_from(c: f64) -> Result<Self, InvalidCurvature> {
        Self::new(c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_curvature() {
        for c in [-1.0, -1e-300, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            assert!(Curvature::new(c).is_err(), "{c}");
        }
    }

    #[test]
    fn zero_is_flat_whatever_its_sign() {
        for c in [0.0, -0.0] {
            let c = Curvature::new(c).unwrap();
            assert!(c.is_flat());
            assert_eq!(c, Curvature::FLAT);
            assert_eq!(c.radius(), f64::INFINITY);
            assert_eq!(c.max_norm(1e-3), f64::INFINITY);
        }
    }

    #[test]
    fn message_names_the_value_and_the_remedy() {
        let message = InvalidCurvature(-2.0).to_string();
        assert!(message.contains("-2") && message.contains("c ≥ 0"), "{message}");
    }
}

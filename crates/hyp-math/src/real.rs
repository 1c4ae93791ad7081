//! The scalar types of the crate: `f32` and `f64`, both computed on in `f64`.

use std::fmt::{Debug, Display};

/// A stored scalar, `f32` or `f64`.
///
/// Slices are read and written in this type; every formula runs in `f64` between the two conversions, so a
/// result is rounded once, on its way out.
pub trait Real: Copy + Debug + Default + Display + PartialEq + PartialOrd + Send + Sync + 'static {
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// The distance from one to the next larger value, as `f64`.
    const EPS: f64;
    /// The smallest positive normal value, as `f64`.
    const TINY: f64;
    /// The name that tables and messages use.
    const NAME: &'static str;

    /// The value as `f64`; exact.
    fn to_f64(self) -> f64;
    /// The value nearest to `value`; a magnitude out of range becomes an infinity.
    fn from_f64(value: f64) -> Self;
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const EPS: f64 = Self::EPSILON as f64;
    const TINY: f64 = Self::MIN_POSITIVE as f64;
    const NAME: &'static str = "f32";

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value as Self
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const EPS: f64 = Self::EPSILON;
    const TINY: f64 = Self::MIN_POSITIVE;
    const NAME: &'static str = "f64";

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_plus_eps_is_the_next_value() {
        assert!(f32::from_f64(1.0 + <f32 as Real>::EPS) > 1.0_f32);
        assert_eq!(f32::from_f64(1.0 + <f32 as Real>::EPS / 4.0), 1.0_f32);
        assert!(f64::from_f64(1.0 + <f64 as Real>::EPS) > 1.0_f64);
    }

    #[test]
    fn out_of_range_becomes_infinite() {
        assert_eq!(f32::from_f64(1e300), f32::INFINITY);
    }
}

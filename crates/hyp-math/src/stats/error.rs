//! What can be wrong with a sample.

/// Why a statistic of a sample does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatsError {
    /// Fewer values than the statistic needs.
    #[error("{what} needs at least {needed} values and got {got}; collect more before asking for it")]
    TooFew {
        /// The statistic or the sample.
        what: &'static str,
        /// The smallest sample it is defined for.
        needed: usize,
        /// The size of the sample given.
        got: usize,
    },
    /// A `NaN` or an infinity, which has no rank and spoils every mean.
    #[error("value {index} of {what} is not finite; find the run that diverged, or leave the value out")]
    NotFinite {
        /// The statistic or the sample.
        what: &'static str,
        /// Position of the first offender.
        index: usize,
    },
    /// A resample index that names no value.
    #[error("resample index {index} is outside a sample of {len}; draw indices below the sample size")]
    IndexOutOfRange {
        /// The index.
        index: usize,
        /// The size of the sample.
        len: usize,
    },
}

/// Checks that `values` holds at least `needed` numbers, all finite.
pub(super) fn check(what: &'static str, values: &[f64], needed: usize) -> Result<(), StatsError> {
    if values.len() < needed {
        return Err(StatsError::TooFew { what, needed, got: values.len() });
    }
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(StatsError::NotFinite { what, index }),
        None => Ok(()),
    }
}

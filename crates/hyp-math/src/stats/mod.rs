//! Statistics of experiments: means with intervals, the bootstrap, Kolmogorov–Smirnov distance, detection scores.
//!
//! Everything works on `&[f64]`, allocates what it sorts, and draws no random number: a bootstrap takes its resample indices.
//! Values come from runs, so an empty or non-finite sample is a [`StatsError`], never a silent `NaN`.

mod bootstrap;
mod detection;
mod error;
mod ks;
mod student;
mod summary;

pub use bootstrap::{PercentileInterval, bootstrap_interval, percentile};
pub use detection::{aupr, aupr_negative, auroc, fpr_at_95_tpr, fpr_at_tpr};
pub use error::StatsError;
pub use ks::kolmogorov_smirnov;
pub use student::{t_cdf, t_quantile};
pub use summary::{Interval, NORMAL_95, mean, normal_interval, std, t_interval};

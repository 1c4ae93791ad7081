//! Gromov hyperbolicity of a finite metric space: δ, the diameter, δ_rel = 2δ / diam and the curvature they suggest.
//!
//! A distance matrix, or features with a metric, goes in. This crate knows no models, reads no files and has no
//! clock; how features are made from images is an experiment's business.
//!
//! - [`DistanceMatrix`]: checked distances, from values, a function or features ([`Metric`]).
//! - [`delta_at_base`], [`delta_of_features`], [`delta_all_bases`]: exact δ, with the points that show it.
//! - [`sample`]: the paper's estimate from repeated samples.
//! - [`suggested_curvature`]: from δ_rel to c.
//! - [`space`]: samples of spaces whose hyperbolicity is known.

pub mod curvature;
pub mod distance;
pub mod error;
pub mod estimate;
pub mod exact;
pub mod gromov;
pub mod maxmin;
pub mod metric;
pub mod sample;
pub mod space;

pub use curvature::{BallConstant, suggested_curvature};
pub use distance::DistanceMatrix;
pub use error::DeltaError;
pub use estimate::{Hyperbolicity, delta_all_bases, delta_at_base, delta_of_features};
pub use metric::Metric;
pub use sample::{Protocol, Replacement, SampledHyperbolicity};

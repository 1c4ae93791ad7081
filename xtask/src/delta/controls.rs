//! Spaces whose hyperbolicity is known, of the size and dimension of the data, and samples of the data beside them.

use anyhow::Result;
use hyp_data::Random;
use hyp_delta::exact::Limits;
use hyp_delta::maxmin::Isa;
use hyp_delta::space::{self, DiskSampling, EdgeLength, TreeShape};
use hyp_delta::{Metric, Protocol, Replacement, delta_at_base, delta_of_features};

use super::subject::Subject;

/// What the controls and the samples found.
pub(super) struct Comparison {
    /// Points of each control.
    pub(super) points: usize,
    /// Points of the data, and their dimensions where these are known.
    pub(super) of: (usize, Option<usize>),
    /// Spaces of each kind, and samples of the data of that size; one of the whole data.
    pub(super) draws: usize,
    /// Words for each control, and its mean δ_rel.
    pub(super) controls: Vec<(String, f64)>,
    /// The least δ_rel that any draw of the sphere or the Gaussian has, which have no hierarchy.
    pub(super) flat: Option<f64>,
    /// δ_rel of samples of the data: points, mean and standard deviation. The last are as many points as the controls are.
    pub(super) samples: Vec<(usize, f64, f64)>,
}

/// Draws of each sample of the data, and spaces of each kind.
const DRAWS: usize = 5;
/// Above so many points there is one of each.
const MANY: usize = 2000;
/// Hyperbolic radius of the control in the disk.
const RADIUS: f64 = 6.0;
/// Dimensions of the controls where only distances are known.
const UNKNOWN: usize = 3;

/// Measures controls of up to `most` points, and the data at that size and smaller ones: always δ at one base point, the
/// first of the space or of the sample. All of the data are measured at `base`.
pub(super) fn compare(subject: &Subject, base: usize, most: usize, seed: u64) -> Result<Comparison> {
    let points = subject.points().min(most);
    let dim = subject.dim().unwrap_or(UNKNOWN);
    let draws = if points > MANY { 1 } else { DRAWS };
    let mut controls = Vec::new();
    // Returns the least of the draws.
    let mut add = |name: String, found: &dyn Fn(u64) -> Result<Option<f64>>| -> Result<Option<f64>> {
        let found: Vec<Option<f64>> =
            (0..draws as u64).map(|draw| found(seed + draw)).collect::<Result<_>>()?;
        let found: Vec<f64> = found.into_iter().flatten().collect();
        if !found.is_empty() {
            controls.push((name, found.iter().sum::<f64>() / found.len() as f64));
        }
        Ok(found.into_iter().min_by(f64::total_cmp))
    };
    add("a random tree".to_owned(), &|seed| {
        Ok(delta_at_base(&space::tree(points, TreeShape::Uniform, EdgeLength::Random, seed)?, 0).delta_rel())
    })?;
    add(format!("the hyperbolic plane within radius {RADIUS}"), &|seed| {
        let sampling = DiskSampling::Hyperbolic { radius: RADIUS };
        Ok(delta_at_base(&space::hyperbolic_disk(points, sampling, seed)?, 0).delta_rel())
    })?;
    let gaussian_by = |metric: Metric, seed| -> Result<Option<f64>> {
        Ok(delta_of_features(&gaussian(points * dim, seed), dim, metric, 0)?.delta_rel())
    };
    let sphere = add(format!("the sphere in {dim} dimensions, along the sphere"), &|seed| {
        gaussian_by(Metric::Angular, seed)
    })?;
    let flat = add(format!("a Gaussian of {dim} dimensions"), &|seed| gaussian_by(Metric::Euclidean, seed))?;
    let flat = sphere.into_iter().chain(flat).min_by(f64::total_cmp);
    let mut samples = Vec::new();
    let mut size = 25;
    while size < points {
        samples.push(sample(subject, size, draws, seed)?);
        size *= 2;
    }
    samples.push(if points == subject.points() {
        let (whole, _) = subject.at_base(base, Limits::NONE, Isa::detect())?;
        (points, whole.at_least.delta_rel().unwrap_or(0.0), 0.0)
    } else {
        sample(subject, points, draws, seed)?
    });
    Ok(Comparison { points, of: (subject.points(), subject.dim()), draws, controls, flat, samples })
}

/// Numbers of the standard normal distribution, decided by the seed.
pub(crate) fn gaussian(count: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    // Box and Muller; 1 − u is never zero.
    let mut normal = || {
        let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * random.unit()).cos()
    };
    (0..count).map(|_| normal() as f32).collect()
}

fn sample(subject: &Subject, size: usize, draws: usize, seed: u64) -> Result<(usize, f64, f64)> {
    let found = subject.sample(&Protocol { draws, size, replacement: Replacement::Without, seed })?;
    Ok((size, found.mean, found.std))
}

//! Spaces whose hyperbolicity is known, of the size and dimension of the data, and samples of the data beside them.

use anyhow::Result;
use hyp_data::Random;
use hyp_delta::space::{self, DiskSampling, EdgeLength, TreeShape};
use hyp_delta::{Metric, Protocol, Replacement, delta_at_base, delta_of_features};

use super::Measured;
use super::subject::Subject;

/// What the controls and the samples found.
pub(super) struct Comparison {
    /// Points of each control.
    pub(super) points: usize,
    /// Words for each control, and its δ_rel.
    pub(super) controls: Vec<(String, f64)>,
    /// δ_rel of samples of the data: points, mean and standard deviation.
    pub(super) samples: Vec<(usize, f64, f64)>,
}

/// Draws of each sample of the data.
pub(super) const DRAWS: usize = 5;
/// Hyperbolic radius of the control in the disk.
const RADIUS: f64 = 6.0;
/// Dimensions of the controls where only distances are known.
const UNKNOWN: usize = 3;

/// Measures controls of up to `most` points, and the data at that size and smaller ones.
pub(super) fn compare(subject: &Subject, measured: &Measured, most: usize, seed: u64) -> Result<Comparison> {
    let points = subject.points().min(most.max(4));
    let dim = subject.dim().unwrap_or(UNKNOWN);
    let mut controls = Vec::new();
    let mut add = |name: String, found: Option<f64>| controls.extend(found.map(|value| (name, value)));
    let tree = space::tree(points, TreeShape::Uniform, EdgeLength::Random, seed)?;
    add("a random tree".to_owned(), delta_at_base(&tree, 0).delta_rel());
    let disk = space::hyperbolic_disk(points, DiskSampling::Hyperbolic { radius: RADIUS }, seed)?;
    add(format!("the hyperbolic plane within radius {RADIUS}"), delta_at_base(&disk, 0).delta_rel());
    let rows = gaussian(points * dim, seed);
    let sphere = delta_of_features(&rows, dim, Metric::Angular, 0)?;
    add(format!("the sphere in {dim} dimensions, along the sphere"), sphere.delta_rel());
    let gaussian = delta_of_features(&rows, dim, Metric::Euclidean, 0)?;
    add(format!("a Gaussian of {dim} dimensions"), gaussian.delta_rel());
    let mut samples = Vec::new();
    let mut size = 25;
    while size < points {
        samples.push(sample(subject, size, seed)?);
        size *= 2;
    }
    samples.push(sample(subject, points, seed)?);
    if let Measured::Sampled(found) = measured
        && found.protocol.size > points
    {
        samples.push((found.protocol.size, found.mean, found.std));
    }
    Ok(Comparison { points, controls, samples })
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

fn sample(subject: &Subject, size: usize, seed: u64) -> Result<(usize, f64, f64)> {
    let draws = if size == subject.points() { 1 } else { DRAWS };
    let protocol = Protocol { draws, size, replacement: Replacement::Without, seed };
    let found = subject.sample(&protocol)?;
    Ok((size, found.mean, found.std))
}

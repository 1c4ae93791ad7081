//! Samples of toy spaces whose hyperbolicity is known, each decided by its seed alone.

use std::f64::consts::{PI, TAU};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::distance::DistanceMatrix;
use crate::error::DeltaError;

/// How points of the hyperbolic plane (curvature −1) are drawn; the angle is always uniform.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DiskSampling {
    /// Uniform by Euclidean area in the unit disk of the Poincaré model.
    Euclidean,
    /// Uniform by hyperbolic area in the hyperbolic disk of this radius.
    Hyperbolic {
        /// Hyperbolic radius of the disk.
        radius: f64,
    },
}

/// Which part of the unit sphere points are drawn from, uniformly by area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpherePart {
    /// All of it.
    Whole,
    /// The half with z ≥ 0.
    UpperHalf,
}

/// How the distance of two points of the sphere is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SphereDistance {
    /// Along the sphere: the angle between them.
    Geodesic,
    /// Through the ball: the length of the chord.
    Chordal,
}

/// How a random tree grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeShape {
    /// Each new node is attached to one of the earlier nodes, all equally likely.
    Attachment,
    /// All labelled trees are equally likely (by a random Prüfer sequence).
    Uniform,
}

/// How long the edges of a random tree are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeLength {
    /// All of length 1.
    Unit,
    /// Uniform in the multiples of 1/1024 in (0, 1], so that path lengths, and δ = 0, are exact in doubles.
    Random,
}

/// A sample of the hyperbolic plane of curvature −1.
///
/// The distances come from polar coordinates, which stay exact where the Poincaré model's coordinates round to 1:
/// sinh²(d/2) = sinh²((r − s)/2) + sinh r · sinh s · sin²(θ/2).
///
/// # Errors
/// If `points` is 0, or the radius is so large that distances overflow.
///
/// # Examples
/// ```
/// use hyp_delta::{delta_at_base, space::{DiskSampling, hyperbolic_disk}};
/// let disk = hyperbolic_disk(100, DiskSampling::Hyperbolic { radius: 4.0 }, 1)?;
/// assert!(delta_at_base(&disk, 0).delta < 2.0_f64.ln()); // the bound of the hyperbolic plane
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn hyperbolic_disk(
    points: usize,
    sampling: DiskSampling,
    seed: u64,
) -> Result<DistanceMatrix, DeltaError> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let polar: Vec<(f64, f64)> = (0..points)
        .map(|_| {
            let angle = TAU * random.random::<f64>();
            let share: f64 = random.random();
            let radius = match sampling {
                DiskSampling::Euclidean => 2.0 * share.sqrt().atanh(),
                // The area within r is 2π (cosh r − 1) = 4π sinh²(r/2).
                DiskSampling::Hyperbolic { radius } => 2.0 * (share.sqrt() * (0.5 * radius).sinh()).asinh(),
            };
            (radius, angle)
        })
        .collect();
    DistanceMatrix::from_fn(points, |i, j| {
        let ((r, theta), (s, phi)) = (polar[i], polar[j]);
        let radial = (0.5 * (r - s)).sinh();
        let angular = (0.5 * (theta - phi)).sin();
        2.0 * (radial * radial + r.sinh() * s.sinh() * angular * angular).sqrt().asinh()
    })
}

/// A sample of the unit sphere in three dimensions.
///
/// # Errors
/// If `points` is 0.
///
/// # Examples
/// ```
/// use hyp_delta::space::{SphereDistance, SpherePart, sphere};
/// let whole = sphere(50, SpherePart::Whole, SphereDistance::Geodesic, 1)?;
/// assert!(whole.diameter().0 <= std::f64::consts::PI);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn sphere(
    points: usize,
    part: SpherePart,
    distance: SphereDistance,
    seed: u64,
) -> Result<DistanceMatrix, DeltaError> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let places: Vec<[f64; 3]> = (0..points)
        .map(|_| {
            // Archimedes: height and longitude are uniform.
            let share: f64 = random.random();
            let longitude = TAU * random.random::<f64>();
            let z = match part {
                SpherePart::Whole => 2.0 * share - 1.0,
                SpherePart::UpperHalf => share,
            };
            let ring = ((1.0 - z) * (1.0 + z)).sqrt();
            [ring * longitude.cos(), ring * longitude.sin(), z]
        })
        .collect();
    DistanceMatrix::from_fn(points, |i, j| {
        let (p, q) = (&places[i], &places[j]);
        let chord = p.iter().zip(q).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        match distance {
            SphereDistance::Chordal => chord,
            SphereDistance::Geodesic => {
                let opposite = p.iter().zip(q).map(|(a, b)| (a + b).powi(2)).sum::<f64>().sqrt();
                (2.0 * chord.atan2(opposite)).min(PI)
            }
        }
    })
}

/// The nodes of a random tree with the lengths of the paths between them.
///
/// # Errors
/// If `points` is 0.
///
/// # Examples
/// ```
/// use hyp_delta::{delta_at_base, space::{EdgeLength, TreeShape, tree}};
/// assert_eq!(delta_at_base(&tree(60, TreeShape::Uniform, EdgeLength::Random, 1)?, 0).delta, 0.0);
/// # Ok::<(), hyp_delta::DeltaError>(())
/// ```
pub fn tree(
    points: usize,
    shape: TreeShape,
    lengths: EdgeLength,
    seed: u64,
) -> Result<DistanceMatrix, DeltaError> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let edges = match shape {
        TreeShape::Attachment => (1..points).map(|node| (random.random_range(0..node), node)).collect(),
        TreeShape::Uniform => prufer(points, &mut random),
    };
    let mut neighbours = vec![Vec::new(); points];
    for (a, b) in edges {
        let length = match lengths {
            EdgeLength::Unit => 1.0,
            EdgeLength::Random => f64::from(random.random_range(1_u32..=1024)) / 1024.0,
        };
        neighbours[a].push((b, length));
        neighbours[b].push((a, length));
    }
    let mut values = vec![0.0; points * points];
    let mut open = Vec::new();
    for (start, row) in values.chunks_exact_mut(points.max(1)).enumerate() {
        open.push((start, start));
        while let Some((node, parent)) = open.pop() {
            for &(next, length) in neighbours[node].iter().filter(|&&(next, _)| next != parent) {
                row[next] = row[node] + length;
                open.push((next, node));
            }
        }
    }
    DistanceMatrix::new(points, values)
}

/// The edges of the tree of a random Prüfer sequence.
fn prufer(points: usize, random: &mut ChaCha8Rng) -> Vec<(usize, usize)> {
    if points < 2 {
        return Vec::new();
    }
    let sequence: Vec<usize> = (2..points).map(|_| random.random_range(0..points)).collect();
    let mut degree = vec![1_usize; points];
    for &node in &sequence {
        degree[node] += 1;
    }
    let first_leaf = |degree: &[usize], from: usize| {
        (from..points).find(|&n| degree[n] == 1).expect("invariant: a tree has a leaf")
    };
    let mut pointer = first_leaf(&degree, 0);
    let mut leaf = pointer;
    let mut edges = Vec::with_capacity(points - 1);
    for &node in &sequence {
        edges.push((leaf, node));
        degree[node] -= 1;
        if degree[node] == 1 && node < pointer {
            leaf = node;
        } else {
            pointer = first_leaf(&degree, pointer + 1);
            leaf = pointer;
        }
    }
    edges.push((leaf, points - 1));
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_the_sample() {
        let draw = |seed| hyperbolic_disk(20, DiskSampling::Euclidean, seed).unwrap();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn trees_of_every_kind_are_connected_trees() {
        for seed in 0..50 {
            for shape in [TreeShape::Attachment, TreeShape::Uniform] {
                let points = 1 + seed as usize;
                let tree = tree(points, shape, EdgeLength::Unit, seed).unwrap();
                let edges = tree.values().iter().filter(|&&d| d == 1.0).count() / 2;
                assert_eq!(edges, points - 1, "{shape:?}, seed {seed}");
                let unreached = (1..points).filter(|&p| tree.get(0, p) == 0.0).count();
                assert_eq!(unreached, 0, "{shape:?}, seed {seed}");
            }
        }
    }

    /// Cayley: the three labelled trees on three nodes are equally likely.
    #[test]
    fn prufer_trees_are_uniform() {
        let mut middle = [0_usize; 3];
        for seed in 0..3000 {
            let tree = tree(3, TreeShape::Uniform, EdgeLength::Unit, seed).unwrap();
            let centre = (0..3).find(|&p| tree.row(p).iter().sum::<f64>() == 2.0).unwrap();
            middle[centre] += 1;
        }
        // Four standard deviations of a binomial count of 3000 at one third.
        assert!(middle.iter().all(|&m| m.abs_diff(1000) < 104), "{middle:?}");
    }

    #[test]
    fn the_upper_half_has_no_antipodes_below() {
        let half = sphere(400, SpherePart::UpperHalf, SphereDistance::Chordal, 3).unwrap();
        let whole = sphere(400, SpherePart::Whole, SphereDistance::Chordal, 3).unwrap();
        // Mean chord: 4/3 on the sphere (area measure), less on the half.
        let mean = |d: &DistanceMatrix| d.values().iter().sum::<f64>() / (400.0 * 399.0);
        assert!(
            (mean(&whole) - 4.0 / 3.0).abs() < 0.02 && mean(&half) < 1.2,
            "{} {}",
            mean(&whole),
            mean(&half)
        );
    }
}

//! Spaces whose hyperbolicity is known, of the size and dimension of the data, and samples of the data beside them.

use anyhow::Result;
use hyp_data::Random;
use hyp_delta::exact::{Interval, Limits, delta_at_base_within, delta_of_features_within};
use hyp_delta::maxmin::Isa;
use hyp_delta::space::{self, DiskSampling, EdgeLength, TreeShape};
use hyp_delta::{DeltaError, DistanceMatrix, Metric, Protocol, Replacement, SampledHyperbolicity};

use super::outlier::Outlier;
use super::subject::Subject;
use super::watch::Watch;

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
    /// The controls that have no hierarchy.
    pub(super) flat: Option<Flat>,
    /// δ_rel of samples of the data: points, mean and standard deviation.
    pub(super) samples: Vec<(usize, f64, f64)>,
    /// δ_rel of as many points of the data as the controls have, at least and at most.
    pub(super) yours: Option<(f64, f64)>,
    /// A point on which the diameter of these hangs.
    pub(super) outlier: Option<Outlier>,
    /// What δ_rel of the data never exceeds.
    pub(super) most: f64,
}

/// Controls that have no hierarchy, under distances that can be compared with those of the data.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Flat {
    /// The least δ_rel that any draw of them has.
    pub(super) least: f64,
    /// What they are.
    pub(super) words: &'static str,
}

/// Which points are compared, and what was measured of all.
pub(super) struct Asked<'a> {
    /// The base point of δ of all points.
    pub(super) base: usize,
    /// The most points of a control.
    pub(super) most: usize,
    pub(super) seed: u64,
    /// δ of all points at the base point, where it was measured.
    pub(super) measured: Option<&'a Interval>,
}

/// Draws of each sample of the data, and spaces of each kind.
const DRAWS: usize = 5;
/// Above so many points there is one of each.
const MANY: usize = 2000;
/// Hyperbolic radius of the control in the disk.
const RADIUS: f64 = 6.0;
/// Dimensions of the controls where only distances are known.
pub(super) const UNKNOWN: usize = 3;

/// Measures controls, and the data at their size and smaller ones: always δ at one base point, the first of the space or
/// of the sample. All of the data are measured at the base point that was asked for. Nothing if the time was over first.
pub(super) fn compare(subject: &Subject, asked: &Asked<'_>, watch: &Watch<'_>) -> Result<Option<Comparison>> {
    let (points, seed) = (subject.points().min(asked.most), asked.seed);
    let dim = subject.dim().unwrap_or(UNKNOWN);
    let draws = if points > MANY { 1 } else { DRAWS };
    let (go, isa) = (|_| !watch.is_over(), Isa::detect());
    let limits = Limits::while_told(&go);
    let mut controls = Vec::new();
    // Returns the least of the draws. What a search found that was stopped is thrown away with all.
    let mut add = |name: String, found: &dyn Fn(u64) -> Result<Option<f64>>| -> Result<Option<f64>> {
        let mut all = Vec::new();
        for draw in (0..draws as u64).take_while(|_| !watch.is_over()) {
            all.extend(found(seed + draw)?);
        }
        if !all.is_empty() {
            controls.push((name, all.iter().sum::<f64>() / all.len() as f64));
        }
        Ok(all.into_iter().min_by(f64::total_cmp))
    };
    let of_space = |space: &DistanceMatrix| -> Option<f64> {
        delta_at_base_within(space, 0, limits, isa).0.at_least.delta_rel()
    };
    add("a random tree".to_owned(), &|seed| {
        Ok(of_space(&space::tree(points, TreeShape::Uniform, EdgeLength::Random, seed)?))
    })?;
    add(format!("the hyperbolic plane within radius {RADIUS}"), &|seed| {
        let sampling = DiskSampling::Hyperbolic { radius: RADIUS };
        Ok(of_space(&space::hyperbolic_disk(points, sampling, seed)?))
    })?;
    let of_rows = |rows: &[f64], metric: Metric| -> Result<Option<f64>> {
        Ok(delta_of_features_within(rows, dim, metric, 0, limits, isa)?.0.at_least.delta_rel())
    };
    let gaussian_by = |metric: Metric, seed| {
        let rows: Vec<f64> = gaussian(points * dim, seed).into_iter().map(f64::from).collect();
        of_rows(&rows, metric)
    };
    let sphere = add(format!("the sphere in {dim} dimensions, along the sphere"), &|seed| {
        gaussian_by(Metric::Angular, seed)
    })?;
    let euclidean =
        add(format!("a Gaussian of {dim} dimensions"), &|seed| gaussian_by(Metric::Euclidean, seed))?;
    let (least, words) = match subject.metric() {
        Some(metric @ Metric::Cosine) => {
            let name = format!("a Gaussian of {dim} dimensions, by 1 − cos as your data");
            let least = add(name, &|seed| gaussian_by(metric, seed))?;
            (least, "the Gaussian under the same distances, which has no hierarchy")
        }
        Some(metric @ Metric::Poincare(_)) => {
            let norms = subject.norms(points);
            let name = "your norms in random directions, in the same ball".to_owned();
            let least = add(name, &|seed| of_rows(&in_random_directions(&norms, dim, seed), metric))?;
            (
                least,
                "points of the same norms in random directions, whose only hierarchy is that of the norms",
            )
        }
        _ => {
            let least = sphere.into_iter().chain(euclidean).min_by(f64::total_cmp);
            (least, "the sphere and the Gaussian, which have no hierarchy")
        }
    };
    let flat = least.map(|least| Flat { least, words });
    let mut samples = Vec::new();
    let sizes = std::iter::successors(Some(25), |size| Some(2 * size)).take_while(|size| *size < points);
    for size in sizes {
        let found = sample(subject, size, draws, seed, watch)?;
        samples.extend(found.map(|found| (size, found.mean, found.std)));
    }
    let mut outlier = None;
    let mut yours = None;
    if points == subject.points() {
        let again;
        let whole = if let Some(measured) = asked.measured {
            measured
        } else {
            again = subject.at_base(asked.base, limits, isa)?.0;
            &again
        };
        yours = whole.delta_rel().map(|(least, most)| (least, most.min(subject.delta_rel_at_most())));
        samples.extend(yours.map(|(least, _)| (points, least, 0.0)));
        outlier = subject.outlier(whole.at_least.diameter_pair)?;
    } else if let Some(found) = sample(subject, points, draws, seed, watch)? {
        samples.push((points, found.mean, found.std));
        yours = Some((found.mean, found.mean));
        outlier = subject.outliers(&found)?.first().copied();
    }
    let of = (subject.points(), subject.dim());
    let most = subject.delta_rel_at_most();
    let found = Comparison { points, of, draws, controls, flat, samples, yours, outlier, most };
    Ok((!watch.is_over()).then_some(found))
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

/// Points of the given norms, all directions equally likely.
fn in_random_directions(norms: &[f64], dim: usize, seed: u64) -> Vec<f64> {
    let mut rows: Vec<f64> = gaussian(norms.len() * dim, seed).into_iter().map(f64::from).collect();
    for (row, norm) in rows.chunks_exact_mut(dim).zip(norms) {
        let own = row.iter().map(|v| v * v).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        // No further out than the row that the norm is of, whatever is rounded.
        for v in row {
            *v *= norm / own * (1.0 - 4.0 * f64::EPSILON);
        }
    }
    rows
}

/// δ_rel of samples of so many points; nothing where all points of one coincide.
fn sample(
    subject: &Subject,
    size: usize,
    draws: usize,
    seed: u64,
    watch: &Watch<'_>,
) -> Result<Option<SampledHyperbolicity>> {
    let protocol = Protocol { draws, size, replacement: Replacement::Without, seed };
    match subject.sample(&protocol, &|_| !watch.is_over()) {
        Err(error) if matches!(error.downcast_ref(), Some(DeltaError::ZeroDiameter { .. })) => Ok(None),
        found => found.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::read::{Table, Values};
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    fn features(rows: usize, columns: usize, values: Vec<f64>, metric: Metric) -> Subject {
        Subject::Features { table: Table { rows, columns, values: Values::Double(values) }, metric }
    }

    fn compared(subject: &Subject, budget: Option<Duration>, stopped: bool) -> Option<Comparison> {
        let stop = AtomicBool::new(stopped);
        let watch = Watch::new(budget, &stop);
        let asked = Asked { base: 0, most: 60, seed: 1, measured: None };
        compare(subject, &asked, &watch).unwrap()
    }

    fn normal(count: usize) -> Vec<f64> {
        gaussian(count, 3).into_iter().map(f64::from).collect()
    }

    #[test]
    fn who_has_no_time_gets_no_controls() {
        let subject = features(200, 4, normal(800), Metric::Euclidean);
        assert!(compared(&subject, None, false).is_some());
        assert!(compared(&subject, Some(Duration::ZERO), false).is_none());
        assert!(compared(&subject, None, true).is_none());
    }

    /// The cosine and the ball have a control under their own distances, and the verdict is about that one.
    #[test]
    fn every_metric_has_a_control_of_its_own() {
        let ball = Metric::Poincare(hyp_math::Curvature::new(0.02).unwrap());
        for (metric, part) in [
            (Metric::Cosine, "by 1 − cos"),
            (ball, "your norms in random directions"),
            (Metric::Angular, "the sphere"),
        ] {
            let found = compared(&features(80, 4, normal(320), metric), None, false).unwrap();
            let own = found.controls.iter().find(|(name, _)| name.contains(part)).unwrap();
            let flat = found.flat.unwrap();
            assert!(flat.least <= own.1 && flat.least > 0.0, "{metric:?} {flat:?} {own:?}");
        }
    }

    #[test]
    fn directions_are_drawn_anew_and_norms_are_kept() {
        let norms = [0.5, 3.0, 0.0, 1.0 - f64::EPSILON];
        for dim in [1, 7] {
            for (row, norm) in in_random_directions(&norms, dim, 4).chunks(dim).zip(norms) {
                let own = row.iter().map(|v| v * v).sum::<f64>().sqrt();
                assert!(own <= norm && own >= norm * (1.0 - 1e-14), "{own} {norm}");
            }
        }
    }

    /// Samples all of whose points coincide are left out, and end nothing.
    #[test]
    fn samples_of_one_place_are_left_out() {
        let mut values = vec![1.0; 400];
        values[..16].copy_from_slice(&normal(16));
        let found = compared(&features(200, 2, values, Metric::Euclidean), None, false).unwrap();
        assert!(found.samples.len() < 3, "{:?}", found.samples);
    }
}

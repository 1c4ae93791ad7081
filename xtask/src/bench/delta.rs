//! Exact δ of matrices and features, against the arithmetic of the paper's released code and hypdelta.

use std::cell::Cell;

use anyhow::{Context, Result};
use hyp_data::Random;
use hyp_delta::maxmin::{Element, Isa, Padded, largest_excess_of};
use hyp_delta::space::{DiskSampling, hyperbolic_disk};
use hyp_delta::{
    DistanceMatrix, Metric, Protocol, delta_all_bases, delta_at_base, delta_of_features, sample,
};
use rayon::prelude::*;

use super::Part;
use super::measure::{Bench, Row, Work};
use super::peak::Whole;
use crate::delta::gaussian;

/// What there is. The last two take minutes.
pub(super) const PARTS: &[Part] = &[
    ("matrix", matrix),
    ("kernel", kernel),
    ("protocol", protocol),
    ("exact", exact),
    ("bases", bases),
    ("large", large),
];

/// Numbers of a row of features.
const DIM: usize = 512;
/// Features are drawn with these seeds in turn.
const SEEDS: usize = 3;

/// A matrix of distances that is given, on one thread.
fn matrix(bench: &mut Bench) -> Result<()> {
    let key = "matrix-1000";
    if !bench.wants(key) {
        return Ok(());
    }
    let distances = DistanceMatrix::from_features(&gaussian(1000 * DIM, 0), DIM, Metric::Euclidean)?;
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().context("no thread pool")?;
    bench.row(Row::new(key, "δ at one base point of a given matrix, n = 1000, 1 thread"), || {
        std::hint::black_box(alone.install(|| delta_at_base(&distances, 0)));
        Ok(())
    })
}

/// The paper's protocol from features to mean and standard deviation.
fn protocol(bench: &mut Bench) -> Result<()> {
    let key = "protocol";
    if !bench.wants(key) {
        return Ok(());
    }
    let features = gaussian(10_000 * DIM, 0);
    bench.row(Row::new(key, "10 draws of 1000 from 10,000 × 512 features, end to end"), || {
        let found = sample::estimate_features(&features, DIM, Metric::Euclidean, &Protocol::khrulkov2020(0))?;
        std::hint::black_box(found);
        Ok(())
    })
}

/// 10,000 points, distances included; the disk as a matrix.
fn exact(bench: &mut Bench) -> Result<()> {
    features(bench, "exact-gaussian", "exact δ of 10,000 × 512 features: Gaussian", &|seed| {
        gaussian(10_000 * DIM, seed)
    })?;
    features(bench, "exact-relu", "exact δ of 10,000 × 512 features: rectified clusters", &|seed| {
        rectified(10_000, seed)
    })?;
    let key = "exact-disk";
    if bench.wants(key) {
        let disk = hyperbolic_disk(10_000, DiskSampling::Hyperbolic { radius: 10.0 }, 0)?;
        bench.row(Row::new(key, "exact δ of 10,000 points of the hyperbolic disk of radius 10"), || {
            std::hint::black_box(delta_at_base(&disk, 0));
            Ok(())
        })?;
    }
    Ok(())
}

/// 50,000 points, once and cold.
fn large(bench: &mut Bench) -> Result<()> {
    for (key, title, draw) in [
        (
            "large-gaussian",
            "exact δ of 50,000 × 512 features: Gaussian",
            gaussian_rows as fn(usize, u64) -> _,
        ),
        ("large-relu", "exact δ of 50,000 × 512 features: rectified clusters", rectified),
    ] {
        if bench.wants(key) {
            let values = draw(50_000, 0);
            bench.row(Row::new(key, title).once(), || {
                std::hint::black_box(delta_of_features(&values, DIM, Metric::Euclidean, 0)?);
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// The constant of the four-point condition, distances included.
fn bases(bench: &mut Bench) -> Result<()> {
    for (key, title, points) in [
        ("bases-1000", "exact δ over all base points, 1000 × 512 Gaussian", 1000),
        ("bases-10000", "exact δ over all base points, 10,000 × 512 Gaussian", 10_000),
    ] {
        if bench.wants(key) {
            let values = gaussian(points * DIM, 0);
            let row = Row::new(key, title);
            let row = if points > 1000 { row.once() } else { row };
            bench.row(row, || {
                let distances = DistanceMatrix::from_features(&values, DIM, Metric::Euclidean)?;
                std::hint::black_box(delta_all_bases(&distances));
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// The dense max–min product against the processor's minimum and maximum on registers.
fn kernel(bench: &mut Bench) -> Result<()> {
    let whole = if bench.wants("kernel") || bench.only.is_some() {
        super::peak::measure_whole()
    } else {
        return Ok(());
    };
    of_type(bench, "kernel-u8", "u8", whole, |w| w.bytes, |draw| draw as u8)?;
    of_type(bench, "kernel-u16", "u16", whole, |w| w.words, |draw| draw as u16)?;
    of_type(bench, "kernel-i32", "i32", whole, |w| w.doubles, |draw| (draw >> 33) as i32)
}

fn of_type<T: Element>(
    bench: &mut Bench,
    key: &'static str,
    name: &str,
    whole: Whole,
    peak: fn(&Whole) -> f64,
    number: fn(u64) -> T,
) -> Result<()> {
    const POINTS: usize = 4000;
    if !bench.wants(key) {
        return Ok(());
    }
    let mut random = Random::new(1);
    let mut values = vec![number(0); POINTS * POINTS];
    for i in 0..POINTS {
        for j in i..POINTS {
            let value = number((random.unit() * 1.8e19) as u64);
            (values[i * POINTS + j], values[j * POINTS + i]) = (value, value);
        }
    }
    let matrix = Padded::from_rows(POINTS, &values, T::LOWEST);
    // A minimum and a maximum for each triple with i ≤ j.
    let work = Work::Whole((POINTS * (POINTS + 1) * POINTS) as f64, peak(&whole));
    bench.row(Row::new(key, format!("max–min product of {name}, n = 4000, all threads")).work(work), || {
        std::hint::black_box(largest_excess_of(&matrix, Isa::detect()));
        Ok(())
    })
}

/// Features drawn anew for each run, with few seeds in turn.
fn features(bench: &mut Bench, key: &'static str, title: &str, draw: &dyn Fn(u64) -> Vec<f32>) -> Result<()> {
    if !bench.wants(key) {
        return Ok(());
    }
    let sets: Vec<Vec<f32>> = (0..SEEDS as u64).map(draw).collect();
    let next = Cell::new(0);
    bench.row(Row::new(key, format!("{title}, {SEEDS} seeds")), || {
        let values = &sets[next.get() % SEEDS];
        next.set(next.get() + 1);
        std::hint::black_box(delta_of_features(values, DIM, Metric::Euclidean, 0)?);
        Ok(())
    })
}

fn gaussian_rows(points: usize, seed: u64) -> Vec<f32> {
    gaussian(points * DIM, seed)
}

/// What a network's last layer looks like: clusters in 32 dimensions, mapped at random to 512 and rectified.
fn rectified(points: usize, seed: u64) -> Vec<f32> {
    const CLUSTERS: usize = 10;
    const LATENT: usize = 32;
    let map = gaussian(LATENT * DIM, seed ^ 1 << 32);
    let centres = gaussian(CLUSTERS * LATENT, seed ^ 2 << 32);
    let within = gaussian(points * LATENT, seed ^ 3 << 32);
    let mut rows = vec![0.0_f32; points * DIM];
    rows.par_chunks_mut(DIM).zip(within.par_chunks(LATENT)).enumerate().for_each(|(point, (row, within))| {
        let centre = &centres[point % CLUSTERS * LATENT..][..LATENT];
        for (latent, (c, w)) in centre.iter().zip(within).enumerate() {
            let value = (1.5 * c + w) / (LATENT as f32).sqrt();
            for (to, m) in row.iter_mut().zip(&map[latent * DIM..]) {
                *to += value * m;
            }
        }
        for value in row {
            *value = value.max(0.0);
        }
    });
    rows
}

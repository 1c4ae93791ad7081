//! Retrieval at the size of Market-1501: 3,368 queries, a gallery of 15,913, 750 identities, six cameras.

use anyhow::Result;
use hyp_math::Curvature;
use hyp_reid::{Metric, Set, Tag, evaluate, evaluate_rows, score_query};
use rayon::prelude::*;

use super::Part;
use super::measure::{Bench, Row, Work};

/// What there is.
pub(super) const PARTS: &[Part] = &[("evaluation", measure)];

const QUERIES: usize = 3368;
const GALLERY: usize = 15_913;
const DIM: usize = 128;
const IDENTITIES: u32 = 750;
const CAMERAS: u32 = 6;

/// A number in 0 … 1 for each place, the same on every machine (SplitMix64 of the place).
fn noise(at: u64) -> f64 {
    let mut z = at.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Features around a centre for each identity, in the ball of curvature −1, and their tags.
fn invented(entries: usize, stream: u64) -> (Vec<f32>, Vec<Tag>) {
    let place = |entry: usize| stream * 1_000_003 + entry as u64;
    let tags: Vec<Tag> = (0..entries)
        .map(|entry| Tag {
            identity: (noise(place(entry)) * f64::from(IDENTITIES)) as u32,
            camera: (noise(place(entry) + 500_000) * f64::from(CAMERAS)) as u32,
        })
        .collect();
    let features = tags
        .iter()
        .enumerate()
        .flat_map(|(entry, tag)| {
            (0..DIM as u64).map(move |d| {
                let centre = noise(u64::from(tag.identity) * 4096 + d) - 0.5;
                let own = noise((place(entry) << 12) + d) - 0.5;
                (0.06 * centre + 0.08 * own) as f32
            })
        })
        .collect();
    (features, tags)
}

fn measure(bench: &mut Bench) -> Result<()> {
    let ((query, query_tags), (gallery, gallery_tags)) = (invented(QUERIES, 1), invented(GALLERY, 2));
    let query = Set::queries(&query, &query_tags, DIM)?;
    let gallery = Set::gallery(&gallery, &gallery_tags, DIM)?;
    let pairs = || Work::Items((QUERIES * GALLERY) as f64, "pairs");
    let ball = Metric::Hyperbolic(Curvature::ONE);
    let distances = [
        ("reid-distances-euclidean", "Euclidean distances", Metric::Euclidean),
        ("reid-distances-hyperbolic", "hyperbolic distances", ball),
    ];
    for (row, title, metric) in distances {
        if bench.wants(row) {
            bench.row(Row::new(row, title).work(pairs()), || {
                let mut sum = 0.0;
                evaluate_rows(&query, &gallery, metric, |_, row| row[0], |first| sum += first)?;
                std::hint::black_box(sum);
                Ok(())
            })?;
        }
    }
    if bench.wants("reid-measures") {
        let mut distances = vec![0.0_f32; QUERIES * GALLERY];
        let mut rows = distances.chunks_exact_mut(GALLERY);
        evaluate_rows(
            &query,
            &gallery,
            Metric::Euclidean,
            |_, row| row.to_vec(),
            |row| {
                if let Some(target) = rows.next() {
                    target.copy_from_slice(&row);
                }
            },
        )?;
        bench.row(Row::new("reid-measures", "CMC, mAP and mINP of given distances").work(pairs()), || {
            let scores: Vec<_> = distances
                .par_chunks_exact(GALLERY)
                .zip(&query_tags)
                .map(|(row, tag)| score_query(row, *tag, &gallery_tags))
                .collect();
            std::hint::black_box(scores);
            Ok(())
        })?;
    }
    let evaluations = [
        ("reid-evaluation-euclidean", "Euclidean distances and all measures", Metric::Euclidean),
        ("reid-evaluation-hyperbolic", "hyperbolic distances and all measures", ball),
    ];
    for (row, title, metric) in evaluations {
        if bench.wants(row) {
            bench.row(Row::new(row, title).work(pairs()), || {
                std::hint::black_box(evaluate(&query, &gallery, metric)?);
                Ok(())
            })?;
        }
    }
    Ok(())
}

//! Retrieval at the size of Market-1501: 3,368 queries, a gallery of 15,913, 750 identities, six cameras.

use anyhow::Result;
use hyp_data::Random;
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
const IDENTITIES: usize = 750;
const CAMERAS: usize = 6;

/// Features around a centre for each identity, in the ball of curvature −1, and their tags.
fn invented(entries: usize, seed: u64) -> (Vec<f32>, Vec<Tag>) {
    let (mut of_identity, mut own) = (Random::new(0), Random::new(seed));
    let centres: Vec<f64> = (0..IDENTITIES * DIM).map(|_| of_identity.between(-0.03, 0.03)).collect();
    let mut features = Vec::with_capacity(entries * DIM);
    let mut tags = Vec::with_capacity(entries);
    for _ in 0..entries {
        let (identity, camera) = (own.below(IDENTITIES), own.below(CAMERAS));
        let centre = &centres[identity * DIM..(identity + 1) * DIM];
        features.extend(centre.iter().map(|v| (v + own.between(-0.04, 0.04)) as f32));
        tags.push(Tag { identity: identity as u32, camera: camera as u32 });
    }
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
            bench.row(Row::new(row, title).work(pairs()).memory(), || {
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
        let row = Row::new("reid-measures", "CMC, mAP and mINP of given distances");
        bench.row(row.work(pairs()).memory(), || {
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
            bench.row(Row::new(row, title).work(pairs()).memory(), || {
                std::hint::black_box(evaluate(&query, &gallery, metric)?);
                Ok(())
            })?;
        }
    }
    Ok(())
}

//! `search --check`: whether an engine that knows inner products alone finds what the distance finds.

use anyhow::{Context, Result};
use hyp_reid::{Set, Tag, evaluate_rows, top};

use super::index::{About, Entries, derived};

/// What every picture of an index finds among the others, by inner products and by the distance.
pub(super) struct Agreement {
    pictures: usize,
    /// How many of the nearest were compared.
    first: usize,
    /// Pictures with the same first ones.
    same_first: usize,
    /// Pictures with the same ranking of all others.
    same_ranking: usize,
    /// The largest share of itself by which a distance, at any place of any ranking, is above that of the exact ranking.
    excess: f64,
    /// Pictures with the same first ones if the time of the hyperboloid stood where h stands, in a space with curvature.
    same_first_by_time: Option<usize>,
}

/// That of one picture.
struct One {
    same_first: bool,
    same_ranking: bool,
    excess: f64,
    same_first_by_time: bool,
}

impl Agreement {
    /// Takes every picture as a query.
    pub(super) fn of(about: &About, entries: &Entries, first: usize) -> Result<Self> {
        let (dim, count, metric) = (about.dim, entries.len(), about.metric()?);
        let (_, stored) = derived(entries, about)?;
        let stored: Vec<&[f32]> = stored.chunks_exact(dim + 1).collect();
        let c = metric.curvature().get();
        let time = |vector: &&[f32]| {
            let square: f64 = vector[1..].iter().map(|v| f64::from(*v).powi(2)).sum();
            (1.0 / c + square).sqrt() as f32
        };
        let times: Option<Vec<f32>> = (c > 0.0).then(|| stored.iter().map(time).collect());
        let each = |at: usize, distances: &[f32]| {
            let keep = |row: usize| row != at;
            let exact = top(distances, count, keep);
            let mut query = vec![0.0; dim + 1];
            metric.query_vector(&entries.embeddings[at * dim..(at + 1) * dim], &mut query);
            let by = |product: &dyn Fn(usize) -> f32| {
                let against: Vec<f32> = (0..count).map(|row| -product(row)).collect();
                top(&against, count, keep)
            };
            let found = by(&|row| dot(stored[row], &query));
            let by_time = times
                .as_ref()
                .map(|times| by(&|row| dot(&stored[row][1..], &query[1..]) - times[row] * times[at]));
            let first = first.min(exact.len());
            let excess = exact.iter().zip(&found).map(|(e, f)| {
                let (e, f) = (f64::from(distances[*e]), f64::from(distances[*f]));
                if f > e { (f - e) / f } else { 0.0 }
            });
            One {
                same_first: exact[..first] == found[..first],
                same_ranking: exact == found,
                excess: excess.fold(0.0, f64::max),
                same_first_by_time: by_time.is_some_and(|by_time| exact[..first] == by_time[..first]),
            }
        };
        let tags: Vec<Tag> = (0..count).map(|row| Tag { identity: row as u32, camera: 0 }).collect();
        let mut all = Self {
            pictures: count,
            first,
            same_first: 0,
            same_ranking: 0,
            excess: 0.0,
            same_first_by_time: times.as_ref().map(|_| 0),
        };
        evaluate_rows(
            &Set::queries(&entries.embeddings, &tags, dim)?,
            &Set::gallery(&entries.embeddings, &tags, dim)?,
            metric,
            each,
            |one| {
                all.same_first += usize::from(one.same_first);
                all.same_ranking += usize::from(one.same_ranking);
                all.excess = all.excess.max(one.excess);
                if let Some(same) = &mut all.same_first_by_time {
                    *same += usize::from(one.same_first_by_time);
                }
            },
        )
        .context("the index cannot be searched so")?;
        Ok(all)
    }

    /// What to print.
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { pictures, first, same_first, same_ranking, excess, .. } = self;
        let mut lines = vec![
            format!(
                "every picture was looked for among the {} others, by the largest inner product of the column",
                pictures - 1
            ),
            "`lorentz` in f32 and by the exact distance (docs/retrieval.md):".to_owned(),
            format!("  {same_first} of {pictures} have the same first {first}"),
            format!("  {same_ranking} of {pictures} have the same ranking of all others"),
            format!(
                "  what stands at a place instead of another is farther by at most {excess:.1e} of its distance"
            ),
        ];
        if let Some(same) = self.same_first_by_time {
            lines.push(format!(
                "  with the time of the hyperboloid in place of h, {same} would have the same first {first}"
            ));
        }
        lines
    }
}

/// The inner product, summed as an engine does it.
fn dot(x: &[f32], y: &[f32]) -> f32 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

//! The measures of a whole query set.

use rayon::prelude::*;

use crate::metric::Compared;
use crate::{Error, Metric, QueryScore, Result, Set, score_query};

/// Numbers of a block of distances: 4 MB a thread-shared block at most, so that it stays near the processor.
const BLOCK: usize = 1 << 20;

/// The ranks at which the field reads the curve.
pub const RANKS: [usize; 4] = [1, 5, 10, 20];

/// How well the queries find their matches; shares, from 0 to 1.
#[derive(Clone, PartialEq, Debug)]
pub struct Evaluation {
    /// Share of the queries with a match among the first k, for each k of [`RANKS`] (the cumulative matching
    /// characteristic).
    pub cmc: [f64; RANKS.len()],
    /// Mean average precision.
    pub map: f64,
    /// The same if equal distances fell out as badly as they can; far from `map`, it says that the embedding has
    /// collapsed.
    pub worst_map: f64,
    /// Mean inverse negative penalty.
    pub minp: f64,
    /// Queries that have a match, over which all of this is the mean.
    pub queries: usize,
    /// Queries without any, which are left out.
    pub without_match: usize,
}

impl Evaluation {
    /// Averages the scores of the queries.
    ///
    /// # Errors
    /// [`Error::NoMatch`] if no query has a match.
    pub fn from_scores(scores: &[Option<QueryScore>]) -> Result<Self> {
        let found: Vec<&QueryScore> = scores.iter().flatten().collect();
        if found.is_empty() {
            return Err(Error::NoMatch { queries: scores.len() });
        }
        let mean = |value: fn(&QueryScore) -> f64| {
            found.iter().map(|score| value(score)).sum::<f64>() / found.len() as f64
        };
        let within =
            |k: usize| found.iter().filter(|score| score.first <= k).count() as f64 / found.len() as f64;
        Ok(Self {
            cmc: RANKS.map(within),
            map: mean(|score| score.average_precision),
            worst_map: mean(|score| score.worst_average_precision),
            minp: mean(|score| score.inverse_negative_penalty),
            queries: found.len(),
            without_match: scores.len() - found.len(),
        })
    }
}

/// Ranks the gallery for every query and measures the rankings.
///
/// **Numerics.** Distances are computed for a block of queries at a time, so that memory is a few megabytes above the
/// inputs; bits do not depend on the number of threads.
///
/// # Errors
/// If the sets have different dimensions or a point does not suit the metric, and [`Error::NoMatch`].
///
/// # Examples
/// ```
/// use hyp_reid::{Metric, Set, Tag, evaluate};
/// let (query, gallery) = ([Tag { identity: 4, camera: 0 }], [Tag { identity: 9, camera: 1 }, Tag { identity: 4, camera: 1 }]);
/// let found = evaluate(
///     &Set::queries(&[0.0, 0.0], &query, 2)?,
///     &Set::gallery(&[0.5, 0.0, 0.1, 0.0], &gallery, 2)?,
///     Metric::Euclidean,
/// )?;
/// assert_eq!((found.cmc[0], found.map), (1.0, 1.0));
/// # Ok::<(), hyp_reid::Error>(())
/// ```
pub fn evaluate(query: &Set<'_>, gallery: &Set<'_>, metric: Metric) -> Result<Evaluation> {
    let mut scores = Vec::with_capacity(query.len());
    evaluate_rows(
        query,
        gallery,
        metric,
        |q, row| score_query(row, query.tags()[q], gallery.tags()),
        |score| {
            scores.push(score);
        },
    )?;
    Evaluation::from_scores(&scores)
}

/// Gives each query's number and distances to `each`, in parallel, and the results to `collect`, in order.
///
/// # Errors
/// If the sets have different dimensions or a point does not suit the metric.
pub fn evaluate_rows<R: Send>(
    query: &Set<'_>,
    gallery: &Set<'_>,
    metric: Metric,
    each: impl Fn(usize, &[f32]) -> R + Sync,
    mut collect: impl FnMut(R),
) -> Result<()> {
    let compared = Compared::new(query, gallery, metric)?;
    if gallery.is_empty() {
        (0..query.len()).for_each(|q| collect(each(q, &[])));
        return Ok(());
    }
    let block = (BLOCK / gallery.len()).max(1);
    let mut distances = vec![0.0; block.min(query.len()) * gallery.len()];
    for start in (0..query.len()).step_by(block) {
        let rows = start..(start + block).min(query.len());
        let distances = &mut distances[..rows.len() * gallery.len()];
        compared.block(rows.clone(), distances);
        let results: Vec<R> =
            distances.par_chunks_exact(gallery.len()).zip(rows).map(|(row, q)| each(q, row)).collect();
        results.into_iter().for_each(&mut collect);
    }
    Ok(())
}

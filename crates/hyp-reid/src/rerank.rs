//! Re-ranking by reciprocal neighbours.

use std::collections::BTreeMap;

use crate::metric::Compared;
use crate::neighbours::Neighbours;
use crate::{Error, Evaluation, Metric, Result, Set, evaluate_rows, score_query};

/// Settings of the re-ranking.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Reranking {
    /// Neighbours of which the reciprocal ones describe an entry.
    pub k1: usize,
    /// Neighbours, the entry itself among them, whose descriptions are averaged.
    pub k2: usize,
    /// Share of the original distance in the new one.
    pub lambda: f64,
}

impl Default for Reranking {
    /// The authors' settings for Market-1501: 20, 6 and 0.3.
    fn default() -> Self {
        Self { k1: 20, k2: 6, lambda: 0.3 }
    }
}

/// k-reciprocal re-ranking: two pictures are near if they have neighbours in common that also have them.
///
/// With the reciprocal neighbours R(i) of an entry, expanded by those of its members that agree with it, an entry is
/// described by weights $v_{ij} ∝ e^{-\bar d_{ij}}$ on R(i), averaged over its k₂ nearest neighbours, and
///
/// $$ d^*_{ij} = (1-λ)\Bigl(1 - \frac{\sum_k \min(v_{ik}, v_{jk})}{2 - \sum_k \min(v_{ik}, v_{jk})}\Bigr)
///    + λ\, \bar d_{ij} $$
///
/// where $\bar d_{ij}$ is the squared distance divided by the largest one of entry i.
///
/// **Source.** Zhong et al., "Re-ranking person re-identification with k-reciprocal encoding", CVPR 2017, with the
/// squared and normalised distances of the authors' code.
/// **Numerics.** Weights are kept as sparse rows and the distances of the queries a block at a time: no array of all
/// pairs exists.
#[derive(Debug)]
pub struct Reranker {
    /// For each entry of queries and gallery together, the entries that describe it, by number, and their weights.
    weights: Vec<Vec<(u32, f32)>>,
    /// For each describing entry, the gallery entries that it describes.
    described: Vec<Vec<(u32, f32)>>,
    farthest: Vec<f64>,
    lambda: f64,
}

impl Reranker {
    /// Finds and describes the neighbours of all queries and gallery entries.
    ///
    /// # Errors
    /// If the sets have different dimensions, a point does not suit the metric, or the settings make no sense.
    pub fn new(query: &Set<'_>, gallery: &Set<'_>, metric: Metric, settings: Reranking) -> Result<Self> {
        let Reranking { k1, k2, lambda } = settings;
        if k2 == 0 || k2 > k1 || !(0.0..=1.0).contains(&lambda) {
            return Err(Error::Reranking { k1, k2, lambda });
        }
        // Each set is checked under its own name before they become one.
        Compared::new(query, gallery, metric)?;
        let features = [query.features(), gallery.features()].concat();
        let tags = [query.tags(), gallery.tags()].concat();
        let all = Set::gallery(&features, &tags, query.dim())?;
        let neighbours = Neighbours::new(&all, metric, k1 + 1)?;
        let distances = Compared::new(&all, &all, metric)?;
        let own = neighbours.map(|entry| describe(&neighbours, &distances, entry, k1));
        let weights = neighbours.map(|entry| average(&own, neighbours.first(entry, k2)));
        let mut described = vec![Vec::new(); weights.len()];
        for (g, row) in weights[query.len()..].iter().enumerate() {
            for (entry, weight) in row {
                described[*entry as usize].push((g as u32, *weight));
            }
        }
        let farthest = (0..query.len()).map(|q| neighbours.farthest(q)).collect();
        Ok(Self { weights, described, farthest, lambda })
    }

    /// The new distances of query number `query`, given the original ones.
    ///
    /// # Panics
    /// If there is no such query.
    pub fn row(&self, query: usize, distances: &[f32]) -> Vec<f32> {
        let mut shared = vec![0.0_f64; distances.len()];
        for (entry, weight) in &self.weights[query] {
            for (g, other) in &self.described[*entry as usize] {
                shared[*g as usize] += f64::from(weight.min(*other));
            }
        }
        let farthest = self.farthest[query];
        shared
            .iter()
            .zip(distances)
            .map(|(s, d)| {
                let original = if farthest > 0.0 { f64::from(*d).powi(2) / farthest } else { 0.0 };
                ((1.0 - self.lambda) * (1.0 - s / (2.0 - s)) + self.lambda * original) as f32
            })
            .collect()
    }

    /// The measures of the new rankings.
    ///
    /// # Errors
    /// As [`evaluate`](crate::evaluate()).
    pub fn evaluate(&self, query: &Set<'_>, gallery: &Set<'_>, metric: Metric) -> Result<Evaluation> {
        let mut scores = Vec::with_capacity(query.len());
        let each = |q: usize, row: &[f32]| score_query(&self.row(q, row), query.tags()[q], gallery.tags());
        evaluate_rows(query, gallery, metric, each, |score| scores.push(score))?;
        Evaluation::from_scores(&scores)
    }
}

/// The weights on the expanded reciprocal neighbours of one entry; their sum is 1.
fn describe(all: &Neighbours, distances: &Compared<'_>, entry: usize, k1: usize) -> Vec<(u32, f32)> {
    let reciprocal = all.reciprocal(entry, k1 + 1);
    let mut members: Vec<u32> = reciprocal.clone();
    for candidate in &reciprocal {
        // Half of k1, rounded to even as in the authors' code.
        let half = (k1 as f64 / 2.0).round_ties_even() as usize;
        let others = all.reciprocal(*candidate as usize, half + 1);
        let agreeing = others.iter().filter(|other| reciprocal.contains(other)).count();
        if 3 * agreeing > 2 * others.len() {
            members.extend(others);
        }
    }
    members.sort_unstable();
    members.dedup();
    let farthest = all.farthest(entry);
    let weight = |member: &u32| {
        let squared = distances.pair(entry, *member as usize).powi(2);
        if farthest > 0.0 { (-squared / farthest).exp() } else { 1.0 }
    };
    let weights: Vec<f64> = members.iter().map(weight).collect();
    let total: f64 = weights.iter().sum();
    members.into_iter().zip(weights).map(|(member, w)| (member, (w / total) as f32)).collect()
}

/// The mean of the descriptions of some entries.
fn average(own: &[Vec<(u32, f32)>], entries: &[u32]) -> Vec<(u32, f32)> {
    let mut sums: BTreeMap<u32, f64> = BTreeMap::new();
    for entry in entries {
        for (member, weight) in &own[*entry as usize] {
            *sums.entry(*member).or_default() += f64::from(*weight);
        }
    }
    sums.into_iter().map(|(member, sum)| (member, (sum / entries.len() as f64) as f32)).collect()
}

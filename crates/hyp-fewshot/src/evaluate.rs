//! Accuracy over many episodes from embeddings that were made once.
//!
//! In evaluation mode the embedding of a picture does not depend on its episode, so ten thousand episodes cost one pass
//! over the pictures and then only distances.

use hyp_data::sample::{Episode, EpisodeShape};
use hyp_math::stats::{Interval, normal_interval};
use rayon::prelude::*;

use crate::embed::Embeddings;
use crate::error::{Error, Result};
use crate::frozen::Frozen;

/// Two logits closer than this, relative to the largest size of a logit of their query, may change places with the
/// rounding of an embedding.
///
/// An embedding in `f32` after a network of a dozen layers carries some 1e-6 of rounding, which depends on the size of
/// the batch it was computed in; ten times that is allowed for.
pub const CLOSE: f64 = 1e-5;

/// What came out of a set of episodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Share of the queries answered rightly, one value an episode, in `[0, 1]`.
    pub accuracies: Vec<f64>,
    /// Queries whose two best logits differ by less than [`CLOSE`] of their row's largest: their answer is a matter of
    /// rounding.
    pub close_calls: usize,
    /// All queries.
    pub queries: usize,
}

impl Evaluation {
    /// Mean accuracy and the half width of its 95 % interval over the episodes, `1.96 σ/√n`, in `[0, 1]`.
    ///
    /// The interval is that of the episodes drawn: it covers the choice of pictures, and the choice of classes only in so
    /// far as there are many more classes than an episode takes.
    ///
    /// # Errors
    /// If there are fewer than two episodes.
    pub fn interval(&self) -> Result<Interval> {
        Ok(normal_interval(&self.accuracies)?)
    }
}

/// Plays episodes on embedded pictures; the positions in an episode are rows of `embeddings`.
///
/// Episodes are played side by side; each result is that of its episode alone.
///
/// # Errors
/// [`Error::Episode`] if an episode names a picture that is not embedded or has another shape than the first,
/// [`Error::NotANumber`] if a query's logit is not a number, or its largest is infinite.
pub fn evaluate(embeddings: &Embeddings, episodes: &[Episode], space: &Frozen) -> Result<Evaluation> {
    let Some(first) = episodes.first() else {
        return Ok(Evaluation { accuracies: Vec::new(), close_calls: 0, queries: 0 });
    };
    let shape = shape_of(first);
    for (number, episode) in episodes.iter().enumerate() {
        check(episode, shape, embeddings).map_err(|reason| Error::Episode { episode: number, reason })?;
    }
    let played: Vec<Played> = episodes
        .par_iter()
        .map_init(Scratch::default, |scratch, episode| {
            let logits = scratch.logits(embeddings, episode, shape, space);
            count(logits, shape)
        })
        .collect();
    if let Some(episode) = played.iter().position(|played| played.not_a_number) {
        return Err(Error::NotANumber { episode });
    }
    let queries = shape.way * shape.query;
    Ok(Evaluation {
        accuracies: played.iter().map(|played| played.right as f64 / queries as f64).collect(),
        close_calls: played.iter().map(|played| played.close).sum(),
        queries: queries * episodes.len(),
    })
}

/// Logits of the queries of one episode, `[way · query, way]`, before the temperature.
///
/// # Errors
/// As [`evaluate`].
pub fn episode_logits(embeddings: &Embeddings, episode: &Episode, space: &Frozen) -> Result<Vec<f32>> {
    logits_of_one(embeddings, episode, 0, shape_of(episode), space)
}

/// [`episode_logits`] of an episode of that number, which must have that shape.
pub(crate) fn logits_of_one(
    embeddings: &Embeddings,
    episode: &Episode,
    number: usize,
    shape: EpisodeShape,
    space: &Frozen,
) -> Result<Vec<f32>> {
    check(episode, shape, embeddings).map_err(|reason| Error::Episode { episode: number, reason })?;
    Ok(Scratch::default().logits(embeddings, episode, shape, space).to_vec())
}

/// The best class of a row of logits, the first of equal ones, and whether the second best is too close to tell.
pub(crate) fn best(logits: &[f32]) -> (usize, bool) {
    let mut best = 0;
    for (at, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = at;
        }
    }
    let others = logits.iter().enumerate().filter(|(at, _)| *at != best).map(|(_, logit)| *logit);
    let second = others.fold(f32::NEG_INFINITY, f32::max);
    let gap = f64::from(logits[best]) - f64::from(second);
    let size = logits.iter().fold(0.0, |size: f32, logit| size.max(logit.abs()));
    (best, gap <= CLOSE * f64::from(size))
}

fn shape_of(episode: &Episode) -> EpisodeShape {
    let way = episode.classes.len();
    let each = |pictures: usize| pictures / way.max(1);
    EpisodeShape { way, shot: each(episode.support.len()), query: each(episode.query.len()) }
}

fn check(episode: &Episode, shape: EpisodeShape, embeddings: &Embeddings) -> Result<(), String> {
    let found = shape_of(episode);
    let whole =
        shape.way * shape.shot == episode.support.len() && shape.way * shape.query == episode.query.len();
    if found != shape || !whole || shape.is_empty() || shape.shot == 0 || shape.query == 0 {
        return Err(format!("it is of {found:?} where {shape:?} is expected"));
    }
    match episode.support.iter().chain(&episode.query).find(|row| **row >= embeddings.len()) {
        Some(row) => Err(format!("picture {row} is not among the {} that are embedded", embeddings.len())),
        None => Ok(()),
    }
}

struct Played {
    right: usize,
    close: usize,
    /// Whether a logit is not a number, or the largest of a row is infinite: it says nothing then.
    not_a_number: bool,
}

fn count(logits: &[f32], shape: EpisodeShape) -> Played {
    let mut played = Played { right: 0, close: 0, not_a_number: logits.iter().any(|logit| logit.is_nan()) };
    for (query, row) in logits.chunks_exact(shape.way).enumerate() {
        let (answer, close) = best(row);
        played.not_a_number |= row[answer].is_infinite();
        played.right += usize::from(answer == query / shape.query);
        played.close += usize::from(close);
    }
    played
}

/// Buffers of one worker.
#[derive(Default)]
struct Scratch {
    support: Vec<f32>,
    queries: Vec<f32>,
    prototypes: Vec<f32>,
    logits: Vec<f32>,
}

impl Scratch {
    fn logits(
        &mut self,
        embeddings: &Embeddings,
        episode: &Episode,
        shape: EpisodeShape,
        space: &Frozen,
    ) -> &[f32] {
        let dim = embeddings.dim;
        for (rows, positions) in [(&mut self.support, &episode.support), (&mut self.queries, &episode.query)]
        {
            rows.clear();
            for row in positions {
                rows.extend_from_slice(embeddings.point(*row));
            }
        }
        self.prototypes.resize(shape.way * dim, 0.0);
        self.logits.resize(shape.way * shape.query * shape.way, 0.0);
        space.prototypes(&self.support, shape.shot, dim, &mut self.prototypes);
        space.logits(&self.queries, &self.prototypes, dim, &mut self.logits);
        &self.logits
    }
}

#[cfg(test)]
mod tests {
    use hyp_math::Curvature;

    use super::*;
    use crate::geometry::{Flat, Geometry};

    /// Two classes on a line: rows 0–2 near 0, rows 3–5 near 10, row 6 exactly between the prototypes 0 and 10.
    fn line() -> Embeddings {
        let points = vec![0.0, 1.0, 2.0, 10.0, 9.0, 4.0, 5.0];
        Embeddings { pre_map_norm: vec![0.0; points.len()], points, dim: 1 }
    }

    fn episode(query: [usize; 4]) -> Episode {
        Episode { classes: vec![0, 1], support: vec![0, 3], query: query.to_vec() }
    }

    #[test]
    fn a_point_that_is_not_a_number_has_no_accuracy() {
        let mut points = line();
        points.points[4] = f32::NAN;
        let lorentz = Geometry::Lorentz { c: 1.0, trainable_c: false, clip: None };
        for geometry in
            [Geometry::Euclidean { distance: Flat::Squared }, Geometry::Cosine { scale: 1.0 }, lorentz]
        {
            let space = Frozen::new(geometry, Curvature::ONE);
            let of = |query| evaluate(&points, &[episode([1, 2, 5, 3]), episode(query)], &space);
            assert!(of([1, 2, 5, 3]).is_ok());
            let error = of([1, 2, 4, 3]).unwrap_err();
            assert!(matches!(error, Error::NotANumber { episode: 1 }), "{error}");
            // As an example of a class, too.
            let shown = Episode { support: vec![0, 4], ..episode([1, 2, 5, 3]) };
            let error = evaluate(&points, &[shown], &space).unwrap_err();
            assert!(matches!(error, Error::NotANumber { episode: 0 }), "{error}");
        }
        // Squares beyond `f32` make every logit of a query −∞.
        points.points[4] = 1e30;
        let space = Frozen::new(Geometry::Euclidean { distance: Flat::Squared }, Curvature::FLAT);
        let error = evaluate(&points, &[episode([1, 2, 4, 3])], &space).unwrap_err();
        assert!(matches!(error, Error::NotANumber { episode: 0 }), "{error}");
    }

    #[test]
    fn counted_by_hand() {
        for geometry in [
            Geometry::Euclidean { distance: Flat::Squared },
            Geometry::Euclidean { distance: Flat::Twice },
            Geometry::poincare(0.0),
        ] {
            let space = Frozen::new(geometry, Curvature::FLAT);
            // Row 5 lies at 4, nearer to the first class, so one of four is wrong.
            let episodes = [episode([1, 2, 4, 5]), episode([1, 2, 4, 4])];
            let found = evaluate(&line(), &episodes, &space).unwrap();
            assert_eq!(
                (found.accuracies.as_slice(), found.close_calls, found.queries),
                (&[0.75, 1.0][..], 0, 8)
            );
            let interval = found.interval().unwrap();
            assert_eq!(interval.mean, 0.875);
            // σ = 0.25/√2, so 1.96 σ/√2 = 1.96/8.
            assert!((interval.half_width - 1.96 / 8.0).abs() < 1e-4);
        }
    }

    #[test]
    fn a_tie_is_a_close_call_and_goes_to_the_first() {
        let space = Frozen::new(Geometry::Euclidean { distance: Flat::Twice }, Curvature::FLAT);
        let found = evaluate(&line(), &[episode([6, 1, 4, 6])], &space).unwrap();
        assert_eq!((found.accuracies[0], found.close_calls), (0.75, 2));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let space = Frozen::new(Geometry::poincare(0.1), Curvature::ONE);
        let bad = [
            episode([1, 2, 4, 7]),
            Episode { support: vec![0], ..episode([1, 2, 4, 5]) },
            Episode { query: vec![1, 2, 4], ..episode([1, 2, 4, 5]) },
        ];
        for bad in bad {
            let text = evaluate(&line(), &[episode([1, 2, 4, 5]), bad], &space).unwrap_err().to_string();
            assert!(text.starts_with("episode 1: "), "{text}");
        }
        assert!(evaluate(&line(), &[], &space).unwrap().accuracies.is_empty());
    }
}

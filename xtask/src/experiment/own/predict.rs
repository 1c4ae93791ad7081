//! `predict`: new pictures by a trained or published model and a handful of examples of each class.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use hyp_data::source::{ReadOptions, Unusable, folder};
use hyp_fewshot::{Frozen, Geometry};
use rayon::prelude::*;

use super::answers::{self, Answer};
use super::queries::Queries;
use crate::compute::On;
use crate::experiment::SavedFewShot;
use crate::features::bar;
use crate::retrieval::{Chosen, Embedder, Place, Seen, left_out};
use crate::workspace;

/// Options of `predict`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PredictOptions {
    #[command(flatten)]
    chosen: Chosen,
    /// A folder or zip archive with one folder of examples for each class.
    #[arg(long, value_name = "DIR")]
    support: PathBuf,
    /// A picture to classify, or a folder or zip archive of them.
    #[arg(long, value_name = "DIR")]
    query: PathBuf,
    /// Reject a picture that is nearer to the origin than this share of the examples, from 0 to 1: the table says
    /// `rejected` beside the best guess, CSV and JSON have a field for it.
    #[arg(long, value_name = "SHARE")]
    reject: Option<f64>,
    /// Write the answers as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the answers as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    device: On,
}

/// Pictures embedded at a time.
const BATCH: usize = 64;
/// Factor on the cosine of the angle between features of a published network.
const COSINE_SCALE: f64 = 10.0;
/// Distances whose quotient is nearer to 1 are equal up to the rounding of an embedding in `f32`.
const ROUNDING: f64 = 1e-5;

/// A model that answers.
struct Asked {
    embedder: Embedder,
    space: Frozen,
    temperature: f64,
}

/// Prototypes of the classes shown.
struct Prototypes {
    classes: Vec<String>,
    points: Vec<f32>,
    dim: usize,
    /// d(x, 0) of the examples, ascending.
    distances: Vec<f64>,
}

/// Classifies, prints the table, and writes what is asked for.
pub(crate) fn predict(root: &Path, options: &PredictOptions) -> Result<ExitCode> {
    if let Some(share) = options.reject
        && !(0.0..=1.0).contains(&share)
    {
        bail!("--reject {share} is no share; give a number from 0 to 1, such as 0.1");
    }
    for path in [&options.csv, &options.json].into_iter().flatten() {
        workspace::refuse_folder(path)?;
    }
    let asked = open(root, options)?;
    let prototypes = prototypes(&asked, &options.support)?;
    let space = asked.space.geometry();
    let below = options.reject.map(|share| threshold(&prototypes.distances, share, space.c())).transpose()?;
    if let Some(share) = options.reject.filter(|share| share * (prototypes.distances.len() as f64) < 1.0) {
        println!(
            "with {} examples, --reject {share} rejects what is nearer to the origin than all of them",
            prototypes.distances.len()
        );
    }
    let queries = Queries::list(&options.query, &asked.embedder.sight)?;
    let found = answer_all(&asked, &prototypes, &queries, below)?;
    // Before anything is printed, which may find no reader.
    if let Some(path) = &options.csv {
        workspace::write_atomic(path, answers::csv(&found).as_bytes())?;
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&found).context("invariant: answers are plain data")?;
        workspace::write_atomic(path, text.as_bytes())?;
    }
    print!("{}", answers::table(&found));
    summary(&found, &prototypes, below);
    for path in [&options.csv, &options.json].into_iter().flatten() {
        println!("wrote {}", path.display());
    }
    if found.iter().all(|answer| answer.error.is_some()) {
        bail!("no picture of {} could be used; why not stands in the table", options.query.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the model: a run's, or a published network, whose pictures are compared by the angle between their features.
fn open(root: &Path, options: &PredictOptions) -> Result<Asked> {
    let place = options.chosen.place(root)?;
    let (geometry, temperature) = match &place {
        Place::Run { folder } => {
            let saved = SavedFewShot::read(folder)?;
            (saved.geometry, saved.temperature)
        }
        Place::Published { .. } => (Geometry::Cosine { scale: COSINE_SCALE }, 1.0),
    };
    let embedder = Embedder::open(&place, &options.device)?;
    let space = Frozen::new(geometry, embedder.metric.curvature());
    Ok(Asked { embedder, space, temperature })
}

/// Reads the examples and averages those of each class; files that cannot be used are named and left out.
fn prototypes(asked: &Asked, folder: &Path) -> Result<Prototypes> {
    let sight = &asked.embedder.sight;
    let loaded = folder::load_with(folder, ReadOptions { colour: sight.colour(), unusable: Unusable::Skip })?;
    left_out(&loaded.skipped);
    let dataset = loaded.dataset;
    let index = dataset.index();
    if index.classes().len() < 2 {
        bail!("{} shows {} class; give examples of at least two", folder.display(), index.classes().len());
    }
    let bar = bar("examples", dataset.len(), 0, true);
    let mut points = Vec::new();
    for batch in (0..dataset.len()).collect::<Vec<_>>().chunks(BATCH) {
        let see = |at: &usize| dataset.image(*at).and_then(|image| sight.see(image));
        let seen: Vec<Seen> = batch.par_iter().map(see).collect::<Result<_, _>>()?;
        points.extend(asked.embedder.points(&seen.iter().collect::<Vec<_>>())?);
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    let dim = asked.embedder.dim();
    let mut distances = asked.space.distance_to_origin(&points, dim);
    distances.sort_by(f64::total_cmp);
    if matches!(asked.space.geometry(), Geometry::Cosine { .. }) {
        // The points of directions have one norm, in training as here, so that no example counts more than another.
        for point in points.chunks_exact_mut(dim) {
            let norm = point.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            if norm > 0.0 {
                for value in point {
                    *value = (f64::from(*value) / norm) as f32;
                }
            }
        }
    }
    let mut all = vec![0.0; index.classes().len() * dim];
    for (class, prototype) in all.chunks_exact_mut(dim).enumerate() {
        let of_class = index.items().iter().zip(points.chunks_exact(dim));
        let of_class: Vec<&[f32]> =
            of_class.filter(|(item, _)| item.class as usize == class).map(|(_, point)| point).collect();
        asked.space.prototypes(&of_class.concat(), of_class.len(), dim, prototype);
    }
    Ok(Prototypes { classes: index.classes().to_vec(), points: all, dim, distances })
}

/// The distance that this share of the examples lies below.
///
/// # Errors
/// If many examples are at one distance, the largest, and the share falls among them: what lies below is then a matter of
/// rounding. `c` is that of the space, if it has one.
fn threshold(distances: &[f64], share: f64, c: Option<f64>) -> Result<f64> {
    let largest = distances.last().copied().unwrap_or(0.0);
    let at = (share * distances.len() as f64) as usize;
    let threshold = distances.get(at).copied().unwrap_or(largest);
    let edge = largest * (1.0 - ROUNDING);
    let at_edge = distances.iter().filter(|distance| **distance >= edge).count();
    if at_edge > 1 && threshold >= edge {
        let why = if c.is_some() {
            "the model's c or clip is too tight; leave --reject out, or train with a smaller --c"
        } else {
            "the model's space keeps all points at one norm; leave --reject out, or name another model"
        };
        bail!(
            "{at_edge} of the {} examples are at one distance from the origin, {largest:.3}, so that --reject {share} would \
             choose by rounding: {why}",
            distances.len()
        );
    }
    Ok(threshold)
}

/// The one distance at which all examples are, if they are.
fn same_for_all(distances: &[f64]) -> Option<f64> {
    let (first, last) = (*distances.first()?, *distances.last()?);
    (distances.len() > 1 && first >= last * (1.0 - ROUNDING)).then_some(last)
}

fn answer_all(
    asked: &Asked,
    prototypes: &Prototypes,
    queries: &Queries<'_>,
    below: Option<f64>,
) -> Result<Vec<Answer>> {
    let bar = bar("classified", queries.all().len(), 0, true);
    let mut found = Vec::with_capacity(queries.all().len());
    for batch in queries.all().chunks(BATCH) {
        let seen = queries.see(batch);
        let good: Vec<&Seen> = seen.iter().filter_map(|seen| seen.as_ref().ok()).collect();
        let mut said = Vec::new().into_iter();
        if !good.is_empty() {
            said = said_of(asked, prototypes, &asked.embedder.points(&good)?).into_iter();
        }
        for (query, seen) in batch.iter().zip(&seen) {
            let mut answer = Answer {
                picture: query.name.clone(),
                class: None,
                probability: None,
                distance_to_origin: None,
                rejected: false,
                folder: query.folder.clone(),
                error: seen.as_ref().err().cloned(),
            };
            if seen.is_ok() {
                let (class, probability, distance) =
                    said.next().context("invariant: one answer a picture")?;
                if !(probability.is_finite() && distance.is_finite()) {
                    bail!(
                        "the model's answer for {} is not a number, so that its weights are spoilt; train it anew with a \
                         smaller --lr, or name another model",
                        query.name
                    );
                }
                answer.class = Some(prototypes.classes[class].clone());
                answer.probability = Some(probability);
                answer.distance_to_origin = Some(distance);
                answer.rejected = below.is_some_and(|below| distance < below);
            }
            found.push(answer);
        }
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    Ok(found)
}

/// Class, probability and distance to the origin of each point.
fn said_of(asked: &Asked, prototypes: &Prototypes, points: &[f32]) -> Vec<(usize, f64, f64)> {
    let (dim, way) = (prototypes.dim, prototypes.classes.len());
    let mut logits = vec![0.0; points.len() / dim * way];
    asked.space.logits(points, &prototypes.points, dim, &mut logits);
    let distances = asked.space.distance_to_origin(points, dim);
    let answer = |(row, distance): (&[f32], f64)| {
        let best = (0..way).fold(0, |best, at| if row[at] > row[best] { at } else { best });
        let sum: f64 = row.iter().map(|logit| (f64::from(logit - row[best]) / asked.temperature).exp()).sum();
        (best, 1.0 / sum, distance)
    };
    logits.chunks_exact(way).zip(distances).map(answer).collect()
}

fn summary(found: &[Answer], prototypes: &Prototypes, below: Option<f64>) {
    let damaged = found.iter().filter(|answer| answer.error.is_some()).count();
    let rejected = found.iter().filter(|answer| answer.rejected).count();
    let pictures = if found.len() == 1 { "picture" } else { "pictures" };
    println!("{} {pictures}, {} classes; {damaged} could not be used", found.len(), prototypes.classes.len());
    if let Some(distance) = same_for_all(&prototypes.distances) {
        println!(
            "every example is at d(x, 0) = {distance:.3}: with this model the distance is no confidence"
        );
    }
    let unknown =
        |answer: &&Answer| answer.folder.as_ref().is_some_and(|name| !prototypes.classes.contains(name));
    if let Some(below) = below {
        println!("{rejected} rejected: d(x, 0) below {below:.3}");
        let of_unknown = found.iter().filter(unknown).filter(|answer| answer.rejected).count();
        if of_unknown > 0 {
            println!("{of_unknown} of them lie in folders that are not named after a class shown");
        }
    }
    let unknown = found.iter().filter(unknown).count();
    if let Some((right, asked)) = answers::score(found, &prototypes.classes) {
        println!("{right} of {asked} answers are the name of the picture's folder");
        if unknown > 0 {
            println!(
                "{unknown} pictures lie in folders that are not named after a class shown; they are not counted"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{same_for_all, threshold};

    #[test]
    fn a_share_of_examples_at_one_distance_is_no_threshold() {
        let spread = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(threshold(&spread, 0.0, None).unwrap(), 1.0);
        assert_eq!(threshold(&spread, 0.5, None).unwrap(), 3.0);
        assert_eq!(threshold(&spread, 1.0, None).unwrap(), 4.0);
        // Half of them held at the margin: below it there is a threshold, at it there is none.
        let held = [1.0, 2.0, 3.999_999, 4.0];
        assert_eq!(threshold(&held, 0.25, None).unwrap(), 2.0);
        let text = threshold(&held, 0.5, Some(1.0)).unwrap_err().to_string();
        assert!(text.contains("2 of the 4 examples") && text.contains("--c"), "{text}");
        threshold(&[2.0; 8], 0.0, None).unwrap_err();
    }

    #[test]
    fn a_distance_that_all_examples_share_is_noticed() {
        assert_eq!(same_for_all(&[33.989_99, 33.99]), Some(33.99));
        assert_eq!(same_for_all(&[33.0, 33.99]), None);
        assert_eq!(same_for_all(&[1.0]), None);
    }
}

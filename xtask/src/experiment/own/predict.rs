//! `predict`: new pictures by a trained model and a handful of examples of each class.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use hyp_data::source::{ReadOptions, Unusable, folder};
use hyp_data::transform::Transform;
use hyp_data::{Loader, LoaderOptions, sample};
use hyp_fewshot::{Embeddings, Frozen, embed};
use hyp_nn::backbone::Backbone;

use super::answers::{self, Answer};
use super::queries::{self, Query};
use crate::experiment::few_shot::model::Model;
use crate::experiment::few_shot::saved::Saved;
use crate::retrieval::{Seen, stack};
use crate::workspace;

/// Options of `predict`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PredictOptions {
    /// The folder of a run: of `train fewshot`, or of one row and seed of a few-shot table.
    #[arg(long, value_name = "RUN")]
    model: PathBuf,
    /// A folder with one folder of examples for each class.
    #[arg(long, value_name = "DIR")]
    support: PathBuf,
    /// A folder of pictures to classify.
    #[arg(long, value_name = "DIR")]
    query: PathBuf,
    /// Give no answer for a picture that is nearer to the origin than this share of the examples, from 0 to 1.
    #[arg(long, value_name = "SHARE")]
    reject: Option<f64>,
    /// Write the answers as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the answers as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to compute: `cpu` or `cuda`.
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: String,
}

/// Pictures embedded at a time.
const BATCH: usize = 64;

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
    let folder = if options.model.is_dir() { options.model.clone() } else { root.join(&options.model) };
    let saved = Saved::read(&folder)?;
    let model = saved.load(&folder, &hyp_nn::device::by_name(&options.device)?)?;
    let space = model.space.frozen()?;
    let prototypes = prototypes(&model, &saved, &space, &options.support)?;
    let queries = queries::read(&options.query, &saved.sight())?;
    let below = options.reject.map(|share| threshold(&prototypes.distances, share));
    let found = answer_all(&model, &space, &prototypes, queries, below, &saved)?;
    print!("{}", answers::table(&found));
    summary(&found, &prototypes, below);
    if let Some(path) = &options.csv {
        workspace::write_atomic(path, answers::csv(&found).as_bytes())?;
        println!("wrote {}", path.display());
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&found).context("invariant: answers are plain data")?;
        workspace::write_atomic(path, text.as_bytes())?;
        println!("wrote {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the examples and averages those of each class; files that cannot be used are named and left out.
fn prototypes(model: &Model, saved: &Saved, space: &Frozen, folder: &Path) -> Result<Prototypes> {
    let colour = saved.sight().colour();
    let loaded = folder::load_with(folder, ReadOptions { colour, unusable: Unusable::Skip })?;
    for problem in &loaded.skipped {
        println!("left out of the examples: {problem}");
    }
    let dataset = std::sync::Arc::new(loaded.dataset.preload(&saved.prepare)?);
    let index = dataset.index().clone();
    if index.classes().len() < 2 {
        bail!("{} shows {} class; give examples of at least two", folder.display(), index.classes().len());
    }
    let sampler = sample::Sequential { items: (0..dataset.len()).collect(), batch_size: BATCH };
    let options = LoaderOptions { workers: 1, ..LoaderOptions::default() };
    let loader = Loader::new(dataset, sampler, Transform::default(), saved.scale.normalise(), options);
    let Embeddings { points, dim, .. } = embed(model, &loader, |_| ())?;
    let mut all = vec![0.0; index.classes().len() * dim];
    for (class, prototype) in all.chunks_exact_mut(dim).enumerate() {
        let of_class = index.items().iter().zip(points.chunks_exact(dim));
        let of_class: Vec<&[f32]> =
            of_class.filter(|(item, _)| item.class as usize == class).map(|(_, point)| point).collect();
        space.prototypes(&of_class.concat(), of_class.len(), dim, prototype);
    }
    let mut distances = space.distance_to_origin(&points, dim);
    distances.sort_by(f64::total_cmp);
    Ok(Prototypes { classes: index.classes().to_vec(), points: all, dim, distances })
}

/// The distance that this share of the examples lies below.
fn threshold(distances: &[f64], share: f64) -> f64 {
    let at = (share * distances.len() as f64) as usize;
    distances.get(at).or(distances.last()).copied().unwrap_or(0.0)
}

fn answer_all(
    model: &Model,
    space: &Frozen,
    prototypes: &Prototypes,
    queries: Vec<Query>,
    below: Option<f64>,
    saved: &Saved,
) -> Result<Vec<Answer>> {
    let mut found = Vec::with_capacity(queries.len());
    for batch in queries.chunks(BATCH) {
        let good: Vec<&Seen> = batch.iter().filter_map(|query| query.seen.as_ref().ok()).collect();
        let mut said = Vec::new().into_iter();
        if !good.is_empty() {
            let images = stack(&good, model.store.device())?;
            let points = model.space.embedding(&model.backbone.forward(&images, false)?)?;
            let points = points.detach().flatten_all()?.to_vec1::<f32>()?;
            said = said_of(space, prototypes, &points, saved.temperature).into_iter();
        }
        for query in batch {
            let mut answer = Answer {
                picture: query.name.clone(),
                class: None,
                probability: None,
                distance_to_origin: None,
                rejected: false,
                folder: query.folder.clone(),
                error: query.seen.as_ref().err().cloned(),
            };
            if query.seen.is_ok() {
                let (class, probability, distance) =
                    said.next().context("invariant: one answer a picture")?;
                answer.class = Some(prototypes.classes[class].clone());
                answer.probability = Some(probability);
                answer.distance_to_origin = Some(distance);
                answer.rejected = below.is_some_and(|below| distance < below);
            }
            found.push(answer);
        }
    }
    Ok(found)
}

/// Class, probability and distance to the origin of each point.
fn said_of(
    space: &Frozen,
    prototypes: &Prototypes,
    points: &[f32],
    temperature: f64,
) -> Vec<(usize, f64, f64)> {
    let (dim, way) = (prototypes.dim, prototypes.classes.len());
    let mut logits = vec![0.0; points.len() / dim * way];
    space.logits(points, &prototypes.points, dim, &mut logits);
    let distances = space.distance_to_origin(points, dim);
    let answer = |(row, distance): (&[f32], f64)| {
        let best = (0..way).fold(0, |best, at| if row[at] > row[best] { at } else { best });
        let sum: f64 = row.iter().map(|logit| (f64::from(logit - row[best]) / temperature).exp()).sum();
        (best, 1.0 / sum, distance)
    };
    logits.chunks_exact(way).zip(distances).map(answer).collect()
}

fn summary(found: &[Answer], prototypes: &Prototypes, below: Option<f64>) {
    let damaged = found.iter().filter(|answer| answer.error.is_some()).count();
    let rejected = found.iter().filter(|answer| answer.rejected).count();
    println!("{} pictures, {} classes; {damaged} could not be used", found.len(), prototypes.classes.len());
    if let Some(below) = below {
        println!("{rejected} rejected: d(x, 0) below {below:.3}");
    }
    let unknown =
        |answer: &&Answer| answer.folder.as_ref().is_some_and(|name| !prototypes.classes.contains(name));
    let unknown = found.iter().filter(unknown).count();
    if let Some((right, asked)) = answers::score(found, &prototypes.classes) {
        println!("{right} of {asked} answers are the name of the picture's folder");
        if unknown > 0 {
            println!(
                "{unknown} pictures lie in folders of classes that were not shown; their answers cannot be right"
            );
        }
    }
}

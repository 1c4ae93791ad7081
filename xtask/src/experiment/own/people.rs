//! `train reid`: an embedding of people, or of anything with identities and cameras, from a person's own pictures.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use hyp_data::source::own::{self, Labels};
use hyp_data::source::{ReadOptions, Unusable, reid};
use hyp_data::{Colour, Dataset, Split, SplitRule};
use hyp_nn::Geometry;
use hyp_reid::Tag;
use serde_json::{Value, json};

use super::Course;
use super::settings::{self, MOST, MOST_NUMBERS, typed};
use super::train::finished;
use crate::experiment::Environment;
use crate::experiment::contract::Job;
use crate::experiment::re_identification::config::{BackboneTable, ReidRow, TrainTable};
use crate::experiment::re_identification::model::{self, Recipe};
use crate::experiment::re_identification::pictures::{Pictures, tags};
use crate::metric;
use crate::retrieval::{Where, left_out};

/// Options of `train reid`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TrainReidOptions {
    /// A folder or zip archive of pictures named `IDENTITY_cCAMERA…`, a folder of `IDENTITY/CAMERA/PICTURE`, or a CSV list
    /// with the columns path, identity, camera and, if there are parts, split.
    #[arg(long, value_name = "DIR|LIST.csv")]
    images: PathBuf,
    /// Where identity and camera stand; guessed when absent.
    #[arg(long, value_enum)]
    labels: Option<Where>,
    /// The folder of the run, which `embed --model` takes.
    #[arg(long, default_value = "runs/own-reid", value_name = "DIR")]
    out: PathBuf,
    /// The space in which pictures are compared.
    #[arg(long, value_enum, default_value_t = Space::Poincare)]
    geometry: Space,
    /// Curvature parameter of the Poincaré ball [default: 1e-5].
    #[arg(long, allow_negative_numbers = true)]
    c: Option<f64>,
    /// Numbers of an embedding.
    #[arg(long, default_value_t = 128)]
    dim: usize,
    /// The network; all but conv4 begin with weights of ImageNet, which `fetch` brings.
    #[arg(long, value_enum, default_value_t = BackboneTable::EfficientNetLite0)]
    backbone: BackboneTable,
    /// The weights to begin with, .pth or .safetensors, where they lie elsewhere.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The folder that holds the weights; `HYP_DATA` names the same thing [default: data/cache].
    #[arg(long, value_name = "DIR")]
    data_root: Option<PathBuf>,
    /// Height of a picture.
    #[arg(long, default_value_t = 128)]
    height: usize,
    /// Width of a picture.
    #[arg(long, default_value_t = 64)]
    width: usize,
    /// The first so many identities by name are for training, the others are looked for [default: two thirds]; without
    /// meaning where the pictures come with parts train, query and gallery.
    #[arg(long, value_name = "N")]
    train_identities: Option<usize>,
    /// Times through the training part.
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    /// Pictures of a step.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Pictures of each identity in a batch; pictures are shuffled when absent.
    #[arg(long, value_name = "N")]
    pictures_per_identity: Option<usize>,
    /// How often a window of a training picture is erased, from 0 to 1.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    erasing: f64,
    /// Adam's learning rate before its first decay.
    #[arg(long, default_value_t = 3e-4)]
    lr: f64,
    #[command(flatten)]
    course: Course,
}

/// The spaces.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Space {
    /// The Poincaré ball.
    Poincare,
    /// Flat.
    Euclidean,
    /// Directions.
    Spherical,
}

/// Of a picture's side.
const MOST_PIXELS: usize = 4096;
/// The recipe's curvature parameter.
const CURVATURE: f64 = 1e-5;

/// Trains, ranks the gallery, and says how to use the model.
pub(crate) fn train_reid(root: &Path, options: &TrainReidOptions) -> Result<ExitCode> {
    finished(run(root, options))
}

fn run(root: &Path, options: &TrainReidOptions) -> Result<()> {
    let positive = [options.epochs, options.batch, options.dim, options.height, options.width];
    if positive.contains(&0) {
        bail!("--epochs, --batch, --dim, --height and --width must be at least 1");
    }
    settings::within(&[
        ("--epochs", options.epochs, MOST),
        ("--batch", options.batch, MOST),
        ("--dim", options.dim, MOST_NUMBERS),
        ("--height", options.height, MOST_PIXELS),
        ("--width", options.width, MOST_PIXELS),
    ])?;
    if options.c.is_some() && !matches!(options.geometry, Space::Poincare) {
        bail!("--c is of the Poincaré ball; leave it out, or give --geometry poincare");
    }
    if !(0.0..=1.0).contains(&options.erasing) {
        bail!("--erasing {} is no share; give a number from 0 to 1, such as 0.5", options.erasing);
    }
    if options.backbone == BackboneTable::Conv4 && options.weights.is_some() {
        bail!("conv4 begins with weights drawn by the seed; leave --weights out, or give another --backbone");
    }
    if options.backbone == BackboneTable::Conv4 && (options.height, options.width) != (84, 84) {
        bail!("conv4 takes pictures of 84 × 84; give --height 84 --width 84, or another --backbone");
    }
    let environment = Environment::of_command(root, options.data_root.as_deref(), &options.course.device)?;
    let dataset = in_parts(read(options)?, options)?;
    let of = |split| dataset.index().positions(split).len();
    if of(Split::Gallery) == 0 {
        return Err(without_match(of(Split::Query), &options.images));
    }
    let pictures = Pictures::new(&dataset, "own pictures")?;
    has_matches(&tags(&pictures.query), &tags(&pictures.gallery), &options.images)?;
    let (trained, asked) = (people(&pictures.train), people(&pictures.query));
    println!(
        "{} identities on {} pictures for training; {} queries of {} identities, a gallery of {} pictures",
        trained.len(),
        pictures.train.len(),
        pictures.query.len(),
        asked.len(),
        pictures.gallery.len()
    );
    let both: Vec<&u32> = trained.intersection(&asked).collect();
    if let Some(first) = both.first() {
        println!(
            "{} of the {} identities that are looked for are trained on too, such as {}: the measures below say how well \
             known identities are found, not new ones",
            both.len(),
            asked.len(),
            dataset.index().identities()[**first as usize]
        );
    }
    if let Some(each) = options.pictures_per_identity
        && (each == 0 || !options.batch.is_multiple_of(each) || options.batch / each < 2)
    {
        bail!(
            "--batch {} does not hold two or more identities of --pictures-per-identity {each}; give a multiple of it",
            options.batch
        );
    }
    if pictures.train.len() < options.batch {
        bail!(
            "{} pictures for training do not fill a batch of {}; give a smaller --batch, or more pictures",
            pictures.train.len(),
            options.batch
        );
    }
    let geometry = match options.geometry {
        Space::Poincare => Geometry::poincare(options.c.unwrap_or(CURVATURE)),
        Space::Euclidean => Geometry::Euclidean,
        Space::Spherical => Geometry::Spherical { scale: 16.0 },
    };
    let TrainReidOptions { batch, lr: adam_lr, pictures_per_identity: pictures_per_person, erasing, .. } =
        *options;
    let row =
        ReidRow::own(geometry, options.dim, TrainTable { batch, adam_lr, pictures_per_person, erasing });
    let recipe = Recipe {
        backbone: options.backbone,
        size: [options.height, options.width],
        epochs: options.epochs,
        batches: None,
        batch: None,
        weights: options.weights.clone(),
    };
    let folder = root.join(&options.out);
    let _held =
        settings::begin(&folder, &options.out, &options.course, &settings(options, &dataset), &environment)?;
    let job = Job {
        row: &row,
        seed: options.course.seed,
        folder: folder.clone(),
        resume: options.course.resume,
        side_by_side: false,
        stop: &environment.stop,
    };
    let measured = model::run(&job, &recipe, &pictures, &environment)?;
    for name in ["rank1", "rank5", "rank10", "map", "minp", "queries"] {
        let value = measured.get(name).context("invariant: they are measured")?;
        println!("{}", metric::line(name, *value));
    }
    println!("rankings as pictures: {}", folder.join("ranks.png").display());
    println!("use it: cargo xtask embed --model {} --images DIR --out emb.parquet", options.out.display());
    Ok(())
}

/// What decides the model.
fn settings(options: &TrainReidOptions, dataset: &Dataset) -> Value {
    let weights = options.weights.as_ref().map(|path| path.display().to_string());
    let curvature = matches!(options.geometry, Space::Poincare).then(|| options.c.unwrap_or(CURVATURE));
    json!({
        "geometry": typed(&options.geometry),
        "c": curvature,
        "dim": options.dim,
        "backbone": typed(&options.backbone),
        "weights": weights,
        "height": options.height,
        "width": options.width,
        "epochs": options.epochs,
        "batch": options.batch,
        "pictures-per-identity": options.pictures_per_identity,
        "erasing": options.erasing,
        "lr": options.lr,
        "seed": options.course.seed,
        "images": dataset.index().fingerprint(),
    })
}

/// The identities on the pictures of a part.
fn people(part: &Dataset) -> BTreeSet<u32> {
    part.index().items().iter().filter_map(|item| item.identity).collect()
}

/// The pictures with identities as classes; what cannot be used is named and left out.
fn read(options: &TrainReidOptions) -> Result<Dataset> {
    let reading = ReadOptions { colour: Colour::Rgb, unusable: Unusable::Skip };
    let labels = match options.labels {
        Some(labels) => labels.into(),
        None => match own::guess(&options.images)? {
            // Folders that are not classes may be those of identities and cameras.
            Labels::Classes => Labels::Cameras,
            labels => labels,
        },
    };
    let (_, loaded) = own::load(&options.images, Some(labels), reading)?;
    left_out(&loaded.skipped);
    let dataset = loaded.dataset;
    let index = dataset.index();
    if index.identities().is_empty() || index.cameras().is_empty() {
        bail!(
            "{} names no {}; name the pictures like `0002_c1s1_000451_03.jpg`, lay them into \
             IDENTITY/CAMERA/, or give a CSV list with the columns path,identity,camera",
            options.images.display(),
            if index.identities().is_empty() { "identities" } else { "cameras" }
        );
    }
    let index = index.with_identities_as_classes(reid::DISTRACTOR);
    Ok(dataset.with_index(index))
}

/// The data set with parts: its own, or cut by identity.
fn in_parts(dataset: Dataset, options: &TrainReidOptions) -> Result<Dataset> {
    let index = dataset.index();
    let has = |split| !index.positions(split).is_empty();
    if [Split::Train, Split::Query, Split::Gallery].into_iter().all(has) {
        let of_none = index.items().iter().filter(|item| item.split.is_none());
        if let Some(first) = of_none.clone().next() {
            bail!(
                "{} of the pictures of {} lie in none of the parts train, query and gallery, such as {}; move them into \
                 one, or out of the folder",
                of_none.count(),
                options.images.display(),
                first.source
            );
        }
        println!("parts: train, query and gallery, as they are given");
        if options.train_identities.is_some() {
            println!("--train-identities has no meaning for parts that are given");
        }
        return Ok(dataset);
    }
    if index.items().iter().any(|item| item.split.is_some()) {
        bail!(
            "{} names parts, but not train, query and gallery; give all three, or none, \
             and the pictures are cut by identity",
            options.images.display()
        );
    }
    let all = people(&dataset).len();
    if all < 3 {
        bail!(
            "{} shows {all} identities; two or more are trained with and others are looked for, so give at least 3",
            options.images.display()
        );
    }
    let train = options.train_identities.unwrap_or((2 * all / 3).max(2));
    println!("parts: cut by identity, the first {train} of {all} by name for training");
    Ok(dataset.with_split(&SplitRule::Identities { train }, &options.images)?)
}

/// What is said where no query can be found.
fn without_match(queries: usize, images: &Path) -> anyhow::Error {
    anyhow!(
        "none of the {queries} queries of {} has a match in the gallery that another camera took; of each identity that is \
         looked for, give two pictures by each of two cameras, or a CSV list with a column split",
        images.display()
    )
}

/// Refuses queries of which none can be found, and counts those that cannot.
fn has_matches(queries: &[Tag], gallery: &[Tag], images: &Path) -> Result<()> {
    let mut seen: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for tag in gallery {
        seen.entry(tag.identity).or_default().insert(tag.camera);
    }
    let found = |tag: &&Tag| {
        seen.get(&tag.identity).is_some_and(|cameras| cameras.iter().any(|camera| *camera != tag.camera))
    };
    let with = queries.iter().filter(found).count();
    if with == 0 {
        return Err(without_match(queries.len(), images));
    }
    if with < queries.len() {
        println!(
            "{} of {} queries have no match by another camera in the gallery and are left out of the measures",
            queries.len() - with,
            queries.len()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Tag, has_matches};

    #[test]
    fn queries_that_cannot_be_found_are_refused_before_anything_is_trained() {
        let tag = |identity, camera| Tag { identity, camera };
        let images = std::path::Path::new("people");
        has_matches(&[tag(1, 0), tag(2, 0)], &[tag(1, 1), tag(2, 0)], images).unwrap();
        let text =
            has_matches(&[tag(1, 0), tag(2, 0)], &[tag(1, 0), tag(3, 1)], images).unwrap_err().to_string();
        assert!(text.contains("none of the 2 queries of people") && text.contains("two cameras"), "{text}");
    }
}

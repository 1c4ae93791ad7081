//! `train fewshot`: a classifier from a folder of class folders.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use hyp_data::source::own::{self, Labels};
use hyp_data::source::{ReadOptions, Unusable};
use hyp_data::{Colour, Dataset, Random, Split, SplitRule};
use hyp_fewshot::{Encoding, Flat, Geometry};
use serde_json::{Value, json};

use super::Course;
use super::settings::{self, MOST, MOST_NUMBERS, typed};
use crate::experiment::Environment;
use crate::experiment::contract::Interrupted;
use crate::experiment::few_shot::backbone::BackboneTable;
use crate::experiment::few_shot::config::{FewShotRow, ShapeTable, TrainTable};
use crate::experiment::few_shot::model::{self, Length, Place};
use crate::experiment::few_shot::pictures::{Form, Pictures};
use crate::experiment::few_shot::saved::Saved;
use crate::features::watch;
use crate::metric;
use crate::retrieval::left_out;

/// Options of `train fewshot`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TrainOptions {
    /// A folder or zip archive with one folder of pictures for each class, or with train, val and test folders of such whose
    /// classes differ; or a CSV list with the columns path, class and, if there are parts, split.
    #[arg(long, value_name = "DIR|LIST.csv")]
    images: PathBuf,
    /// The folder of the run, which `predict --model` takes.
    #[arg(long, default_value = "runs/own", value_name = "DIR")]
    out: PathBuf,
    /// The space in which pictures are compared.
    #[arg(long, value_enum, default_value_t = Space::Poincare)]
    geometry: Space,
    /// Curvature parameter of the curved spaces; where points end on the margin of the ball, the command says so
    /// [default: 0.001].
    #[arg(long, allow_negative_numbers = true)]
    c: Option<f64>,
    /// Largest norm of a feature before it is mapped into a curved space; keeps points off the margin of the ball.
    #[arg(long, value_name = "NORM")]
    clip: Option<f64>,
    /// Train the curvature parameter too, from `--c` on.
    #[arg(long)]
    train_c: bool,
    /// The norm that `--geometry fixed-radius` scales every feature to [default: 2.3].
    #[arg(long, value_name = "NORM")]
    radius: Option<f64>,
    /// How examples and the pictures asked about pass through the network in training.
    #[arg(long, value_enum, default_value_t = Together::Separate)]
    encoding: Together,
    /// The network.
    #[arg(long, value_enum, default_value_t = Net::Conv4)]
    backbone: Net,
    /// Filters of the last block of a Conv4 [default: 64].
    #[arg(long)]
    dim: Option<usize>,
    /// Classes of an episode.
    #[arg(long, default_value_t = 5)]
    way: usize,
    /// Pictures of each class that are shown.
    #[arg(long, default_value_t = 1)]
    shot: usize,
    /// Pictures of each class that are asked about.
    #[arg(long, default_value_t = 10)]
    query: usize,
    /// Times the network is validated.
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    /// Episodes between two validations.
    #[arg(long, default_value_t = 50)]
    episodes: usize,
    /// Adam's learning rate.
    #[arg(long, default_value_t = 0.001)]
    lr: f64,
    #[command(flatten)]
    course: Course,
}

/// The spaces.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Space {
    /// The Poincaré ball.
    Poincare,
    /// The hyperboloid.
    Lorentz,
    /// Flat, squared distance.
    Euclidean,
    /// Flat, twice the distance.
    EuclideanTwice,
    /// A sphere in flat space, squared distance.
    FixedRadius,
    /// Directions.
    Cosine,
}

impl Space {
    fn is_curved(self) -> bool {
        matches!(self, Self::Poincare | Self::Lorentz)
    }
}

/// How many calls of the network an episode takes in training.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Together {
    /// Two, each with batch statistics of its own, as the released code does.
    Separate,
    /// One.
    Together,
}

/// The networks.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Net {
    /// Four convolutional blocks.
    Conv4,
    /// Residual, 12 layers.
    Resnet12,
    /// Residual, 18 layers.
    Resnet18,
}

const VALIDATION_EPISODES: usize = 200;
const TEST_EPISODES: usize = 1000;
/// Per cent of the pictures on the margin from which on it is said.
const MANY_HELD: f64 = 10.0;
/// Small enough that the features of a Conv4 do not end on the margin of the ball.
const CURVATURE: f64 = 0.001;
/// Filters of the last block of a Conv4, as of its other blocks.
const DIM: usize = 64;
/// The norm of the rows of Tables 4 and 5 on a sphere, which is the one their clipped rows are clipped at.
const RADIUS: f64 = 2.3;

/// Trains, tests, and says how to use the model.
pub(crate) fn train(root: &Path, options: &TrainOptions) -> Result<ExitCode> {
    finished(run(root, options))
}

/// The exit code of a training that was done or interrupted.
pub(super) fn finished(result: Result<()>) -> Result<ExitCode> {
    match result {
        Err(error) if error.downcast_ref::<Interrupted>().is_some() => {
            println!("stopped; the same command with `--resume` goes on");
            Ok(ExitCode::from(crate::experiment::INTERRUPTED))
        }
        Err(error) => Err(error),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn run(root: &Path, options: &TrainOptions) -> Result<()> {
    let dim = options.dim.unwrap_or(DIM);
    if [options.epochs, options.episodes, options.shot, options.query, dim].contains(&0) {
        bail!("--epochs, --episodes, --shot, --query and --dim must be at least 1");
    }
    settings::within(&[
        ("--epochs", options.epochs, MOST),
        ("--episodes", options.episodes, MOST),
        ("--way", options.way, MOST),
        ("--shot", options.shot, MOST),
        ("--query", options.query, MOST),
        ("--dim", dim, MOST_NUMBERS),
    ])?;
    if options.way < 2 {
        bail!("--way {} leaves nothing to tell apart; give at least 2", options.way);
    }
    let curved = options.geometry.is_curved();
    let of_curved =
        [(options.c.is_some(), "--c"), (options.clip.is_some(), "--clip"), (options.train_c, "--train-c")];
    for (given, name) in of_curved {
        if given && !curved {
            bail!("{name} is of the curved spaces; leave it out, or give --geometry poincare or lorentz");
        }
    }
    if options.radius.is_some() && !matches!(options.geometry, Space::FixedRadius) {
        bail!("--radius is of the sphere; leave it out, or give --geometry fixed-radius");
    }
    if options.dim.is_some() && !matches!(options.backbone, Net::Conv4) {
        bail!("--dim is of a Conv4; leave it out, or give --backbone conv4");
    }
    let environment = Environment::of_command(root, None, &options.course.device)?;
    let device = hyp_nn::device::by_name(&options.course.device)?;
    let read = ReadOptions { colour: Colour::Rgb, unusable: Unusable::Skip };
    let labels = match own::guess(&options.images)? {
        Labels::List => Labels::List,
        _ => Labels::Classes,
    };
    let (_, loaded) = own::load(&options.images, Some(labels), read)?;
    left_out(&loaded.skipped);
    let dataset = in_parts(loaded.dataset, options)?;
    let pictures = Pictures::new(&dataset, Form::photographs(Form::resized_92()), "own pictures")?;
    let classes = |part: &Dataset| part.index().classes().len();
    let parts = [&pictures.train, &pictures.validation, &pictures.test];
    println!(
        "{} pictures; classes: {} for training, {} for validation, {} for testing",
        dataset.len(),
        classes(parts[0]),
        classes(parts[1]),
        classes(parts[2])
    );
    thick_enough(&parts, options)?;
    let row = row(options, parts.map(|part| classes(part)));
    if row.train.way < options.way || row.test.way < options.way {
        println!(
            "--way {} is more than there are classes: {}-way in training, {}-way in validation and test",
            options.way, row.train.way, row.test.way
        );
    }
    let folder = root.join(&options.out);
    let _held =
        settings::begin(&folder, &options.out, &options.course, &settings(options, &dataset), &environment)?;
    let place = Place {
        folder: folder.clone(),
        resume: options.course.resume,
        progress: true,
        stop: &environment.stop,
    };
    let length = Length {
        epochs: options.epochs,
        episodes: options.episodes,
        validation_episodes: VALIDATION_EPISODES,
        train_way_at_most: None,
    };
    let trained = model::train(&row, options.course.seed, &pictures, &length, &place, &device)?;
    Saved::new(&row, &pictures).write(&folder, &folder)?;
    let episodes = model::drawn(&pictures.test, row.test, TEST_EPISODES)?;
    let shown = watch("tested", pictures.test.len(), true, &environment.stop);
    let tested = model::test(&trained.model, &row, &pictures, &episodes, shown)?.metrics;
    let mut names = vec!["validation_accuracy", "accuracy", "accuracy_interval", "best_epoch"];
    if row.geometry.trains_c() {
        names.push("c");
    }
    for name in names {
        let value = trained.metrics.get(name).or(tested.get(name)).context("invariant: they are measured")?;
        println!("{}", metric::line(name, *value));
    }
    if let Some(held) = tested.get("margin_share").filter(|held| **held > MANY_HELD) {
        println!(
            "{held:.0} % of the test pictures are held at the margin of the ball, where their distances to the origin are \
             equal; --clip or a smaller --c keeps them inside"
        );
    }
    if let Some(note) = pictures.facts.values().find_map(|facts| facts.note.as_ref()) {
        println!("{note}");
    }
    println!(
        "{}-way {}-shot, on classes that were not trained on; guessing gives {:.1} %",
        row.test.way,
        row.test.shot,
        100.0 / row.test.way as f64
    );
    println!(
        "use it: cargo xtask predict --model {} --support EXAMPLES --query PICTURES",
        options.out.display()
    );
    Ok(())
}

/// Refuses classes that have too few pictures for an episode, all of them at once and with what would do.
fn thick_enough(parts: &[&Arc<Dataset>], options: &TrainOptions) -> Result<()> {
    const NAMED: usize = 3;
    let needed = options.shot + options.query;
    let mut thin = Vec::new();
    for index in parts.iter().map(|part| part.index()) {
        let mut pictures = vec![0; index.classes().len()];
        for item in index.items() {
            pictures[item.class as usize] += 1;
        }
        let of_part =
            index.classes().iter().zip(pictures).filter(|(_, pictures)| (1..needed).contains(pictures));
        thin.extend(of_part.map(|(name, pictures)| (pictures, name)));
    }
    thin.sort();
    let Some((fewest, _)) = thin.first() else { return Ok(()) };
    let mut named: Vec<String> =
        thin.iter().take(NAMED).map(|(pictures, name)| format!("`{name}` ({pictures})")).collect();
    if thin.len() > NAMED {
        named.push(format!("and {} more", thin.len() - NAMED));
    }
    let fewer = match fewest.saturating_sub(options.shot) {
        0 => "fewer with --shot and --query".to_owned(),
        query => format!("--query {query}"),
    };
    bail!(
        "an episode takes {} + {} pictures of a class, --shot and --query, and some have fewer: {}; \
         add pictures, leave these classes out, or ask for {fewer}",
        options.shot,
        options.query,
        named.join(", ")
    )
}

/// What decides the model.
fn settings(options: &TrainOptions, dataset: &Dataset) -> Value {
    let curvature = options.geometry.is_curved().then(|| options.c.unwrap_or(CURVATURE));
    let dim = matches!(options.backbone, Net::Conv4).then(|| options.dim.unwrap_or(DIM));
    let mut settings = json!({
        "geometry": typed(&options.geometry),
        "c": curvature,
        "clip": options.clip,
        "encoding": typed(&options.encoding),
        "backbone": typed(&options.backbone),
        "dim": dim,
        "way": options.way,
        "shot": options.shot,
        "query": options.query,
        "epochs": options.epochs,
        "episodes": options.episodes,
        "lr": options.lr,
        "seed": options.course.seed,
        "images": dataset.index().fingerprint(),
    });
    // Only where they say something, so that runs that were begun before there was the choice go on.
    if matches!(options.geometry, Space::FixedRadius) {
        settings["radius"] = options.radius.unwrap_or(RADIUS).into();
    }
    if options.train_c {
        settings["train-c"] = true.into();
    }
    settings
}

/// The data set with parts: its own, or three fifths of the classes for training and a fifth each for the other two.
fn in_parts(dataset: Dataset, options: &TrainOptions) -> Result<Dataset> {
    let index = dataset.index();
    let without = index.items().iter().filter(|item| item.split.is_none()).count();
    if without == 0 {
        for split in Split::CLASSIFICATION {
            let classes: BTreeSet<u32> =
                index.positions(split).iter().map(|at| index.items()[*at].class).collect();
            match classes.len() {
                0 => bail!(
                    "{} has no {split} part; add one, or give class folders alone",
                    options.images.display()
                ),
                1 => bail!(
                    "the {split} part of {} has one class, which leaves nothing to tell apart; give it at least 2",
                    options.images.display()
                ),
                _ => {}
            }
        }
        return Ok(dataset);
    }
    if without < dataset.len() {
        bail!(
            "{}: {without} of {} pictures belong to no part (train, val, test); give every picture one, or none",
            options.images.display(),
            dataset.len()
        );
    }
    let mut names = dataset.index().classes().to_vec();
    if names.len() < 6 {
        bail!(
            "{} holds {} classes; a few-shot classifier is trained, validated and tested on different ones, \
             so give at least 6 (2 for each part)",
            options.images.display(),
            names.len()
        );
    }
    Random::new(options.course.seed).shuffle(&mut names);
    let held = (names.len() / 5).max(2);
    let test = names.split_off(names.len() - held);
    let validation = names.split_off(names.len() - held);
    Ok(dataset.with_split(&SplitRule::Classes { train: names, validation, test }, &options.images)?)
}

/// The recipe, with episodes no wider than the parts allow.
fn row(options: &TrainOptions, classes: [usize; 3]) -> FewShotRow {
    let c = options.c.unwrap_or(CURVATURE);
    let geometry = match options.geometry {
        Space::Poincare => Geometry::poincare(c),
        Space::Lorentz => Geometry::Lorentz { c, trainable_c: false, clip: None },
        Space::Euclidean => Geometry::Euclidean { distance: Flat::Squared },
        Space::EuclideanTwice => Geometry::Euclidean { distance: Flat::Twice },
        Space::FixedRadius => {
            Geometry::FixedRadius { radius: options.radius.unwrap_or(RADIUS), distance: Flat::Squared }
        }
        Space::Cosine => Geometry::Cosine { scale: 10.0 },
    };
    let backbone = match options.backbone {
        Net::Conv4 => BackboneTable::Conv4 { dim: options.dim.unwrap_or(DIM) },
        Net::Resnet12 => BackboneTable::Resnet12,
        Net::Resnet18 => BackboneTable::Resnet18,
    };
    let (shot, query) = (options.shot, options.query);
    let train = TrainTable {
        way: options.way.min(classes[0]),
        shot,
        query,
        encoding: match options.encoding {
            Together::Separate => Encoding::Separate,
            Together::Together => Encoding::Together,
        },
        temperature: 1.0,
        adam_lr: options.lr,
        decay_every: 0.4,
        gamma: 0.5,
    };
    let test = ShapeTable { way: options.way.min(classes[1]).min(classes[2]), shot, query };
    let geometry = geometry.with_clip(options.clip).with_trained_c(options.train_c);
    FewShotRow::own(geometry, backbone, train, test)
}

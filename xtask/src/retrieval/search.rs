//! `search`: the pictures of an index that are nearest to some others, as a table and as a picture.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use hyp_data::Image;
use hyp_data::source::own::{self, Labels};
use hyp_data::source::reid;
use hyp_data::{Colour, DataError};
use hyp_reid::{Metric, Set, Tag, evaluate_rows, top};

use super::agreement::Agreement;
use super::embedder::{Embedder, Place};
use super::found::{Answer, Found};
use super::index::{self, About, Entries, Space};
use super::labels::{Known, Numbers};
use crate::compute::On;
use crate::plot::{RankSheet, save_png};
use crate::workspace;

/// Options of `search`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SearchOptions {
    /// An index that `embed` wrote, .parquet.
    #[arg(long, value_name = "FILE")]
    index: PathBuf,
    /// Pictures to look for: files, or names of pictures in the index.
    #[arg(long, value_name = "PICTURE", required_unless_present = "check", num_args = 1..)]
    query: Vec<PathBuf>,
    /// Look for every picture of the index among the others, by the inner products of its column `lorentz` and by the
    /// distance, and say how far they find the same.
    #[arg(long, conflicts_with_all = ["query", "metric", "other_cameras", "model", "images", "png"])]
    check: bool,
    /// How many to find for each.
    #[arg(long, default_value_t = 10, value_name = "N")]
    top: usize,
    /// How pictures are compared; by the distance of the model's space when absent.
    #[arg(long, value_enum)]
    metric: Option<By>,
    /// Leave out pictures of the query's identity by the query's camera, as the protocol of re-identification does.
    #[arg(long)]
    other_cameras: bool,
    /// The model's run, where it is no longer where the index remembers it.
    #[arg(long, value_name = "RUN")]
    model: Option<PathBuf>,
    /// The folder or archive of the index's pictures, where they are no longer where the index remembers them.
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// The picture of what was found [default: runs/search.png of the workspace].
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    #[command(flatten)]
    device: On,
}

/// The ways to compare.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// By the distance of the model's ball or hyperboloid.
    Hyperbolic,
    /// By straight lines between the embeddings.
    Euclidean,
    /// By the angle between the embeddings.
    Cosine,
}

/// Searches, prints the table and draws the picture.
pub(crate) fn search(root: &Path, options: &SearchOptions) -> Result<ExitCode> {
    if options.top == 0 {
        bail!("--top 0 would find nothing; give at least 1");
    }
    if let Some(png) = &options.png
        && workspace::extension(&png.to_string_lossy()) != "png"
    {
        bail!("--png {} does not end in .png, which is what is written; give it that ending", png.display());
    }
    let (about, entries) = index::read(&options.index)?;
    if options.other_cameras && entries.cameras.iter().all(Option::is_none) {
        println!("the index names no cameras, so that --other-cameras leaves nothing out");
    }
    if options.check {
        for line in Agreement::of(&about, &entries, options.top)?.lines() {
            println!("{line}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let metric = metric(&about, options.metric)?;
    let home = options.images.clone().unwrap_or_else(|| about.home.clone());
    let queries = queries(root, options, &about, &entries, &home)?;
    println!(
        "{} pictures, {}; by {}",
        entries.len(),
        about.describe(),
        match metric {
            Metric::Hyperbolic(_) | Metric::Lorentz(_) => "hyperbolic distance",
            Metric::Euclidean => "Euclidean distance",
            Metric::Cosine => "cosine distance",
        }
    );
    let found = nearest(&queries, &about, &entries, metric, options)?;
    print!("{}", found.table());
    for line in found.notes(&entries, options.other_cameras) {
        println!("{line}");
    }
    let sheet =
        RankSheet::new(format!("{} and what was found", options.index.display()), found.tiles(&home)?)?;
    let png = options.png.clone().unwrap_or_else(|| root.join("runs/search.png"));
    save_png(&sheet, &png)?;
    println!("as a picture: {}", png.display());
    Ok(ExitCode::SUCCESS)
}

/// The distance that was asked for, if the index has it.
fn metric(about: &About, by: Option<By>) -> Result<Metric> {
    let own = about.metric()?;
    Ok(match by {
        None => own,
        Some(By::Euclidean) => Metric::Euclidean,
        Some(By::Cosine) => Metric::Cosine,
        Some(By::Hyperbolic) => match own {
            Metric::Hyperbolic(_) | Metric::Lorentz(_) => own,
            Metric::Euclidean | Metric::Cosine => bail!(
                "the index holds {}, between which there is no hyperbolic distance; leave --metric out, \
                 or embed with a hyperbolic model",
                about.describe()
            ),
        },
    })
}

/// A picture that is looked for.
pub(super) struct Query {
    pub(super) name: String,
    pub(super) image: Image,
    /// Who or what is seen, as far as it is known.
    pub(super) known: Known,
    /// Its place in the index, if it is there itself.
    pub(super) itself: Option<usize>,
    point: Vec<f32>,
}

/// Reads the queries; those that are in the index bring their embedding, the others pass through the model.
fn queries(
    root: &Path,
    options: &SearchOptions,
    about: &About,
    entries: &Entries,
    home: &Path,
) -> Result<Vec<Query>> {
    let mut model = None;
    let mut queries = Vec::with_capacity(options.query.len());
    for path in &options.query {
        let name = path.display().to_string();
        if let Some(row) = row_of(path, entries, home) {
            let names = std::slice::from_ref(&entries.paths[row]);
            queries.push(Query {
                name,
                image: own::pictures(home, names, Colour::Rgb)?.checked_image(0)?,
                known: Known::of_row(entries, row),
                itself: Some(row),
                point: entries.embeddings[row * about.dim..(row + 1) * about.dim].to_vec(),
            });
            continue;
        }
        let read = |colour| -> Result<Image, DataError> {
            let folder = path.parent().unwrap_or(Path::new(""));
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            own::pictures(folder, &[file], colour)?.checked_image(0)
        };
        let image = read(Colour::Rgb).with_context(|| {
            format!("the query {name} cannot be read; name a picture, or a path that the index lists")
        })?;
        let embedder = match &model {
            Some(embedder) => embedder,
            None => model.insert(open(root, options, about)?),
        };
        let seen = embedder.sight.see(read(embedder.sight.colour())?)?;
        let point = embedder.points(&[&seen])?;
        queries.push(Query { name, image, known: known(path, about.labels, entries), itself: None, point });
    }
    Ok(queries)
}

/// The row of a picture that is in the index itself.
fn row_of(path: &Path, entries: &Entries, home: &Path) -> Option<usize> {
    let name = if path.is_file() {
        let (path, home) = (std::fs::canonicalize(path).ok()?, std::fs::canonicalize(home).ok()?);
        path.strip_prefix(home).ok()?.display().to_string()
    } else {
        path.display().to_string()
    };
    entries.paths.iter().position(|entry| *entry == name)
}

/// The model of the index.
fn open(root: &Path, options: &SearchOptions, about: &About) -> Result<Embedder> {
    let place = match &options.model {
        Some(run) => Place::run(root, run)?,
        None => about.model.clone(),
    };
    let shown = match &place {
        Place::Run { folder } => folder.display().to_string(),
        Place::Published { weights, .. } => weights.display().to_string(),
    };
    let embedder = Embedder::open(&place, &options.device).with_context(|| {
        format!(
            "the model of {} cannot be used; name where it is now with `--model RUN`",
            options.index.display()
        )
    })?;
    if embedder.weights_sha256 != about.weights_sha256 {
        bail!(
            "the weights of {shown} are not those that {} was made with (sha256 {:.12}… and {:.12}…): embed the pictures \
             again, or name the run of the index with `--model RUN`",
            options.index.display(),
            embedder.weights_sha256,
            about.weights_sha256
        );
    }
    let (own, of_index) = (Space::of_model(&embedder), (about.space, about.c, about.dim));
    if own != of_index {
        bail!(
            "the model of {shown} gives {own:?} and {} holds {of_index:?} (space, c, numbers): the description of the model was \
             changed since; embed the pictures again",
            options.index.display()
        );
    }
    Ok(embedder)
}

/// What the name or folder of a picture outside the index says.
fn known(path: &Path, labels: Labels, entries: &Entries) -> Known {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let above =
        |path: Option<&Path>| path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let known = match labels {
        Labels::Names => reid::tags_of_name(&file)
            .map(|(identity, camera)| Known { identity, camera: Some(camera) })
            .unwrap_or_default(),
        Labels::Classes => Known { identity: above(path.parent()), camera: None },
        Labels::Cameras => {
            Known { identity: above(path.parent().and_then(Path::parent)), camera: above(path.parent()) }
        }
        Labels::List | Labels::Nowhere => Known::default(),
    };
    // A folder may be called anything; a name of the right form is one, whoever it is.
    let is_told = labels == Labels::Names
        || (0..entries.len()).any(|row| Known::of_row(entries, row).identity == known.identity);
    if is_told { known } else { Known::default() }
}

/// Ranks the whole index for every query.
fn nearest<'a>(
    queries: &'a [Query],
    about: &About,
    entries: &'a Entries,
    metric: Metric,
    options: &SearchOptions,
) -> Result<Found<'a>> {
    let rows: Vec<Known> = (0..entries.len()).map(|row| Known::of_row(entries, row)).collect();
    let numbers = Numbers::new(rows.iter().chain(queries.iter().map(|query| &query.known)));
    let tags: Vec<Tag> = rows.iter().enumerate().map(|(row, known)| numbers.tag(known, row)).collect();
    let asked: Vec<Tag> =
        queries.iter().enumerate().map(|(at, query)| numbers.tag(&query.known, entries.len() + at)).collect();
    let points: Vec<f32> = queries.iter().flat_map(|query| query.point.iter().copied()).collect();
    let each = |at: usize, distances: &[f32]| {
        let keep = |row: usize| {
            queries[at].itself != Some(row) && !(options.other_cameras && tags[row].is_junk_for(asked[at]))
        };
        let rows = top(distances, options.top, keep);
        rows.into_iter().map(|row| Answer { row, distance: distances[row] }).collect::<Vec<_>>()
    };
    let mut answers = Vec::with_capacity(queries.len());
    evaluate_rows(
        &Set::queries(&points, &asked, about.dim)?,
        &Set::gallery(&entries.embeddings, &tags, about.dim)?,
        metric,
        each,
        |found| answers.push(found),
    )
    .context("the index cannot be searched so")?;
    Ok(Found { queries, entries, known: rows, answers })
}

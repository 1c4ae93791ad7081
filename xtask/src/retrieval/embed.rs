//! `embed`: pictures as points, written into an index.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use hyp_data::source::own::{self, Labels};
use hyp_data::source::{ReadOptions, Unusable};
use hyp_data::{DataError, Dataset, Index, Item};
use rayon::prelude::*;

use super::embedder::{Chosen, Embedder};
use super::index::{About, Entries, Space, VERSION, Writer};
use super::{Seen, Where, left_out};
use crate::compute::On;
use crate::experiment::{Environment, Interrupted};
use crate::features::bar;
use crate::workspace;

/// Options of `embed`.
#[derive(Clone, Debug, Args)]
pub(crate) struct EmbedOptions {
    #[command(flatten)]
    chosen: Chosen,
    /// A folder or zip archive of pictures, or a CSV list with the columns path, class and, if known, identity and camera.
    #[arg(long, value_name = "DIR|LIST.csv")]
    images: PathBuf,
    /// Where it stands who or what is seen; guessed when absent.
    #[arg(long, value_enum)]
    labels: Option<Where>,
    /// The index, .parquet; or .csv, which `search` does not read.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    device: On,
}

/// Pictures embedded at a time.
const BATCH: usize = 64;
/// Rows that are kept in memory before they are written.
const GROUP: usize = 8192;

/// Embeds, and says what came of it.
pub(crate) fn embed(root: &Path, options: &EmbedOptions) -> Result<ExitCode> {
    match run(root, options) {
        Err(error) if error.downcast_ref::<Interrupted>().is_some() => {
            println!("stopped; nothing was written");
            Ok(ExitCode::from(crate::experiment::INTERRUPTED))
        }
        Err(error) => Err(error),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn run(root: &Path, options: &EmbedOptions) -> Result<()> {
    Writer::checked(&options.out)?;
    let environment = Environment::of_command(root, options.chosen.data_root.as_deref(), &options.device)?;
    let place = options.chosen.place(root)?;
    let embedder = Embedder::open(&place, &options.device)?;
    let reading = ReadOptions { colour: embedder.sight.colour(), unusable: Unusable::SkipNames };
    let (labels, loaded) = own::load(&options.images, options.labels.map(Labels::from), reading)?;
    let home = own::home(&options.images);
    let (space, c, dim) = Space::of_model(&embedder);
    let about = About {
        version: VERSION,
        space,
        c,
        dim,
        home: std::path::absolute(if home.as_os_str().is_empty() { Path::new(".") } else { &home })
            .unwrap_or_else(|_| home.clone()),
        labels,
        model: place,
        weights_sha256: embedder.weights_sha256.clone(),
    };
    let start = Instant::now();
    let mut problems = loaded.skipped;
    let mut writer = Writer::create(&options.out, about.clone())?;
    let rows = fill(&loaded.dataset, labels, &home, &embedder, &mut writer, &mut problems, &environment)?;
    left_out(&problems);
    if rows.is_empty() {
        bail!("no picture of {} could be embedded; nothing was written", options.images.display());
    }
    let bytes = writer.finish()?;
    println!(
        "{} pictures {} in {:.1} s: {}, {} numbers each{}",
        rows.len(),
        seen_on(loaded.dataset.index(), &rows, labels),
        start.elapsed().as_secs_f64(),
        about.describe(),
        about.dim,
        if problems.is_empty() { String::new() } else { format!("; {} left out", problems.len()) }
    );
    println!("wrote {} ({:.1} MB)", options.out.display(), bytes as f64 / 1e6);
    if workspace::extension(&options.out.to_string_lossy()) == "parquet" {
        println!("search it: cargo xtask search --index {} --query PICTURE", options.out.display());
    }
    Ok(())
}

/// How many are seen on the pictures at some positions.
fn seen_on(index: &Index, rows: &[usize], labels: Labels) -> String {
    let count = |number: fn(&Item) -> Option<u32>| {
        rows.iter().filter_map(|row| number(&index.items()[*row])).collect::<BTreeSet<_>>().len()
    };
    match labels {
        Labels::Nowhere => "of unknown classes".to_owned(),
        Labels::Classes => format!("of {} classes, by their folders", count(|item| Some(item.class))),
        _ => {
            format!("of {} identities by {} cameras", count(|item| item.identity), count(|item| item.camera))
        }
    }
}

/// Writes a row for every picture that can be read, and lists the others; gives the positions of the rows.
fn fill(
    dataset: &Dataset,
    labels: Labels,
    home: &Path,
    embedder: &Embedder,
    writer: &mut Writer,
    problems: &mut Vec<DataError>,
    environment: &Environment,
) -> Result<Vec<usize>> {
    let bar = bar("embedded", dataset.len(), 0, true);
    let (mut entries, mut rows) = (Entries::default(), Vec::new());
    let positions: Vec<usize> = (0..dataset.len()).collect();
    for batch in positions.chunks(BATCH) {
        if environment.stop.load(Ordering::SeqCst) {
            bar.finish_and_clear();
            return Err(Interrupted.into());
        }
        let see = |n: &usize| dataset.checked_image(*n).and_then(|image| embedder.sight.see(image));
        let seen: Vec<Result<Seen, DataError>> = batch.par_iter().map(see).collect();
        let mut good = Vec::with_capacity(batch.len());
        for (position, seen) in batch.iter().zip(seen) {
            match seen {
                Ok(seen) => {
                    add_labels(&mut entries, dataset, labels, *position, home);
                    good.push(seen);
                    rows.push(*position);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if !good.is_empty() {
            entries.embeddings.extend(embedder.points(&good.iter().collect::<Vec<_>>())?);
        }
        if entries.len() >= GROUP {
            writer.write(&std::mem::take(&mut entries))?;
        }
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    if entries.len() > 0 {
        writer.write(&entries)?;
    }
    Ok(rows)
}

/// Everything of a row but its numbers.
fn add_labels(entries: &mut Entries, dataset: &Dataset, labels: Labels, position: usize, home: &Path) {
    let index = dataset.index();
    let item = &index.items()[position];
    let name = |names: &[String], number: Option<u32>| number.map(|n| names[n as usize].clone());
    let class = (labels != Labels::Nowhere).then_some(item.class);
    entries.paths.push(own::name_of(&item.source, home));
    entries.classes.push(name(index.classes(), class));
    entries.identities.push(name(index.identities(), item.identity));
    entries.cameras.push(name(index.cameras(), item.camera));
}

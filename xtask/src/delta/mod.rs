//! `cargo xtask delta`: how hyperbolic a file of features or distances is.

mod controls;
mod options;
mod pictures;
pub(crate) mod read;
mod show;
mod subject;
mod watch;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use hyp_delta::Protocol;
use hyp_delta::maxmin::Isa;

pub(crate) use self::controls::gaussian;
pub(crate) use self::options::Options;
use self::options::Preset;
use self::read::Likeness;
use self::subject::Subject;
use crate::experiment::{INTERRUPTED, Interrupted, stop_by_interrupt};

/// Points of the controls where nothing else is asked for.
const CONTROLS: usize = 1000;

/// Reads, measures, prints and draws.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    options.check()?;
    let isa = options.isa()?;
    let stop = stop_by_interrupt()?;
    let subject = match subject(root, options, &stop) {
        Err(error) if error.downcast_ref::<Interrupted>().is_some() => {
            println!("stopped; the same command goes on");
            return Ok(ExitCode::from(INTERRUPTED));
        }
        found => found.with_context(|| format!("{}", options.file.display()))?,
    };
    println!("{}: {}", options.file.display(), subject.describe());
    let base = options.base.unwrap_or(0);
    if subject.points() <= base {
        bail!("there is no point {base} among {}; give a smaller `--base`", subject.points());
    }
    let measured =
        measure(options, &subject, isa, &stop).with_context(|| format!("{}", options.file.display()))?;
    // Who does not want to wait for the rest of the search does not want to wait for controls.
    if !options.brief && !stop.load(Ordering::Relaxed) {
        let most = options.controls.map_or(CONTROLS, |count| count as usize);
        let found = controls::compare(&subject, base, most, options.seed.unwrap_or(0))?;
        show::controls(&found);
        let stem = options.plot.clone().unwrap_or_else(|| {
            let name = options.file.file_stem().unwrap_or_default();
            root.join("runs/delta").join(name)
        });
        show::plot(&found, &measured, &stem)?;
        println!("plot: {}.svg and .png", stem.display());
    }
    Ok(if stop.load(Ordering::Relaxed) { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

/// What was measured of the whole set.
pub(crate) enum Measured {
    /// δ or an interval for it.
    Exact(hyp_delta::exact::Interval),
    /// Repeated samples.
    Sampled(hyp_delta::SampledHyperbolicity),
}

fn measure(options: &Options, subject: &Subject, isa: Isa, stop: &AtomicBool) -> Result<Measured> {
    if let Some(preset) = options.protocol {
        let protocol = match preset {
            Preset::Khrulkov2020 => Protocol::khrulkov2020(options.seed.unwrap_or(0)),
            Preset::ReleasedCode => Protocol::released_code(options.seed.unwrap_or(0)),
        };
        let found = subject.sample(&protocol).context("lower the sizes by taking --exact instead")?;
        show::sampled(&found);
        return Ok(Measured::Sampled(found));
    }
    let watch = watch::Watch::new(options.budget, stop);
    let go = |status| watch.goes_on(status);
    let limits = subject.limits(options.all_bases, options.memory, &go)?;
    let (interval, work) = if options.all_bases {
        subject.all_bases(limits, isa)?
    } else {
        subject.at_base(options.base.unwrap_or(0), limits, isa)?
    };
    let wall = watch.finish();
    let interrupted = stop.load(Ordering::Relaxed);
    let took = show::Took { wall, interrupted, most: subject.delta_rel_at_most() };
    show::exact(&interval, &work, options.all_bases, took)?;
    Ok(Measured::Exact(interval))
}

/// The numbers of the file as what they stand for.
fn subject(root: &Path, options: &Options, stop: &Arc<AtomicBool>) -> Result<Subject> {
    if let Some(encoder) = options.encoder {
        return Ok(Subject::Features {
            table: pictures::features(root, options, encoder, stop)?,
            metric: options.metric()?,
        });
    }
    if options.file.is_dir() {
        bail!("this is a folder; name the network that looks at its pictures with `--encoder`");
    }
    // The reader names the file; so does the context of what comes after.
    let table = match read::read(&options.file, options.key.as_deref()) {
        Ok(table) => table,
        Err(error) => {
            bail!("{}", error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(": "))
        }
    };
    if options.distances {
        return Subject::of_distances(table);
    }
    if !options.features && options.metric.is_none() {
        match table.likeness() {
            Likeness::Distances => return Subject::of_distances(table),
            Likeness::NearlyDistances(most) => bail!(
                "these look like distances, but a point is at {most:e} from itself; `--distances` takes the diagonal for \
                 zero, `--features` takes the rows for features"
            ),
            Likeness::Symmetric => eprintln!(
                "the matrix is symmetric, with a diagonal that is not zero: its rows are taken for features; similarities \
                 have no δ, give distances"
            ),
            Likeness::Features => {}
        }
    }
    Ok(Subject::Features { table, metric: options.metric()? })
}

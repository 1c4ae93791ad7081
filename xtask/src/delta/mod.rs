//! `cargo xtask delta`: how hyperbolic a file of features or distances is.

mod controls;
mod options;
mod outlier;
mod pictures;
pub(crate) mod read;
mod show;
mod subject;
mod watch;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, anyhow, bail};
use hyp_delta::exact::Interval;
use hyp_delta::maxmin::Isa;
use hyp_delta::{Protocol, Replacement, SampledHyperbolicity};

pub(crate) use self::controls::gaussian;
use self::controls::{Asked, Comparison};
pub(crate) use self::options::Options;
use self::options::Preset;
use self::read::Likeness;
use self::subject::Subject;
use self::watch::Watch;
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
    let watch = Watch::new(options.budget, &stop);
    let measured =
        measure(options, &subject, isa, &watch).with_context(|| format!("{}", options.file.display()))?;
    // Who does not want to wait for the rest of the search does not want to wait for controls.
    if !options.brief && !watch.is_interrupted() && !is_tree_by_size(&subject, measured.delta()) {
        match compare(options, &subject, &measured, &watch)? {
            Some(found) => {
                show::controls(&found);
                let stem = options.plot.clone().unwrap_or_else(|| {
                    let name = options.file.file_stem().unwrap_or_default();
                    root.join("runs/delta").join(name)
                });
                show::plot(&found, &measured, &stem)?;
                println!("plot: {}.svg and .png", stem.display());
            }
            None if watch.is_interrupted() => println!("interrupted before the controls were measured"),
            None => println!(
                "the time was over before the controls were measured: give a longer --budget for the comparison"
            ),
        }
    }
    Ok(if watch.is_interrupted() { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

/// What was measured of the whole set.
pub(crate) enum Measured {
    /// δ or an interval for it, at one base point.
    AtBase(Interval),
    /// The same over all base points.
    AllBases(Interval),
    /// Repeated samples, and a distance that none of the whole set exceeds.
    Sampled(SampledHyperbolicity, f64),
}

impl Measured {
    /// What δ is at most, or of samples what it is at least.
    fn delta(&self) -> f64 {
        match self {
            Self::AtBase(interval) | Self::AllBases(interval) => interval.at_most,
            Self::Sampled(found, _) => found.delta_at_least,
        }
    }
}

/// Whether there are too few different points for anything but a tree: where the triangle inequality fails, even three
/// may be none.
fn is_tree_by_size(subject: &Subject, delta: f64) -> bool {
    delta == 0.0 && subject.is_small()
}

fn compare(
    options: &Options,
    subject: &Subject,
    measured: &Measured,
    watch: &Watch<'_>,
) -> Result<Option<Comparison>> {
    let asked = Asked {
        base: options.base.unwrap_or(0),
        most: options.controls.map_or(CONTROLS, |count| count as usize),
        seed: options.seed.unwrap_or(0),
        measured: match measured {
            Measured::AtBase(interval) => Some(interval),
            Measured::AllBases(_) | Measured::Sampled(..) => None,
        },
    };
    controls::compare(subject, &asked, watch)
}

fn measure(options: &Options, subject: &Subject, isa: Isa, watch: &Watch<'_>) -> Result<Measured> {
    if let Some(preset) = options.protocol {
        let seed = options.seed.unwrap_or(0);
        let protocol = match preset {
            Preset::Khrulkov2020 => Protocol::khrulkov2020(seed),
            Preset::ReleasedCode => Protocol::released_code(seed),
        };
        if protocol.replacement == Replacement::Without && protocol.size > subject.points() {
            bail!(
                "the protocol draws {} of {} points, each at most once; take --exact, which measures all of them",
                protocol.size,
                subject.points()
            );
        }
        let found = subject.sample(&protocol, &|done| watch.goes_on_after(done, protocol.draws))?;
        watch.finish();
        if is_tree_by_size(subject, found.delta_at_least) {
            bail!("fewer than four different points lie in a tree; give at least four for a measurement");
        }
        show::sampled(&found, watch.is_interrupted(), &subject.outliers(&found)?);
        return Ok(Measured::Sampled(found, subject.diameter_at_most()?));
    }
    let go = |status| watch.goes_on(status);
    let limits = subject.limits(options.all_bases, options.memory, &go);
    let (interval, work) = if options.all_bases {
        subject.all_bases(limits, isa)?
    } else {
        subject.at_base(options.base.unwrap_or(0), limits, isa)?
    };
    let took = show::Took {
        wall: watch.finish(),
        interrupted: watch.is_interrupted(),
        most: subject.delta_rel_at_most(),
        all_bases: options.all_bases,
    };
    let small = is_tree_by_size(subject, interval.at_most);
    show::exact(&interval, &work, &took, small)?;
    // Who does not want to wait is not told what takes another look.
    if !small && !watch.is_over() {
        show::outlier(subject.outlier(interval.at_least.diameter_pair)?);
    }
    Ok(if options.all_bases { Measured::AllBases(interval) } else { Measured::AtBase(interval) })
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
            Likeness::Distances => {
                return Subject::of_distances(table).map_err(|error| {
                    anyhow!(
                        "{error:#}; a square table with zeros on its diagonal is taken for distances: `--features` takes \
                         the rows for features"
                    )
                });
            }
            Likeness::Condensed(points) => bail!(
                "{} numbers in one column are as many as {points} points have distances, and SciPy's pdist gives distances \
                 so; `--distances` takes them for that, `--features` for {} points on a line",
                table.rows,
                table.rows
            ),
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

//! `cargo xtask delta`: how hyperbolic a file of features or distances is.

mod controls;
mod pictures;
pub(crate) mod read;
mod show;
mod subject;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use hyp_delta::maxmin::Isa;
use hyp_delta::{Metric, Protocol};
use hyp_math::Curvature;

pub(crate) use self::controls::gaussian;
use self::subject::Subject;
use crate::features::Encoder;

/// Options of `delta`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Features or distances: .npy, .npz, .safetensors, .csv, .tsv or .parquet, a row for each point; or, with
    /// `--encoder`, a folder or zip archive of pictures, sorted into folders or not.
    file: PathBuf,
    /// Measure the features that this network gives to pictures.
    #[arg(long, value_enum, value_name = "NAME", conflicts_with_all = ["key", "distances"])]
    encoder: Option<Encoder>,
    /// The network's weights, .pth or .safetensors; those that `fetch` brings when absent.
    #[arg(long, value_name = "FILE", requires = "encoder")]
    weights: Option<PathBuf>,
    /// The folder that holds the weights; `HYP_DATA` names the same thing [default: data/cache].
    #[arg(long, value_name = "DIR", requires = "encoder")]
    data_root: Option<PathBuf>,
    /// The array to take where the file holds several.
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Take the numbers as a matrix of distances; found out by itself where the diagonal is zero.
    #[arg(long, conflicts_with_all = ["features", "metric", "c"])]
    distances: bool,
    /// Take the numbers as features, whatever they look like.
    #[arg(long)]
    features: bool,
    /// How two rows of features are compared.
    #[arg(long, value_enum, default_value_t = Compare::Euclidean)]
    metric: Compare,
    /// The ball of `--metric poincare` has curvature −c.
    #[arg(long, default_value_t = 1.0, value_name = "C")]
    c: f64,
    /// Exact δ of all points at one base point; this is what happens without `--protocol` and `--all-bases`.
    #[arg(long, conflicts_with_all = ["all_bases", "protocol"])]
    exact: bool,
    /// Exact δ over all base points: the constant of the four-point condition.
    #[arg(long, conflicts_with = "protocol")]
    all_bases: bool,
    /// Only the estimate from repeated samples.
    #[arg(long, value_enum)]
    protocol: Option<Preset>,
    /// The base point of exact δ.
    #[arg(long, default_value_t = 0, value_name = "POINT")]
    base: usize,
    /// Stop after this time, such as 30s or 5m, with a certain interval instead of a value.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    budget: Option<Duration>,
    /// Take no more memory than this, in GB, and give a certain interval where exact δ of features needs more; three
    /// quarters of the free memory when absent.
    #[arg(long, value_name = "GB")]
    memory: Option<f64>,
    /// The seed of samples and controls.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Points of the spaces that the result is compared with, and of the samples of your data beside them.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    controls: usize,
    /// Leave the controls and the plot out.
    #[arg(long)]
    brief: bool,
    /// The plot's path without its ending; `runs/delta/<file name>` when absent.
    #[arg(long, value_name = "STEM")]
    plot: Option<PathBuf>,
    /// Which vector instructions to use; every one gives the same bits.
    #[arg(long, value_enum)]
    instructions: Option<Instructions>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Compare {
    /// ‖x − y‖.
    Euclidean,
    /// 1 − cos of the angle, which is no metric: δ counts where the triangle inequality fails.
    Cosine,
    /// The angle.
    Angular,
    /// The distance in the Poincaré ball.
    Poincare,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// 10 draws of 1,000 points without replacement: the text of the paper.
    Khrulkov2020,
    /// 10 draws of 1,500 points with replacement: the released code.
    ReleasedCode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Instructions {
    Portable,
    Avx2,
    Avx512,
}

/// A number of seconds, minutes or hours.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, factor) = match text.trim() {
        t if t.ends_with("ms") => (&t[..t.len() - 2], 1e-3),
        t if t.ends_with('s') => (&t[..t.len() - 1], 1.0),
        t if t.ends_with('m') => (&t[..t.len() - 1], 60.0),
        t if t.ends_with('h') => (&t[..t.len() - 1], 3600.0),
        t => (t, 1.0),
    };
    let seconds = number.trim().parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0);
    seconds
        .and_then(|v| Duration::try_from_secs_f64(v * factor).ok())
        .ok_or_else(|| "give a time such as 30s or 5m".to_owned())
}

/// Reads, measures, prints and draws.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let isa = instructions(options.instructions)?;
    let subject = subject(root, options).with_context(|| format!("{}", options.file.display()))?;
    println!("{}: {}", options.file.display(), subject.describe());
    if subject.points() <= options.base {
        bail!("there is no point {} among {}; give a smaller `--base`", options.base, subject.points());
    }
    let measured = measure(options, &subject, isa).with_context(|| format!("{}", options.file.display()))?;
    if !options.brief {
        let found = controls::compare(&subject, &measured, options.controls, options.seed)?;
        show::controls(&found);
        let stem = options.plot.clone().unwrap_or_else(|| {
            let name = options.file.file_stem().unwrap_or_default();
            root.join("runs/delta").join(name)
        });
        show::plot(&found, &measured, &stem)?;
        println!("plot: {}.svg and .png", stem.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What was measured of the whole set.
pub(crate) enum Measured {
    /// δ or an interval for it.
    Exact(hyp_delta::exact::Interval),
    /// Repeated samples.
    Sampled(hyp_delta::SampledHyperbolicity),
}

fn measure(options: &Options, subject: &Subject, isa: Isa) -> Result<Measured> {
    if let Some(preset) = options.protocol {
        let protocol = match preset {
            Preset::Khrulkov2020 => Protocol::khrulkov2020(options.seed),
            Preset::ReleasedCode => Protocol::released_code(options.seed),
        };
        let found = subject.sample(&protocol).context("lower the sizes by taking --exact instead")?;
        show::sampled(&found);
        return Ok(Measured::Sampled(found));
    }
    let kept = subject.fits(options.all_bases, options.memory)?;
    let watch = watch::Watch::new(options.budget);
    let go = |status| watch.goes_on(status);
    let (interval, work) = match kept {
        Some(kept) => subject.streamed(options.base, kept, &go, isa)?,
        None if options.all_bases => subject.all_bases(&go, isa)?,
        None => subject.at_base(options.base, &go, isa)?,
    };
    let wall = watch.finish();
    show::exact(&interval, &work, options.all_bases, wall)?;
    Ok(Measured::Exact(interval))
}

/// The numbers of the file as what they stand for.
fn subject(root: &Path, options: &Options) -> Result<Subject> {
    if let Some(encoder) = options.encoder {
        return Ok(Subject::Features {
            table: pictures::features(root, options, encoder)?,
            metric: metric(options)?,
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
    let asked = options.features || options.metric != Compare::Euclidean;
    if options.distances || (!asked && table.looks_like_distances()) {
        return Subject::of_distances(table);
    }
    Ok(Subject::Features { table, metric: metric(options)? })
}

fn metric(options: &Options) -> Result<Metric> {
    Ok(match options.metric {
        Compare::Euclidean => Metric::Euclidean,
        Compare::Cosine => Metric::Cosine,
        Compare::Angular => Metric::Angular,
        Compare::Poincare => Metric::Poincare(Curvature::new(options.c)?),
    })
}

fn instructions(asked: Option<Instructions>) -> Result<Isa> {
    let isa = match asked {
        None => return Ok(Isa::detect()),
        Some(Instructions::Portable) => Isa::Portable,
        Some(Instructions::Avx2) => Isa::Avx2,
        Some(Instructions::Avx512) => Isa::Avx512,
    };
    if !isa.is_available() {
        bail!("this processor has no {isa:?}; leave `--instructions` out");
    }
    Ok(isa)
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn times_have_units() {
        let seconds = |text: &str| duration(text).unwrap().as_secs_f64();
        assert_eq!(["30s", "5m", "1h", "2", "250ms"].map(seconds), [30.0, 300.0, 3600.0, 2.0, 0.25]);
        assert!(duration("soon").is_err() && duration("-1s").is_err());
    }
}

//! The options of `delta`, and which of them fit together.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use hyp_delta::Metric;
use hyp_delta::maxmin::Isa;
use hyp_math::Curvature;

use crate::features::Encoder;
use crate::workspace;

/// Options of `delta`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Features or distances: .npy, .npz, .safetensors, .csv, .tsv or .parquet, a row for each point; or, with
    /// `--encoder`, a folder or zip archive of pictures, sorted into folders or not.
    pub(super) file: PathBuf,
    /// Measure the features that this network gives to pictures.
    #[arg(long, value_enum, value_name = "NAME", conflicts_with_all = ["key", "distances", "features"])]
    pub(super) encoder: Option<Encoder>,
    /// The network's weights, .pth or .safetensors; those that `fetch` brings when absent.
    #[arg(long, value_name = "FILE", requires = "encoder")]
    pub(super) weights: Option<PathBuf>,
    /// The folder that holds the weights; `HYP_DATA` names the same thing [default: data/cache].
    #[arg(long, value_name = "DIR", requires = "encoder")]
    pub(super) data_root: Option<PathBuf>,
    /// The array to take where the file holds several.
    #[arg(long, value_name = "NAME")]
    pub(super) key: Option<String>,
    /// Take the numbers as a matrix of distances, or as the half of one that SciPy's `pdist` gives; a square matrix is found
    /// out by itself where the diagonal is zero. A diagonal that is zero but for rounding is taken for zero.
    #[arg(long, conflicts_with_all = ["features", "metric", "c"])]
    pub(super) distances: bool,
    /// Take the numbers as features, whatever they look like.
    #[arg(long)]
    pub(super) features: bool,
    /// How two rows of features are compared [default: euclidean].
    #[arg(long, value_enum)]
    pub(super) metric: Option<Compare>,
    /// The ball of `--metric poincare` has curvature −c [default: 1].
    #[arg(long, value_name = "C", allow_negative_numbers = true)]
    pub(super) c: Option<f64>,
    /// Exact δ of all points at one base point; this is what happens without `--protocol` and `--all-bases`.
    #[arg(long, conflicts_with_all = ["all_bases", "protocol"])]
    pub(super) exact: bool,
    /// Exact δ over all base points: the constant of the four-point condition.
    #[arg(long, conflicts_with = "protocol")]
    pub(super) all_bases: bool,
    /// Only the estimate from repeated samples.
    #[arg(long, value_enum)]
    pub(super) protocol: Option<Preset>,
    /// The base point of exact δ [default: 0].
    #[arg(long, value_name = "POINT", conflicts_with_all = ["all_bases", "protocol"])]
    pub(super) base: Option<usize>,
    /// Stop after this time, such as 30s or 5m, with a certain interval instead of a value, with fewer draws of a protocol,
    /// and without the controls; Ctrl-C does the same.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) budget: Option<Duration>,
    /// Take no more memory than this for the search, in GB, and give a certain interval where exact δ needs more; three
    /// quarters of the free memory when absent. It counts the numbers of the file, their copies, and what is kept for pairs
    /// of points. The program itself and what it has in use beside come on top, some tens of megabytes; so does what
    /// reading the file takes for a while, up to twice its numbers.
    #[arg(long, value_name = "GB", value_parser = gigabytes, allow_negative_numbers = true, conflicts_with = "protocol")]
    pub(super) memory: Option<f64>,
    /// The seed of samples and controls [default: 0].
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Points of the spaces that the result is compared with, and of the samples of your data beside them; at most as many
    /// as your data have [default: 1000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(4..), conflicts_with = "brief")]
    pub(super) controls: Option<u32>,
    /// Leave the controls and the plot out.
    #[arg(long)]
    pub(super) brief: bool,
    /// The plot's path without its ending; `runs/delta/<file name>` when absent.
    #[arg(long, value_name = "STEM", conflicts_with = "brief")]
    pub(super) plot: Option<PathBuf>,
    /// Which vector instructions to use; every one gives the same bits.
    #[arg(long, value_enum, conflicts_with = "protocol")]
    pub(super) instructions: Option<Instructions>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Compare {
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
pub(super) enum Preset {
    /// 10 draws of 1,000 points without replacement: the text of the paper.
    Khrulkov2020,
    /// 10 draws of 1,500 points with replacement: the released code.
    ReleasedCode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Instructions {
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

/// A number of gigabytes.
fn gigabytes(text: &str) -> Result<f64, String> {
    let number = text.trim().parse::<f64>().ok().filter(|v| v.is_finite() && *v > 0.0);
    number.ok_or_else(|| "give gigabytes above zero, such as 4 or 0.5".to_owned())
}

impl Options {
    /// Refuses settings that nothing would read.
    pub(super) fn check(&self) -> Result<()> {
        if self.c.is_some() && self.metric != Some(Compare::Poincare) {
            bail!("--c is the curvature of the ball of `--metric poincare`; give both, or leave --c out");
        }
        let extension = workspace::extension(&self.file.to_string_lossy());
        if self.key.is_some() && matches!(extension.as_str(), "npy" | "csv" | "tsv") {
            bail!("--key names one of several arrays, and a .{extension} file holds one; leave --key out");
        }
        if self.seed.is_some() && self.brief && self.protocol.is_none() {
            bail!("--seed decides samples and controls, which --brief leaves out; leave one of them out");
        }
        Ok(())
    }

    /// How rows of features are compared.
    pub(super) fn metric(&self) -> Result<Metric> {
        Ok(match self.metric.unwrap_or(Compare::Euclidean) {
            Compare::Euclidean => Metric::Euclidean,
            Compare::Cosine => Metric::Cosine,
            Compare::Angular => Metric::Angular,
            Compare::Poincare => Metric::Poincare(Curvature::new(self.c.unwrap_or(1.0))?),
        })
    }

    /// Which vector instructions to use.
    pub(super) fn isa(&self) -> Result<Isa> {
        let isa = match self.instructions {
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
}

#[cfg(test)]
mod tests {
    use super::{duration, gigabytes};

    #[test]
    fn times_have_units() {
        let seconds = |text: &str| duration(text).unwrap().as_secs_f64();
        assert_eq!(["30s", "5m", "1h", "2", "250ms"].map(seconds), [30.0, 300.0, 3600.0, 2.0, 0.25]);
        assert!(duration("soon").is_err() && duration("-1s").is_err());
    }

    #[test]
    fn memory_is_above_zero() {
        assert_eq!(gigabytes("0.5"), Ok(0.5));
        assert!(["nan", "-1", "0", "inf", "much"].iter().all(|text| gigabytes(text).is_err()));
    }
}

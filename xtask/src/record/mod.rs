//! Records of runs: what was measured, with what, and what a comparison with the paper says.
//!
//! A record is written by a run and read by the report.
//! The verdict in it is computed from the record's own numbers and `docs/paper`, never typed.

mod choice;
mod config;
mod paper;
mod provenance;
mod store;
mod verdict;

use std::collections::BTreeMap;
use std::fmt;

use hyp_math::stats::{self, StatsError};
use serde::{Deserialize, Serialize};

use crate::metric::Direction;

pub(crate) use choice::{Choice, Chosen};
pub(crate) use config::ConfigFile;
pub(crate) use paper::{Paper, PaperValue};
pub(crate) use provenance::Run;
#[cfg(feature = "experiments")]
pub(crate) use provenance::{Code, hexadecimal, output, processor, processor_model};
pub(crate) use store::{merge, on_other_data, path, read, read_all, write};
pub(crate) use verdict::{Judgement, Verdict, judge};

/// Format number of records.
pub(crate) const SCHEMA: u32 = 1;

/// How much of the paper's protocol a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "experiments", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scale {
    /// Proves in about two minutes that the path works, on shipped data.
    Smoke,
    /// A real measurement that a laptop finishes; says what it cut.
    Reduced,
    /// The paper's protocol.
    Full,
}

impl fmt::Display for Scale {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Smoke => "smoke",
            Self::Reduced => "reduced",
            Self::Full => "full",
        })
    }
}

/// What was measured for one experiment at one scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// Format number.
    pub(crate) schema: u32,
    /// Name of the experiment.
    pub(crate) id: String,
    /// How much of the protocol was run.
    pub(crate) scale: Scale,
    /// Hash of the printed values that the verdicts were computed with.
    pub(crate) paper_sha256: Option<String>,
    /// Departures from the paper, by their number in `docs/deviations.md`.
    pub(crate) deviations: Vec<String>,
    /// The runs that the rows come from.
    pub(crate) runs: Vec<Run>,
    /// What the data were.
    pub(crate) data: BTreeMap<String, DataFacts>,
    /// The measurements.
    pub(crate) rows: Vec<Row>,
}

/// What one data set was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataFacts {
    /// Hash of the manifest, or of the pictures themselves in their order.
    pub(crate) sha256: String,
    /// Number of images used.
    pub(crate) images: usize,
    /// Number of classes.
    pub(crate) classes: usize,
    /// What a reader must know about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// One metric of one row of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// The row of the experiment.
    pub(crate) id: String,
    /// Name of the metric.
    pub(crate) metric: String,
    /// Unit of every value here.
    pub(crate) unit: String,
    /// Which way the metric improves.
    pub(crate) direction: Direction,
    /// What we measured.
    pub(crate) ours: Ours,
    /// What the paper prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) paper: Option<PaperValue>,
    /// Ours minus the paper's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delta: Option<f64>,
    /// What the comparison says.
    pub(crate) verdict: Verdict,
    /// Why it is not a comparison, when it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Set by the config when the run cannot be compared: data, sampling or schedule deviate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_comparable: Option<String>,
    /// Hash of the part of the config that decided this row.
    pub(crate) config_sha256: String,
    /// Which of the record's runs it comes from.
    pub(crate) runs: Vec<usize>,
    /// Seconds, summed over the seeds and over the sittings that each took; work that another job left is not in them.
    pub(crate) wall_s: f64,
}

/// Our value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ours {
    /// Mean over the seeds.
    pub(crate) mean: f64,
    /// Half width of the 95 % t-interval of the mean over the seeds; absent with one seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ci95: Option<f64>,
    /// Standard deviation over the seeds; absent with one seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) std: Option<f64>,
    /// The seeds.
    pub(crate) seeds: Vec<u64>,
    /// The value of each seed.
    pub(crate) per_seed: Vec<f64>,
    /// Episodes behind the value, where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) episodes: Option<usize>,
}

impl Ours {
    /// Mean, standard deviation and interval over the seeds.
    ///
    /// # Errors
    /// If there is no value, or one is not finite.
    pub(crate) fn over_seeds(per_seed: Vec<f64>, seeds: &[u64]) -> Result<Self, StatsError> {
        let mean = stats::mean(&per_seed)?;
        let (std, ci95) = match per_seed.as_slice() {
            [_] => (None, None),
            values => (Some(stats::std(values)?), Some(stats::t_interval(values)?.half_width)),
        };
        Ok(Self { mean, ci95, std, seeds: seeds.to_vec(), per_seed, episodes: None })
    }
}

//! Speed, with other libraries measured in turn beside ours.
//!
//! A subject is one file here with its parts, one line in [`SUBJECTS`], and one script `xtask/peers/SUBJECT.py` for
//! those who do the same work elsewhere. A part becomes one table of `docs/performance.md`.

mod data;
mod delta;
mod fewshot;
mod measure;
mod memory;
mod nn;
mod peak;
mod peer;
mod python;
mod reid;
mod table;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;

use self::measure::Bench;
use self::peer::Peer;
use self::table::Conditions;

pub(crate) use self::nn::training;

use crate::record::Run;

/// A subject of measurement: its name and its parts.
type Subject = (&'static str, &'static [Part]);

/// A part: its name, and the function that measures its rows.
type Part = (&'static str, fn(&mut Bench) -> Result<()>);

const SUBJECTS: &[Subject] = &[
    ("nn", nn::PARTS),
    ("data", data::PARTS),
    ("delta", delta::PARTS),
    ("fewshot", fewshot::PARTS),
    ("reid", reid::PARTS),
];

const ALL: &str = "all";

/// Options of `bench`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// What to measure.
    #[arg(default_value = ALL, value_parser = PossibleValuesParser::new(SUBJECTS.iter().map(|s| s.0).chain([ALL])))]
    what: String,
    /// Only this part of the subject, such as `ops`.
    #[arg(long, value_name = "NAME")]
    part: Option<String>,
    /// Only rows whose name contains this.
    #[arg(long, value_name = "TEXT", conflicts_with = "write")]
    only: Option<String>,
    /// Run the other libraries too, in turn with ours (Python; installs them the first time).
    #[arg(long)]
    peer: bool,
    /// The Python interpreter that has the packages of `xtask/peers/requirements.txt`.
    #[arg(long, value_name = "PATH", requires = "peer")]
    python: Option<PathBuf>,
    /// Visits of each contender; medians are over all runs of all visits.
    #[arg(long, default_value_t = 5, value_name = "N")]
    rounds: usize,
    /// Run the row once, in this process, and say how much memory it takes above its inputs.
    #[arg(long, hide = true, requires = "only", conflicts_with_all = ["peer", "write"])]
    memory: bool,
    /// Put the tables into `docs/performance.md`.
    #[arg(long, requires = "peer")]
    write: bool,
}

/// Measures, prints, and writes the tables when asked.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    if options.rounds < 3 {
        bail!("the median of {} visits says little; give `--rounds` at least 3", options.rounds);
    }
    if options.memory {
        for (subject, parts) in SUBJECTS.iter().filter(|s| options.what == s.0) {
            for (_, measure) in *parts {
                measure(&mut Bench::of_memory(subject, options.only.as_deref()))?;
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    if cfg!(debug_assertions) {
        eprintln!(
            "this is the development build; `cargo run --release -p xtask -- bench` measures what users run"
        );
    }
    let (peak, code) = (peak::measure(), Run::here(root, false).code);
    let (mut found, mut measured, mut rows) = (false, 0, BTreeSet::new());
    for (subject, parts) in SUBJECTS.iter().filter(|s| options.what == ALL || options.what == s.0) {
        let parts = parts.iter().filter(|part| options.part.as_ref().is_none_or(|name| name == part.0));
        let mut peer = None;
        for (part, measure) in parts {
            found = true;
            if options.peer && peer.is_none() {
                peer = start_peer(root, subject, options.python.as_deref())?;
            }
            let mut bench = Bench {
                subject,
                rounds: options.rounds,
                only: options.only.as_deref(),
                memory: false,
                peer: peer.as_mut(),
                lines: Vec::new(),
                keys: BTreeSet::new(),
            };
            measure(&mut bench)?;
            let lines = bench.lines;
            rows.append(&mut bench.keys);
            measured += lines.len();
            if lines.is_empty() {
                continue;
            }
            let versions = peer.as_ref().map(Peer::versions);
            let text = table::table(
                &lines,
                &Conditions { peak: &peak, rounds: options.rounds, versions, code: &code },
            );
            let name = format!("{subject}-{part}");
            println!("{name}: {text}");
            if options.write {
                table::write(root, &name, &text)?;
                println!("wrote the table {name} of {}", table::FILE);
            }
        }
    }
    if !found {
        let names: Vec<_> = SUBJECTS
            .iter()
            .flat_map(|s| s.1.iter().map(move |p| format!("{} --part {}", s.0, p.0)))
            .collect();
        bail!("there is no such part; there are: {}", names.join(", "));
    }
    if let (Some(only), 0) = (&options.only, measured) {
        let rows: Vec<_> = rows.into_iter().collect();
        bail!("no row's name contains `{only}`; there are: {}", rows.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

/// The subject's script, if it has one.
fn start_peer(root: &Path, subject: &str, python: Option<&Path>) -> Result<Option<Peer>> {
    let script = root.join("xtask/peers").join(format!("{subject}.py"));
    if !script.is_file() {
        return Ok(None);
    }
    let mut command = Command::new(python::interpreter(root, python)?);
    command.arg(script);
    Peer::start(command, rayon::current_num_threads()).map(Some)
}

//! Speed, with the figures of other libraries beside ours.
//!
//! The peers' figures were measured once, on the processor named with them; a ratio across machines is a hint, not a claim.

mod measure;
mod nn;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use self::measure::{Line, Setting};
use crate::record::processor;
use crate::workspace;

/// Options of `bench`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// What to measure.
    #[arg(value_enum, default_value_t = What::All)]
    what: What,
    /// Runs of each line; the median is shown.
    #[arg(long, default_value_t = 9, value_name = "N")]
    runs: usize,
    /// Put the table into `docs/performance.md`.
    #[arg(long)]
    write: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// A training step of the LeNet, and operations of the ball.
    Nn,
    /// Everything there is.
    All,
}

const FILE: &str = "docs/performance.md";

/// Measures, prints, and writes the table when asked.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    if options.runs < 3 {
        bail!("the median of {} runs says little; give `--runs` at least 3", options.runs);
    }
    let sections = match options.what {
        What::Nn | What::All => [("nn", nn::measure(&Setting { runs: options.runs })?)],
    };
    for (name, lines) in sections {
        let text = table(&lines, options.runs);
        print!("{text}");
        if options.write {
            write_section(root, name, &text)?;
            println!("wrote the section {name} of {FILE}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The lines as a Markdown table, with the processor and the number of threads.
fn table(lines: &[Line], runs: usize) -> String {
    let threads = rayon::current_num_threads();
    let build = if cfg!(debug_assertions) { "development build" } else { "release build" };
    let mut text = format!(
        "{}, {threads} threads, {build}, medians of {runs} runs.\n\n\
         | op/dim/batch | ours, ms | spread, ms | peers, ms | ours ÷ best peer |\n| --- | --- | --- | --- | --- |\n",
        processor()
    );
    for line in lines {
        let peers: Vec<String> = line.peers.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let best = line.peers.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
        let ratio = if best.is_finite() { format!("{:.2}", line.median / best) } else { "—".to_owned() };
        let peers = if peers.is_empty() { "—".to_owned() } else { peers.join("; ") };
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.2} … {:.2} | {peers} | {ratio} |",
            line.name, line.median, line.fastest, line.slowest
        );
    }
    text
}

/// Replaces the lines between the section's markers; a file without them gets them at its end.
fn write_section(root: &Path, name: &str, table: &str) -> Result<()> {
    let path = root.join(FILE);
    let old = if path.is_file() {
        workspace::read(&path)?
    } else {
        "# Performance\n\n\
         Measured by `cargo xtask bench`; a figure is a claim only with its processor and its peer beside it.\n\
         Peers: PyTorch 2.15.0 (oneDNN), geoopt 0.5.1, hypll 0.1.1 and the authors' released code (reference), f32, two threads of an AMD Zen 4 with AVX-512.\n\
         They come from another run than ours, and from another processor wherever the table names a different one: the last column is a guide, not a claim, until both sides have been measured in one run.\n\
         The machines were shared: differences under 15 % are noise.\n"
            .to_owned()
    };
    let (begin, end) = (format!("<!-- bench:{name}:begin -->"), format!("<!-- bench:{name}:end -->"));
    let section = format!("{begin}\n{table}{end}");
    let new = match (old.split_once(&begin), old.split_once(&end)) {
        (Some((before, _)), Some((_, after))) => format!("{before}{section}{after}"),
        (None, None) => format!("{}\n\n{section}\n", old.trim_end()),
        _ => bail!("{FILE} has only one of the lines {begin} and {end}; restore the other"),
    };
    workspace::write_atomic(&path, new.as_bytes()).context("the table was measured but not written")
}

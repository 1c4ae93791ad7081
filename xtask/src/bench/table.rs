//! Measured rows as a Markdown table, and its place in the page.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::measure::{Line, Work};
use super::peak::Peak;
use crate::record::{Code, processor, processor_model};
use crate::workspace;

/// The page that the tables live in.
pub(super) const FILE: &str = "docs/performance.md";

/// What is said above a table.
pub(super) struct Conditions<'a> {
    pub(super) peak: &'a Peak,
    pub(super) rounds: usize,
    /// Versions of the peers; `None` if none ran.
    pub(super) versions: Option<&'a [String]>,
    /// The program.
    pub(super) code: &'a Code,
}

/// The lines as a Markdown table under the conditions of their measurement.
pub(super) fn table(lines: &[Line], conditions: &Conditions) -> String {
    let threads = rayon::current_num_threads();
    let build = if cfg!(debug_assertions) { "development build" } else { "release build" };
    let Conditions { peak, rounds, versions, code } = conditions;
    let changed = if code.dirty { " with changes" } else { "" };
    let mut text = format!(
        "{}{}, {threads} threads, {build} at commit {}{changed}; medians, with quartiles in brackets.\n\
         Measured peak of this run: {:.0} GFLOP/s in f32, {:.0} in f64 ({}).\n",
        processor(),
        processor_model().map_or(String::new(), |model| format!(" ({model})")),
        code.commit.get(..12).unwrap_or(&code.commit),
        peak.single,
        peak.double,
        peak.how
    );
    match versions {
        Some(versions) => {
            let _ = writeln!(
                text,
                "Peers, visited in turn with ours in {rounds} rounds (3 where a run takes over 1.5 s, three times as many where all take under 50 ms): {}.",
                versions.join(", ")
            );
        }
        None => text.push_str("No peer was measured; `--peer` runs them in turn with ours.\n"),
    }
    let with_memory = lines.iter().any(|line| line.memory.is_some());
    text.push_str("\n| work | ours, ms | rate | peers, ms (ours ÷ theirs) | ours ÷ best peer |");
    text.push_str(if with_memory { " memory above the inputs, MB |" } else { "" });
    text.push_str("\n| --- | --- | --- | --- | --- |");
    text.push_str(if with_memory { " --- |\n" } else { "\n" });
    for line in lines {
        let ours = line.ours.median();
        let (low, high) = line.ours.quartiles();
        let peers: Vec<String> = line
            .peers
            .iter()
            .map(|(name, times)| {
                format!("{name} {} ({})", digits(times.median()), ratio(ours / times.median()))
            })
            .collect();
        let best = line.peers.iter().map(|(_, times)| times.median()).fold(f64::INFINITY, f64::min);
        let _ = write!(
            text,
            "| {} | {} [{} … {}] | {} | {} | {} |",
            line.title,
            digits(ours),
            digits(low),
            digits(high),
            rate(line.work.as_ref(), ours, peak),
            or_dash(peers.join("; ")),
            or_dash(if best.is_finite() { format!("**{}**", ratio(ours / best)) } else { String::new() }),
        );
        if with_memory {
            let _ = write!(text, " {} |", or_dash(memory(line)));
        }
        text.push('\n');
    }
    text
}

/// Ours and the peers' memory.
fn memory(line: &Line) -> String {
    let Some((ours, theirs)) = &line.memory else { return String::new() };
    let peers = line.peers.iter().zip(theirs).map(|((name, _), theirs)| format!("; {name} {theirs:.0}"));
    format!("ours **{ours:.0}**{}", peers.collect::<String>())
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "—".to_owned() } else { text }
}

/// Three significant digits, not more than three after the point.
fn digits(value: f64) -> String {
    let places = (2 - value.abs().max(1e-9).log10().floor() as i32).clamp(0, 3);
    format!("{value:.*}", places as usize)
}

/// A ratio; below a hundredth as one part of so many.
fn ratio(value: f64) -> String {
    if value < 0.01 { format!("1/{:.0}", 1.0 / value) } else { digits(value) }
}

fn rate(work: Option<&Work>, milliseconds: f64, peak: &Peak) -> String {
    let of_peak = |flops: f64, peak: f64| {
        let reached = flops / milliseconds / 1e6;
        format!("{} GFLOP/s, {:.0} % of peak", digits(reached), 100.0 * reached / peak)
    };
    match work {
        None => "—".to_owned(),
        Some(Work::Single(flops)) => of_peak(*flops, peak.single),
        Some(Work::Double(flops)) => format!("{} (f64)", of_peak(*flops, peak.double)),
        Some(Work::Whole(count, peak)) => {
            let reached = count / milliseconds / 1e6;
            format!(
                "{} Gop/s, {:.0} % of {} on registers",
                digits(reached),
                100.0 * reached / peak,
                digits(*peak)
            )
        }
        Some(Work::Items(count, name)) => format!("{} {name}/s", in_thousands(count / milliseconds * 1e3)),
    }
}

/// Three significant digits, thousands and millions as words.
fn in_thousands(value: f64) -> String {
    match value {
        1e6.. => format!("{} million", digits(value / 1e6)),
        1e4.. => format!("{} thousand", digits(value / 1e3)),
        _ => digits(value),
    }
}

/// Replaces the lines between the part's markers; a page without them gets them at its end.
pub(super) fn write(root: &Path, name: &str, table: &str) -> Result<()> {
    let path = root.join(FILE);
    let old = workspace::read(&path)?;
    workspace::write_atomic(&path, placed(&old, name, table)?.as_bytes())
        .context("the table was measured but not written")
}

fn placed(old: &str, name: &str, table: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- bench:{name}:begin -->"), format!("<!-- bench:{name}:end -->"));
    let section = format!("{begin}\n{table}{end}");
    match (old.split_once(&begin), old.split_once(&end)) {
        (Some((before, _)), Some((_, after))) => Ok(format!("{before}{section}{after}")),
        (None, None) => Ok(format!("{}\n\n## {name}\n\n{section}\n", old.trim_end())),
        _ => bail!("{FILE} has only one of the lines {begin} and {end}; restore the other"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::measure::Times;
    use super::*;

    fn peak() -> Peak {
        Peak { single: 200.0, double: 100.0, how: "by hand" }
    }

    #[test]
    fn a_line_shows_medians_rates_and_ratios() {
        let line = Line {
            title: "step".to_owned(),
            work: Some(Work::Single(1e9)),
            ours: Times::new(vec![10.0, 10.0, 12.0]),
            peers: vec![("A".to_owned(), Times::new(vec![20.0])), ("B".to_owned(), Times::new(vec![400.0]))],
            memory: None,
        };
        let versions = ["A 1.0".to_owned()];
        let code = Code {
            commit: "0123456789abcdef".to_owned(),
            dirty: true,
            rustc: String::new(),
            candle: String::new(),
            features: Vec::new(),
        };
        let conditions = Conditions { peak: &peak(), rounds: 5, versions: Some(&versions), code: &code };
        let text = table(std::slice::from_ref(&line), &conditions);
        let want = "| step | 10.0 [10.0 … 11.0] | 100 GFLOP/s, 50 % of peak | A 20.0 (0.500); B 400 (0.025) | **0.500** |";
        assert!(text.contains(want), "{text}");
        assert!(text.contains("A 1.0") && text.contains("5 rounds"), "{text}");
        assert!(text.contains("at commit 0123456789ab with changes"), "{text}");
        assert!(!text.contains("MB"), "{text}");
        let line = Line { memory: Some((4.6, vec![812.3, 40.0])), ..line };
        let text = table(&[line], &conditions);
        assert!(text.contains("| **0.500** | ours **5**; A 812; B 40 |"), "{text}");
        assert!(
            text.contains(
                "best peer | memory above the inputs, MB |\n| --- | --- | --- | --- | --- | --- |\n"
            )
        );
    }

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!([0.00123, 0.456, 7.891, 1234.5].map(digits), ["0.001", "0.456", "7.89", "1234"]);
        assert_eq!([0.0025, 0.025].map(ratio), ["1/400", "0.025"]);
        assert_eq!([950.0, 12_345.0, 3.2e7].map(in_thousands), ["950", "12.3 thousand", "32.0 million"]);
    }

    #[test]
    fn a_table_takes_the_place_of_the_old_one() {
        let page = placed("# P\n", "nn-ops", "| a |\n").unwrap();
        assert!(page.contains("| a |"));
        let page = placed(&page, "nn-ops", "| b |\n").unwrap();
        assert!(page.contains("| b |") && !page.contains("| a |") && page.starts_with("# P\n"), "{page}");
        assert!(placed("<!-- bench:x:end -->", "x", "").is_err());
    }
}

//! What a reader sees of the records: tables in Markdown, and one page with the plots.

mod choices;
mod html;
mod markdown;

use std::path::Path;

use anyhow::{Context, Result};

use crate::record::{self, ConfigFile, Judgement, Paper, Record, Scale, Verdict, judge};
use crate::tidy::Problem;
use crate::workspace;

/// First line of the generated part of the README.
const BEGIN: &str = "<!-- results:begin -->";
/// Last line of the generated part of the README.
const END: &str = "<!-- results:end -->";
/// The generated page of all results.
const RESULTS: &str = "docs/results/README.md";

/// One record with what is needed to show it.
pub(crate) struct Shown {
    /// The record's file, relative to the workspace.
    pub(crate) file: String,
    /// The record.
    pub(crate) record: Record,
    /// The printed values.
    pub(crate) paper: Option<Paper>,
    /// The experiment's config; `None` when it was removed.
    pub(crate) config: Option<ConfigFile>,
}

impl Shown {
    /// Whether the row was measured with another config than the one that stands now.
    pub(crate) fn stale(&self, row: &record::Row) -> bool {
        let now = self.config.as_ref().and_then(|config| config.row_sha256(&row.id, self.record.scale));
        now.as_deref() != Some(row.config_sha256.as_str())
    }

    /// The metric that the paper prints, for configs whose rows are shown although they wait to be run.
    pub(crate) fn awaited_metric(&self) -> Option<&'static str> {
        match self.config.as_ref()?.word("runner")? {
            "few-shot" => Some("accuracy"),
            "feature-delta" => Some("delta_rel"),
            _ => None,
        }
    }

    /// The rows of such a config that the record has not: each geometry, network and data set that waits to be run.
    pub(crate) fn not_measured(&self) -> Vec<&str> {
        let Some(config) = self.config.as_ref().filter(|_| self.awaited_metric().is_some()) else {
            return Vec::new();
        };
        let measured = |id: &&str| self.record.rows.iter().any(|row| row.id == **id);
        config.row_ids().into_iter().filter(|id| !measured(id) && !id.starts_with("layout/")).collect()
    }

    /// What the experiment shows, in words.
    pub(crate) fn title(&self) -> &str {
        let title = self.config.as_ref().and_then(|config| config.word("title"));
        title.or(self.paper.as_ref().map(|paper| paper.title.as_str())).unwrap_or(&self.record.id)
    }
}

/// Everything there is to show.
pub(crate) struct Results {
    /// The committed records.
    pub(crate) shown: Vec<Shown>,
    /// Printed tables and figures for which no full record stands.
    pub(crate) not_run: Vec<Paper>,
    /// Settings that a scan decides.
    choices: Vec<choices::Applied>,
}

impl Results {
    /// A sentence for each printed table without a full record, in the order of the paper.
    fn not_run_lines(&self) -> Vec<String> {
        let mut papers: Vec<_> = self.not_run.iter().filter(|paper| !paper.cells.is_empty()).collect();
        papers.sort_by_key(|paper| reading_order(&paper.id));
        let line = |paper: &Paper| {
            let is_reduced =
                |shown: &Shown| shown.record.id == paper.id && shown.record.scale == Scale::Reduced;
            let besides = if self.shown.iter().any(is_reduced) {
                " at the paper's scale; there is a reduced record"
            } else {
                ""
            };
            let (id, title, values) = (&paper.id, &paper.title, paper.cells.len());
            format!("{id}: {title}, {values} printed values, verdict {}{besides}.", Verdict::NotRun)
        };
        papers.into_iter().map(line).collect()
    }
}

/// Reads records, configs and printed values.
fn gather(root: &Path) -> Result<Results> {
    let mut shown = Vec::new();
    for (file, record) in record::read_all(root)? {
        let paper = Paper::read(root, &record.id)?;
        let config = ConfigFile::read(root, &record.id)?;
        shown.push(Shown { file, record, paper, config });
    }
    let has_record = |paper: &Paper| {
        shown.iter().any(|shown| shown.record.id == paper.id && shown.record.scale == Scale::Full)
    };
    let not_run = Paper::read_all(root)?.into_iter().filter(|paper| !has_record(paper)).collect();
    let choices = choices::gather(root, &shown)?;
    Ok(Results { shown, not_run, choices })
}

/// Judges every record anew and writes the tables and the page.
pub(crate) fn write(root: &Path) -> Result<()> {
    for (file, mut record) in record::read_all(root)? {
        let paper = Paper::read(root, &record.id)?;
        let before = record.clone();
        let path = root.join(&file);
        record::write(&path, &mut record, paper.as_ref())?;
        if record != before {
            println!("{file}: judged anew");
        }
    }
    let results = gather(root)?;
    workspace::write_atomic(&root.join(RESULTS), markdown::page(&results).as_bytes())?;
    println!("wrote {RESULTS}");
    let readme = root.join("README.md");
    if readme.is_file() {
        let text = workspace::read(&readme)?;
        match with_table(&text, &markdown::readme_table(&results)) {
            Some(new) => {
                workspace::write_atomic(&readme, new.as_bytes())?;
                println!("wrote the table of README.md");
            }
            None => println!("README.md has no lines {BEGIN} and {END}; its table is not written"),
        }
    }
    let page = root.join("runs/report.html");
    workspace::write_atomic(&page, html::page(root, &results)?.as_bytes())?;
    println!("wrote runs/report.html");
    Ok(())
}

/// Says what is not current: verdicts that do not recompute, tables that differ from the records.
pub(crate) fn check(root: &Path) -> Result<Vec<Problem>> {
    let results = gather(root)?;
    let mut problems = Vec::new();
    let remedy = "run `cargo xtask report`";
    for shown in &results.shown {
        let record = &shown.record;
        let expected = record::path(root, &record.id, record.scale);
        if expected != root.join(&shown.file) {
            let what = format!("holds {} at {} scale", record.id, record.scale);
            problems.push(Problem::new(
                &shown.file,
                what,
                "give the file the name of its experiment and scale",
            ));
        }
        if record.scale == Scale::Full && record.runs.iter().any(|run| run.code.dirty) {
            let remedy = "run it again from a committed tree";
            problems.push(Problem::new(&shown.file, "was measured with uncommitted changes", remedy));
        }
        for row in &record.rows {
            let judgement = judge(row, record.scale, shown.paper.as_ref());
            let written = Judgement {
                paper: row.paper.clone(),
                delta: row.delta,
                verdict: row.verdict,
                reason: row.reason.clone(),
            };
            if judgement != written {
                let what = format!("the verdict of {} {} does not recompute", row.id, row.metric);
                problems.push(Problem::new(&shown.file, what, remedy));
            }
            let mean = row.ours.per_seed.iter().sum::<f64>() / row.ours.per_seed.len() as f64;
            // The mean was rounded once when it was summed in another order.
            let difference = (mean - row.ours.mean).abs();
            if difference.is_nan() || difference > 1e-9 * mean.abs().max(1.0) {
                let what = format!("the mean of {} {} is not that of its seeds", row.id, row.metric);
                problems.push(Problem::new(&shown.file, what, "run it again; records are never edited"));
            }
            if !spread_is_of_its_seeds(&row.ours) {
                let what = format!("the spread of {} {} is not that of its seeds", row.id, row.metric);
                problems.push(Problem::new(&shown.file, what, "run it again; records are never edited"));
            }
        }
    }
    choices::check(&results.choices, &mut problems);
    let page = root.join(RESULTS);
    if page.is_file() || !results.shown.is_empty() {
        let text = if page.is_file() { workspace::read(&page)? } else { String::new() };
        if text != markdown::page(&results) {
            problems.push(Problem::new(RESULTS, "differs from the records", remedy));
        }
    }
    let readme = root.join("README.md");
    if readme.is_file() {
        let text = workspace::read(&readme)?;
        if let Some(new) = with_table(&text, &markdown::readme_table(&results))
            && new != text
        {
            problems.push(Problem::new("README.md", "its table of results differs from the records", remedy));
        }
    }
    Ok(problems)
}

/// Whether each seed has one value, and the standard deviation and interval, where they stand, are those of the values.
fn spread_is_of_its_seeds(ours: &record::Ours) -> bool {
    let close = |written: Option<f64>, again: Option<f64>| {
        written
            .is_none_or(|written| again.is_some_and(|again| (written - again).abs() <= 1e-9 * again.max(1.0)))
    };
    ours.seeds.len() == ours.per_seed.len()
        && record::Ours::over_seeds(ours.per_seed.clone(), &ours.seeds)
            .is_ok_and(|again| close(ours.std, again.std) && close(ours.ci95, again.ci95))
}

/// The text with the lines between the markers replaced; `None` without markers.
fn with_table(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

/// Prints the rows of one record for a person at the terminal.
pub(crate) fn print(root: &Path, file: &str, record: Record) -> Result<()> {
    let paper = Paper::read(root, &record.id)?;
    let config = ConfigFile::read(root, &record.id)?;
    let shown = Shown { file: file.to_owned(), record, paper, config };
    print!("{}", markdown::measured(&shown));
    for (name, facts) in &shown.record.data {
        if let Some(note) = &facts.note {
            println!("{name}: {note}");
        }
    }
    if let Some(paper) = &shown.paper {
        print!("{}", markdown::cited(paper));
    }
    Ok(())
}

/// What stands in the verdict column.
fn verdict_words(shown: &Shown, row: &record::Row) -> String {
    if shown.stale(row) {
        return "stale: the config changed since".to_owned();
    }
    match (&row.verdict, &row.reason) {
        (Verdict::NotComparable, Some(_)) if row.paper.is_none() => "—".to_owned(),
        (verdict, Some(reason)) => format!("{verdict}: {reason}"),
        (verdict, None) => verdict.to_string(),
    }
}

/// The tables in the order a reader expects: tables before figures before the rest, by number.
fn reading_order(id: &str) -> (u8, usize, String) {
    for (rank, kind) in ["table", "figure"].iter().enumerate() {
        if let Some(rest) = id.strip_prefix(kind) {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if let Ok(number) = digits.parse() {
                return (rank as u8, number, id.to_owned());
            }
        }
    }
    (2, 0, id.to_owned())
}

/// A file's text for the page, without its first line of XML declaration.
fn drawing(root: &Path, file: &str) -> Result<String> {
    let text = workspace::read(&root.join(file)).with_context(|| format!("the plot {file} is missing"))?;
    Ok(text)
}

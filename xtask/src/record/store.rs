//! Reading, merging and writing of records.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{ConfigFile, DataFacts, Paper, Record, Row, SCHEMA, Scale, judge};
use crate::workspace;

/// Where the record of an experiment stands. Smoke runs prove nothing about the paper and stay in the run folder.
pub(crate) fn path(root: &Path, id: &str, scale: Scale) -> PathBuf {
    match scale {
        Scale::Smoke => root.join(format!("runs/{id}.smoke/record.json")),
        Scale::Reduced | Scale::Full => root.join(format!("docs/results/{id}.{scale}.json")),
    }
}

/// Reads one record; `None` when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Record>> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = workspace::read(path)?;
    let record: Record = serde_json::from_str(&text).with_context(|| {
        format!("{} is not a record; restore it or delete it and run again", path.display())
    })?;
    if record.schema != SCHEMA {
        bail!("{} has schema {}, this program writes {SCHEMA}; run again", path.display(), record.schema);
    }
    Ok(Some(record))
}

/// Every committed record, sorted by experiment and scale, with its path relative to the workspace.
pub(crate) fn read_all(root: &Path) -> Result<Vec<(String, Record)>> {
    let mut records = Vec::new();
    for file in workspace::files(root)? {
        if file.starts_with("docs/results/")
            && workspace::extension(&file) == "json"
            && let Some(record) = read(&root.join(&file))?
        {
            records.push((file, record));
        }
    }
    Ok(records)
}

/// Whether two records speak of different data by one name.
pub(crate) fn on_other_data(old: &Record, new: &Record) -> bool {
    let differs = |(name, facts): (&String, &DataFacts)| {
        old.data.get(name).is_some_and(|before| before.sha256 != facts.sha256)
    };
    new.data.iter().any(differs)
}

/// Puts new rows in the place of old ones of the same row and metric, and drops rows that the config has no more, and all
/// old rows if they were measured on other data.
pub(crate) fn merge(old: Option<Record>, new: Record, config: &ConfigFile) -> Record {
    let Some(old) = old.filter(|old| !on_other_data(old, &new)) else {
        return arranged(new, config);
    };
    let mut merged = Record { runs: Vec::new(), data: old.data.clone(), rows: Vec::new(), ..new.clone() };
    merged.data.extend(new.data.clone());
    let measured_anew: Vec<&str> = new.rows.iter().map(|row| row.id.as_str()).collect();
    let kept = old.rows.iter().filter(|row| !measured_anew.contains(&row.id.as_str()));
    let sources = kept.map(|row| (&old, row)).chain(new.rows.iter().map(|row| (&new, row)));
    for (record, row) in sources {
        let mut row = row.clone();
        for index in &mut row.runs {
            let run = &record.runs[*index];
            *index = merged.runs.iter().position(|known| known == run).unwrap_or_else(|| {
                merged.runs.push(run.clone());
                merged.runs.len() - 1
            });
        }
        merged.rows.push(row);
    }
    arranged(merged, config)
}

/// Rows in the order of the config; metrics of one row keep theirs.
fn arranged(mut record: Record, config: &ConfigFile) -> Record {
    let order: BTreeMap<&str, usize> =
        config.row_ids().into_iter().enumerate().map(|(at, id)| (id, at)).collect();
    record.rows.retain(|row| order.contains_key(row.id.as_str()));
    record.rows.sort_by_key(|row: &Row| order[row.id.as_str()]);
    record
}

/// Judges every row anew and writes the record.
///
/// # Errors
/// If a full-scale record among the results would rest on a run from changed files.
pub(crate) fn write(path: &Path, record: &mut Record, paper: Option<&Paper>) -> Result<()> {
    let public = path.parent().is_some_and(|folder| folder.ends_with("docs/results"));
    if public
        && record.scale == Scale::Full
        && let Some(run) = record.runs.iter().find(|run| run.code.dirty)
    {
        bail!(
            "a run at commit {} had uncommitted changes, so {} is not written; commit, delete the folder of the \
             run in `runs` and run again, or give `--no-record`",
            run.code.commit,
            path.display()
        );
    }
    record.paper_sha256 = paper.map(|paper| paper.sha256.clone());
    let scale = record.scale;
    for row in &mut record.rows {
        let judgement = judge(row, scale, paper);
        row.paper = judgement.paper;
        row.delta = judgement.delta;
        row.verdict = judgement.verdict;
        row.reason = judgement.reason;
    }
    let mut text = serde_json::to_string_pretty(record).context("invariant: a record is plain data")?;
    text.push('\n');
    workspace::write_atomic(path, text.as_bytes())
}

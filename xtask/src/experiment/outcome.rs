//! One job from its folder to its outcome.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Environment;
use super::contract::{Experiment, Finished, Job, Metrics, RowTable};
use super::held::Held;
use crate::record::{DataFacts, Run, hexadecimal};
use crate::{metric, workspace};

/// What a job leaves in its folder when it is done.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outcome {
    /// Hash of what decided the job.
    pub(crate) config_sha256: String,
    /// Hash of the data it was measured on; empty where the config decides them.
    #[serde(default)]
    data_sha256: String,
    /// The runs that had a part in it: more than one if the job was interrupted, or rests on another job's work.
    pub(crate) runs: Vec<Run>,
    /// Seconds that the job took, in all sittings that came to an end or were stopped; one that was killed is not in it.
    pub(crate) wall_s: f64,
    /// What it measured.
    pub(crate) metrics: Metrics,
}

const FILE: &str = "outcome.json";
/// What a job was begun with.
const MARK: &str = "config.sha256";
/// The runs that worked on a job so far.
const RUNS: &str = "runs.json";
/// The seconds that a job has taken so far.
const SECONDS: &str = "seconds";

/// Does one job, or takes its outcome from its folder when it was done before and is not to be done anew.
pub(crate) fn complete<E: Experiment>(
    experiment: &E,
    job: &Job<'_, E::Row>,
    config_sha256: &str,
    environment: &Environment,
) -> Result<Outcome> {
    let data_sha256 = hash_of(&experiment.data_of(job.row)?);
    let _held = Held::take(&job.folder, job.stop)?;
    if let Some(outcome) = done_before(experiment, job, config_sha256, &data_sha256)? {
        return Ok(outcome);
    }
    prepare_folder(job, &format!("{config_sha256}\n{data_sha256}"))?;
    note_runs(&job.folder, std::slice::from_ref(&environment.run))?;
    let before = seconds_before(&job.folder);
    let start = Instant::now();
    let metrics = experiment.job(job);
    let wall_s = before + start.elapsed().as_secs_f64();
    let noted = workspace::write_atomic(&job.folder.join(SECONDS), wall_s.to_string().as_bytes());
    let metrics = metrics?;
    noted?;
    if let Some((name, value)) = metrics.iter().find(|(_, value)| !value.is_finite()) {
        bail!("{name} is {value}; nothing is recorded");
    }
    if let Some(name) = metrics.keys().find(|name| metric::find(name).is_none()) {
        bail!("the metric {name} has no line in metric.rs; add one");
    }
    let config_sha256 = config_sha256.to_owned();
    let outcome = Outcome { config_sha256, data_sha256, runs: runs(&job.folder)?, wall_s, metrics };
    let text = serde_json::to_string_pretty(&outcome).context("invariant: an outcome is plain data")?;
    workspace::write_atomic(&job.folder.join(FILE), text.as_bytes())?;
    Ok(outcome)
}

/// The seconds of the sittings before this one.
fn seconds_before(folder: &Path) -> f64 {
    let text = std::fs::read_to_string(folder.join(SECONDS)).unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}

/// One hash of all data of a row; empty where there are none.
pub(crate) fn hash_of(data: &BTreeMap<String, DataFacts>) -> String {
    let parts: Vec<String> = data.iter().map(|(name, facts)| format!("{name} {}\n", facts.sha256)).collect();
    if parts.is_empty() { String::new() } else { hexadecimal(&Sha256::digest(parts.concat())) }
}

/// Remembers in the job's folder that those runs had a part in it.
pub(crate) fn note_runs(folder: &Path, more: &[Run]) -> Result<()> {
    let mut known = runs(folder)?;
    for run in more {
        if !known.contains(run) {
            known.push(run.clone());
        }
    }
    let text = serde_json::to_string_pretty(&known).context("invariant: runs are plain data")?;
    workspace::write_atomic(&folder.join(RUNS), text.as_bytes())
}

/// Forgets the runs of a folder that is begun anew.
pub(crate) fn forget_runs(folder: &Path) -> Result<()> {
    forget(&folder.join(RUNS))
}

/// Deletes a file, if it is there.
pub(crate) fn forget(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot delete {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The runs that had a part in the job so far.
pub(crate) fn runs(folder: &Path) -> Result<Vec<Run>> {
    let path = folder.join(RUNS);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    serde_json::from_str(&workspace::read(&path)?).with_context(|| {
        format!("{} is damaged; delete its folder and run again with `--resume`", path.display())
    })
}

/// Empties the job's folder unless it is to go on with the same config and data.
fn prepare_folder<R>(job: &Job<'_, R>, deciding: &str) -> Result<()> {
    let mark = job.folder.join(MARK);
    let same = std::fs::read_to_string(&mark).is_ok_and(|text| text.trim() == deciding.trim());
    if job.folder.is_dir() && !(job.resume && same) {
        std::fs::remove_dir_all(&job.folder)
            .with_context(|| format!("cannot empty {}", job.folder.display()))?;
    }
    workspace::write_atomic(&mark, deciding.as_bytes())
}

/// The outcome in a job's folder, when it was measured with this config.
fn read(folder: &Path, config_sha256: &str) -> Result<Option<Outcome>> {
    let path = folder.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        // Never done, or another run has just begun it anew.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let outcome: Outcome = serde_json::from_str(&text)
        .with_context(|| format!("{} is damaged or of another version; delete it", path.display()))?;
    Ok((outcome.config_sha256 == config_sha256).then_some(outcome))
}

/// Whether the folder of a run holds a job, done or not, of a row whose name begins with one of those, or of any.
pub(crate) fn is_begun(folder: &Path, rows: &[String]) -> bool {
    let below = |folder: &Path| -> bool {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        folder.join(MARK).is_file() || entries.map(|entry| entry.path()).any(|path| is_begun(&path, &[]))
    };
    if rows.is_empty() { below(folder) } else { rows.iter().any(|row| below(&folder.join(row))) }
}

/// Whether a job that goes on has nothing left to do.
pub(crate) fn is_done<E: Experiment>(
    experiment: &E,
    job: &Job<'_, E::Row>,
    config_sha256: &str,
) -> Result<bool> {
    let data_sha256 = hash_of(&experiment.data_of(job.row)?);
    Ok(done_before(experiment, job, config_sha256, &data_sha256)?.is_some())
}

/// The outcome of a job that goes on, if it was measured with this config and on these data, and what it rests on is there.
fn done_before<E: Experiment>(
    experiment: &E,
    job: &Job<'_, E::Row>,
    config_sha256: &str,
    data_sha256: &str,
) -> Result<Option<Outcome>> {
    if !job.resume {
        return Ok(None);
    }
    let outcome = read(&job.folder, config_sha256)?.filter(|outcome| outcome.data_sha256 == data_sha256);
    Ok(if outcome.is_some() && experiment.is_whole(job)? { outcome } else { None })
}

/// Every job of an experiment that was done with the config as it stands, in the order of rows and seeds.
pub(crate) fn finished<R: RowTable>(
    rows: &[R],
    folder: &Path,
    sha256: impl Fn(&R) -> Result<String>,
) -> Result<Vec<Finished<R>>> {
    let mut finished = Vec::new();
    for row in rows {
        let config_sha256 = sha256(row)?;
        let Ok(entries) = std::fs::read_dir(folder.join(row.id())) else {
            continue;
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut seeds: Vec<u64> = names.filter_map(|name| name.strip_prefix("seed")?.parse().ok()).collect();
        seeds.sort_unstable();
        for seed in seeds {
            let folder = folder.join(row.id()).join(format!("seed{seed}"));
            if let Some(outcome) = read(&folder, &config_sha256)? {
                finished.push(Finished { row: row.clone(), seed, folder, metrics: outcome.metrics });
            }
        }
    }
    Ok(finished)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;
    use crate::experiment::contract::{Plots, ScaleTable};
    use crate::record::Scale;

    #[derive(Clone, Serialize, Deserialize)]
    struct Nothing;

    impl ScaleTable for Nothing {
        fn rows(&self) -> Option<&[String]> {
            None
        }

        fn seeds(&self) -> Option<usize> {
            None
        }
    }

    impl RowTable for Nothing {
        fn id(&self) -> &'static str {
            "row"
        }
    }

    /// Counts how often it is run, on data of this hash.
    struct Counting {
        hash: &'static str,
        runs: AtomicUsize,
    }

    impl Experiment for Counting {
        type Scale = Nothing;
        type Row = Nothing;

        fn prepare(_: &Environment, _: &str, _: Scale, _: &Nothing) -> Result<Self> {
            bail!("it is made by the test")
        }

        fn data(&self) -> BTreeMap<String, DataFacts> {
            let facts = DataFacts { sha256: self.hash.to_owned(), images: 1, classes: 1, note: None };
            BTreeMap::from([("pictures".to_owned(), facts)])
        }

        fn data_of(&self, _: &Nothing) -> Result<BTreeMap<String, DataFacts>> {
            Ok(self.data())
        }

        fn job(&self, _: &Job<'_, Nothing>) -> Result<Metrics> {
            let before = self.runs.fetch_add(1, Ordering::SeqCst);
            Ok(Metrics::from([("accuracy".to_owned(), before as f64)]))
        }

        fn draw(&self, _: &[Finished<Nothing>], _: &Plots) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_outcome_stands_for_its_config_and_its_data() {
        let folder = tempfile::tempdir().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let environment = Environment {
            root: folder.path().to_owned(),
            data_root: None,
            stop: Arc::clone(&stop),
            device: "cpu".to_owned(),
            run: Run::here(folder.path(), false),
        };
        let run = |hash: &'static str, config: &str, resume: bool| {
            let experiment = Counting { hash, runs: AtomicUsize::new(0) };
            let (row, place) = (Nothing, folder.path().join("row/seed0"));
            let job = Job { row: &row, seed: 0, folder: place, resume, side_by_side: false, stop: &stop };
            complete(&experiment, &job, config, &environment).unwrap();
            experiment.runs.into_inner()
        };
        assert_eq!(run("a", "config", true), 1);
        assert_eq!(run("a", "config", true), 0, "it is done");
        assert_eq!(run("b", "config", true), 1, "on other pictures");
        assert_eq!(run("b", "other", true), 1, "by another config");
        assert_eq!(run("b", "other", false), 1, "anew");
    }
}

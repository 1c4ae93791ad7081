//! The way every experiment goes: config, data, jobs, record, plots.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};

use super::config::{Config, Plan};
use super::contract::{Experiment, Interrupted, Job, Plots, RowTable};
use super::held::Held;
use super::outcome::{self, Outcome, complete};
use super::{Environment, Options, pool, tally};
use crate::record::{self, ConfigFile, Paper, Record, Row, Run, SCHEMA, Scale};
use crate::report;

/// Runs one experiment from its config to its record and plots.
pub(crate) fn run<E: Experiment>(
    file: &ConfigFile,
    options: &Options,
    environment: &Environment,
) -> Result<()> {
    let scale = options.scale;
    let mut plan: Plan<E::Scale, E::Row> = Config::parse(file)?.plan(options, file)?;
    if options.print_config {
        return plan.print(scale, file);
    }
    println!("{} ({scale}): {}", plan.id, plan.title);
    let experiment = E::prepare(environment, &plan.id, scale, &plan.table)?;
    if options.rows.is_empty() {
        plan.rows = available(&experiment, plan.rows)?;
    }
    let sha256 = |row: &E::Row| file.row_sha256(row.id(), scale).context("invariant: the row is in the file");
    let folder = environment.run_folder(&plan.id, scale);
    std::fs::create_dir_all(&folder).map_err(|error| {
        let shown = environment.shown(&folder);
        anyhow::anyhow!("cannot make {shown}: {error}; `runs` must be a folder that you may write to")
    })?;
    let mut jobs = Vec::new();
    for row in &plan.rows {
        for seed in &plan.seeds {
            let job = Job {
                row,
                seed: *seed,
                folder: folder.join(row.id()).join(format!("seed{seed}")),
                resume: options.resume,
                side_by_side: options.jobs > 1,
                stop: &environment.stop,
            };
            jobs.push((job, sha256(row)?));
        }
    }
    let mut left = Vec::new();
    for (job, config_sha256) in &jobs {
        if !outcome::is_done(&experiment, job, config_sha256)? {
            left.push(job);
        }
    }
    if let Some(forecast) = experiment.forecast(&left)? {
        println!("{forecast}; Ctrl-C stops, `--resume` goes on; `--row` and `--seeds` do a part");
    }
    // Only now: whoever lacks the data is to be told that first, by `is_done` or the forecast.
    environment.refuse_uncommitted(options)?;
    let progress = Progress::new(&plan.rows, plan.seeds.len());
    let works: Result<Vec<_>> = jobs.iter().map(|(job, _)| experiment.shared_work(job)).collect();
    let order = pool::order(&works?);
    let done = pool::run(&order, options.jobs, &environment.stop, |at| {
        let (job, config_sha256) = &jobs[*at];
        let outcome = complete(&experiment, job, config_sha256, environment)
            .with_context(|| format!("row {}, seed {}", job.row.id(), job.seed));
        match outcome {
            Ok(outcome) => {
                progress.note(job.row.id(), job.seed, &outcome);
                Ok(Some(outcome))
            }
            // The others can come to their end.
            Err(error) if diverged(&error) => {
                println!("{error:#}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    })?;
    if done.len() < jobs.len() || environment.stop.load(Ordering::SeqCst) {
        return Err(Interrupted.into());
    }
    let by_job: BTreeMap<usize, Option<Outcome>> = order.into_iter().zip(done).collect();
    let outcomes: Vec<Option<Outcome>> = by_job.into_values().collect();
    let mut rows = Vec::new();
    let mut runs: Vec<Run> = Vec::new();
    let mut without = Vec::new();
    for (row, of_row) in plan.rows.iter().zip(outcomes.chunks(plan.seeds.len())) {
        match of_row.iter().cloned().collect::<Option<Vec<Outcome>>>() {
            Some(of_row) => {
                rows.extend(tally::rows(
                    row.id(),
                    &plan.seeds,
                    &of_row,
                    plan.not_comparable.as_ref(),
                    &mut runs,
                )?);
            }
            None => without.push(row.id()),
        }
    }
    if rows.is_empty() {
        bail!("every row diverged, so there is nothing to record");
    }
    let record = Record {
        schema: SCHEMA,
        id: plan.id.clone(),
        scale,
        paper_sha256: None,
        deviations: plan.deviations.clone(),
        runs,
        data: experiment.data(),
        rows,
    };
    let recorded = save(record, file, options, environment)?;
    let done = outcome::finished(&plan.all_rows, &folder, sha256)?;
    let mut place = folder.clone();
    if scale != Scale::Smoke && !options.no_record {
        // A plot is drawn from the folder of the run, which may hold less than a record that others have added to.
        let here: BTreeSet<(&str, u64)> = done.iter().map(|job| (job.row.id(), job.seed)).collect();
        if recorded.iter().all(|(id, seed)| here.contains(&(id, *seed))) {
            place = environment.root.join("docs/results");
        } else {
            println!(
                "the record has rows of other runs, so the plots of it stay and those of this run go to its folder"
            );
        }
    }
    let plots = Plots {
        folder: place,
        id: if scale == Scale::Reduced { format!("{}.{scale}", plan.id) } else { plan.id },
    };
    experiment.draw(&done, &plots)?;
    println!("plots: {}.*", environment.shown(&plots.stem("")));
    if !without.is_empty() {
        bail!("{} diverged and have no record; what each said stands above", without.join(", "));
    }
    Ok(())
}

/// Whether a training has become infinite or not a number.
pub(super) fn diverged(error: &anyhow::Error) -> bool {
    use hyp_fewshot::Error::NotANumber;
    use hyp_nn::Error::{Metric, NonFinite};
    use hyp_reid::Error::NotFinite;
    error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(NonFinite { .. } | Metric { .. }))
            || matches!(cause.downcast_ref(), Some(NotANumber { .. }))
            || matches!(cause.downcast_ref(), Some(NotFinite { .. }))
    })
}

/// The rows that can run here; why others cannot is said once for each reason.
fn available<E: Experiment>(experiment: &E, rows: Vec<E::Row>) -> Result<Vec<E::Row>> {
    let (mut kept, mut reasons) = (Vec::new(), BTreeMap::new());
    for row in rows {
        match experiment.left_out(&row)? {
            None => kept.push(row),
            Some(reason) => *reasons.entry(reason).or_insert(0) += 1,
        }
    }
    for (reason, count) in reasons {
        println!("{count} rows are left out: {reason}");
    }
    Ok(kept)
}

/// Merges the rows into the record that stands, writes it and shows the new rows; gives the names and seeds of all of them.
fn save(
    new: Record,
    file: &ConfigFile,
    options: &Options,
    environment: &Environment,
) -> Result<BTreeSet<(String, u64)>> {
    let path = if options.no_record {
        environment.run_folder(&new.id, new.scale).join("record.json")
    } else {
        record::path(&environment.root, &new.id, new.scale)
    };
    // Another run may be about to add its own rows.
    let _held = Held::take(&environment.run_folder(&new.id, new.scale).join("record"), &environment.stop)?;
    let old = record::read(&path)?;
    if let Some(old) = &old
        && record::on_other_data(old, &new)
    {
        println!("the data are not those of {}; its other rows are dropped", environment.shown(&path));
    }
    let paper = Paper::read(&environment.root, &new.id)?;
    let rows: Vec<String> = new.rows.iter().map(|row| row.id.clone()).collect();
    let mut merged = record::merge(old, new, file);
    record::write(&path, &mut merged, paper.as_ref())?;
    let shown = environment.shown(&path);
    let seeds = |row: &Row| -> Vec<(String, u64)> {
        row.ours.seeds.iter().map(|seed| (row.id.clone(), *seed)).collect()
    };
    let all = merged.rows.iter().flat_map(seeds).collect();
    merged.rows.retain(|row| rows.contains(&row.id));
    report::print(&environment.root, &shown, merged)?;
    println!("record: {shown}");
    Ok(all)
}

/// Says a line when a slow job is done.
struct Progress {
    left: Mutex<BTreeMap<String, usize>>,
    rows: usize,
}

/// Seconds below which a job is done without a word.
const SLOW: f64 = 1.0;

impl Progress {
    fn new<R: RowTable>(rows: &[R], seeds: usize) -> Self {
        let left = rows.iter().map(|row| (row.id().to_owned(), seeds)).collect();
        Self { left: Mutex::new(left), rows: rows.len() }
    }

    fn note(&self, row: &str, seed: u64, outcome: &Outcome) {
        let mut left = self.left.lock().expect("invariant: no worker panics with the lock held");
        if let Some(seeds) = left.get_mut(row) {
            *seeds -= 1;
        }
        if outcome.wall_s > SLOW {
            let done = left.values().filter(|seeds| **seeds == 0).count();
            println!("{row}, seed {seed}: {:.1} s; {done} of {} rows done", outcome.wall_s, self.rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::diverged;

    #[test]
    fn a_training_that_becomes_infinite_is_told_from_other_errors() {
        let infinite = hyp_nn::Error::Metric {
            name: "accuracy".to_owned(),
            epoch: 1,
            found: "NaN".to_owned(),
            remedy: "lower the rate",
        };
        let error = Err::<(), _>(infinite).context("row a, seed 0").unwrap_err();
        assert!(diverged(&error));
        // A validation that found no answer, as the training loop passes it on.
        let source = hyp_fewshot::Error::NotANumber { episode: 3 }.into();
        let passed_on = anyhow::Error::from(hyp_nn::Error::Batch { epoch: 1, batch: 0, source });
        assert!(diverged(&passed_on), "{passed_on:#}");
        assert!(format!("{passed_on:#}").contains("learning rate"), "{passed_on:#}");
        assert!(!diverged(&anyhow::anyhow!("the disk is full")));
    }
}

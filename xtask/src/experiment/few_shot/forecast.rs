//! How long a run will take on this device, from a few steps measured before it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context, Result};
use hyp_fewshot::{EpisodeSource, Training};
use hyp_nn::backbone::Backbone;
use hyp_nn::optim::{OptimizerConfig, Step};
use hyp_nn::tape::Tape;
use hyp_nn::train::{StepContext, Task};

use super::config::FewShotRow;
use super::model::{self, Length};
use super::pictures::Pictures;
use super::{FINISHED, FewShot};
use crate::experiment::contract::{Interrupted, Job, RowTable};

/// Steps that are not counted: the first touches fresh memory.
const WARM_UP: usize = 1;
/// Steps that are.
const MEASURED: usize = 2;
/// Pictures that are embedded to measure evaluation.
const EMBEDDED: usize = 100;
/// Below so many seconds nothing is said.
const SHORT: f64 = 60.0;

/// Measures each kind of training once and says what all jobs will take; nothing where that is short.
pub(super) fn forecast(experiment: &FewShot, jobs: &[&Job<'_, FewShotRow>]) -> Result<Option<String>> {
    let mut costs: BTreeMap<String, (f64, usize)> = BTreeMap::new();
    let mut trainings: BTreeMap<String, usize> = BTreeMap::new();
    for job in jobs {
        if job.stop.load(Ordering::SeqCst) {
            return Err(Interrupted.into());
        }
        let pictures = experiment.pictures_for(job.row)?;
        let row = experiment.fitting(job.row, &pictures);
        let folder = experiment.training_folder(&row, job.seed, &pictures);
        if job.resume && folder.join(FINISHED).is_file() {
            continue;
        }
        let training = folder.display().to_string();
        *trainings.entry(training.clone()).or_default() += 1;
        if trainings[&training] > 1 {
            continue;
        }
        // Geometries cost the same within a few per cent: the network decides.
        let kind = format!("{:?} {:?} {:?}", job.row.backbone, job.row.train, job.row.data);
        if let Some((_, count)) = costs.get_mut(&kind) {
            *count += 1;
            continue;
        }
        let seconds = training_seconds(experiment, job.row, &pictures)
            .with_context(|| format!("row {}", job.row.id()))?;
        costs.insert(kind, (seconds, 1));
    }
    let seconds: f64 = costs.values().map(|(seconds, count)| seconds * *count as f64).sum();
    if seconds < SHORT {
        return Ok(None);
    }
    let count: usize = costs.values().map(|(_, count)| count).sum();
    let plural = if count == 1 { "" } else { "s" };
    Ok(Some(format!(
        "{count} training{plural} of {} episodes, with validation and test: about {} on this device, \
         by {MEASURED} steps measured of each kind",
        experiment.table.epochs * experiment.table.episodes,
        duration(seconds)
    )))
}

/// Seconds of one training with its validations and its test.
fn training_seconds(experiment: &FewShot, row: &FewShotRow, pictures: &Pictures) -> Result<f64> {
    let table = &experiment.table;
    let length = Length { episodes: WARM_UP + MEASURED, ..Length::from(table) };
    let (loader, shape) = model::episodes(row, pictures, &length, 0)?;
    let model = model::build(row, pictures.scale.channels(), 0, &experiment.device)?;
    let mut task = Training { model, encoding: row.train.encoding, validation: None };
    let mut optimizer = OptimizerConfig::adam(row.train.adam_lr).build()?;
    let mut seconds = 0.0;
    let mut start = Instant::now();
    let mut images = None;
    for (number, episode) in EpisodeSource::new(&loader, shape, 0, &experiment.device).enumerate() {
        let episode = episode.map_err(|error| anyhow::anyhow!(error))?;
        let context = StepContext { epoch: 0, step: number as u64, seed: 0, logged: false };
        let (loss, tape) = Tape::record(|| task.loss(&episode, &context));
        let gradients = tape.gradients(&loss?.value)?;
        optimizer.step(&task.model.store, &gradients, Step::at_rate(row.train.adam_lr))?;
        if number >= WARM_UP {
            seconds += start.elapsed().as_secs_f64();
        }
        start = Instant::now();
        images = Some(episode.images);
    }
    let step = seconds / MEASURED as f64;
    let images = images.context("invariant: steps were measured")?;
    let count = images.dim(0)?.min(EMBEDDED);
    let start = Instant::now();
    let features = task.model.backbone.forward(&images.narrow(0, 0, count)?, false)?;
    drop(features);
    let picture = start.elapsed().as_secs_f64() / count as f64;
    let embedded = table.epochs * pictures.validation.len() + pictures.test.len();
    Ok(step * (table.epochs * table.episodes) as f64 + picture * embedded as f64)
}

/// `3 h 20 min`, `4 min`, `50 s`.
fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        0 => format!("{seconds:.0} s"),
        1..=119 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_are_shown_in_the_unit_a_person_waits_in() {
        assert_eq!(
            [12.4, 100.0, 7_000.0, 12_000.0].map(duration),
            ["12 s", "2 min", "117 min", "3 h 20 min"]
        );
    }
}

//! How long a run will take on this device, from a few steps measured before it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context, Result};
use hyp_fewshot::{EpisodeSource, Training};
use hyp_nn::backbone::Backbone;
use hyp_nn::optim::{OptimizerConfig, Step};
use hyp_nn::tape::Tape;
use hyp_nn::train::{StepContext, Task};

use super::anew;
use super::config::{FewShotRow, ShapeTable};
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
    let mut costs: BTreeMap<String, Cost> = BTreeMap::new();
    let mut begun: BTreeSet<PathBuf> = BTreeSet::new();
    let (mut trainings, mut seconds) = (0, 0.0);
    for job in jobs {
        if job.stop.load(Ordering::SeqCst) {
            return Err(Interrupted.into());
        }
        let pictures = experiment.pictures_for(job.row)?;
        let row = experiment.fitting(job.row, &pictures);
        // Geometries cost the same within a few per cent: the network decides.
        let kind = format!("{:?} {:?} {:?}", job.row.backbone, job.row.train, job.row.data);
        let cost = match costs.get(&kind) {
            Some(cost) => *cost,
            None => {
                measure(experiment, job.row, &pictures).with_context(|| format!("row {}", job.row.id()))?
            }
        };
        costs.insert(kind, cost);
        let folder = experiment.training_folder(&row, job.seed, &pictures);
        let finished = job.resume && folder.join(FINISHED).is_file();
        if begun.insert(folder) && !finished {
            let table = &experiment.table;
            trainings += 1;
            seconds += cost.step * (table.epochs * table.episodes) as f64
                + cost.picture * (table.epochs * pictures.validation.len()) as f64;
        }
        let ShapeTable { way, shot, query } = row.test;
        let anew = anew::compared(experiment.table.test_episodes) * way * (shot + query);
        seconds += cost.picture * (pictures.test.len() + anew) as f64;
    }
    if seconds < SHORT {
        return Ok(None);
    }
    let plural = if trainings == 1 { "" } else { "s" };
    Ok(Some(format!(
        "{trainings} training{plural} of {} episodes, with validation and test: about {} on this device, \
         by {MEASURED} steps measured of each kind",
        experiment.table.epochs * experiment.table.episodes,
        duration(seconds)
    )))
}

/// Seconds of a network.
#[derive(Clone, Copy)]
struct Cost {
    /// A step of training.
    step: f64,
    /// The embedding of a picture.
    picture: f64,
}

/// Takes a few steps with a network like that of the row.
fn measure(experiment: &FewShot, row: &FewShotRow, pictures: &Pictures) -> Result<Cost> {
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
    Ok(Cost { step, picture })
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

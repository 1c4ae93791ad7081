//! Settings of the training loop.

use crate::optim::{OptimizerConfig, Schedule};
use serde::{Deserialize, Serialize};
use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

/// Settings of [`fit`](super::fit).
#[derive(Clone, Debug)]
pub struct FitConfig {
    /// Seed of the batch order and of each step's [`StepContext::seed`](super::StepContext::seed).
    pub seed: u64,
    /// Number of epochs.
    pub epochs: usize,
    /// Optimiser and its base learning rate.
    pub optimizer: OptimizerConfig,
    /// Learning rate over the epochs.
    pub schedule: Schedule,
    /// Largest norm of all gradients together; `None` does not clip.
    pub clip_norm: Option<f64>,
    /// The metric whose best epoch is kept; `None` keeps the last epoch only.
    pub monitor: Option<Monitor>,
    /// Folder for logs and checkpoints; `None` writes nothing.
    pub folder: Option<PathBuf>,
    /// Continue from the last checkpoint in the folder if there is one.
    /// Without it, an existing run in the folder is overwritten.
    pub resume: bool,
    /// A log line every so many steps; 0 logs epochs only.
    pub log_every: u64,
    /// A checkpoint every so many steps, and before each evaluation, besides those at the end of each epoch; 0 for none.
    pub checkpoint_every: u64,
    /// Show a progress bar if standard error is a terminal.
    pub progress: bool,
    /// When set to true from outside (Ctrl-C), the run writes a checkpoint after the step under way and returns.
    pub stop: Arc<AtomicBool>,
}

impl FitConfig {
    /// One epoch with this optimiser, a constant rate, no clipping and nothing written.
    pub fn new(optimizer: OptimizerConfig) -> Self {
        Self {
            seed: 0,
            epochs: 1,
            optimizer,
            schedule: Schedule::Constant,
            clip_norm: None,
            monitor: None,
            folder: None,
            resume: false,
            log_every: 50,
            checkpoint_every: 0,
            progress: false,
            stop: Arc::default(),
        }
    }

    /// The settings on which the weights depend; a checkpoint remembers them.
    /// The number of epochs is not among them, so that a finished run can be prolonged.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            seed: self.seed,
            optimizer: self.optimizer,
            schedule: self.schedule.clone(),
            clip_norm: self.clip_norm,
            monitor: self.monitor.clone(),
        }
    }
}

/// The best of which metric is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// Name of a metric that [`Task::evaluate`](super::Task::evaluate) returns.
    pub metric: String,
    /// Which direction is better.
    pub goal: Goal,
}

/// Which direction of a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Larger is better.
    Maximise,
    /// Smaller is better.
    Minimise,
}

impl Monitor {
    /// Keeps the epoch with the largest value of `metric`.
    pub fn maximise(metric: &str) -> Self {
        Self { metric: metric.to_owned(), goal: Goal::Maximise }
    }

    /// Keeps the epoch with the smallest value of `metric`.
    pub fn minimise(metric: &str) -> Self {
        Self { metric: metric.to_owned(), goal: Goal::Minimise }
    }

    /// Whether `value` is strictly better than `best`, so that of equal epochs the first is kept.
    pub(super) fn improves(&self, value: f64, best: Option<f64>) -> bool {
        best.is_none_or(|best| match self.goal {
            Goal::Maximise => value > best,
            Goal::Minimise => value < best,
        })
    }
}

/// See [`FitConfig::fingerprint`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    seed: u64,
    optimizer: OptimizerConfig,
    schedule: Schedule,
    clip_norm: Option<f64>,
    monitor: Option<Monitor>,
}

impl Fingerprint {
    /// Name of the first setting that differs.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        let Self { seed, optimizer, schedule, clip_norm, monitor } = self;
        [
            (*seed != other.seed, "seed"),
            (*optimizer != other.optimizer, "optimizer"),
            (*schedule != other.schedule, "schedule"),
            (*clip_norm != other.clip_norm, "clip_norm"),
            (*monitor != other.monitor, "monitor"),
        ]
        .into_iter()
        .find_map(|(differs, name)| differs.then_some(name))
    }
}

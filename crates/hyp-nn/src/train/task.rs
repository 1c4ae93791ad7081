//! What the training loop asks of a task, and what it reports.

use crate::{error::Result, parameter::ParameterStore};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Named numbers, in the order of their names.
pub type Metrics = BTreeMap<String, f64>;

/// Something that can be trained.
pub trait Task {
    /// What one step consumes.
    type Batch;

    /// The parameters to train and the buffers to save.
    fn parameters(&self) -> &ParameterStore;

    /// The loss of a batch in training mode.
    ///
    /// Randomness inside (dropout, sampling) must come from `context.seed` alone. The loss is computed within
    /// [`Tape::record`](crate::tape::Tape::record): gradients that are needed on the way want a
    /// recording of their own, with all that leads to them from the parameters on.
    ///
    /// # Errors
    /// Whatever the task meets; it stops the run.
    fn loss(&mut self, batch: &Self::Batch, context: &StepContext) -> Result<Loss>;

    /// Metrics in evaluation mode, after each epoch; every value must be finite.
    ///
    /// # Errors
    /// Whatever the task meets; it stops the run. [`Error::Interrupted`](crate::Error::Interrupted) ends it as the stop flag
    /// does, to be gone on with before this evaluation.
    fn evaluate(&mut self, epoch: usize) -> Result<Metrics>;

    /// Whether [`Task::evaluate`] takes a while, so that a checkpoint before it is worth its time.
    fn is_evaluated(&self) -> bool {
        true
    }

    /// What to say about `batch` when its loss or a gradient is not finite; called once, before the run stops.
    ///
    /// # Errors
    /// Whatever the task meets; the diagnosis is then left out.
    fn diagnose(&mut self, _batch: &Self::Batch) -> Result<Diagnosis> {
        Ok(Diagnosis::default())
    }
}

/// Where in the run a loss is computed.
#[derive(Clone, Copy, Debug)]
pub struct StepContext {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Step over the whole run, from 0.
    pub step: u64,
    /// A number that differs for each step and depends on the run's seed only.
    pub seed: u64,
    /// Whether this step is logged, so that [`Loss::scalars`] is worth filling.
    pub logged: bool,
}

/// The loss of one batch.
#[derive(Clone, Debug)]
pub struct Loss {
    /// The scalar to differentiate, a mean over the rows.
    pub value: Tensor,
    /// Rows of the batch: its weight in the mean over the epoch.
    pub rows: usize,
    /// More numbers for the log (margin share, accuracy of the batch).
    pub scalars: Metrics,
}

impl Loss {
    /// A loss without further numbers.
    pub fn new(value: Tensor, rows: usize) -> Self {
        Self { value, rows, scalars: Metrics::new() }
    }
}

/// What a task knows about a batch that broke.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// Activations in the order in which they are computed, input first.
    pub activations: Vec<(String, Tensor)>,
    /// Share of the embeddings on the margin of the ball.
    pub margin_share: Option<f64>,
}

/// One finished epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Steps taken since the start of the run.
    pub steps: u64,
    /// Learning rate of the epoch.
    pub rate: f64,
    /// Mean loss over the rows of the epoch.
    pub train_loss: f64,
    /// What the task's evaluation gave.
    pub metrics: Metrics,
}

/// A finished or interrupted run.
#[derive(Clone, Debug)]
pub struct FitReport {
    /// Every epoch finished, those before a resume included.
    pub epochs: Vec<EpochReport>,
    /// Epoch and value of the best monitored metric.
    pub best: Option<(usize, f64)>,
    /// Steps taken since the start of the run.
    pub steps: u64,
    /// Whether the stop flag, or an evaluation that was interrupted, ended the run early.
    pub interrupted: bool,
    /// Wall-clock seconds of this call.
    pub seconds: f64,
}

//! The training loop.

use super::{
    checkpoint::{Checkpoint, Position},
    config::FitConfig,
    non_finite::{Failure, checked_norm, explain},
    run_folder::{LAST, RunFolder},
    task::{EpochReport, FitReport, Loss, Metrics, StepContext, Task},
};
use crate::{
    error::{BoxError, Error, Result},
    optim::{Optimizer, Step, clip_scale},
    tape::Tape,
};
use candle_core::DType;
use indicatif::{ProgressBar, ProgressStyle};
use std::{sync::atomic::Ordering, time::Instant};

/// Trains `task`; `batches(epoch, seed)` gives the batches of an epoch in an order that these two numbers decide.
///
/// Per batch: loss, gradients, optional clipping, one optimiser step. After each epoch: [`Task::evaluate`], a log line,
/// the best checkpoint if the monitored metric improved, the last checkpoint.
/// An evaluation that ends with [`Error::Interrupted`] ends the run as the stop flag does.
/// When a run is resumed in the middle of an epoch, the batches already consumed are skipped with
/// [`Iterator::nth`]; a source that can skip without decoding should implement it so.
///
/// # Errors
/// [`Error::NonFinite`] if the loss or a gradient is infinite or NaN, [`Error::Batch`] if the source fails,
/// [`Error::Metric`] if a metric is not finite or the monitored one is missing, [`Error::Checkpoint`] if a checkpoint to
/// resume from does not fit, [`Error::Io`] if a file cannot be written, and the task's own errors but [`Error::Interrupted`].
pub fn fit<T, S, I>(config: &FitConfig, task: &mut T, mut batches: S) -> Result<FitReport>
where
    T: Task,
    S: FnMut(usize, u64) -> Result<I, BoxError>,
    I: IntoIterator<Item = Result<T::Batch, BoxError>>,
{
    let started = Instant::now();
    let mut run = Run::start(config, task)?;
    let mut interrupted = false;
    while run.at.epoch < config.epochs && !interrupted {
        let epoch = run.at.epoch;
        let failed = |batch: usize| move |source: BoxError| Error::Batch { epoch, batch, source };
        let mut source = batches(epoch, config.seed).map_err(failed(0))?.into_iter();
        run.skip_consumed(&mut source)?;
        let bar = progress_bar(config, epoch, &source);
        while let Some(batch) = source.next().transpose().map_err(failed(run.at.batch))? {
            let loss = run.step(task, &batch)?;
            bar.inc(1);
            if run.at.step.is_multiple_of(20) {
                bar.set_message(format!("loss {loss:.4}"));
            }
            interrupted = config.stop.load(Ordering::Relaxed);
            let due = config.checkpoint_every > 0 && run.at.step.is_multiple_of(config.checkpoint_every);
            if interrupted || due {
                run.save_last(task)?;
            }
            if interrupted {
                break;
            }
        }
        bar.finish_and_clear();
        if !interrupted {
            interrupted = run.evaluate(task)?;
        }
    }
    Ok(FitReport {
        epochs: run.at.epochs,
        best: run.at.best,
        steps: run.at.step,
        interrupted,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// A run under way.
struct Run<'a> {
    config: &'a FitConfig,
    optimizer: Optimizer,
    files: Option<RunFolder>,
    at: Position,
}

impl<'a> Run<'a> {
    /// A new run, or the one in the folder if it is to be resumed and has a checkpoint.
    fn start<T: Task>(config: &'a FitConfig, task: &T) -> Result<Self> {
        let mut optimizer = config.optimizer.build()?;
        let settings = config.fingerprint();
        let mut at = Position {
            settings: settings.clone(),
            epoch: 0,
            batch: 0,
            step: 0,
            loss_sum: 0.0,
            rows: 0,
            best: None,
            epochs: Vec::new(),
        };
        let Some(folder) = &config.folder else { return Ok(Self { config, optimizer, files: None, at }) };
        let last = folder.join(LAST);
        let mut resumed_at = None;
        if config.resume && last.exists() {
            at = Checkpoint::read(&last)?.restore(&last, task.parameters(), &mut optimizer, &settings)?;
            resumed_at = Some(at.step);
        }
        let files = Some(RunFolder::open(folder, resumed_at)?);
        Ok(Self { config, optimizer, files, at })
    }

    /// Passes over the batches of this epoch that were consumed before the checkpoint.
    fn skip_consumed<B>(&self, source: &mut impl Iterator<Item = Result<B, BoxError>>) -> Result<()> {
        let Some(last) = self.at.batch.checked_sub(1) else { return Ok(()) };
        match source.nth(last) {
            Some(Ok(_)) => Ok(()),
            Some(Err(source)) => Err(Error::Batch { epoch: self.at.epoch, batch: last, source }),
            None => Err(Error::TooFewBatches {
                epoch: self.at.epoch,
                found: 0,
                needed: self.at.batch,
                remedy: "resume with the data and batch size with which the run was started",
            }),
        }
    }

    fn rate(&self) -> f64 {
        self.config.schedule.rate(self.config.optimizer.learning_rate(), self.at.epoch)
    }

    /// One training step; gives the loss.
    fn step<T: Task>(&mut self, task: &mut T, batch: &T::Batch) -> Result<f64> {
        let Position { epoch, step, .. } = self.at;
        let logged = self.config.log_every > 0 && (step + 1).is_multiple_of(self.config.log_every);
        let context = StepContext { epoch, step, seed: step_seed(self.config.seed, step), logged };
        let (loss, tape) = Tape::record(|| task.loss(batch, &context));
        let Loss { value, rows, scalars } = loss?;
        let loss = value.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        let failure = Failure { step, epoch, loss, grads: None };
        if !loss.is_finite() {
            return Err(explain(task, batch, &failure));
        }
        let grads = tape.gradients(&value)?;
        let norm = checked_norm(task, batch, &failure, &grads)?;
        let rate = self.rate();
        let grad_scale = self.config.clip_norm.map_or(1.0, |max| clip_scale(norm, max));
        self.optimizer.step(task.parameters(), &grads, Step { rate, grad_scale })?;
        self.at.step += 1;
        self.at.batch += 1;
        self.at.loss_sum += loss * rows as f64;
        self.at.rows += rows as u64;
        if logged && let Some(files) = &mut self.files {
            let own = [("loss", loss), ("lr", rate), ("grad_norm", norm)];
            let numbers: Vec<_> =
                own.into_iter().chain(scalars.iter().map(|(name, value)| (name.as_str(), *value))).collect();
            files.record("step", epoch, self.at.step, &numbers)?;
        }
        Ok(loss)
    }

    /// Finishes the epoch, or, if the evaluation was stopped, leaves a checkpoint before it and says so.
    fn evaluate<T: Task>(&mut self, task: &mut T) -> Result<bool> {
        // An evaluation may take minutes, after which a run that was killed in it would have to repeat steps.
        let every = self.config.checkpoint_every;
        let is_saved = every > 0 && self.at.step.is_multiple_of(every);
        let saves = every > 0 && task.is_evaluated();
        if saves && !is_saved {
            self.save_last(task)?;
        }
        match self.finish_epoch(task) {
            Err(Error::Interrupted) if saves || is_saved => Ok(true),
            Err(Error::Interrupted) => self.save_last(task).map(|()| true),
            other => other.map(|()| false),
        }
    }

    /// Evaluates, records the epoch, writes the checkpoints and moves to the next epoch.
    fn finish_epoch<T: Task>(&mut self, task: &mut T) -> Result<()> {
        let epoch = self.at.epoch;
        if self.at.rows == 0 {
            let remedy = "give at least one batch of at least one row per epoch";
            return Err(Error::TooFewBatches { epoch, found: self.at.batch, needed: 1, remedy });
        }
        let metrics = task.evaluate(epoch)?;
        let improved = self.judge(epoch, &metrics)?;
        let (rate, train_loss) = (self.rate(), self.at.loss_sum / self.at.rows as f64);
        if let Some(files) = &mut self.files {
            let own = [("train_loss", train_loss), ("lr", rate)];
            let numbers: Vec<_> =
                own.into_iter().chain(metrics.iter().map(|(name, value)| (name.as_str(), *value))).collect();
            files.record("epoch", epoch, self.at.step, &numbers)?;
        }
        self.at.epochs.push(EpochReport { epoch, steps: self.at.step, rate, train_loss, metrics });
        self.at.epoch += 1;
        self.at.batch = 0;
        self.at.loss_sum = 0.0;
        self.at.rows = 0;
        if improved && let Some(files) = &self.files {
            files.save_best(task.parameters(), &self.optimizer, &self.at)?;
        }
        self.save_last(task)
    }

    /// Checks the metrics and takes note of a new best epoch.
    fn judge(&mut self, epoch: usize, metrics: &Metrics) -> Result<bool> {
        if let Some((name, value)) = metrics.iter().find(|(_, value)| !value.is_finite()) {
            let remedy = "a metric must be finite; leave an undefined one out";
            return Err(Error::Metric { name: name.clone(), epoch, found: value.to_string(), remedy });
        }
        let Some(monitor) = &self.config.monitor else { return Ok(false) };
        let Some(&value) = metrics.get(&monitor.metric) else {
            let remedy = "monitor a metric that the task's evaluation returns";
            return Err(Error::Metric {
                name: monitor.metric.clone(),
                epoch,
                found: "missing".into(),
                remedy,
            });
        };
        let improved = monitor.improves(value, self.at.best.map(|(_, best)| best));
        if improved {
            self.at.best = Some((epoch, value));
        }
        Ok(improved)
    }

    fn save_last<T: Task>(&mut self, task: &T) -> Result<()> {
        match &mut self.files {
            Some(files) => files.save_last(task.parameters(), &self.optimizer, &self.at),
            None => Ok(()),
        }
    }
}

/// A number for the randomness of one step: `SplitMix64`'s output function of seed and step.
fn step_seed(seed: u64, step: u64) -> u64 {
    let mut z = seed.wrapping_add((step + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn progress_bar<I: Iterator>(config: &FitConfig, epoch: usize, source: &I) -> ProgressBar {
    if !config.progress {
        return ProgressBar::hidden();
    }
    let bar = match source.size_hint() {
        (_, Some(length)) => ProgressBar::new(length as u64),
        _ => ProgressBar::no_length(),
    };
    let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg} {per_sec} eta {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(format!("epoch {}/{}", epoch + 1, config.epochs));
    bar
}

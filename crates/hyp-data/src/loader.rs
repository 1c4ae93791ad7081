//! Batches prepared ahead of the training step on all cores, in an order that the sampler alone decides.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use crate::dataset::Dataset;
use crate::error::DataError;
use crate::sample::Sampler;
use crate::seed::{Purpose, Random};
use crate::transform::{Normalise, Transform};

/// A batch of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The pictures, `[batch, channels, height, width]`.
    pub pixels: Vec<f32>,
    /// Batch, channels, height, width.
    pub shape: [usize; 4],
    /// The class of each picture.
    pub labels: Vec<u32>,
    /// The position of each picture in the data set's index.
    pub indices: Vec<usize>,
}

/// How a [`Loader`] works; nothing here changes what it yields, except the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Decides the random steps of the transform, together with the epoch and the picture.
    pub seed: u64,
    /// Threads that prepare batches; 0 prepares each batch when it is asked for.
    pub workers: usize,
    /// The most batches that are ready or in preparation before they are asked for; at least 1.
    pub prefetch: usize,
}

impl Default for LoaderOptions {
    /// Seed 0, a worker for every core, and two batches ahead for each worker.
    fn default() -> Self {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        Self { seed: 0, workers, prefetch: 2 * workers }
    }
}

/// Turns a data set into batches.
///
/// The random steps of a picture draw from a stream of (seed, epoch, position in the index): what comes out does not
/// depend on the number of workers, nor on where in the epoch one starts.
pub struct Loader {
    work: Arc<Work>,
    sampler: Box<dyn Sampler>,
    options: LoaderOptions,
}

/// What every worker needs.
struct Work {
    dataset: Arc<Dataset>,
    transform: Transform,
    normalise: Normalise,
    seed: u64,
}

impl Loader {
    /// A loader of the batches that `sampler` names.
    ///
    /// # Panics
    /// If the normalisation has another number of channels than the data set.
    pub fn new(
        dataset: Arc<Dataset>,
        sampler: impl Sampler + 'static,
        transform: Transform,
        normalise: Normalise,
        options: LoaderOptions,
    ) -> Self {
        assert_eq!(
            dataset.channels(),
            normalise.channels(),
            "channels of the data set and of the normalisation"
        );
        let work = Arc::new(Work { dataset, transform, normalise, seed: options.seed });
        Self { work, sampler: Box::new(sampler), options }
    }

    /// The data set.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.work.dataset
    }

    /// The number of batches of an epoch.
    pub fn batches(&self, epoch: u64) -> usize {
        self.sampler.batches(epoch).len()
    }

    /// The batches of an epoch, first to last.
    pub fn epoch(&self, epoch: u64) -> Epoch {
        self.epoch_from(epoch, 0)
    }

    /// The batches of an epoch without its first `done` ones: for going on where a run was interrupted.
    pub fn epoch_from(&self, epoch: u64, done: usize) -> Epoch {
        let mut plan = drawn(self.sampler.batches(epoch));
        plan.drain(..done.min(plan.len()));
        let shared = Arc::new(Shared {
            work: Arc::clone(&self.work),
            epoch,
            plan,
            prefetch: self.options.prefetch.max(1),
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        });
        let workers = (0..self.options.workers.min(shared.plan.len()))
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.prepare_until_done())
            })
            .collect();
        Epoch { shared, workers, next: 0 }
    }
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader")
            .field("options", &self.options)
            .field("transform", &self.work.transform)
            .finish_non_exhaustive()
    }
}

/// The batches of one epoch, in order; ends after the first error.
///
/// Dropping it stops the workers.
#[derive(Debug)]
pub struct Epoch {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    next: usize,
}

/// A picture in its batch.
#[derive(Clone, Copy)]
struct Draw {
    position: usize,
    /// How often the epoch has had it before: each time it is augmented anew.
    before: u32,
}

/// The batches of an epoch with the count of each picture so far.
fn drawn(batches: Vec<Vec<usize>>) -> Vec<Vec<Draw>> {
    let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
    let mut draw = |position: usize| {
        let count = counts.entry(position).or_default();
        *count += 1;
        Draw { position, before: *count - 1 }
    };
    batches.into_iter().map(|batch| batch.into_iter().map(&mut draw).collect()).collect()
}

struct Shared {
    work: Arc<Work>,
    epoch: u64,
    plan: Vec<Vec<Draw>>,
    prefetch: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The first batch that nobody has begun.
    begun: usize,
    /// The number of batches handed out.
    taken: usize,
    /// Batches that are ready, by their number.
    ready: BTreeMap<usize, Result<Batch, DataError>>,
    /// Whether the workers shall stop.
    stopped: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock: batches are made outside it.
        self.state.lock().expect("invariant: no panic under the lock")
    }

    fn prepare_until_done(&self) {
        loop {
            let mut state = self.lock();
            while !state.stopped
                && state.begun < self.plan.len()
                && state.begun >= state.taken + self.prefetch
            {
                state = self.changed.wait(state).expect("invariant: no panic under the lock");
            }
            if state.stopped || state.begun >= self.plan.len() {
                return;
            }
            let number = state.begun;
            state.begun += 1;
            drop(state);
            let batch = self.work.batch(self.epoch, &self.plan[number]);
            let mut state = self.lock();
            state.ready.insert(number, batch);
            self.changed.notify_all();
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("epoch", &self.epoch)
            .field("batches", &self.plan.len())
            .finish_non_exhaustive()
    }
}

impl Epoch {
    fn stop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        for worker in self.workers.drain(..) {
            // A worker only ends by returning: what it runs is under `catch_unwind`.
            let _ = worker.join();
        }
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.shared.plan.len() {
            return None;
        }
        let batch = if self.workers.is_empty() {
            self.shared.work.batch(self.shared.epoch, &self.shared.plan[self.next])
        } else {
            let mut state = self.shared.lock();
            loop {
                if let Some(batch) = state.ready.remove(&self.next) {
                    state.taken = self.next + 1;
                    break batch;
                }
                state = self.shared.changed.wait(state).expect("invariant: no panic under the lock");
            }
        };
        self.shared.changed.notify_all();
        self.next += 1;
        if batch.is_err() {
            self.next = self.shared.plan.len();
            self.stop();
        }
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.shared.plan.len() - self.next;
        (left.min(1), Some(left)) // an error ends the epoch early
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Work {
    fn batch(&self, epoch: u64, draws: &[Draw]) -> Result<Batch, DataError> {
        let items = self.dataset.index().items();
        let channels = self.normalise.channels();
        let mut pixels = Vec::new();
        let (mut height, mut width) = (0, 0);
        for (row, &draw) in draws.iter().enumerate() {
            let position = draw.position;
            let mut place = |h: usize, w: usize, bytes: &[u8]| {
                if row == 0 {
                    (height, width) = (h, w);
                    pixels = vec![0.0; draws.len() * channels * h * w];
                } else if (h, w) != (height, width) {
                    return Err(DataError::Setting {
                        reason: format!(
                            "`{}` is {h} × {w} and `{}` is {height} × {width}; \
                             add a resize or crop step so that a batch has one size",
                            items[position].source, items[draws[0].position].source,
                        ),
                    });
                }
                let size = channels * h * w;
                self.normalise.write(bytes, &mut pixels[row * size..(row + 1) * size]);
                Ok(())
            };
            match self.dataset.in_memory(position) {
                Some((h, w, bytes)) if self.transform.is_identity() => place(h, w, bytes)?,
                _ => {
                    let image = self.picture(epoch, draw)?;
                    place(image.height(), image.width(), image.data())?;
                }
            }
        }
        Ok(Batch {
            pixels,
            shape: [draws.len(), channels, height, width],
            labels: draws.iter().map(|draw| items[draw.position].class).collect(),
            indices: draws.iter().map(|draw| draw.position).collect(),
        })
    }

    /// Reads and transforms one picture; a decoder that panics becomes an error that names the file.
    fn picture(&self, epoch: u64, draw: Draw) -> Result<crate::Image, DataError> {
        let Draw { position, before } = draw;
        self.dataset.catch(position, || {
            let which = position as u64 | u64::from(before) << 32;
            let mut random = Random::keyed(Purpose::Augment, self.seed, epoch, which);
            self.transform.apply(self.dataset.image(position)?, &mut random)
        })
    }
}

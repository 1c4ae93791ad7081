//! The one training loop, with logs and checkpoints, and evaluation in batches.
//!
//! A [`Task`] knows how to compute a loss and how to evaluate; the caller supplies an iterator of batches per epoch,
//! whose order must be a function of (seed, epoch) alone; [`fit`] does the rest.
//! Nothing in a run depends on the clock, so an interrupted run that is resumed ends with the bits of one that was not.
//!
//! # Examples
//! Two points on a line, a single weight:
//! ```
//! use hyp_nn::{
//!     Init, Manifold, ParameterStore, Result,
//!     candle_core::{Device, Tensor},
//!     optim::OptimizerConfig,
//!     train::{FitConfig, Loss, Metrics, StepContext, Task, fit},
//! };
//!
//! struct Line {
//!     store: ParameterStore,
//!     slope: Tensor,
//! }
//!
//! impl Task for Line {
//!     type Batch = (f64, f64);
//!
//!     fn parameters(&self) -> &ParameterStore {
//!         &self.store
//!     }
//!
//!     fn loss(&mut self, &(x, y): &(f64, f64), _: &StepContext) -> Result<Loss> {
//!         Ok(Loss::new(self.slope.affine(x, -y)?.sqr()?.sum_all()?, 1))
//!     }
//!
//!     fn evaluate(&mut self, _epoch: usize) -> Result<Metrics> {
//!         let slope = self.slope.to_vec1::<f32>()?[0];
//!         Ok([("error".to_owned(), f64::from((slope - 3.0).abs()))].into())
//!     }
//! }
//!
//! let mut store = ParameterStore::new(0, &Device::Cpu);
//! let slope = store.trainable("slope", 1, Init::ZEROS, Manifold::Euclidean)?;
//! let mut task = Line { store, slope };
//! let config = FitConfig { epochs: 1, ..FitConfig::new(OptimizerConfig::sgd(0.1)) };
//! let report = fit(&config, &mut task, |_epoch, _seed| Ok([(1.0, 3.0), (2.0, 6.0)].map(Ok)))?;
//! // Step 1: 0 + 0.1·2·3 = 0.6.  Step 2: 0.6 + 0.1·2·2·(6 − 1.2) = 2.52.
//! assert!((report.epochs[0].metrics["error"] - 0.48).abs() < 1e-6);
//! # Ok::<(), hyp_nn::Error>(())
//! ```

mod checkpoint;
mod config;
mod evaluate;
mod fit;
mod log;
mod non_finite;
mod run_folder;
mod task;
mod tensorboard;

pub use checkpoint::{Checkpoint, load_weights, save_weights};
pub use config::{FitConfig, Goal, Monitor};
pub use evaluate::{accuracy, in_batches};
pub use fit::fit;
pub use run_folder::{BEST, EVENTS, LAST, LOG};
pub use task::{Diagnosis, EpochReport, FitReport, Loss, Metrics, StepContext, Task};
pub use tensorboard::EventFile;

//! The one error type of the crate.

use std::path::PathBuf;

/// The error of whatever supplies batches: any error type, so that `?` works in the caller's closure.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when a model is built, trained, saved or loaded.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),

    /// A setting is out of its range.
    #[error("{setting} = {value} is not valid: {remedy}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// The value given.
        value: String,
        /// What is valid.
        remedy: &'static str,
    },

    /// A device name that cannot be used.
    #[error("device '{name}' cannot be used: {reason}")]
    Device {
        /// The name asked for.
        name: String,
        /// Why not, and what to do.
        reason: String,
    },

    /// A task stopped its evaluation because it was asked to; [`fit`](crate::train::fit) ends as interrupted.
    #[error("interrupted")]
    Interrupted,

    /// Two parameters of one store have the same name.
    #[error("parameter '{name}' is declared twice: give each layer its own name")]
    DuplicateParameter {
        /// The name.
        name: String,
    },

    /// A file or folder could not be read or written.
    #[error("{action} {}: {source}{}", path.display(), io_remedy(source))]
    Io {
        /// What was tried, as a verb in the form "cannot …".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },

    /// A file is not the checkpoint it should be.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },

    /// A file of weights is damaged, hostile or of another kind.
    #[error(transparent)]
    WeightsFile(#[from] hyp_data::DataError),

    /// The source of batches failed.
    #[error("batch {batch} of epoch {epoch}: {source}")]
    Batch {
        /// Epoch, from 0.
        epoch: usize,
        /// Batch within the epoch, from 0.
        batch: usize,
        /// The source's own error.
        source: BoxError,
    },

    /// The source of batches gave fewer than needed.
    #[error("epoch {epoch} has {found} batches, {needed} are needed: {remedy}")]
    TooFewBatches {
        /// Epoch, from 0.
        epoch: usize,
        /// Batches found.
        found: usize,
        /// Batches needed.
        needed: usize,
        /// What to do.
        remedy: &'static str,
    },

    /// The loss or a gradient is infinite or not a number.
    #[error(
        "training stopped at step {step} (epoch {epoch}): loss = {loss}, first non-finite tensor: {tensor}{}; \
         lower the learning rate, clip the feature norm before the exponential map, or clip the gradient norm",
        describe_margin(*margin_share)
    )]
    NonFinite {
        /// Step over the whole run, from 0.
        step: u64,
        /// Epoch, from 0.
        epoch: usize,
        /// The loss.
        loss: f64,
        /// The first non-finite tensor: parameter, buffer, activation or gradient, with its name.
        tensor: String,
        /// Share of the batch's embeddings on the margin of the ball, in `[0, 1]`, if the task knows it.
        margin_share: Option<f64>,
    },

    /// An evaluation metric is infinite or not a number, or is missing.
    #[error("metric '{name}' after epoch {epoch} is {found}: {remedy}")]
    Metric {
        /// Name of the metric.
        name: String,
        /// Epoch, from 0.
        epoch: usize,
        /// The value, or "missing".
        found: String,
        /// What to do.
        remedy: &'static str,
    },
}

impl Error {
    /// Wraps an I/O error of `path`.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// What a person can do about an answer of the operating system that says it too briefly.
fn io_remedy(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => "; make room there and resume the run",
        PermissionDenied | ReadOnlyFilesystem => "; name a folder that you may use",
        _ => "",
    }
}

fn describe_margin(share: Option<f64>) -> String {
    share.map_or_else(String::new, |share| {
        format!(", {:.1} % of the embeddings on the margin of the ball", 100.0 * share)
    })
}

//! The one error type of the crate.

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong between pictures and accuracies.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A layer, an operation or the training loop failed.
    #[error(transparent)]
    Network(#[from] hyp_nn::Error),

    /// A picture could not be read or prepared.
    #[error(transparent)]
    Data(#[from] hyp_data::DataError),

    /// A statistic cannot be taken of these numbers.
    #[error(transparent)]
    Statistics(#[from] hyp_math::stats::StatsError),

    /// The one who watches has said to stop.
    #[error("interrupted")]
    Interrupted,

    /// An episode does not fit its shape or the pictures.
    #[error("episode {episode}: {reason}; draw the episodes from the pictures that are embedded")]
    Episode {
        /// Its number, from 0.
        episode: usize,
        /// What does not fit.
        reason: String,
    },

    /// A model whose points are infinite or not numbers was asked.
    #[error(
        "episode {episode}: logits are infinite or not numbers, so that nothing is the best answer; \
         the weights are spoilt: train with a smaller learning rate"
    )]
    NotANumber {
        /// Its number, from 0.
        episode: usize,
    },
}

impl From<hyp_nn::candle_core::Error> for Error {
    fn from(error: hyp_nn::candle_core::Error) -> Self {
        Self::Network(error.into())
    }
}

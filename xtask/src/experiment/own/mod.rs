//! A person's own pictures: training on them, and asking a few-shot classifier about new ones.

use clap::Args;

use crate::compute::On;

mod answers;
mod people;
mod predict;
mod queries;
mod settings;
mod train;

pub(crate) use people::{TrainReidOptions, train_reid};
pub(crate) use predict::{PredictOptions, predict};
pub(crate) use train::{TrainOptions, train};

/// What every training is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct Course {
    /// Decides first weights, the order of the pictures, their augmentation and the split of classes that have none.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Go on where an interrupted run stopped.
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    device: On,
}

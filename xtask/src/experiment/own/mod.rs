//! A person's own pictures: training a few-shot classifier on them, and asking one about new pictures.

mod answers;
mod predict;
mod queries;
mod train;

pub(crate) use predict::{PredictOptions, predict};
pub(crate) use train::{TrainOptions, train};

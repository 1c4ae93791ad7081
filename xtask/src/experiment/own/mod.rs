//! A person's own pictures: training on them, and asking a few-shot classifier about new ones.

mod answers;
mod people;
mod predict;
mod queries;
mod train;

pub(crate) use people::{TrainReidOptions, train_reid};
pub(crate) use predict::{PredictOptions, predict};
pub(crate) use train::{TrainOptions, train};

//! Classifiers of digits, asked about pictures that are no digits: Table 3 and its scan over c.

pub(super) mod config;
mod figures;
pub(super) mod model;
pub(super) mod pictures;
pub(super) mod scores;

use std::collections::BTreeMap;

use anyhow::Result;
use hyp_nn::candle_core::Device;

use self::config::{OodRow, OodScale};
use self::pictures::Pictures;
use self::scores::Evaluation;
use super::Environment;
use super::contract::{Experiment, Finished, Job, Metrics, Plots};
use crate::record::{DataFacts, Scale};

pub(super) use figures::{disk, histograms};

/// The runner of Table 3.
pub(crate) struct MnistOod {
    pub(super) pictures: Pictures,
    pub(super) device: Device,
    epochs: usize,
    /// The pictures as bytes, made once for all jobs.
    test: Vec<u8>,
    outside: Vec<u8>,
    outside_other: Option<Vec<u8>>,
}

impl Experiment for MnistOod {
    type Scale = OodScale;
    type Row = OodRow;

    fn prepare(environment: &Environment, id: &str, _: Scale, scale: &OodScale) -> Result<Self> {
        let device = hyp_nn::device::by_name(&environment.device)?;
        let pictures = Pictures::read(environment, id, scale)?;
        let all = |dataset: &hyp_data::Dataset| {
            let positions: Vec<usize> = (0..dataset.len()).collect();
            pictures::bytes(dataset, &positions)
        };
        let test = pictures::bytes(&pictures.digits, &pictures.test)?;
        let outside = all(&pictures.outside)?;
        let outside_other = pictures.outside_other.as_ref().map(all).transpose()?;
        Ok(Self { pictures, device, epochs: scale.epochs, test, outside, outside_other })
    }

    fn data(&self) -> BTreeMap<String, DataFacts> {
        self.pictures.facts.clone()
    }

    fn data_of(&self, _: &OodRow) -> Result<BTreeMap<String, DataFacts>> {
        Ok(self.data())
    }

    fn job(&self, job: &Job<'_, OodRow>) -> Result<Metrics> {
        let trained = model::train(job, &self.pictures, self.epochs, &self.device)?;
        let evaluation = Evaluation {
            inside: model::scores(&trained.model, &self.test)?,
            labels: pictures::labels(&self.pictures.digits, &self.pictures.test),
            outside: model::scores(&trained.model, &self.outside)?,
            outside_other: self
                .outside_other
                .as_ref()
                .map(|bytes| model::scores(&trained.model, bytes))
                .transpose()?,
        };
        evaluation.write(&job.folder)?;
        let mut metrics = evaluation.metrics()?;
        metrics.insert("train_loss".to_owned(), trained.train_loss);
        metrics.insert("validation_accuracy".to_owned(), 100.0 * trained.validation_accuracy);
        Ok(metrics)
    }

    fn draw(&self, done: &[Finished<OodRow>], plots: &Plots) -> Result<()> {
        figures::overview(done, plots)
    }
}

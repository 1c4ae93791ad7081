//! Episodes as tensors, from a loader whose batches are episodes.

use hyp_data::sample::EpisodeShape;
use hyp_data::{Batch, Epoch, Loader};
use hyp_nn::BoxError;
use hyp_nn::candle_core::{Device, Tensor};

/// The pictures of one episode: the support class by class, then the queries class by class.
#[derive(Clone, Debug)]
pub struct EpisodeBatch {
    /// `[way · (shot + query), channels, height, width]`.
    pub images: Tensor,
    /// How many of what.
    pub shape: EpisodeShape,
}

impl EpisodeBatch {
    /// The label within the episode of each query.
    ///
    /// # Examples
    /// ```
    /// use hyp_data::sample::EpisodeShape;
    /// use hyp_fewshot::EpisodeBatch;
    /// use hyp_nn::candle_core::{DType, Device, Tensor};
    /// let images = Tensor::zeros((6, 1, 1, 1), DType::F32, &Device::Cpu)?;
    /// let shape = EpisodeShape { way: 2, shot: 1, query: 2 };
    /// assert_eq!(EpisodeBatch { images, shape }.query_labels(), [0, 0, 1, 1]);
    /// # Ok::<(), hyp_nn::candle_core::Error>(())
    /// ```
    pub fn query_labels(&self) -> Vec<u32> {
        (0..self.shape.way * self.shape.query).map(|n| (n / self.shape.query) as u32).collect()
    }
}

/// The episodes of one epoch of a loader, for the training loop.
///
/// Passing over the first ones when a run is resumed prepares none of them.
pub struct EpisodeSource<'a> {
    loader: &'a Loader,
    shape: EpisodeShape,
    device: Device,
    epoch: u64,
    done: usize,
    batches: Epoch,
}

impl<'a> EpisodeSource<'a> {
    /// The episodes of that epoch; the loader's sampler must draw them in this shape.
    pub fn new(loader: &'a Loader, shape: EpisodeShape, epoch: usize, device: &Device) -> Self {
        let epoch = epoch as u64;
        Self { loader, shape, device: device.clone(), epoch, done: 0, batches: loader.epoch(epoch) }
    }

    fn tensors(&self, batch: Batch) -> Result<EpisodeBatch, BoxError> {
        let images = Tensor::from_vec(batch.pixels, &batch.shape, &self.device)?;
        Ok(EpisodeBatch { images, shape: self.shape })
    }
}

impl Iterator for EpisodeSource<'_> {
    type Item = Result<EpisodeBatch, BoxError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.next()?;
        self.done += 1;
        Some(batch.map_err(BoxError::from).and_then(|batch| self.tensors(batch)))
    }

    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        if n > 0 {
            self.done += n;
            self.batches = self.loader.epoch_from(self.epoch, self.done);
        }
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.batches.size_hint()
    }
}

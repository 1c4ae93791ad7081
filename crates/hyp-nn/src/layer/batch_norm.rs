//! Batch normalisation with running statistics.

use crate::{
    error::Result,
    init::Init,
    op::{self, ConvOptions, PoolOptions},
    parameter::{Manifold, ParameterStore},
};
use candle_core::{DType, Device, Tensor, Var};

/// Batch normalisation of the channels (second axis), with PyTorch's meaning.
///
/// Training normalises by the statistics of the batch and moves the running ones some of the way towards them, a tenth
/// by default; evaluation normalises by the running ones.
///
/// Parameters: `NAME.weight`, `NAME.bias`; buffers: `NAME.running_mean`, `NAME.running_var`; all `[channels]`.
///
/// **Shapes.** input and output: `[batch, channels, …]`.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Var,
    running_var: Var,
    options: BatchNormOptions,
}

/// The constants of a [`BatchNorm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormOptions {
    /// Added to the variance.
    pub eps: f64,
    /// Share of the batch in the running statistics.
    pub momentum: f64,
}

impl BatchNormOptions {
    /// PyTorch's defaults.
    pub const TORCH: Self = Self { eps: 1e-5, momentum: 0.1 };
}

impl BatchNorm {
    /// Declares parameters and buffers in `store`, with PyTorch's constants.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`](crate::Error::DuplicateParameter) if the name is taken.
    pub fn new(store: &mut ParameterStore, name: &str, channels: usize) -> Result<Self> {
        Self::with_options(store, name, channels, BatchNormOptions::TORCH)
    }

    /// The same with other constants.
    ///
    /// # Errors
    /// As [`BatchNorm::new`].
    pub fn with_options(
        store: &mut ParameterStore,
        name: &str,
        channels: usize,
        options: BatchNormOptions,
    ) -> Result<Self> {
        Ok(Self {
            weight: store.trainable(&format!("{name}.weight"), channels, Init::ONES, Manifold::Euclidean)?,
            bias: store.trainable(&format!("{name}.bias"), channels, Init::ZEROS, Manifold::Euclidean)?,
            running_mean: store.buffer(&format!("{name}.running_mean"), channels, Init::ZEROS)?,
            running_var: store.buffer(&format!("{name}.running_var"), channels, Init::ONES)?,
            options,
        })
    }

    /// The normalised values; `train` chooses the statistics and updates the running ones.
    ///
    /// # Errors
    /// If the shape does not fit, or a training batch has one value per channel.
    pub fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor> {
        if !train {
            let (mean, var) = self.running()?;
            return Ok(op::batch_norm_fixed(input, &self.weight, &self.bias, &mean, &var, self.options.eps)?);
        }
        let (output, statistics) = op::batch_norm(input, &self.weight, &self.bias, self.options.eps)?;
        self.update(&statistics)?;
        Ok(output)
    }

    /// Convolution with `kernel` (without bias), this normalisation, the rectifier and, if given, maximum pooling,
    /// fused: a third of the memory of the separate layers, and fewer passes over it.
    ///
    /// # Errors
    /// As [`BatchNorm::forward`].
    pub fn conv_relu(
        &self,
        input: &Tensor,
        kernel: &Tensor,
        options: &ConvOptions,
        pool: Option<&PoolOptions>,
        train: bool,
    ) -> Result<Tensor> {
        let affine = [&self.weight, &self.bias];
        if !train {
            let (mean, var) = self.running()?;
            let given = [&mean[..], &var[..]];
            return Ok(op::conv2d_batch_norm_relu_fixed(
                input,
                kernel,
                affine,
                given,
                self.options.eps,
                options,
                pool,
            )?);
        }
        let (output, statistics) =
            op::conv2d_batch_norm_relu(input, kernel, affine, self.options.eps, options, pool)?;
        self.update(&statistics)?;
        Ok(output)
    }

    /// The running mean and variance.
    fn running(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        Ok((plain(&self.running_mean)?, plain(&self.running_var)?))
    }

    /// Moves the running statistics towards those of a batch.
    fn update(&self, statistics: &op::BatchStatistics) -> Result<()> {
        let (mut mean, mut var) = self.running()?;
        statistics.update_running(self.options.momentum, &mut mean, &mut var);
        for (buffer, values) in [(&self.running_mean, mean), (&self.running_var, var)] {
            let values = Tensor::from_vec(values, buffer.shape(), &Device::Cpu)?;
            buffer.set(&values.to_dtype(buffer.dtype())?.to_device(buffer.device())?)?;
        }
        Ok(())
    }
}

fn plain(buffer: &Var) -> Result<Vec<f64>> {
    Ok(buffer.to_dtype(DType::F64)?.to_vec1()?)
}

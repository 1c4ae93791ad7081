//! Batch normalisation with running statistics.

use crate::{
    error::Result,
    init::Init,
    op::{self, ConvOptions},
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

/// The convolution before a [`BatchNorm`], for [`BatchNorm::after_conv`].
#[derive(Clone, Copy, Debug)]
pub struct FusedConv<'a> {
    /// `[out, in / groups, height, width]`.
    pub kernel: &'a Tensor,
    /// `[out]`.
    pub bias: Option<&'a Tensor>,
    /// Stride, padding, dilation, groups.
    pub options: &'a ConvOptions,
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

    /// Convolution, this normalisation, an addition if there is something to add, and an [`op::Epilogue`], fused: only
    /// the convolved maps are kept for the backward pass, and nothing else of full size passes between layers.
    ///
    /// A bias of the convolution is taken away again by the mean of the batch: in training it moves the running mean
    /// and nothing else, and its gradient is exactly zero.
    ///
    /// # Errors
    /// As [`BatchNorm::forward`]; if something is added and the epilogue pools.
    pub fn after_conv(
        &self,
        input: &Tensor,
        conv: FusedConv<'_>,
        other: Option<&Tensor>,
        epilogue: op::Epilogue,
        train: bool,
    ) -> Result<Tensor> {
        let FusedConv { kernel, bias, options } = conv;
        let shift = bias.map(plain).transpose()?.unwrap_or_else(|| vec![0.0; self.weight.elem_count()]);
        let eps = self.options.eps;
        if !train {
            let (mut mean, var) = self.running()?;
            mean.iter_mut().zip(&shift).for_each(|(mean, shift)| *mean -= shift);
            let (affine, given) = ([&self.weight, &self.bias], [&mean[..], &var[..]]);
            let with =
                |epilogue| op::conv2d_batch_norm_fixed(input, kernel, affine, given, eps, options, epilogue);
            return Ok(match other {
                Some(other) => op::add_then(&with(op::Epilogue::None)?, other, epilogue)?,
                None => with(epilogue)?,
            });
        }
        let offset = match bias {
            // Keeps the bias among the parameters that have a gradient, as an optimiser expects of each; Candle's
            // backward pass does not look behind a factor of zero.
            Some(bias) => (&self.bias + bias.sub(bias)?)?,
            None => self.bias.clone(),
        };
        let affine = [&self.weight, &offset];
        let (output, mut statistics) = match other {
            Some(other) => op::conv2d_batch_norm_add(input, kernel, affine, eps, options, other, epilogue)?,
            None => op::conv2d_batch_norm(input, kernel, affine, eps, options, epilogue)?,
        };
        statistics.mean.iter_mut().zip(&shift).for_each(|(mean, shift)| *mean += shift);
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

fn plain(buffer: &Tensor) -> Result<Vec<f64>> {
    Ok(buffer.to_dtype(DType::F64)?.to_vec1()?)
}

//! What the networks are built of: convolution, batch normalisation and activation as one unit, and pooling of maps.
//!
//! The networks say *what* follows a convolution; how much of it runs in one pass is decided here alone.

use crate::{
    error::Result,
    init::Init,
    layer::{BatchNorm, BatchNormOptions, FusedConv},
    op::{self, ConvOptions, Epilogue, Padding, PoolOptions},
    parameter::{Manifold, ParameterStore},
};
use candle_core::Tensor;

/// How the weight of a convolution starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConvInit {
    /// PyTorch's default.
    TorchDefault,
    /// `kaiming_normal_(mode="fan_out")` with the gain of the rectifier, √2.
    KaimingFanOut,
    /// Normal with this standard deviation in hundredths.
    Hundredths(u32),
}

impl ConvInit {
    /// The distribution for a weight `[out, in / groups, height, width]`.
    pub(super) fn distribution(self, shape: [usize; 4]) -> Init {
        let [out, inputs, height, width] = shape;
        match self {
            Self::TorchDefault => Init::torch_default(inputs * height * width),
            Self::KaimingFanOut => Init::Normal { std: (2.0 / (out * height * width) as f64).sqrt() },
            Self::Hundredths(n) => Init::Normal { std: f64::from(n) / 100.0 },
        }
    }
}

/// What follows a batch normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Activation {
    None,
    Relu,
    /// The rectifier cut off at 6.
    Relu6,
    /// Slope 1 above 0 and this slope below.
    LeakyRelu(f64),
}

/// How the borders of a map are padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Borders {
    /// As the convolution's options say.
    Fixed,
    /// TensorFlow's "same": the result has ⌈n / stride⌉ lines, and of an odd number of zeros one more lies behind.
    Same,
}

/// Settings that the convolutions of one network share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) bias: bool,
    pub(super) init: ConvInit,
    pub(super) norm: BatchNormOptions,
    pub(super) borders: Borders,
}

impl Style {
    /// No bias, Kaiming's initialisation, PyTorch's batch normalisation: torchvision's residual networks.
    pub(super) const RESIDUAL: Self = Self {
        bias: false,
        init: ConvInit::KaimingFanOut,
        norm: BatchNormOptions::TORCH,
        borders: Borders::Fixed,
    };
}

/// Convolution and batch normalisation with whatever follows.
#[derive(Clone, Debug)]
pub(super) struct ConvNorm {
    weight: Tensor,
    bias: Option<Tensor>,
    options: ConvOptions,
    borders: Borders,
    norm: BatchNorm,
}

impl ConvNorm {
    /// Declares the parameters of the convolution and the normalisation under the two `names`;
    /// `shape` is that of the weight, `[out, in / groups, height, width]`.
    pub(super) fn new(
        store: &mut ParameterStore,
        names: [&str; 2],
        shape: [usize; 4],
        options: ConvOptions,
        style: &Style,
    ) -> Result<Self> {
        let [conv, norm] = names;
        let init = style.init.distribution(shape);
        let weight =
            store.trainable(&format!("{conv}.weight"), shape.as_slice(), init, Manifold::Euclidean)?;
        let bias = if style.bias {
            Some(store.trainable(&format!("{conv}.bias"), shape[0], init, Manifold::Euclidean)?)
        } else {
            None
        };
        let norm = BatchNorm::with_options(store, norm, shape[0], style.norm)?;
        Ok(Self { weight, bias, options, borders: style.borders, norm })
    }

    /// Convolution, normalisation, activation.
    pub(super) fn forward(&self, x: &Tensor, activation: Activation, train: bool) -> Result<Tensor> {
        self.fused(x, None, activation, train)
    }

    /// The same, with `other` added before the activation.
    pub(super) fn forward_add(
        &self,
        x: &Tensor,
        other: &Tensor,
        activation: Activation,
        train: bool,
    ) -> Result<Tensor> {
        self.fused(x, Some(other), activation, train)
    }

    /// Convolution, normalisation, activation and maximum pooling.
    pub(super) fn forward_max_pool(
        &self,
        x: &Tensor,
        activation: Activation,
        pool: &PoolOptions,
        train: bool,
    ) -> Result<Tensor> {
        if activation == Activation::Relu {
            return self.with(x, None, Epilogue::ReluMaxPool(*pool), train);
        }
        Ok(op::max_pool2d(&self.forward(x, activation, train)?, pool)?)
    }

    fn fused(
        &self,
        x: &Tensor,
        other: Option<&Tensor>,
        activation: Activation,
        train: bool,
    ) -> Result<Tensor> {
        match activation {
            Activation::None => self.with(x, other, Epilogue::None, train),
            Activation::Relu => self.with(x, other, Epilogue::Relu, train),
            Activation::Relu6 => self.with(x, other, Epilogue::Relu6, train),
            Activation::LeakyRelu(slope) => {
                Ok(op::leaky_relu(&self.with(x, other, Epilogue::None, train)?, slope)?)
            }
        }
    }

    /// All that runs in one pass.
    fn with(&self, x: &Tensor, other: Option<&Tensor>, epilogue: Epilogue, train: bool) -> Result<Tensor> {
        let options = self.options_for(x)?;
        let conv = FusedConv { kernel: &self.weight, bias: self.bias.as_ref(), options: &options };
        self.norm.after_conv(x, conv, other, epilogue, train)
    }

    fn options_for(&self, x: &Tensor) -> Result<ConvOptions> {
        if self.borders == Borders::Fixed {
            return Ok(self.options);
        }
        let (_, _, height, width) = x.dims4()?;
        let (_, _, k_h, k_w) = self.weight.dims4()?;
        let [rows, columns] = [(height, k_h, 0), (width, k_w, 1)].map(|(n, kernel, axis)| {
            let stride = self.options.stride[axis];
            let total = ((n.div_ceil(stride).max(1) - 1) * stride + kernel).saturating_sub(n);
            (total / 2, total - total / 2)
        });
        let padding = Padding { top: rows.0, bottom: rows.1, left: columns.0, right: columns.1 };
        Ok(ConvOptions { padding, ..self.options })
    }
}

/// How maps become one number a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GlobalPool {
    /// The mean.
    Average,
    /// The maximum, which the released few-shot networks take although their code calls it an average (D21).
    Max,
}

impl GlobalPool {
    /// **Shapes.** `maps`: `[batch, channels, height, width]`, result: `[batch, channels]`.
    pub(super) fn apply(self, maps: &Tensor) -> Result<Tensor> {
        let pooled = match self {
            Self::Average => op::adaptive_avg_pool2d(maps, [1, 1])?,
            Self::Max => {
                let (_, _, height, width) = maps.dims4()?;
                let kernel = [height, width];
                op::max_pool2d(maps, &PoolOptions { kernel, stride: kernel, padding: [0; 2] })?
            }
        };
        Ok(pooled.flatten_from(1)?)
    }
}

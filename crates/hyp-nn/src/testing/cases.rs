//! The operations that have kernels on CUDA devices, each in settings that reach every branch of its kernels.

use candle_core::{Result, Tensor};

use super::ball_cases::{self, CURVATURE};
use crate::op::{self, ConvOptions, Epilogue, Padding, PoolOptions};

/// One input: numbers in [−1, 1) times `scale` plus `shift`.
#[derive(Clone, Copy)]
pub(super) struct Input {
    pub(super) dims: &'static [usize],
    pub(super) seed: u64,
    pub(super) scale: f64,
    pub(super) shift: f64,
}

/// An operation with its inputs and the tolerances in `f32` and `f64`.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) inputs: Vec<Input>,
    pub(super) apply: fn(&[Tensor]) -> Result<Tensor>,
    pub(super) single: f64,
    pub(super) double: f64,
    /// Whether [`set_products`](crate::device::set_products) decides what its factors, the first two inputs, are.
    pub(super) rounded: bool,
}

impl Case {
    pub(super) fn new(
        name: &'static str,
        dims: &[&'static [usize]],
        scale: f64,
        apply: fn(&[Tensor]) -> Result<Tensor>,
    ) -> Self {
        let inputs =
            dims.iter().zip(1..).map(|(dims, seed)| Input { dims, seed, scale, shift: 0.0 }).collect();
        Self { name, inputs, apply, single: 1e-5, double: 1e-12, rounded: false }
    }

    /// The same with a trained curvature of this value as the last input.
    pub(super) fn curved(mut self) -> Self {
        self.inputs.push(Input { dims: &[], seed: 1, scale: 0.0, shift: CURVATURE });
        self
    }

    /// The second input is the first moved by `shift` in every coordinate: points that lie close together, or coincide.
    pub(super) fn beside(mut self, shift: f64) -> Self {
        self.inputs[1] = Input { shift, ..self.inputs[0] };
        self
    }

    /// The second input is zero.
    pub(super) fn still(mut self) -> Self {
        self.inputs[1].scale = 0.0;
        self
    }

    /// A product whose factors may be rounded on a device.
    fn rounded(self) -> Self {
        Self { rounded: true, ..self }
    }

    /// The numbers of all inputs moved up.
    fn shifted(mut self, shift: f64) -> Self {
        for input in &mut self.inputs {
            input.shift = shift;
        }
        self
    }
}

/// Every case.
pub(super) fn cases() -> Vec<Case> {
    let mut all: Vec<Case> = convolutions().into_iter().map(Case::rounded).collect();
    all.extend(normalisation());
    all.extend(pooling());
    all.extend(dense());
    all.extend(ball_cases::cases());
    all
}

fn convolutions() -> Vec<Case> {
    const IMAGES: &[usize] = &[3, 4, 9, 8];
    const WEIGHT: &[usize] = &[6, 4, 3, 3];
    const BIAS: &[usize] = &[6];
    const NORMALISED: &[&[usize]] = &[IMAGES, WEIGHT, BIAS, BIAS];
    vec![
        Case::new("conv2d 3×3", &[IMAGES, WEIGHT, BIAS], 1.0, |t| {
            op::conv2d(&t[0], &t[1], Some(&t[2]), &ConvOptions::new(1, 1))
        }),
        Case::new("conv2d strided, dilated, padded unevenly", &[IMAGES, WEIGHT], 1.0, |t| {
            let padding = Padding { top: 2, bottom: 1, left: 0, right: 3 };
            let options = ConvOptions { stride: [2, 1], padding, dilation: [1, 2], groups: 1 };
            op::conv2d(&t[0], &t[1], None, &options)
        }),
        Case::new("conv2d 1×1", &[IMAGES, &[6, 4, 1, 1], BIAS], 1.0, |t| {
            op::conv2d(&t[0], &t[1], Some(&t[2]), &ConvOptions::default())
        }),
        Case::new("conv2d in 2 groups", &[IMAGES, &[6, 2, 2, 3], BIAS], 1.0, |t| {
            op::conv2d(&t[0], &t[1], Some(&t[2]), &ConvOptions { groups: 2, ..ConvOptions::new(2, 1) })
        }),
        Case::new("conv2d depthwise", &[IMAGES, &[4, 1, 3, 3], &[4]], 1.0, |t| {
            op::conv2d(&t[0], &t[1], Some(&t[2]), &ConvOptions { groups: 4, ..ConvOptions::new(1, 1) })
        }),
        Case::new("conv2d_relu", &[IMAGES, WEIGHT, BIAS], 1.0, |t| {
            op::conv2d_relu(&t[0], &t[1], Some(&t[2]), &ConvOptions::new(1, 1))
        }),
        Case::new("conv2d_relu_max_pool", &[IMAGES, WEIGHT, BIAS], 1.0, |t| {
            op::conv2d_relu_max_pool(
                &t[0],
                &t[1],
                Some(&t[2]),
                &ConvOptions::new(1, 1),
                &PoolOptions::square(2),
            )
        }),
        Case::new("conv2d_batch_norm", NORMALISED, 1.0, |t| normalised(t, Epilogue::None)),
        Case::new("conv2d_batch_norm with relu", NORMALISED, 1.0, |t| normalised(t, Epilogue::Relu)),
        Case::new("conv2d_batch_norm with relu6", NORMALISED, 4.0, |t| normalised(t, Epilogue::Relu6)),
        Case::new("conv2d_batch_norm with pooling", NORMALISED, 1.0, |t| {
            normalised(t, Epilogue::ReluMaxPool(PoolOptions::square(2)))
        }),
        Case::new("conv2d_batch_norm_fixed with relu", NORMALISED, 1.0, |t| {
            let (mean, variance) = ([0.3, -0.2, 1.0, 0.0, -0.5, 0.1], [0.5, 2.0, 0.1, 1.0, 3.0, 0.7]);
            let (affine, options) = ([&t[2], &t[3]], ConvOptions::new(1, 1));
            let given = [&mean[..], &variance[..]];
            op::conv2d_batch_norm_fixed(&t[0], &t[1], affine, given, 1e-5, &options, Epilogue::Relu)
        }),
        Case::new("conv2d_batch_norm_add", &[IMAGES, WEIGHT, BIAS, BIAS, &[3, 6, 9, 8]], 1.0, |t| {
            let (affine, options) = ([&t[2], &t[3]], ConvOptions::new(1, 1));
            let (y, _) =
                op::conv2d_batch_norm_add(&t[0], &t[1], affine, 1e-5, &options, &t[4], Epilogue::Relu)?;
            Ok(y)
        }),
    ]
}

fn normalised(t: &[Tensor], epilogue: Epilogue) -> Result<Tensor> {
    Ok(op::conv2d_batch_norm(&t[0], &t[1], [&t[2], &t[3]], 1e-5, &ConvOptions::new(1, 1), epilogue)?.0)
}

fn normalisation() -> Vec<Case> {
    const MAPS: &[usize] = &[4, 3, 5, 6];
    const CHANNELS: &[usize] = &[3];
    vec![
        Case::new("batch_norm", &[MAPS, CHANNELS, CHANNELS], 2.0, |t| {
            Ok(op::batch_norm(&t[0], &t[1], &t[2], 1e-5)?.0)
        }),
        Case::new("batch_norm_fixed", &[MAPS, CHANNELS, CHANNELS], 2.0, |t| {
            op::batch_norm_fixed(&t[0], &t[1], &t[2], &[0.3, -0.2, 1.0], &[0.5, 2.0, 0.1], 1e-5)
        }),
        Case::new("relu", &[MAPS], 2.0, |t| op::relu(&t[0])),
        Case::new("relu6", &[MAPS], 9.0, |t| op::relu6(&t[0])),
        Case::new("leaky_relu", &[MAPS], 2.0, |t| op::leaky_relu(&t[0], 0.1)),
    ]
}

fn pooling() -> Vec<Case> {
    const MAPS: &[usize] = &[2, 3, 11, 8];
    vec![
        Case::new("max_pool2d 2×2", &[MAPS], 1.0, |t| op::max_pool2d(&t[0], &PoolOptions::square(2))),
        Case::new("max_pool2d with overlap and padding", &[MAPS], 1.0, |t| {
            op::max_pool2d(&t[0], &PoolOptions { kernel: [3, 4], stride: [2, 1], padding: [1, 2] })
        }),
        Case::new("avg_pool2d with overlap and padding", &[MAPS], 1.0, |t| {
            op::avg_pool2d(&t[0], &PoolOptions { kernel: [3, 4], stride: [1, 3], padding: [1, 2] })
        }),
        Case::new("adaptive_avg_pool2d to 3×5", &[MAPS], 1.0, |t| op::adaptive_avg_pool2d(&t[0], [3, 5])),
        Case::new("adaptive_avg_pool2d to 1×1", &[MAPS], 1.0, |t| op::adaptive_avg_pool2d(&t[0], [1, 1])),
    ]
}

fn dense() -> Vec<Case> {
    const MATRIX: &[usize] = &[7, 33];
    vec![
        Case::new("linear", &[&[2, 5, 33], &[6, 33], &[6]], 1.0, |t| op::linear(&t[0], &t[1], Some(&t[2])))
            .rounded(),
        Case::new("linear_relu", &[MATRIX, &[6, 33], &[6]], 1.0, |t| {
            op::linear_relu(&t[0], &t[1], Some(&t[2]))
        })
        .rounded(),
        Case::new("linear_exact", &[MATRIX, &[6, 33], &[6]], 1.0, |t| {
            op::linear_exact(&t[0], &t[1], Some(&t[2]))
        }),
        Case::new("cross_entropy", &[MATRIX], 5.0, |t| {
            let labels = Tensor::new(&[0_u32, 32, 5, 5, 1, 17, 30], t[0].device())?;
            op::cross_entropy(&t[0], &labels)
        }),
        Case::new("sum", &[&[3, 7001]], 1.0, |t| op::sum(&t[0])),
        Case::new("mean", &[&[3, 7001]], 1.0, |t| op::mean(&t[0])),
        Case::new("norm", &[MATRIX], 3.0, |t| op::norm(&t[0])),
        Case::new("asinh", &[MATRIX], 3.0, |t| op::asinh(&t[0])),
        Case::new("acosh", &[MATRIX], 1.0, |t| op::acosh(&t[0])).shifted(2.5),
        Case::new("atanh", &[MATRIX], 0.9, |t| op::atanh(&t[0])),
        Case::new("log1p", &[MATRIX], 0.9, |t| op::log1p(&t[0])),
        Case::new("expm1", &[MATRIX], 2.0, |t| op::expm1(&t[0])),
    ]
}

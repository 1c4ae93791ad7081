//! Inception v3: blocks of parallel branches with asymmetric kernels.

use super::{
    Backbone,
    block::{Activation, Borders, ConvInit, ConvNorm, GlobalPool, Style},
};
use crate::{
    error::Result,
    layer::BatchNormOptions,
    op::{self, ConvOptions, Padding, PoolOptions},
    parameter::ParameterStore,
};
use candle_core::Tensor;

/// Inception v3 without auxiliary head, dropout and classifier, in torchvision's layout.
///
/// torchvision's weights expect pictures as (x − 0.5)/0.5 of the values 0…1; its own loader turns pictures that were
/// normalised by ImageNet's statistics back into that form, this network does not.
///
/// Parameters: torchvision's names (`Conv2d_1a_3x3.conv`, `Conv2d_1a_3x3.bn`, …, `Mixed_7c.branch_pool.bn`) and
/// initialisation (normal with deviation 0.1, whose cut at twenty deviations never acts); 21,785,568 of them.
///
/// **Source.** Szegedy et al. 2016 (arXiv 1512.00567).
/// **Shapes.** input: `[batch, 3, 299, 299]` (at least 75×75), output: `[batch, 2048]`.
#[derive(Clone, Debug)]
pub struct InceptionV3 {
    stem: Vec<Part>,
    mixed: Vec<Vec<Vec<Part>>>,
}

const STYLE: Style = Style {
    bias: false,
    init: ConvInit::Hundredths(10),
    norm: BatchNormOptions { eps: 1e-3, momentum: 0.1 },
    borders: Borders::Fixed,
};

/// A step of a branch as it is described.
#[derive(Clone, Copy)]
enum Unit {
    /// Name, filters and kernel; stride 1, borders padded so that the map keeps its size.
    Conv(&'static str, usize, [usize; 2]),
    /// The same with stride 1 and no padding.
    Bare(&'static str, usize, [usize; 2]),
    /// The same with stride 2 and no padding.
    Halve(&'static str, usize, [usize; 2]),
    /// Two convolutions side by side, whose maps are joined.
    Fork([(&'static str, usize, [usize; 2]); 2]),
    /// Mean of 3×3 with stride 1, borders padded.
    Average,
    /// Maximum of 3×3 with stride 2.
    Max,
}

use Unit::{Average, Bare, Conv, Fork, Halve, Max};

/// A step of a branch as it is built.
#[derive(Clone, Debug)]
enum Part {
    Conv(ConvNorm),
    Fork([ConvNorm; 2]),
    Average,
    Max,
}

const STEM: [Unit; 7] = [
    Halve("Conv2d_1a_3x3", 32, [3, 3]),
    Bare("Conv2d_2a_3x3", 32, [3, 3]),
    Conv("Conv2d_2b_3x3", 64, [3, 3]),
    Max,
    Conv("Conv2d_3b_1x1", 80, [1, 1]),
    Bare("Conv2d_4a_3x3", 192, [3, 3]),
    Max,
];

/// Branches of the blocks at 35×35 (for pictures of 299×299).
fn block_a(pool: usize) -> Vec<Vec<Unit>> {
    vec![
        vec![Conv("branch1x1", 64, [1, 1])],
        vec![Conv("branch5x5_1", 48, [1, 1]), Conv("branch5x5_2", 64, [5, 5])],
        vec![
            Conv("branch3x3dbl_1", 64, [1, 1]),
            Conv("branch3x3dbl_2", 96, [3, 3]),
            Conv("branch3x3dbl_3", 96, [3, 3]),
        ],
        vec![Average, Conv("branch_pool", pool, [1, 1])],
    ]
}

/// The step to 17×17.
fn block_b() -> Vec<Vec<Unit>> {
    vec![
        vec![Halve("branch3x3", 384, [3, 3])],
        vec![
            Conv("branch3x3dbl_1", 64, [1, 1]),
            Conv("branch3x3dbl_2", 96, [3, 3]),
            Halve("branch3x3dbl_3", 96, [3, 3]),
        ],
        vec![Max],
    ]
}

/// Branches at 17×17.
fn block_c(inner: usize) -> Vec<Vec<Unit>> {
    vec![
        vec![Conv("branch1x1", 192, [1, 1])],
        vec![
            Conv("branch7x7_1", inner, [1, 1]),
            Conv("branch7x7_2", inner, [1, 7]),
            Conv("branch7x7_3", 192, [7, 1]),
        ],
        vec![
            Conv("branch7x7dbl_1", inner, [1, 1]),
            Conv("branch7x7dbl_2", inner, [7, 1]),
            Conv("branch7x7dbl_3", inner, [1, 7]),
            Conv("branch7x7dbl_4", inner, [7, 1]),
            Conv("branch7x7dbl_5", 192, [1, 7]),
        ],
        vec![Average, Conv("branch_pool", 192, [1, 1])],
    ]
}

/// The step to 8×8.
fn block_d() -> Vec<Vec<Unit>> {
    vec![
        vec![Conv("branch3x3_1", 192, [1, 1]), Halve("branch3x3_2", 320, [3, 3])],
        vec![
            Conv("branch7x7x3_1", 192, [1, 1]),
            Conv("branch7x7x3_2", 192, [1, 7]),
            Conv("branch7x7x3_3", 192, [7, 1]),
            Halve("branch7x7x3_4", 192, [3, 3]),
        ],
        vec![Max],
    ]
}

/// Branches at 8×8.
fn block_e() -> Vec<Vec<Unit>> {
    vec![
        vec![Conv("branch1x1", 320, [1, 1])],
        vec![
            Conv("branch3x3_1", 384, [1, 1]),
            Fork([("branch3x3_2a", 384, [1, 3]), ("branch3x3_2b", 384, [3, 1])]),
        ],
        vec![
            Conv("branch3x3dbl_1", 448, [1, 1]),
            Conv("branch3x3dbl_2", 384, [3, 3]),
            Fork([("branch3x3dbl_3a", 384, [1, 3]), ("branch3x3dbl_3b", 384, [3, 1])]),
        ],
        vec![Average, Conv("branch_pool", 192, [1, 1])],
    ]
}

impl InceptionV3 {
    /// Declares the parameters in `store`.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`](crate::Error::DuplicateParameter) if the store has a network of these names
    /// already.
    pub fn new(store: &mut ParameterStore) -> Result<Self> {
        let (stem, mut inputs) = branch(store, "", 3, &STEM)?;
        let blocks = [
            ("Mixed_5b", block_a(32)),
            ("Mixed_5c", block_a(64)),
            ("Mixed_5d", block_a(64)),
            ("Mixed_6a", block_b()),
            ("Mixed_6b", block_c(128)),
            ("Mixed_6c", block_c(160)),
            ("Mixed_6d", block_c(160)),
            ("Mixed_6e", block_c(192)),
            ("Mixed_7a", block_d()),
            ("Mixed_7b", block_e()),
            ("Mixed_7c", block_e()),
        ];
        let mut mixed = Vec::with_capacity(blocks.len());
        for (name, branches) in blocks {
            let (mut parts, mut outputs) = (Vec::with_capacity(branches.len()), 0);
            for units in branches {
                let (part, channels) = branch(store, &format!("{name}."), inputs, &units)?;
                parts.push(part);
                outputs += channels;
            }
            mixed.push(parts);
            inputs = outputs;
        }
        Ok(Self { stem, mixed })
    }
}

/// Builds a branch and counts the channels that leave it.
fn branch(
    store: &mut ParameterStore,
    prefix: &str,
    inputs: usize,
    units: &[Unit],
) -> Result<(Vec<Part>, usize)> {
    let mut channels = inputs;
    let mut parts = Vec::with_capacity(units.len());
    for unit in units {
        let mut conv = |name: &str, outputs: usize, kernel: [usize; 2], stride: usize, padded: bool| {
            let [height, width] = if padded { kernel.map(|side| side / 2) } else { [0, 0] };
            let padding = Padding::symmetric(height, width);
            let options = ConvOptions { padding, ..ConvOptions::new(stride, 0) };
            let names = [format!("{prefix}{name}.conv"), format!("{prefix}{name}.bn")];
            let shape = [outputs, channels, kernel[0], kernel[1]];
            ConvNorm::new(store, [&names[0], &names[1]], shape, options, &STYLE)
        };
        let (part, outputs) = match *unit {
            Conv(name, outputs, kernel) => (Part::Conv(conv(name, outputs, kernel, 1, true)?), outputs),
            Bare(name, outputs, kernel) => (Part::Conv(conv(name, outputs, kernel, 1, false)?), outputs),
            Halve(name, outputs, kernel) => (Part::Conv(conv(name, outputs, kernel, 2, false)?), outputs),
            Fork([a, b]) => {
                let pair = [conv(a.0, a.1, a.2, 1, true)?, conv(b.0, b.1, b.2, 1, true)?];
                (Part::Fork(pair), a.1 + b.1)
            }
            Average => (Part::Average, channels),
            Max => (Part::Max, channels),
        };
        parts.push(part);
        channels = outputs;
    }
    Ok((parts, channels))
}

fn run(parts: &[Part], x: &Tensor, train: bool) -> Result<Tensor> {
    let mut maps = x.clone();
    for part in parts {
        maps = match part {
            Part::Conv(conv) => conv.forward(&maps, Activation::Relu, train)?,
            Part::Fork([a, b]) => {
                let (a, b) =
                    (a.forward(&maps, Activation::Relu, train)?, b.forward(&maps, Activation::Relu, train)?);
                Tensor::cat(&[a, b], 1)?
            }
            Part::Average => {
                op::avg_pool2d(&maps, &PoolOptions { kernel: [3; 2], stride: [1; 2], padding: [1; 2] })?
            }
            Part::Max => {
                op::max_pool2d(&maps, &PoolOptions { kernel: [3; 2], stride: [2; 2], padding: [0; 2] })?
            }
        };
    }
    Ok(maps)
}

impl Backbone for InceptionV3 {
    fn feature_dim(&self) -> usize {
        2048
    }

    fn forward(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let mut maps = run(&self.stem, images, train)?;
        for branches in &self.mixed {
            let joined: Vec<Tensor> =
                branches.iter().map(|branch| run(branch, &maps, train)).collect::<Result<_>>()?;
            maps = Tensor::cat(&joined, 1)?;
        }
        GlobalPool::Average.apply(&maps)
    }
}

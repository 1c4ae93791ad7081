//! The golden files, and the numbers that stand for weights and pictures.

use hyp_nn::{
    ParameterStore,
    backbone::{
        AnyBackbone, Conv4, Conv4Config, EfficientNetLite0, Embedded, InceptionV3, ResNet, ResNet12,
        ResNetConfig, ResNetDepth, Vgg19,
    },
    candle_core::{DType, Device, Tensor},
};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
pub(crate) struct Golden {
    pub(crate) counts: BTreeMap<String, usize>,
    pub(crate) features: Vec<Features>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Deserialize)]
pub(crate) struct Features {
    pub(crate) name: String,
    pub(crate) images: [usize; 4],
    pub(crate) dim: usize,
    pub(crate) max: f64,
    pub(crate) norm: f64,
    pub(crate) samples: Vec<f64>,
    /// Greatest distance of PyTorch's single precision, over `max`.
    pub(crate) single_apart: f64,
    #[serde(default)]
    pub(crate) logits: Vec<f64>,
}

#[derive(Deserialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) images: [usize; 4],
    pub(crate) loss: f64,
    pub(crate) norm: f64,
    pub(crate) gradients: BTreeMap<String, Summary>,
    pub(crate) running: BTreeMap<String, Summary>,
}

/// Norm of a tensor, and some of its entries.
#[derive(Deserialize)]
pub(crate) struct Summary {
    pub(crate) norm: f64,
    pub(crate) samples: Vec<f64>,
}

pub(crate) fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/backbones.json")).unwrap()
}

/// `count` numbers in [0, 1): splitmix64 of the counter stream·2³⁰ + i.
fn fill(stream: u64, count: usize) -> impl Iterator<Item = f64> {
    (0..count as u64).map(move |i| {
        let mut z = ((stream << 30) + i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / 2.0_f64.powi(53)
    })
}

/// The value of each parameter and buffer, as the script's `values`.
pub(crate) fn set_weights(store: &ParameterStore) {
    for (name, var) in store.variables() {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let shape = var.dims();
        let scale = |u: f64| {
            if shape.len() > 1 {
                (2.0 * u - 1.0) * (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt()
            } else if name.ends_with("weight") || name.ends_with("running_var") {
                0.75 + u / 2.0
            } else {
                (2.0 * u - 1.0) * 0.1
            }
        };
        let values: Vec<f32> = fill(hash & 0xffff_ffff, var.elem_count()).map(|u| scale(u) as f32).collect();
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
        var.set(&tensor.to_dtype(var.dtype()).unwrap()).unwrap();
    }
}

/// The pictures of the script, of `f32` values.
pub(crate) fn pictures(shape: [usize; 4]) -> Tensor {
    let count = shape.iter().product();
    let values: Vec<f32> = fill(1 << 33, count).map(|u| ((2.0 * u - 1.0) * 1.5) as f32).collect();
    Tensor::from_vec(values, &shape[..], &Device::Cpu).unwrap()
}

pub(crate) fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

pub(crate) fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Entries that the script keeps: every so many, at most `most`; and of those every `every`-th.
pub(crate) fn samples(values: &[f64], every: usize) -> Vec<f64> {
    let stride = (values.len() / 64).max(1);
    values.iter().step_by(stride).take(64).step_by(every).copied().collect()
}

/// The network that the script calls `name`; `step` for the form whose training step is compared.
pub(crate) fn build(store: &mut ParameterStore, name: &str, step: bool) -> AnyBackbone {
    let torchvision = ResNetConfig::torchvision;
    let few_shot = ResNetConfig::few_shot;
    match (name, step) {
        ("conv4", false) => Box::new(Conv4::new(store, Conv4Config::colour_84(1600)).unwrap()),
        ("conv4", true) => Box::new(Conv4::new(store, Conv4Config::colour_84(96)).unwrap()),
        ("conv4_omniglot", _) => Box::new(Conv4::new(store, Conv4Config::omniglot()).unwrap()),
        ("resnet12", _) => Box::new(ResNet12::new(store).unwrap()),
        ("resnet18_few_shot", _) => Box::new(ResNet::new(store, few_shot(ResNetDepth::Eighteen)).unwrap()),
        ("resnet34_few_shot", _) => Box::new(ResNet::new(store, few_shot(ResNetDepth::ThirtyFour)).unwrap()),
        ("resnet18", _) => Box::new(ResNet::new(store, torchvision(ResNetDepth::Eighteen)).unwrap()),
        ("resnet34", _) => Box::new(ResNet::new(store, torchvision(ResNetDepth::ThirtyFour)).unwrap()),
        ("resnet50", false) => Box::new(ResNet::new(store, torchvision(ResNetDepth::Fifty)).unwrap()),
        ("resnet50_last_stride_1", _) => Box::new(
            ResNet::new(store, ResNetConfig { last_stride: 1, ..torchvision(ResNetDepth::Fifty) }).unwrap(),
        ),
        ("resnet50", true) => {
            let config = ResNetConfig { last_stride: 1, ..torchvision(ResNetDepth::Fifty) };
            let backbone = ResNet::new(store, config).unwrap();
            Box::new(Embedded::new(store, backbone, 8).unwrap())
        }
        ("vgg19", _) => Box::new(Vgg19::with_width(store, 96).unwrap()),
        ("inception_v3", _) => Box::new(InceptionV3::new(store).unwrap()),
        ("efficientnet_lite0", false) => Box::new(EfficientNetLite0::new(store).unwrap()),
        ("efficientnet_lite0", true) => {
            let backbone = EfficientNetLite0::new(store).unwrap();
            Box::new(Embedded::new(store, backbone, 8).unwrap())
        }
        _ => panic!("the script has a network '{name}' that this test does not know"),
    }
}

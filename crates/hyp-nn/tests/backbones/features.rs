//! Features in evaluation mode, in single precision as they are used.

use crate::golden::{Features, build, golden, norm, numbers, pictures, samples, set_weights};
use hyp_nn::{
    ParameterStore,
    backbone::{
        AnyBackbone, Backbone, EfficientNetLite0, Embedded, InceptionV3, ResNet, ResNetConfig, ResNetDepth,
        Vgg19,
    },
    candle_core::{Device, Tensor},
    weights::{Matching, WeightsFile},
};
use std::path::PathBuf;

/// Every sample within `bound` of the largest feature, and the norm of all features likewise.
fn compare(want: &Features, features: &Tensor, bound: f64) {
    assert_eq!(features.dims(), [want.images[0], want.dim], "{}", want.name);
    let got = numbers(features);
    let apart = samples(&got, 1).iter().zip(&want.samples).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
    assert!(apart <= bound * want.max, "{}: {:e} of the largest feature", want.name, apart / want.max);
    let largest = got.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    assert!((largest / want.max - 1.0).abs() <= bound, "{}: {largest} against {}", want.name, want.max);
    assert!(
        (norm(&got) / want.norm - 1.0).abs() <= bound,
        "{}: {} against {}",
        want.name,
        norm(&got),
        want.norm
    );
}

#[test]
fn features_are_those_of_pytorch() {
    let golden = golden();
    assert_eq!(golden.features.len(), 11);
    for want in golden.features {
        // PyTorch's own single precision is at most 2.2e-6 of the largest feature away from its double.
        assert!(want.single_apart < 3e-6, "{}", want.name);
        let mut store = ParameterStore::blank(&Device::Cpu);
        let network = build(&mut store, &want.name, false);
        set_weights(&store);
        assert_eq!(network.feature_dim(), want.dim);
        compare(&want, &network.forward(&pictures(want.images), false).unwrap(), 1e-5);
    }
}

#[test]
fn published_weights_of_efficientnet_lite0_give_the_features_of_pytorch() {
    let Some(folder) = std::env::var_os("HYP_DATA").map(PathBuf::from) else {
        println!("HYP_DATA is not set: the published weights were not used, nothing was checked");
        return;
    };
    let path = folder.join("weights/efficientnet-lite0-57934424.pth");
    if !path.exists() {
        println!("{} does not exist: nothing was checked", path.display());
        return;
    }
    let want: Features = serde_json::from_str(include_str!("../golden/efficientnet_lite0.json")).unwrap();
    let mut store = ParameterStore::blank(&Device::Cpu);
    let network = EfficientNetLite0::new(&mut store).unwrap();
    let network = Embedded::named(&mut store, network, "_fc", 1000).unwrap();
    let report = WeightsFile::open(&path).unwrap().load(&store, &Matching::default()).unwrap();
    assert_eq!((report.loaded.len(), report.ignored.len()), (247, 49));
    assert!(report.unexpected.is_empty() && report.fresh.is_empty(), "{report}");
    let images = (pictures(want.images) / 1.5).unwrap();
    let features = network.backbone().forward(&images, false).unwrap();
    compare(&want, &features, 1e-5);
    let logits = numbers(&network.forward(&images, false).unwrap());
    let most = want.logits.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    for (got, want) in samples(&logits, 1).iter().zip(&want.logits) {
        assert!((got - want).abs() <= 1e-5 * most, "logit {got} against {want}");
    }
}

/// The networks of Table 2 in full width, from files that torch wrote, heads and auxiliary classifier included.
#[test]
fn full_networks_from_torch_files_give_the_features_of_pytorch() {
    let Some(folder) = std::env::var_os("HYP_TORCH_WEIGHTS").map(PathBuf::from) else {
        println!(
            "HYP_TORCH_WEIGHTS is not set: nothing was checked; `make_backbones.py --full FOLDER` writes what it names"
        );
        return;
    };
    let store = || ParameterStore::blank(&Device::Cpu);
    let (mut a, mut b, mut c) = (store(), store(), store());
    let vgg: AnyBackbone = Box::new(Vgg19::new(&mut a).unwrap());
    let residual: AnyBackbone =
        Box::new(ResNet::new(&mut b, ResNetConfig::torchvision(ResNetDepth::ThirtyFour)).unwrap());
    let inception: AnyBackbone = Box::new(InceptionV3::new(&mut c).unwrap());
    for (name, network, store, side, dim, unwanted) in [
        ("vgg19", vgg, a, 224, 4096, &["classifier.6."][..]),
        ("resnet34", residual, b, 224, 512, &["fc."]),
        ("inception_v3", inception, c, 299, 2048, &["fc.", "AuxLogits."]),
    ] {
        let matching = Matching { unwanted, ..Matching::default() };
        let path = folder.join(format!("{name}.pth"));
        let report = WeightsFile::open(&path).unwrap().load(&store, &matching).unwrap();
        assert!(report.unexpected.is_empty() && report.fresh.is_empty(), "{report}");
        let features = numbers(&network.forward(&pictures([1, 3, side, side]), false).unwrap());
        let want = std::fs::read(folder.join(format!("{name}.f64"))).unwrap();
        let want: Vec<f64> = want.as_chunks().0.iter().map(|v| f64::from_le_bytes(*v)).collect();
        assert_eq!((features.len(), want.len()), (dim, dim), "{name}");
        let most = want.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        let apart = features.iter().zip(&want).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
        println!("{name}: {dim} features, {:.2e} of the largest apart", apart / most);
        assert!(apart <= 1e-5 * most, "{name}: {:e} of the largest feature", apart / most);
    }
}

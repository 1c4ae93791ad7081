//! Features in evaluation mode, in single precision as they are used.

use crate::golden::{Features, build, golden, norm, numbers, pictures, samples, set_weights};
use hyp_nn::{
    ParameterStore,
    backbone::{Backbone, EfficientNetLite0, Embedded},
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

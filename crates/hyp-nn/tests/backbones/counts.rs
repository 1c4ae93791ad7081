//! Exact numbers of parameters, first values, and pictures of a wrong size.

use crate::golden::{build, golden, norm, numbers};
use hyp_nn::{
    ParameterStore,
    backbone::{
        Backbone as _, Conv4, Conv4Config, EfficientNetLite0, Embedded, InceptionV3, ResNet, ResNetConfig,
        ResNetDepth, Vgg19,
    },
    candle_core::{DType, Device, Tensor},
};

fn count(declare: impl FnOnce(&mut ParameterStore)) -> usize {
    let mut store = ParameterStore::blank(&Device::Cpu);
    declare(&mut store);
    store.parameter_count()
}

#[test]
fn parameters_are_as_many_as_published() {
    let counts = golden().counts;
    let conv4 = |config| count(|store| drop(Conv4::new(store, config).unwrap()));
    assert_eq!(conv4(Conv4Config::colour_84(1600)), 1_002_432);
    assert_eq!(conv4(Conv4Config::colour_84(1600)), counts["conv4_1600"]);
    assert_eq!(conv4(Conv4Config::colour_84(1024)), counts["conv4_1024"]);
    for name in ["conv4_omniglot", "resnet12", "resnet18_few_shot", "resnet34_few_shot"] {
        assert_eq!(count(|store| drop(build(store, name, false))), counts[name], "{name}");
    }
    for (name, depth) in [
        ("resnet18", ResNetDepth::Eighteen),
        ("resnet34", ResNetDepth::ThirtyFour),
        ("resnet50", ResNetDepth::Fifty),
    ] {
        let with_classifier = count(|store| {
            let backbone = ResNet::new(store, ResNetConfig::torchvision(depth)).unwrap();
            drop(Embedded::named(store, backbone, "fc", 1000).unwrap());
        });
        assert_eq!(with_classifier, counts[name], "{name}");
    }
    let lite = count(|store| {
        let backbone = EfficientNetLite0::new(store).unwrap();
        drop(Embedded::named(store, backbone, "_fc", 1000).unwrap());
    });
    assert_eq!(lite, counts["efficientnet_lite0"]);
    let lite = count(|store| drop(EfficientNetLite0::new(store).unwrap()));
    assert_eq!(lite, counts["efficientnet_lite0_features"]);
    let inception = count(|store| drop(InceptionV3::new(store).unwrap()));
    assert_eq!(inception, counts["inception_v3_features"]);
    let vgg = count(|store| drop(Vgg19::new(store).unwrap()));
    assert_eq!(vgg, counts["vgg19_features"]);
    assert_eq!(vgg + 4097 * 1000, counts["vgg19"]);
}

#[test]
fn first_values_have_the_spread_of_pytorch() {
    let mut store = ParameterStore::new(1, &Device::Cpu);
    ResNet::new(&mut store, ResNetConfig::few_shot(ResNetDepth::Eighteen)).unwrap();
    Conv4::new(&mut store, Conv4Config::colour_84(64)).unwrap();
    let spread = |name: &str| {
        let values = numbers(&store.parameter(name).unwrap().var);
        norm(&values) / (values.len() as f64).sqrt()
    };
    // kaiming_normal_, fan_out: √(2 / (128·9)); 147,456 values, so the standard error is 0.2 %.
    let want = (2.0_f64 / 1152.0).sqrt();
    assert!((spread("layer2.0.conv2.weight") / want - 1.0).abs() < 0.01);
    // PyTorch's default, uniform within 1/√(64·9), deviation 1/√3 of that; 36,864 values, standard error 0.3 %.
    let want = 1.0 / (576.0_f64 * 3.0).sqrt();
    assert!((spread("encoder.1.0.weight") / want - 1.0).abs() < 0.015);
    assert_eq!(numbers(&store.parameter("layer2.0.bn1.weight").unwrap().var), [1.0; 128]);
    assert_eq!(numbers(&store.parameter("layer2.0.bn1.bias").unwrap().var), [0.0; 128]);
}

#[test]
fn a_picture_of_a_wrong_size_says_which_is_right() {
    let mut store = ParameterStore::new(1, &Device::Cpu);
    let conv4 = Conv4::new(&mut store, Conv4Config::omniglot()).unwrap();
    let images = Tensor::zeros((1, 1, 84, 84), DType::F32, &Device::Cpu).unwrap();
    let message = conv4.forward(&images, false).unwrap_err().to_string();
    assert!(message.contains("picture size = [84, 84]") && message.contains("28×28"), "{message}");
    let config = ResNetConfig { last_stride: 3, ..ResNetConfig::torchvision(ResNetDepth::Fifty) };
    let message = ResNet::new(&mut store, config).unwrap_err().to_string();
    assert!(message.contains("it is 1 or 2"), "{message}");
}

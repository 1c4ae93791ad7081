//! Weight files matched with a model by name.

use hyp_nn::{
    Init, Manifold, ParameterStore,
    backbone::{Embedded, ResNet, ResNetConfig, ResNetDepth},
    candle_core::{DType, Device, Tensor, safetensors},
    train::save_weights,
    weights::{Matching, WeightsFile},
};
use std::{fs, path::Path};

/// The harness of the readers of data serves the reader of weights too.
#[path = "../../../hyp-data/tests/fuzz/harness.rs"]
mod harness;

fn store() -> ParameterStore {
    let mut store = ParameterStore::new(3, &Device::Cpu);
    store.trainable("conv.weight", (2, 3), Init::torch_default(3), Manifold::Euclidean).unwrap();
    store.trainable("head.a", 4, Init::ONES, Manifold::Euclidean).unwrap();
    store.buffer("bn.running_mean", 2, Init::ZEROS).unwrap();
    store
}

fn write(path: &Path, tensors: &[(&str, &[usize], DType)]) -> WeightsFile {
    #[expect(clippy::disallowed_types, reason = "what Candle's writer takes")]
    let tensors: std::collections::HashMap<String, Tensor> = tensors
        .iter()
        .map(|(name, shape, dtype)| {
            let tensor = Tensor::ones(*shape, DType::F32, &Device::Cpu).unwrap();
            ((*name).to_owned(), (tensor * 0.5).unwrap().to_dtype(*dtype).unwrap())
        })
        .collect();
    safetensors::save(&tensors, path).unwrap();
    WeightsFile::open(path).unwrap()
}

#[test]
fn a_model_is_filled_by_name_and_the_rest_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(
        &folder.path().join("w.safetensors"),
        &[
            ("module.conv.weight", &[2, 3], DType::F16),
            ("module.bn.running_mean", &[2], DType::F64),
            ("module.bn.num_batches_tracked", &[], DType::I64),
            ("module.fc.weight", &[5], DType::F32),
        ],
    );
    let store = store();
    let message = file.load(&store, &Matching::default()).unwrap_err().to_string();
    assert!(message.contains("1 missing: head.a") && message.contains("w.safetensors"), "{message}");
    assert_ne!(store.parameter("conv.weight").unwrap().var.to_vec2::<f32>().unwrap(), [[0.5; 3]; 2]);
    let report = file.load(&store, &Matching { fresh: &["head."], ..Matching::default() }).unwrap();
    assert_eq!(report.loaded, ["conv.weight", "bn.running_mean"]);
    assert_eq!(
        (report.fresh, report.unexpected),
        (vec!["head.a".to_owned()], vec!["module.fc.weight".into()])
    );
    assert_eq!(report.ignored, ["module.bn.num_batches_tracked"]);
    assert_eq!(store.parameter("conv.weight").unwrap().var.to_vec2::<f32>().unwrap(), [[0.5; 3]; 2]);
    assert_eq!(store.parameter("head.a").unwrap().var.to_vec1::<f32>().unwrap(), [1.0; 4]);
}

/// ResNet-50 in torchvision's names, with the classifier of 1000 classes: as a model with it, and without it under a new
/// embedding.
#[test]
fn a_residual_network_is_filled_with_and_without_the_classifier_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resnet50.safetensors");
    let network = |seed, name: &str, dim| {
        let mut store = ParameterStore::new(seed, &Device::Cpu);
        let backbone = ResNet::new(&mut store, ResNetConfig::torchvision(ResNetDepth::Fifty)).unwrap();
        Embedded::named(&mut store, backbone, name, dim).unwrap();
        store
    };
    let whole = network(1, "fc", 1000);
    save_weights(&path, &whole).unwrap();
    let file = WeightsFile::open(&path).unwrap();
    let first = |store: &ParameterStore, name: &str| {
        store.parameter(name).unwrap().var.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0]
    };

    let again = network(2, "fc", 1000);
    let report = file.load(&again, &Matching::default()).unwrap();
    assert!(report.fresh.is_empty() && report.ignored.is_empty() && report.unexpected.is_empty());
    for name in ["conv1.weight", "layer4.2.conv3.weight", "fc.weight"] {
        assert_eq!(first(&again, name), first(&whole, name), "{name}");
    }

    let other = network(2, "embedding", 128);
    let matching = Matching { fresh: &["embedding."], unwanted: &["fc."], ..Matching::default() };
    let report = file.load(&other, &matching).unwrap();
    assert_eq!(report.ignored, ["fc.bias", "fc.weight"]);
    assert_eq!(report.fresh, ["embedding.bias", "embedding.weight"]);
    assert!(report.unexpected.is_empty());
    assert_eq!(first(&other, "layer1.0.downsample.0.weight"), first(&whole, "layer1.0.downsample.0.weight"));
    // Of a deeper network, what this one does not have is listed.
    let shallow = ParameterStore::new(0, &Device::Cpu);
    assert!(
        file.compare(&shallow, &Matching::default()).unexpected.iter().any(|name| name == "conv1.weight")
    );
}

#[test]
fn another_shape_or_type_is_refused_unless_an_alias_reshapes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let others: [(&str, &[usize], DType); 2] =
        [("head.a", &[4], DType::U8), ("bn.running_mean", &[3], DType::F32)];
    let file = write(&path, &[("conv.weight", &[2, 3], DType::F32), others[0], others[1]]);
    let report = file.compare(&store(), &Matching::default());
    assert_eq!(report.misshaped.len(), 2);
    let text = report.to_string();
    assert!(text.contains("head.a is [4] (u8) where the model has [4]"), "{text}");
    assert!(text.contains("bn.running_mean is [3] (f32) where the model has [2]"), "{text}");
    let file = write(&path, &[("old.weight", &[2, 3, 1, 1], DType::F32)]);
    let matching =
        Matching { fresh: &["head.", "bn."], aliases: &[("old.", "conv.")], ..Matching::default() };
    assert_eq!(file.load(&store(), &matching).unwrap().loaded, ["conv.weight"]);
}

#[test]
fn what_a_run_saved_is_read_back_and_damage_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.safetensors");
    let saved = store();
    save_weights(&path, &saved).unwrap();
    let other = ParameterStore::blank(&Device::Cpu);
    assert!(WeightsFile::open(&path).unwrap().compare(&other, &Matching::default()).is_complete());
    assert_eq!(WeightsFile::open(&path).unwrap().entries().count(), 3);
    let bytes = fs::read(&path).unwrap();
    for cut in [0, 1, 7, 8, 9, 40, bytes.len() - 1] {
        fs::write(&path, &bytes[..cut]).unwrap();
        let message = WeightsFile::open(&path).unwrap_err().to_string();
        assert!(
            message.contains("own.safetensors") && message.contains("obtain it again")
                || message.contains("torch.save"),
            "{cut}: {message}"
        );
    }
    let message = WeightsFile::open(&folder.path().join("absent.pth")).unwrap_err().to_string();
    assert!(message.contains("absent.pth"), "{message}");
}

#[test]
fn what_is_saved_comes_back_however_long_the_header_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    // The length of the header begins the file, and one in 32 begins with the byte of a pickle.
    let mut like_a_pickle = 0;
    for length in 0..256 {
        let note = format!("unwanted.{}", "n".repeat(length));
        let dtype = [DType::F32, DType::F64, DType::F16, DType::BF16][length % 4];
        let tensors: [(&str, &[usize], DType); 4] = [
            ("conv.weight", &[2, 3], dtype),
            ("head.a", &[4], DType::F32),
            ("bn.running_mean", &[2], dtype),
            (&note, &[], DType::U8),
        ];
        let file = write(&path, &tensors);
        like_a_pickle += u32::from(fs::read(&path).unwrap()[0] == 0x80);
        let mut listed = tensors.map(|(name, shape, dtype)| (name, shape.to_vec(), Some(dtype)));
        listed.sort_by_key(|(name, ..)| *name);
        let found: Vec<_> =
            file.entries().map(|(name, entry)| (name, entry.shape.clone(), entry.dtype)).collect();
        assert_eq!(found, listed);
        let store = store();
        let matching = Matching { unwanted: &["unwanted."], ..Matching::default() };
        assert_eq!(file.load(&store, &matching).unwrap().loaded.len(), 3);
        assert_eq!(store.parameter("conv.weight").unwrap().var.to_vec2::<f32>().unwrap(), [[0.5; 3]; 2]);
    }
    assert_ne!(like_a_pickle, 0);
}

#[test]
fn damaged_safetensors_are_read_or_refused() {
    let folder = harness::workplace();
    let path = folder.path().join("w.safetensors");
    let tensors: [(&str, &[usize], DType); 3] = [
        ("conv.weight", &[2, 3], DType::F32),
        ("head.a", &[4], DType::F16),
        ("bn.running_mean", &[2], DType::F64),
    ];
    let mut seeds = Vec::new();
    for count in [3, 1] {
        write(&path, &tensors[..count]);
        seeds.push(fs::read(&path).unwrap());
    }
    let matching = Matching { fresh: &["head.", "bn."], ..Matching::default() };
    harness::feed("safetensors", &seeds, |bytes| {
        fs::write(&path, bytes).unwrap();
        WeightsFile::open(&path)?.load(&store(), &matching).map(drop)
    });
}

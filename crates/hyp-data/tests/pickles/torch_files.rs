//! Weight files of PyTorch, zip and older layout.

use std::path::{Path, PathBuf};

use crate::golden;
use hyp_data::torch::{Element, TorchFile};

fn parse(bytes: &[u8]) -> Result<TorchFile, String> {
    TorchFile::parse(bytes.to_vec(), Path::new("w.pth")).map_err(|error| error.to_string())
}

fn floats(file: &TorchFile, name: &str) -> Vec<f32> {
    let bytes = file.bytes(name).unwrap();
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[test]
fn both_layouts_give_the_tensors_that_were_saved() {
    let golden = golden();
    for layout in ["pth_zip", "pth_legacy"] {
        let file = parse(&golden[layout]).unwrap();
        let listed: Vec<_> = file.tensors().map(|(name, t)| (name, t.element, t.shape.as_slice())).collect();
        assert_eq!(
            listed,
            [
                ("brain", Element::BF16, &[1][..]),
                ("bytes", Element::U8, &[2]),
                ("flags", Element::Bool, &[2]),
                ("half", Element::F16, &[2]),
                ("none", Element::F32, &[0, 2]),
                ("num_batches_tracked", Element::I64, &[]),
                ("parameter", Element::F32, &[1]),
                ("part", Element::F64, &[2]),
                ("tied", Element::F64, &[4]),
                ("transposed", Element::F32, &[3, 2]),
                ("weight", Element::F32, &[2, 3]),
            ],
            "{layout}"
        );
        assert_eq!(floats(&file, "weight"), [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]);
        assert_eq!(floats(&file, "transposed"), [0.0, 0.75, 0.25, 1.0, 0.5, 1.25]);
        assert_eq!(floats(&file, "parameter"), [9.0]);
        assert_eq!(file.bytes("part").unwrap()[..], [1.0_f64.to_le_bytes(), 2.0_f64.to_le_bytes()].concat());
        assert_eq!(file.bytes("num_batches_tracked").unwrap()[..], 3_i64.to_le_bytes());
        assert_eq!(file.bytes("half").unwrap()[..], [0x00, 0x38, 0x00, 0xC0]);
        assert_eq!(file.bytes("brain").unwrap()[..], [0xC0, 0x3F]);
        assert_eq!(file.bytes("flags").unwrap()[..], [1, 0]);
        assert!(file.bytes("none").unwrap().is_empty());
        assert!(file.bytes("absent").is_none());
        assert!(file.other().is_empty());
    }
}

#[test]
fn the_state_dict_of_a_checkpoint_is_found() {
    let file = parse(&golden()["pth_checkpoint"]).unwrap();
    assert_eq!(floats(&file, "module.w"), [1.0, 1.0]);
    assert_eq!(file.tensors().count(), 1);
}

#[test]
fn what_is_no_state_dict_says_so() {
    let golden = golden();
    let refused = |bytes: &[u8]| parse(bytes).unwrap_err();
    for name in ["pth_evil", "pth_evil_legacy"] {
        assert!(refused(&golden[name]).contains("`posix.system`"), "{}", refused(&golden[name]));
    }
    let expanded = refused(&golden["pth_expanded"]);
    assert!(expanded.contains("'w'") && expanded.contains("4000000 bytes"), "{expanded}");
    assert!(refused(&golden["pth_list"]).contains("no tensors by name, but a list of 1"));
    assert!(refused(b"<!DOCTYPE html>").contains("begins with \"<!DOCTYP\""));
    assert!(refused(b"").contains("begins with \"\""));
    assert!(refused(&golden["plain_2"]).contains("not one of PyTorch's"));
    let missing = TorchFile::read(Path::new("no/such.pth")).unwrap_err().to_string();
    assert!(missing.contains("no/such.pth"), "{missing}");
}

#[test]
fn a_cut_file_is_refused_wherever_it_is_cut() {
    let golden = golden();
    for layout in ["pth_zip", "pth_legacy"] {
        let whole = &golden[layout];
        for cut in (0..whole.len()).step_by(7).chain(whole.len() - 8..whole.len()) {
            let message = parse(&whole[..cut]).expect_err("a cut file is read");
            assert!(message.starts_with("`w.pth` is not usable: "), "{message}");
        }
    }
}

#[test]
fn a_changed_storage_is_noticed_in_an_archive() {
    let mut bytes = golden()["pth_zip"].clone();
    let value = 1.25_f32.to_le_bytes();
    let at = bytes.windows(4).position(|window| window == value).unwrap();
    bytes[at] ^= 1;
    let message = parse(&bytes).unwrap_err();
    assert!(message.contains("cannot be read") && message.contains("obtain it again"), "{message}");
}

#[test]
fn published_weights_of_efficientnet_lite0_are_listed() {
    let Some(folder) = std::env::var_os("HYP_DATA").map(PathBuf::from) else {
        println!("HYP_DATA is not set: the published weights were not read, nothing was checked");
        return;
    };
    let path = folder.join("weights/efficientnet-lite0-57934424.pth");
    if !path.exists() {
        println!("{} does not exist: nothing was checked", path.display());
        return;
    }
    let file = TorchFile::read(&path).unwrap();
    assert_eq!(file.tensors().count(), 296);
    let count: usize = file
        .tensors()
        .filter(|(name, _)| name.ends_with("weight") || name.ends_with("bias"))
        .map(|(_, tensor)| tensor.elem_count())
        .sum();
    assert_eq!(count, 4_652_008);
    let (_, fc) = file.tensors().find(|(name, _)| *name == "_fc.weight").unwrap();
    assert_eq!((fc.element, fc.shape.as_slice()), (Element::F32, &[1000, 1280][..]));
    assert!(floats(&file, "_fc.weight").iter().all(|weight| weight.is_finite()));
}

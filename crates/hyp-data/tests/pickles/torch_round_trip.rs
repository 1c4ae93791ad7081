//! State dicts written in both layouts of PyTorch come back: names, shapes, element types, every byte.

use std::io::{Cursor, Write as _};
use std::path::Path;

use hyp_data::torch::{Element, TorchFile};
use proptest::prelude::*;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

const ELEMENTS: [(Element, &str); 10] = [
    (Element::Bool, "BoolStorage"),
    (Element::U8, "ByteStorage"),
    (Element::I8, "CharStorage"),
    (Element::I16, "ShortStorage"),
    (Element::I32, "IntStorage"),
    (Element::I64, "LongStorage"),
    (Element::F16, "HalfStorage"),
    (Element::BF16, "BFloat16Storage"),
    (Element::F32, "FloatStorage"),
    (Element::F64, "DoubleStorage"),
];

/// A tensor and where its elements lie in a storage of its own.
#[derive(Clone, Debug)]
struct Tensor {
    name: String,
    element: usize,
    shape: Vec<usize>,
    /// Whether the first axis is the fastest, as in a transposed matrix.
    columns: bool,
    /// Elements of the storage before and behind those of the tensor.
    around: usize,
}

fn tensor() -> impl Strategy<Value = Tensor> {
    let shape = prop::collection::vec(0_usize..5, 0..5);
    ("[a-z0-9._é]{1,12}", 0..ELEMENTS.len(), shape, any::<bool>(), 0_usize..4)
        .prop_map(|(name, element, shape, columns, around)| Tensor { name, element, shape, columns, around })
}

impl Tensor {
    fn count(&self) -> usize {
        self.shape.iter().product()
    }

    fn strides(&self) -> Vec<usize> {
        let mut strides = vec![0; self.shape.len()];
        let mut next = 1;
        for step in 0..self.shape.len() {
            let axis = if self.columns { step } else { self.shape.len() - 1 - step };
            strides[axis] = next;
            next *= self.shape[axis].max(1);
        }
        strides
    }

    /// Every byte of the storage differs from its neighbours.
    fn storage(&self) -> Vec<u8> {
        let elements = self.count() + 2 * self.around;
        (0..elements * ELEMENTS[self.element].0.size()).map(|at| (at * 37 + self.name.len()) as u8).collect()
    }

    /// The elements in the order of the axes, found one by one.
    fn bytes(&self) -> Vec<u8> {
        let (storage, size) = (self.storage(), ELEMENTS[self.element].0.size());
        let element = |number: usize| {
            let (mut rest, mut at) = (number, self.around);
            for (axis, stride) in self.shape.iter().zip(self.strides()).rev() {
                at += rest % axis * stride;
                rest /= axis;
            }
            storage[at * size..(at + 1) * size].to_vec()
        };
        (0..self.count()).flat_map(element).collect()
    }
}

fn int(number: usize) -> Vec<u8> {
    [&b"J"[..], &(number as u32).to_le_bytes()].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [&b"("[..], &items.concat(), b"t"].concat()
}

fn callable(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

/// The state dict as PyTorch pickles it with protocol 2; the storage of the n-th tensor has the key n.
fn state_dict(tensors: &[Tensor]) -> Vec<u8> {
    let ordered = [callable("collections", "OrderedDict"), b")R".to_vec()].concat();
    let mut out = [b"\x80\x02", &ordered[..], b"("].concat();
    for (key, tensor) in tensors.iter().enumerate() {
        let storage = tuple(&[
            text("storage"),
            callable("torch", ELEMENTS[tensor.element].1),
            text(&key.to_string()),
            text("cpu"),
            int(tensor.count() + 2 * tensor.around),
        ]);
        let counts = |counts: &[usize]| tuple(&counts.iter().map(|count| int(*count)).collect::<Vec<_>>());
        let arguments = tuple(&[
            [storage, b"Q".to_vec()].concat(),
            int(tensor.around),
            counts(&tensor.shape),
            counts(&tensor.strides()),
            b"\x89".to_vec(),
            ordered.clone(),
        ]);
        out.extend([text(&tensor.name), callable("torch._utils", "_rebuild_tensor_v2"), arguments].concat());
        out.push(b'R');
    }
    out.extend(b"u.");
    out
}

fn archive(tensors: &[Tensor]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut put = |name: &str, bytes: &[u8]| {
        zip.start_file(format!("archive/{name}"), stored).unwrap();
        zip.write_all(bytes).unwrap();
    };
    put("data.pkl", &state_dict(tensors));
    put("byteorder", b"little");
    for (key, tensor) in tensors.iter().enumerate() {
        put(&format!("data/{key}"), &tensor.storage());
    }
    put("version", b"3\n");
    zip.finish().unwrap().into_inner()
}

fn legacy(tensors: &[Tensor]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.";
    let system = [b"\x80\x02}", &text("little_endian")[..], b"\x88s."].concat();
    let keys: Vec<u8> = (0..tensors.len()).flat_map(|key| text(&key.to_string())).collect();
    let mut out = [&magic[..], &system, &state_dict(tensors), b"\x80\x02](", &keys, b"e."].concat();
    for tensor in tensors {
        out.extend((tensor.count() as u64 + 2 * tensor.around as u64).to_le_bytes());
        out.extend(tensor.storage());
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_state_dict_comes_back_from_both_layouts(
        tensors in prop::collection::vec(tensor(), 1..6),
        keep in 0.0_f64..1.0,
    ) {
        let mut tensors = tensors;
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        tensors.dedup_by(|a, b| a.name == b.name);
        for bytes in [archive(&tensors), legacy(&tensors)] {
            let file = TorchFile::parse(bytes.clone(), Path::new("w.pth")).unwrap();
            prop_assert_eq!(file.tensors().count(), tensors.len());
            for (tensor, (name, found)) in tensors.iter().zip(file.tensors()) {
                prop_assert_eq!(name, &tensor.name);
                prop_assert_eq!((found.element, &found.shape), (ELEMENTS[tensor.element].0, &tensor.shape));
                prop_assert_eq!(&file.bytes(name).unwrap()[..], &tensor.bytes()[..]);
            }
            let cut = bytes[..(bytes.len() as f64 * keep) as usize].to_vec();
            let text = TorchFile::parse(cut, Path::new("w.pth")).unwrap_err().to_string();
            prop_assert!(text.starts_with("`w.pth` is not usable: "), "{}", text);
        }
    }
}

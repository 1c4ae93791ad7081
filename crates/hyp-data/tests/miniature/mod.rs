//! Writers of the published layouts, a few pictures each.
#![allow(dead_code, reason = "each test binary uses some of them")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use hyp_data::{Image, Random, Region};
use zip::write::SimpleFileOptions;

/// Writes a file and the folders above it.
pub(crate) fn put(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A picture that differs from its neighbours in every pixel.
pub(crate) fn noise(height: usize, width: usize, channels: usize, seed: u64) -> Image {
    let mut random = Random::new(seed);
    let data = (0..height * width * channels).map(|_| random.below(256) as u8).collect();
    Image::new(height, width, channels, data)
}

/// Everything below a folder as a zip archive.
pub(crate) fn zip_folder(root: &Path, archive: &Path) {
    zip_folder_as(root, "", archive);
}

/// As [`zip_folder`], with `top` before every name.
pub(crate) fn zip_folder_as(root: &Path, top: &str, archive: &Path) {
    let mut zip = zip::ZipWriter::new(File::create(archive).unwrap());
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                zip.start_file(format!("{top}{name}"), SimpleFileOptions::default()).unwrap();
                zip.write_all(&fs::read(&path).unwrap()).unwrap();
            }
        }
    }
    zip.finish().unwrap();
}

/// One record of a CIFAR file.
pub(crate) fn cifar_record(labels: &[u8], picture: &Image) -> Vec<u8> {
    let mut bytes = labels.to_vec();
    for channel in 0..3 {
        bytes.extend(picture.data().chunks_exact(3).map(|pixel| pixel[channel]));
    }
    bytes
}

/// All files of one of the two data sets, each with the same pictures; a label is (of ten, of a hundred).
pub(crate) fn write_cifar(root: &Path, hundred: bool, labels: &[(u8, u8)], pictures: &[Image]) {
    let records: Vec<u8> =
        labels
            .iter()
            .zip(pictures)
            .flat_map(|(&(ten, fine), picture)| {
                if hundred { cifar_record(&[ten, fine], picture) } else { cifar_record(&[ten], picture) }
            })
            .collect();
    if hundred {
        for name in ["train.bin", "test.bin"] {
            put(root, &format!("cifar-100-binary/{name}"), &records);
        }
        let names: String = (0..100).map(|n| format!("class{n:02}")).collect::<Vec<_>>().join("\n");
        put(root, "cifar-100-binary/fine_label_names.txt", names.as_bytes());
    } else {
        for n in 1..=5 {
            put(root, &format!("cifar-10-batches-bin/data_batch_{n}.bin"), &records);
        }
        put(root, "cifar-10-batches-bin/test_batch.bin", &records);
    }
}

/// A picture of CUB-200-2011.
pub(crate) struct CubPicture {
    pub(crate) class: &'static str,
    pub(crate) name: String,
    pub(crate) region: Region,
    pub(crate) training: bool,
}

/// The published layout with pictures of 16 × 16.
pub(crate) fn write_cub(root: &Path, pictures: &[CubPicture]) {
    let home = root.join("CUB_200_2011");
    let (mut images, mut split, mut boxes) = (String::new(), String::new(), String::new());
    let mut classes: Vec<&str> = pictures.iter().map(|picture| picture.class).collect();
    classes.sort_unstable();
    classes.dedup();
    for (n, picture) in pictures.iter().enumerate() {
        let CubPicture { class, name, region, training } = picture;
        put(&home, &format!("images/{class}/{name}"), &noise(16, 16, 3, n as u64).to_png());
        let number = n + 1;
        writeln!(images, "{number} {class}/{name}").unwrap();
        writeln!(split, "{number} {}", u8::from(*training)).unwrap();
        let Region { left, top, width, height } = region;
        writeln!(boxes, "{number} {left}.0 {top}.0 {width}.0 {height}.0").unwrap();
    }
    let classes = classes.iter().enumerate().map(|(n, name)| format!("{} {name}", n + 1));
    let classes = classes.collect::<Vec<_>>().join("\n");
    for (name, text) in [
        ("images.txt", images),
        ("train_test_split.txt", split),
        ("bounding_boxes.txt", boxes),
        ("classes.txt", classes),
    ] {
        put(&home, name, text.as_bytes());
    }
}

/// A cache of mini-ImageNet with classes of the given sizes, as Python pickles it with protocol 3.
pub(crate) fn pickle(sizes: &[usize], pictures: &[Image]) -> Vec<u8> {
    let names: Vec<String> = (0..sizes.len()).map(|n| format!("n{:08}", n + 1)).collect();
    let classes: Vec<(&str, usize)> = names.iter().map(String::as_str).zip(sizes.iter().copied()).collect();
    pickle_of(&classes, pictures)
}

/// As [`pickle`], with the names of the classes.
pub(crate) fn pickle_of(classes: &[(&str, usize)], pictures: &[Image]) -> Vec<u8> {
    let small = |n: usize| [b'K', u8::try_from(n).unwrap()];
    let text = |text: &str| {
        let mut bytes = vec![b'X'];
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    };
    let mut out = b"\x80\x03}(".to_vec();
    out.extend(text("image_data"));
    out.extend(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01(");
    let (height, width) = (pictures[0].height(), pictures[0].width());
    for axis in [pictures.len(), height, width, 3] {
        out.extend(small(axis));
    }
    out.extend(b"tcnumpy\ndtype\n");
    out.extend(text("u1"));
    out.extend(b"K\x00K\x01\x87R(K\x03");
    out.extend(text("|"));
    out.extend(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89B");
    let data: Vec<u8> = pictures.iter().flat_map(|picture| picture.data().to_vec()).collect();
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(data);
    out.extend(b"tb");
    out.extend(text("class_dict"));
    out.extend(b"}(");
    let mut next = 0;
    for (name, size) in classes {
        out.extend(text(name));
        out.extend(b"](");
        for number in next..next + size {
            out.extend(small(number));
        }
        out.push(b'e');
        next += size;
    }
    out.extend(b"uu.");
    out
}

/// The files of `golden/make_pickles.py` by name.
pub(crate) fn golden_pickles() -> BTreeMap<String, Vec<u8>> {
    let files: BTreeMap<String, String> = toml::from_str(include_str!("../golden/pickles.toml")).unwrap();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let bytes = |hex: String| hex.as_bytes().chunks_exact(2).map(byte).collect();
    files.into_iter().map(|(name, hex)| (name, bytes(hex))).collect()
}

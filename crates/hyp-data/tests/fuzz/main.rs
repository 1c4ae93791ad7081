//! Damaged input to every reader: each ends in a data set or in an error, never in a panic, a hang or a full memory.
//!
//! `harness.rs` serves them all: good files of a reader are changed by the same few mutations, decided by a seed.
//! Normally a few thousand inputs each; `HYP_FUZZ=1000000 cargo test -p hyp-data --test fuzz -- --nocapture` for a long run.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod harness;
#[path = "../miniature/mod.rs"]
mod miniature;

use std::fs;
use std::path::{Path, PathBuf};

use harness::{feed, mutate, workplace};
use hyp_data::pickle::numpy::{Array, NUMPY, integer};
use hyp_data::pickle::{Pickle, Value};
use hyp_data::sample::{EpisodeList, EpisodeSampler, EpisodeShape};
use hyp_data::source::cifar::{self, Variant};
use hyp_data::source::idx::{self, IdxArray};
use hyp_data::source::{csv, cub, folder, mini_imagenet, reid, synthetic};
use hyp_data::torch::TorchFile;
use hyp_data::{Colour, DataError, Image, Random, Region};
use image::{DynamicImage, ImageFormat};
use miniature::{CubPicture, noise};

/// Feeds a reader that takes one file.
fn feed_file(
    name: &str,
    file: &str,
    seeds: &[Vec<u8>],
    mut read: impl FnMut(&Path) -> Result<(), DataError>,
) {
    let root = workplace();
    let path = root.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    feed(name, seeds, |bytes| {
        fs::write(&path, bytes).unwrap();
        read(&path)
    });
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap().to_owned()
}

#[test]
fn idx() {
    let root = workplace();
    let mut seeds = Vec::new();
    for name in ["a", "a.gz"] {
        let path = root.path().join(name);
        idx::write(&path, &IdxArray { dims: vec![3, 4, 5], data: (0..60).collect() }).unwrap();
        seeds.push(fs::read(path).unwrap());
    }
    feed_file("idx", "images", &seeds, |path| idx::read(path, 3).map(drop));
}

#[test]
fn cifar() {
    let record = miniature::cifar_record(&[3], &noise(32, 32, 3, 0));
    let seeds = [record.clone(), [record.clone(), record].concat()];
    feed_file("CIFAR", "test_batch.bin", &seeds, |path| {
        cifar::read(&folder_of(path), Variant::Cifar10).map(drop)
    });
}

#[test]
fn mini_imagenet_pickles() {
    let pictures = [noise(2, 2, 3, 0), noise(2, 2, 3, 1), noise(2, 2, 3, 2)];
    let seeds = [miniature::pickle(&[2, 1], &pictures), miniature::pickle(&[1], &pictures[..1])];
    feed_file("mini-ImageNet pickle", "mini-imagenet-cache-train.pkl", &seeds, |path| {
        mini_imagenet::read(&folder_of(path)).map(drop)
    });
}

#[test]
fn cub_lists() {
    let root = workplace();
    let bird = |class, name: &str, training| {
        let region = Region { left: 1, top: 2, width: 3, height: 4 };
        CubPicture { class, name: name.to_owned(), region, training }
    };
    let birds =
        [bird("001.Black_footed_Albatross", "a.png", true), bird("003.Sooty_Albatross", "b.png", false)];
    miniature::write_cub(root.path(), &birds);
    let options = cub::Options { frame: cub::Frame::BoundingBox, parts: cub::Parts::Published };
    let names = ["images.txt", "bounding_boxes.txt", "train_test_split.txt", "classes.txt"];
    let path = |name: &str| root.path().join("CUB_200_2011").join(name);
    let good: Vec<Vec<u8>> = names.iter().map(|name| fs::read(path(name)).unwrap()).collect();
    let mut turn = 0;
    // A mutated list stands in for each of the four in turn.
    feed("CUB lists", &good[..1], |bytes| {
        let which = if bytes == good[0] { 0 } else { turn % names.len() };
        turn += 1;
        let bytes = if which == 0 {
            bytes.to_vec()
        } else {
            mutate(&good[which..=which], &mut Random::new(turn as u64))
        };
        fs::write(path(names[which]), bytes).unwrap();
        let outcome = cub::read(root.path(), options).and_then(|birds| birds.image(0)).map(drop);
        fs::write(path(names[which]), &good[which]).unwrap();
        outcome
    });
}

#[test]
fn csv_lists() {
    let root = workplace();
    fs::write(root.path().join("1.png"), noise(2, 2, 3, 0).to_png()).unwrap();
    fs::write(root.path().join("2.png"), noise(2, 2, 3, 1).to_png()).unwrap();
    let seeds = [
        b"path,class\n1.png,a\n2.png,b\n".to_vec(),
        b"\xEF\xBB\xBFclass,path,identity,camera,split\n\"a, b\",1.png,7,c1,train\nb,2.png,,,query\n"
            .to_vec(),
    ];
    let path = root.path().join("list.csv");
    feed("CSV", &seeds, |bytes| {
        fs::write(&path, bytes).unwrap();
        csv::load(&path, Colour::Rgb).map(drop)
    });
}

#[test]
fn zip_archives() {
    let root = workplace();
    let pictures = root.path().join("pictures");
    for (n, name) in ["train/a/1.png", "train/b/2.png", "test/a/3.png"].iter().enumerate() {
        miniature::put(&pictures, name, &noise(2, 2, 3, n as u64).to_png());
    }
    let people = root.path().join("people");
    for name in ["0001_c1s1_000001_00.png", "0002_c2s1_000002_00.png", "-1_c2s1_000003_00.png"] {
        miniature::put(&people, name, &noise(2, 2, 3, 9).to_png());
    }
    let zipped = |folder: &Path| {
        let path = root.path().join("good.zip");
        miniature::zip_folder(folder, &path);
        fs::read(path).unwrap()
    };
    let (pictures, people) = (zipped(&pictures), zipped(&people));
    let every_picture =
        |dataset: &hyp_data::Dataset| (0..dataset.len()).try_for_each(|n| dataset.image(n).map(drop));
    feed_file("zip of class folders", "a.zip", &[pictures], |path| {
        every_picture(&folder::load(path, Colour::Rgb)?)
    });
    feed_file("zip of people", "a.zip", &[people], |path| every_picture(&reid::read(path)?));
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let pixels = noise(7, 9, 3, 5).into_data();
    let picture = DynamicImage::ImageRgb8(image::RgbImage::from_raw(9, 7, pixels).unwrap());
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn feed_decoder(name: &str, seeds: &[Vec<u8>]) {
    feed(name, seeds, |bytes| Image::decode(bytes, Colour::Rgb, Path::new("a picture")).map(drop));
}

#[test]
fn png() {
    feed_decoder("PNG", &[encoded(ImageFormat::Png)]);
}

#[test]
fn gif() {
    feed_decoder("GIF", &[encoded(ImageFormat::Gif)]);
}

#[test]
fn bmp() {
    feed_decoder("BMP", &[encoded(ImageFormat::Bmp)]);
}

#[test]
fn webp() {
    feed_decoder("WebP", &[encoded(ImageFormat::WebP)]);
}

#[test]
fn jpeg() {
    let cmyk = include_bytes!("../golden/cmyk.jpg").to_vec();
    let progressive = include_bytes!("../golden/progressive.jpg").to_vec();
    feed_decoder("JPEG", &[encoded(ImageFormat::Jpeg), cmyk, progressive]);
}

#[test]
fn episode_lists() {
    let glyphs = synthetic::stroke_glyphs(4, 4, 0);
    let all: Vec<usize> = (0..16).collect();
    let shape = EpisodeShape { way: 2, shot: 1, query: 2 };
    let list = EpisodeList::draw(&EpisodeSampler::new(glyphs.index(), &all, shape, 4, 0).unwrap(), 0);
    let root = workplace();
    let path = root.path().join("episodes.txt");
    list.write(glyphs.index(), &path).unwrap();
    let seeds = [fs::read(&path).unwrap()];
    feed_file("episode list", "list.txt", &seeds, |path| EpisodeList::read(glyphs.index(), path).map(drop));
}

/// Looks at every value to a fixed depth, as a reader of some file would.
fn walk(value: Value<'_>, depth: usize) -> usize {
    let mut seen = value.kind().len() + integer(value).is_some() as usize;
    if let Ok(array) = Array::of(value) {
        seen += array.integers().map_or(0, |integers| integers.len());
    }
    seen += value.as_bytes().map_or(0, |bytes| bytes.len());
    if depth > 0 {
        let call = value.call().map(|call| [Some(call.args), call.state]);
        let inner = call.into_iter().flatten().flatten().chain(value.as_persistent());
        let entries = value.entries().into_iter().flatten().flat_map(|(key, value)| [key, value]);
        for value in value.items().into_iter().flatten().chain(entries).chain(inner).take(64) {
            seen += walk(value, depth - 1);
        }
    }
    seen
}

/// The golden files whose names begin so, or the others.
fn golden(weights: bool) -> Vec<Vec<u8>> {
    let files = miniature::golden_pickles().into_iter();
    files.filter(|(name, _)| name.starts_with("pth") == weights).map(|(_, bytes)| bytes).collect()
}

#[test]
fn pickles() {
    let good = golden(false).into_iter().filter(|bytes| Pickle::parse(bytes, NUMPY).is_ok());
    feed("pickle", &good.collect::<Vec<_>>(), |bytes| {
        Pickle::parse(bytes, NUMPY).map(|pickle| assert!(walk(pickle.root(), 3) > 0))
    });
}

#[test]
fn torch_weights() {
    let parse = |bytes: &[u8]| TorchFile::parse(bytes.to_vec(), Path::new("w.pth"));
    let good: Vec<Vec<u8>> = golden(true).into_iter().filter(|bytes| parse(bytes).is_ok()).collect();
    feed("PyTorch weights", &good, |bytes| {
        let file = parse(bytes)?;
        let names: Vec<String> = file.tensors().map(|(name, _)| name.to_owned()).collect();
        assert!(names.iter().all(|name| file.bytes(name).is_some()), "a tensor that is listed is there");
        Ok::<(), DataError>(())
    });
}

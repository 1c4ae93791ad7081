//! Damaged input to every reader: each ends in a data set or in an error, never in a panic, a hang or a full memory.
//!
//! One harness for all: good files of a reader are changed by the same few mutations, decided by a seed.
//! Normally a few thousand inputs each; `HYP_FUZZ=1000000 cargo test -p hyp-data --test fuzz -- --nocapture` for a long run.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![expect(clippy::print_stdout, reason = "a long run says what it did")]

#[path = "miniature/mod.rs"]
mod miniature;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hyp_data::sample::{EpisodeList, EpisodeSampler, EpisodeShape};
use hyp_data::source::cifar::{self, Variant};
use hyp_data::source::idx::{self, IdxArray};
use hyp_data::source::{csv, cub, folder, mini_imagenet, reid, synthetic};
use hyp_data::{Colour, DataError, Image, Random, Region};
use image::{DynamicImage, ImageFormat};
use miniature::{CubPicture, noise};

/// Inputs of a normal test run.
const INPUTS: usize = 2_000;
/// The longest that one small input may take; generous, for machines that do other things as well.
const LONGEST: Duration = Duration::from_secs(20);
/// The most memory that the whole process may ever have held, all readers together.
const MEMORY: u64 = 2 << 30;

fn inputs() -> usize {
    std::env::var("HYP_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(INPUTS)
}

/// Words that stand for much or for nothing, at every width.
const EDGES: [u64; 12] =
    [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, u64::MAX / 2, u64::MAX];

/// Changes some bytes: flips, edges, pieces cut out, repeated, moved or taken from another good file.
fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let length = bytes.len();
        if length == 0 {
            break;
        }
        // Headers decide most: half of all changes fall into the first 64 bytes.
        let at = if random.below(2) == 0 { random.below(length.min(64)) } else { random.below(length) };
        let piece = at..(at + 1 + random.below(16)).min(length);
        match random.below(9) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => {
                let edge = EDGES[random.below(EDGES.len())];
                let width = [1, 2, 4, 8][random.below(4)].min(length - at);
                let word = if random.below(2) == 0 {
                    edge.to_le_bytes()
                } else {
                    (edge << (64 - 8 * width)).to_be_bytes()
                };
                bytes[at..at + width].copy_from_slice(&word[..width]);
            }
            3 => bytes.truncate(at),
            4 => {
                bytes.drain(piece);
            }
            5 => {
                let again: Vec<u8> = bytes[piece].to_vec();
                for _ in 0..=random.below(3) {
                    bytes.splice(at..at, again.iter().copied());
                }
            }
            6 => {
                let other = &seeds[random.below(seeds.len())];
                if !other.is_empty() {
                    let from = random.below(other.len());
                    let to = (from + 1 + random.below(64)).min(other.len());
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
            }
            7 => bytes[piece].fill([0, 0xFF, b'9', b'\n'][random.below(4)]),
            _ => bytes[piece].reverse(),
        }
    }
    bytes
}

/// Feeds a reader; `read` says whether it took the input for good.
fn feed(name: &str, seeds: &[Vec<u8>], mut read: impl FnMut(&[u8]) -> Result<(), DataError>) {
    for seed in seeds {
        read(seed).unwrap_or_else(|error| panic!("{name}: a good input is refused: {error}"));
    }
    let (mut good, mut slowest) = (0, Duration::ZERO);
    let count = inputs();
    let start = Instant::now();
    for number in 0..count {
        let bytes = mutate(seeds, &mut Random::new(number as u64));
        let mut attempt = || {
            let begin = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| read(&bytes)));
            (outcome, begin.elapsed())
        };
        let (mut outcome, mut took) = attempt();
        if took >= LONGEST {
            // The process may have been held up; a reader that hangs does so again.
            (outcome, took) = attempt();
        }
        slowest = slowest.max(took);
        assert!(took < LONGEST, "{name}: input {number} took {took:?}");
        match outcome {
            Ok(Ok(())) => good += 1,
            Ok(Err(error)) => {
                let text = error.to_string();
                assert!(text.len() < 4096, "{name}: input {number} gives a message of {} bytes", text.len());
            }
            Err(panic) => {
                panic!("{name}: input {number} made the reader panic: {:?}", panic.downcast_ref::<String>())
            }
        }
    }
    let peak = peak_memory();
    println!(
        "{name}: {count} inputs, {good} read, {} refused, slowest {slowest:.1?}, {:.0?} in all, {} MiB at most",
        count - good,
        start.elapsed(),
        peak.map_or("unknown".to_owned(), |bytes| (bytes >> 20).to_string()),
    );
    assert!(peak.is_none_or(|bytes| bytes < MEMORY), "{name}: {peak:?} bytes were held");
}

/// The most memory that this process has held, where the system says so.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// A folder of its own, in memory where the system has such a place.
fn workplace() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

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
    let cmyk = include_bytes!("golden/cmyk.jpg").to_vec();
    let progressive = include_bytes!("golden/progressive.jpg").to_vec();
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

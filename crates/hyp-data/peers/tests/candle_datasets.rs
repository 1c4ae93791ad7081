//! candle-datasets reads the same pictures and labels as `hyp-data` out of the same files, byte for byte.
//!
//! Its readers of local files are compared on generated files, and on real ones where `HYP_DATA` names the folder that
//! holds them; its readers of downloaded files are given a cache of the hub that was filled by hand, so that no
//! connection is opened.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use candle_core::Tensor;
use candle_datasets::vision::{self, Dataset as Theirs};
use flate2::read::GzDecoder;
use hyp_data::source::idx::{self, IdxArray};
use hyp_data::source::{cifar, mnist};
use hyp_data::{Dataset, Image, Random, Split};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// Pictures of one part, channel × row × column each, one after the other, and their labels.
#[derive(PartialEq)]
struct Part {
    pictures: Vec<u8>,
    labels: Vec<u8>,
}

impl Part {
    /// The pictures of `splits`, in the order of the index.
    fn ours(dataset: &Dataset, splits: &[Split]) -> Self {
        let items = dataset.index().items();
        let (mut pictures, mut labels) = (Vec::new(), Vec::new());
        for n in (0..dataset.len()).filter(|&n| splits.contains(&items[n].split.unwrap())) {
            pictures.extend(planes(&dataset.image(n).unwrap()));
            labels.push(items[n].class as u8);
        }
        Self { pictures, labels }
    }

    /// As bytes again; every value must be that of a byte divided by 255, up to one rounding of an `f32` below 1.
    fn theirs(pictures: &Tensor, labels: &Tensor) -> Self {
        let values = pictures.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let byte = |value: &f32| {
            let byte = (value * 255.0).round();
            assert!((value - byte / 255.0).abs() <= f32::EPSILON / 2.0, "{value} is no byte divided by 255");
            byte as u8
        };
        Self { pictures: values.iter().map(byte).collect(), labels: labels.to_vec1().unwrap() }
    }

    /// Every picture with its rows and columns exchanged.
    fn transposed(&self, channels: usize, side: usize) -> Self {
        let pixels = side * side;
        let at = |n: usize| {
            let (plane, row, column) = (n / pixels, n / side % side, n % side);
            self.pictures[plane * pixels + column * side + row]
        };
        assert_eq!(self.pictures.len(), self.labels.len() * channels * pixels);
        Self { pictures: (0..self.pictures.len()).map(at).collect(), labels: self.labels.clone() }
    }

    fn assert_is(&self, other: &Self, what: &str) {
        assert!(self.labels == other.labels, "{what}: the labels differ");
        assert_eq!(self.pictures.len(), other.pictures.len(), "{what}: bytes of the pictures");
        let differ = self.pictures.iter().zip(&other.pictures).position(|(a, b)| a != b);
        assert_eq!(differ, None, "{what}: the first byte that differs");
        println!("{what}: {} pictures and labels agree", self.labels.len());
    }
}

fn planes(image: &Image) -> Vec<u8> {
    let channels = image.channels();
    (0..channels).flat_map(|c| image.data().iter().skip(c).step_by(channels).copied()).collect()
}

const TRAINING: [Split; 2] = [Split::Train, Split::Validation];
const TESTING: [Split; 1] = [Split::Test];

/// Both parts of a data set, ours beside theirs.
fn compare(ours: &Dataset, theirs: &Theirs, what: &str) {
    let train = Part::theirs(&theirs.train_images, &theirs.train_labels);
    Part::ours(ours, &TRAINING).assert_is(&train, &format!("{what}, training part"));
    let test = Part::theirs(&theirs.test_images, &theirs.test_labels);
    Part::ours(ours, &TESTING).assert_is(&test, &format!("{what}, test part"));
}

fn noise(height: usize, width: usize, channels: usize, seed: u64) -> Image {
    let mut random = Random::new(seed);
    let data = (0..height * width * channels).map(|_| random.below(256) as u8).collect();
    Image::new(height, width, channels, data)
}

/// The folder `name` below `HYP_DATA`, or a line that says that nothing is checked.
fn real(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("HYP_DATA").map(|root| PathBuf::from(root).join(name));
    let folder = folder.filter(|folder| folder.is_dir());
    if folder.is_none() {
        println!("nothing checked: HYP_DATA names no folder that holds `{name}`");
    }
    folder
}

#[test]
fn generated_mnist_files_are_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    for (stem, count, seed) in [("train", 7, 1), ("t10k", 3, 2)] {
        let pictures = noise(count * 4, 5, 1, seed).into_data();
        let labels = (0..count).map(|n| (n * 3 % 10) as u8).collect();
        let write = |name: String, array: &IdxArray| idx::write(&folder.path().join(name), array).unwrap();
        write(format!("{stem}-images-idx3-ubyte"), &IdxArray { dims: vec![count, 4, 5], data: pictures });
        write(format!("{stem}-labels-idx1-ubyte"), &IdxArray { dims: vec![count], data: labels });
    }
    let ours = mnist::read(folder.path(), 2).unwrap();
    compare(&ours, &vision::mnist::load_dir(folder.path()).unwrap(), "MNIST in miniature");
}

#[test]
fn the_real_mnist_is_read_alike() {
    let Some(packed) = real("mnist") else { return };
    let ours = mnist::load(&packed).unwrap();
    assert_eq!(ours.len(), 70_000);
    // Theirs reads no compressed files.
    let folder = tempfile::tempdir().unwrap();
    for name in ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"] {
        let mut from = GzDecoder::new(File::open(packed.join(format!("{name}-ubyte.gz"))).unwrap());
        let mut to = File::create(folder.path().join(format!("{name}-ubyte"))).unwrap();
        io::copy(&mut from, &mut to).unwrap();
    }
    compare(&ours, &vision::mnist::load_dir(folder.path()).unwrap(), "MNIST");
}

/// Pictures in each binary file of CIFAR-10: theirs reads no other number.
const IN_A_FILE: usize = 10_000;

fn record(label: u8, image: &Image) -> Vec<u8> {
    [vec![label], planes(image)].concat()
}

fn batch(number: usize) -> String {
    if number == 0 { "test_batch.bin".to_owned() } else { format!("data_batch_{number}.bin") }
}

#[test]
fn generated_cifar_files_are_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..6 {
        let mut state = number as u64;
        let mut bytes = vec![0; IN_A_FILE * 3073];
        for byte in &mut bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
        for record in bytes.chunks_exact_mut(3073) {
            record[0] %= 10;
        }
        fs::write(folder.path().join(batch(number)), bytes).unwrap();
    }
    let ours = cifar::read(folder.path(), cifar::Variant::Cifar10).unwrap();
    compare(&ours, &vision::cifar::load_dir(folder.path()).unwrap(), "CIFAR-10 of noise");
}

#[test]
fn the_real_test_part_of_cifar_is_read_alike_from_pictures_and_from_records() {
    let Some(pictures) = real("cifar10_test") else { return };
    let from_pictures = cifar::read(&pictures, cifar::Variant::Cifar10).unwrap();
    assert_eq!(from_pictures.len(), IN_A_FILE);
    let item =
        |n: usize| record(from_pictures.index().items()[n].class as u8, &from_pictures.image(n).unwrap());
    let records: Vec<u8> = (0..IN_A_FILE).flat_map(item).collect();
    // The five training files are not at hand; theirs reads nothing without them.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(batch(0)), records).unwrap();
    for number in 1..6 {
        fs::hard_link(folder.path().join(batch(0)), folder.path().join(batch(number))).unwrap();
    }
    let theirs = vision::cifar::load_dir(folder.path()).unwrap();
    let theirs = Part::theirs(&theirs.test_images, &theirs.test_labels);
    Part::ours(&from_pictures, &TESTING).assert_is(&theirs, "CIFAR-10's test part as PNG");
    let from_records = cifar::read(folder.path(), cifar::Variant::Cifar10).unwrap();
    Part::ours(&from_records, &TESTING).assert_is(&theirs, "CIFAR-10's test part as records");
}

/// One file of the hub's own conversion to Parquet: a picture's encoded bytes and its label a row.
fn write_parquet(path: &Path, pictures: &[Image], labels: &[u8]) {
    let schema = "message row { required group img { required binary bytes; } required int64 label; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = SerializedFileWriter::new(File::create(path).unwrap(), schema, properties).unwrap();
    let mut rows = file.next_row_group().unwrap();
    let bytes: Vec<ByteArray> = pictures.iter().map(|picture| picture.to_png().into()).collect();
    let labels: Vec<i64> = labels.iter().copied().map(i64::from).collect();
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&bytes, None, None).unwrap();
    column.close().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&labels, None, None).unwrap();
    column.close().unwrap();
    rows.close().unwrap();
    file.close().unwrap();
}

/// The pictures that the hub's cache is filled with, and the parts that come back when they are read as they are.
fn planted(side: usize, channels: usize) -> [(Vec<Image>, Part); 2] {
    [(0, 6), (100, 4)].map(|(seed, count)| {
        let pictures: Vec<Image> = (seed..seed + count).map(|n| noise(side, side, channels, n)).collect();
        let labels = (0..count as u8).collect();
        let bytes = pictures.iter().flat_map(planes).collect();
        (pictures, Part { pictures: bytes, labels })
    })
}

/// Fills a cache of the hub with both parts of a data set.
fn plant(cache: &Path, repository: &str, folder: &str, parts: &[(Vec<Image>, Part); 2]) {
    let home = cache.join(repository);
    let commit = "0".repeat(40);
    fs::create_dir_all(home.join("refs/refs/convert")).unwrap();
    fs::write(home.join("refs/refs/convert/parquet"), &commit).unwrap();
    for ((pictures, part), name) in parts.iter().zip(["train", "test"]) {
        let path = home.join(format!("snapshots/{commit}/{folder}/{name}/0000.parquet"));
        write_parquet(&path, pictures, &part.labels);
    }
}

/// Runs one test of this binary in a process of its own that sees `cache` and can reach no hub.
fn run_alone(test: &str, cache: &Path) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .envs([("HF_HUB_CACHE", cache), ("HF_HOME", cache), (PLANTED, cache)])
        .env("HF_ENDPOINT", "http://127.0.0.1:9")
        .status();
    assert!(status.unwrap().success(), "{test} in a process of its own");
}

/// Says to a test that it runs in a process of its own.
const PLANTED: &str = "HYP_PLANTED_CACHE";

#[test]
fn their_downloaded_mnist_agrees_and_their_downloaded_cifar_is_transposed() {
    let (digits, colours) = (planted(28, 1), planted(32, 3));
    if std::env::var_os(PLANTED).is_none() {
        let cache = tempfile::tempdir().unwrap();
        plant(cache.path(), "datasets--ylecun--mnist", "mnist", &digits);
        plant(cache.path(), "datasets--cifar10", "plain_text", &colours);
        let test = "their_downloaded_mnist_agrees_and_their_downloaded_cifar_is_transposed";
        run_alone(test, cache.path());
        return;
    }
    let mnist = vision::mnist::load().unwrap();
    let theirs = Part::theirs(&mnist.train_images, &mnist.train_labels);
    digits[0].1.assert_is(&theirs, "MNIST from the cache of the hub, training part");
    let theirs = Part::theirs(&mnist.test_images, &mnist.test_labels);
    digits[1].1.assert_is(&theirs, "MNIST from the cache of the hub, test part");

    let cifar = vision::cifar::load().unwrap();
    let parts = [(&cifar.train_images, &cifar.train_labels), (&cifar.test_images, &cifar.test_labels)];
    for ((_, ours), (images, labels)) in colours.iter().zip(parts) {
        let theirs = Part::theirs(images, labels);
        assert!(
            theirs != *ours,
            "candle-datasets reads its downloaded CIFAR upright now: correct the documents"
        );
        ours.transposed(3, 32).assert_is(&theirs, "CIFAR-10 from the cache of the hub, transposed");
    }
}

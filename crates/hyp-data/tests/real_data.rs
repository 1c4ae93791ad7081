//! The real data sets, whole or in part, where `HYP_DATA` names the folder that holds them; without it nothing is checked.
#![expect(clippy::print_stdout, reason = "a test without its data says that it checked nothing")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hyp_data::inspect::inspect;
use hyp_data::source::omniglot::{self, Part};
use hyp_data::source::{cifar, cub, mini_imagenet, mnist, mnist_5k, reid};
use hyp_data::transform::Filter;
use hyp_data::{Dataset, Manifest, Split};

/// The folder of `name` below `HYP_DATA`, or a line that says that nothing is checked.
fn data_root(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("HYP_DATA").map(PathBuf::from).filter(|root| root.join(name).is_dir());
    if root.is_none() {
        println!("nothing checked: HYP_DATA names no folder that holds `{name}`");
    }
    root
}

#[test]
fn mnist_has_its_published_counts_and_contents() {
    let Some(root) = data_root("mnist") else { return };
    let dataset = mnist::load(&root).unwrap();
    let index = dataset.index();
    assert_eq!(index.len(), 70_000);
    assert_eq!(index.positions(Split::Train).len() + index.positions(Split::Validation).len(), 60_000);
    assert_eq!(index.positions(Split::Test).len(), 10_000);
    // The published number of each digit in the training and in the test file.
    let counts = |split| index.class_counts(Some(split));
    let train: Vec<usize> =
        counts(Split::Train).iter().zip(counts(Split::Validation)).map(|(a, b)| a + b).collect();
    assert_eq!(train, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    assert_eq!(counts(Split::Test), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    Manifest::builtin("mnist").unwrap().verify(&root.join("mnist")).unwrap();

    // The mean and deviation that MNIST is normalised with, 0.1307 and 0.3081, are those of the training file.
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for n in 0..60_000 {
        for byte in dataset.image(n).unwrap().data() {
            let value = f64::from(*byte) / 255.0;
            sum += value;
            squares += value * value;
            count += 1.0;
        }
    }
    let mean: f64 = sum / count;
    let deviation = (squares / count - mean * mean).sqrt();
    assert!((mean - 0.1307).abs() < 5e-5 && (deviation - 0.3081).abs() < 5e-5, "{mean} {deviation}");
}

#[test]
fn every_shipped_digit_is_one_of_mnists_training_digits() {
    let Some(root) = data_root("mnist") else { return };
    let whole = mnist::load(&root).unwrap();
    let known: BTreeMap<Vec<u8>, u32> =
        (0..60_000).map(|n| (whole.image(n).unwrap().into_data(), whole.index().items()[n].class)).collect();
    let shipped = mnist_5k::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data")).unwrap();
    for n in 0..shipped.len() {
        let picture = shipped.image(n).unwrap().into_data();
        assert_eq!(known.get(&picture), Some(&shipped.index().items()[n].class), "digit {n}");
    }
}

#[test]
fn omniglot_has_its_published_counts_and_decodes_whole() {
    let Some(root) = data_root("omniglot") else { return };
    for (part, alphabets, characters) in [(Part::Background, 30, 964), (Part::Evaluation, 20, 659)] {
        let dataset = omniglot::load(&root, part).unwrap();
        assert_eq!(dataset.index().class_counts(None), vec![20; characters]);
        let mut names: Vec<&str> =
            dataset.index().classes().iter().map(|class| class.split_once('/').unwrap().0).collect();
        names.dedup();
        assert_eq!(names.len(), alphabets);

        let first = dataset.image(0).unwrap();
        assert_eq!((first.height(), first.width(), first.channels()), (105, 105, 1));
        assert_eq!(first.pixel(0, 0), [255], "drawn on white");
        let small = dataset.preload(&omniglot::like_mnist(Filter::Bilinear)).unwrap();
        let ink: f64 = (0..small.len())
            .flat_map(|n| small.image(n).unwrap().into_data())
            .map(|byte| f64::from(byte) / 255.0)
            .sum();
        let mean = ink / (small.len() * 28 * 28) as f64;
        // About a twelfth of a drawing is ink; an inverted picture would have eleven twelfths.
        assert!((0.04..0.16).contains(&mean), "{part:?}: {mean}");
        println!("{part:?}: {characters} characters, mean ink {mean:.4}");
    }
}

/// Every picture decodes, as many as there should be.
fn decodes_whole(dataset: &Dataset, pictures: usize) {
    assert_eq!(dataset.len(), pictures);
    let found = inspect(dataset);
    assert!(found.unusable.is_empty(), "{found}");
    println!("{found}");
}

fn parts(dataset: &Dataset) -> [usize; 3] {
    Split::CLASSIFICATION
        .map(|split| dataset.index().class_counts(Some(split)).iter().filter(|count| **count > 0).count())
}

#[test]
fn omniglot_has_the_parts_of_vinyals() {
    let Some(root) = data_root("omniglot") else { return };
    let drawings = omniglot::load_few_shot(&root).unwrap();
    assert_eq!(drawings.len(), 4 * 32_460);
    assert_eq!(parts(&drawings), [4 * 1_028, 4 * 172, 4 * 423]);
}

#[test]
fn fifty_classes_of_birds_have_their_counts_and_parts() {
    let Some(root) = data_root("cub_50") else { return };
    let birds = cub::read(&root.join("cub_50"), cub::Options::default()).unwrap();
    decodes_whole(&birds, 2_889);
    assert_eq!(parts(&birds), [23, 14, 13]);
    let published = cub::Options { parts: cub::Parts::Published, ..cub::Options::default() };
    let birds = cub::read(&root.join("cub_50"), published).unwrap();
    assert_eq!(
        birds.index().positions(Split::Train).len() + birds.index().positions(Split::Test).len(),
        2_889
    );
    // These pictures were made smaller, the boxes were not: a box that leaves the picture is refused by name.
    let boxed = cub::Options { frame: cub::Frame::BoundingBox, ..cub::Options::default() };
    let birds = cub::read(&root.join("cub_50"), boxed).unwrap();
    let refused = (0..200).filter_map(|n| birds.image(n).err()).map(|error| error.to_string()).next();
    assert!(refused.unwrap().contains("does not lie within"));
}

#[test]
fn twenty_five_classes_of_mini_imagenet_have_their_counts_and_parts() {
    let Some(root) = data_root("mini_imagenet_25") else { return };
    let pictures = mini_imagenet::read(&root.join("mini_imagenet_25")).unwrap();
    decodes_whole(&pictures, 12_500);
    assert_eq!(parts(&pictures), [14, 6, 5]);
    assert_eq!(pictures.index().class_counts(None), [500; 25]);
}

#[test]
fn people_of_market_are_cut_as_the_protocol_says() {
    let Some(root) = data_root("market1501_train") else { return };
    let zip = root.join("market1501_train/bounding_box_train.zip");
    let people = reid::read_cut(&zip, 501).unwrap();
    decodes_whole(&people, 12_936);
    let index = people.index();
    assert_eq!((index.identities().len(), index.cameras().len()), (751, 6));
    let identities = |split: Split| {
        let of = |n: usize| index.items()[n].identity.unwrap();
        index.positions(split).into_iter().map(of).collect::<BTreeSet<_>>()
    };
    assert_eq!([Split::Train, Split::Query].map(|split| identities(split).len()), [501, 250]);
    assert!(identities(Split::Gallery).is_subset(&identities(Split::Query)));
    println!(
        "train {}, query {}, gallery {}",
        index.positions(Split::Train).len(),
        index.positions(Split::Query).len(),
        index.positions(Split::Gallery).len()
    );
}

#[test]
fn the_test_part_of_cifar_has_a_thousand_pictures_of_each_class() {
    let Some(root) = data_root("cifar10_test") else { return };
    let pictures = cifar::read(&root.join("cifar10_test"), cifar::Variant::Cifar10).unwrap();
    decodes_whole(&pictures, 10_000);
    assert_eq!(pictures.index().class_counts(Some(Split::Test)), [1_000; 10]);
    assert_eq!(pictures.index().classes()[0], "airplane");
}

//! The published data sets in miniature: every form of one gives the same pictures, and damage is named.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

#[path = "miniature/mod.rs"]
mod miniature;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use hyp_data::source::cifar::{self, Variant};
use hyp_data::source::{csv, cub, mini_imagenet, omniglot, reid, synthetic};
use hyp_data::{Colour, DataError, Dataset, Image, Region, Split, SplitRule};
use miniature::{CubPicture, noise, pickle, put, zip_folder};
use proptest::prelude::*;

/// The pictures with their class names and parts, in an order that no form decides.
fn contents(dataset: &Dataset) -> Vec<(String, Option<Split>, Vec<u8>)> {
    let index = dataset.index();
    let mut all: Vec<_> = (0..dataset.len())
        .map(|n| {
            let item = &index.items()[n];
            (index.classes()[item.class as usize].clone(), item.split, dataset.image(n).unwrap().into_data())
        })
        .collect();
    all.sort();
    all
}

fn message<T: std::fmt::Debug>(outcome: Result<T, DataError>) -> String {
    outcome.unwrap_err().to_string()
}

/// The name behind a number of an index.
fn named(number: Option<u32>, names: &[String]) -> Option<String> {
    number.map(|number| names[number as usize].clone())
}

/// A text that has to be quoted more often than not, and is not changed by trimming.
fn awkward() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9é猫 ,\"';#=\n-]{1,9}"
        .prop_map(|text| text.trim().to_owned())
        .prop_filter("a text", |text| !text.is_empty())
}

/// A line of a list: what the name of its picture ends with, class, identity, camera, split.
type Line = (String, String, Option<String>, Option<String>, Option<Split>);

fn line() -> impl Strategy<Value = Line> {
    let maybe = || prop::option::of(awkward());
    (awkward(), awkward(), maybe(), maybe(), prop::option::of(prop::sample::select(&Split::ALL[..])))
}

/// Who stands on a picture, the camera, whether the name is Duke's, and a number that tells it from others.
fn person() -> impl Strategy<Value = (i32, u32, bool, u32)> {
    (-1_i32..30, 1_u32..9, any::<bool>(), 0_u32..1_000_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_list_comes_back_however_it_is_written(
        lines in prop::collection::vec(line(), 1..6),
        order in Just([0, 1, 2, 3, 4]).prop_shuffle(),
        mark: bool,
        wide: bool,
    ) {
        let root = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
        let end = if wide { "\r\n" } else { "\n" };
        let mut text = if mark { "\u{feff}".to_owned() } else { String::new() };
        text += &order.map(|column| csv::COLUMNS[column]).join(",");
        text += end;
        for (number, (name, class, identity, camera, split)) in lines.iter().enumerate() {
            let path = format!("{number}/{name}.png");
            // The list is read without a look into the pictures.
            put(root.path(), &path, b"");
            let split_name = split.map(|split| split.to_string());
            let cell = |text: &Option<String>| text.as_deref().map_or(String::new(), quoted);
            let cells = [quoted(&path), quoted(class), cell(identity), cell(camera), cell(&split_name)];
            text += &order.map(|column| cells[column].as_str()).join(",");
            text += end;
            expected.push((path, class.clone(), identity.clone(), camera.clone(), *split));
        }
        put(root.path(), "list.csv", text.as_bytes());
        let read = csv::load(&root.path().join("list.csv"), Colour::Rgb).unwrap();
        let index = read.index();
        let found: Vec<_> = index.items().iter().map(|item| {
            let path = item.source.path().strip_prefix(root.path()).unwrap().to_str().unwrap().to_owned();
            let class = index.classes()[item.class as usize].clone();
            let identity = named(item.identity, index.identities());
            (path, class, identity, named(item.camera, index.cameras()), item.split)
        }).collect();
        expected.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn names_of_people_come_back(people in prop::collection::btree_set(person(), 1..12)) {
        let root = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        for &(identity, camera, duke, number) in &people {
            let who = if identity < 0 { "-1".to_owned() } else { format!("{identity:04}") };
            let name = if duke {
                format!("{who}_c{camera}_f{number:07}.jpg")
            } else {
                format!("{who}_c{camera}s{}_{number:06}_{:02}.jpg", number % 7, number % 5)
            };
            put(root.path(), &format!("query/{name}"), b"");
            let person = (identity > 0).then(|| who.clone());
            if identity >= 0 {
                expected.push((name, who, person, Some(format!("c{camera}"))));
            }
        }
        let outcome = reid::read(&root.path().join("query"));
        if expected.is_empty() {
            prop_assert!(message(outcome).contains("no picture of a person"));
            return Ok(());
        }
        let read = outcome.unwrap();
        let index = read.index();
        let found: Vec<_> = index.items().iter().map(|item| {
            let name = item.source.path().file_name().unwrap().to_str().unwrap().to_owned();
            let class = index.classes()[item.class as usize].clone();
            (name, class, named(item.identity, index.identities()), named(item.camera, index.cameras()))
        }).collect();
        expected.sort();
        prop_assert_eq!(found, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn cifar_binary_files_come_back_and_agree_with_the_folder_form(
        labels in prop::collection::vec((0_u8..10, 0_u8..100), 1..4),
        seed: u64,
        hundred: bool,
    ) {
        let root = tempfile::tempdir().unwrap();
        let variant = if hundred { Variant::Cifar100 } else { Variant::Cifar10 };
        let label = |(ten, fine): (u8, u8)| if hundred { fine } else { ten };
        let pictures: Vec<Image> = (0..labels.len()).map(|n| noise(32, 32, 3, seed ^ n as u64)).collect();
        miniature::write_cifar(root.path(), hundred, &labels, &pictures);
        let binary = cifar::read(root.path(), variant).unwrap();
        let parts = if hundred { 2 } else { 6 };
        prop_assert_eq!(binary.len(), parts * labels.len());
        for (n, picture) in pictures.iter().enumerate() {
            prop_assert_eq!(&binary.image(n).unwrap(), picture);
            prop_assert_eq!(binary.index().items()[n].class, u32::from(label(labels[n])));
        }
        let folders = tempfile::tempdir().unwrap();
        synthetic::write_folder(&binary, folders.path()).unwrap();
        let as_folder = cifar::read(folders.path(), variant).unwrap();
        prop_assert_eq!(contents(&as_folder), contents(&binary));
        let zipped = tempfile::tempdir().unwrap();
        zip_folder(folders.path(), &zipped.path().join("images.zip"));
        prop_assert_eq!(contents(&cifar::read(zipped.path(), variant).unwrap()), contents(&binary));
    }

    #[test]
    fn a_pickle_of_pictures_comes_back_and_a_cut_one_is_refused(
        sizes in prop::collection::vec(1_usize..4, 1..4),
        height in 1_usize..5,
        width in 1_usize..5,
        seed: u64,
        keep in 0.0_f64..1.0,
    ) {
        let root = tempfile::tempdir().unwrap();
        let count: usize = sizes.iter().sum();
        let pictures: Vec<Image> = (0..count).map(|n| noise(height, width, 3, seed ^ n as u64)).collect();
        let bytes = pickle(&sizes, &pictures);
        let path = root.path().join("mini-imagenet-cache-test.pkl");
        fs::write(&path, &bytes).unwrap();
        let read = mini_imagenet::read(root.path()).unwrap();
        prop_assert_eq!(read.index().class_counts(Some(Split::Test)), sizes);
        for (n, picture) in pictures.iter().enumerate() {
            prop_assert_eq!(&read.image(n).unwrap(), picture);
        }
        fs::write(&path, &bytes[..(bytes.len() as f64 * keep) as usize]).unwrap();
        let text = message(mini_imagenet::read(root.path()));
        prop_assert!(text.contains("cache-test.pkl") && text.contains("obtain it again"), "{}", text);
    }

    #[test]
    fn boxes_of_birds_come_back_as_regions(
        pictures in prop::collection::vec((0_u32..8, 0_u32..8, 1_u32..8, 1_u32..8, any::<bool>()), 1..6),
    ) {
        let root = tempfile::tempdir().unwrap();
        let pictures: Vec<CubPicture> = pictures
            .into_iter()
            .enumerate()
            .map(|(n, (left, top, width, height, training))| CubPicture {
                class: ["001.Black_footed_Albatross", "003.Sooty_Albatross"][n % 2],
                name: format!("bird_{n}.png"),
                region: Region { left, top, width, height },
                training,
            })
            .collect();
        miniature::write_cub(root.path(), &pictures);
        let whole = cub::read(root.path(), cub::Options::default()).unwrap();
        prop_assert_eq!(whole.len(), pictures.len());
        prop_assert_eq!(whole.image(0).unwrap().height(), 16);
        let options = cub::Options { frame: cub::Frame::BoundingBox, parts: cub::Parts::Published };
        let cut = cub::read(root.path(), options).unwrap();
        for (n, item) in cut.index().items().iter().enumerate() {
            let picture = pictures.iter().find(|p| item.source.to_string().ends_with(&p.name)).unwrap();
            prop_assert_eq!(item.view.region, Some(picture.region));
            prop_assert_eq!(item.split, Some(if picture.training { Split::Train } else { Split::Test }));
            let image = cut.image(n).unwrap();
            prop_assert_eq!((image.height(), image.width()),
                (picture.region.height as usize, picture.region.width as usize));
            let (top, left) = (picture.region.top as usize, picture.region.left as usize);
            let full = whole.image(n).unwrap();
            prop_assert_eq!(image.pixel(0, 0), full.pixel(top, left));
        }
    }
}

#[test]
fn what_is_wrong_with_cifar_files_is_named() {
    let root = tempfile::tempdir().unwrap();
    let pictures = [noise(32, 32, 3, 1)];
    miniature::write_cifar(root.path(), false, &[(3, 0)], &pictures);
    let home = root.path().join("cifar-10-batches-bin");
    let read = || cifar::read(root.path(), Variant::Cifar10);
    let batch = home.join("data_batch_2.bin");
    let bytes = fs::read(&batch).unwrap();
    for (damaged, words) in [
        (bytes[..3000].to_vec(), "promises 3073 bytes, it holds 3000"),
        (Vec::new(), "empty"),
        ([&[10], &bytes[1..]].concat(), "label 0 is 10"),
    ] {
        fs::write(&batch, damaged).unwrap();
        let text = message(read());
        assert!(text.contains("data_batch_2.bin") && text.contains(words), "{text}");
    }
    fs::remove_file(&batch).unwrap();
    assert!(message(read()).contains("data_batch_2.bin"), "one of five is missing");
    for n in 1..=5 {
        let _ = fs::remove_file(home.join(format!("data_batch_{n}.bin")));
    }
    assert_eq!(read().unwrap().index().positions(Split::Test).len(), 1, "the test part alone may be there");
    fs::write(home.join("batches.meta.txt"), "airplane\nautomobile\n").unwrap();
    assert!(message(read()).contains("names 2 classes"));
}

#[test]
fn a_cub_folder_is_read_with_and_without_its_lists() {
    let root = tempfile::tempdir().unwrap();
    let bird = |class, name: &str| CubPicture {
        class,
        name: name.to_owned(),
        region: Region { left: 1, top: 2, width: 3, height: 4 },
        training: false,
    };
    let all = [
        bird("001.Black_footed_Albatross", "b.png"),
        bird("001.Black_footed_Albatross", "a.png"),
        bird("003.Sooty_Albatross", "c.png"),
    ];
    miniature::write_cub(root.path(), &all);
    let home = root.path().join("CUB_200_2011");
    let with_lists = cub::read(root.path(), cub::Options::default()).unwrap();
    let parts: Vec<_> = with_lists.index().items().iter().map(|item| item.split.unwrap()).collect();
    assert_eq!(
        parts,
        [Split::Validation, Split::Validation, Split::Train],
        "the class split of the literature"
    );
    let bare = cub::read(&home.join("images"), cub::Options::default()).unwrap();
    assert_eq!(contents(&bare), contents(&with_lists));
    zip_folder(&home.join("images"), &home.join("images.zip"));
    let expected = contents(&with_lists);
    fs::rename(home.join("images"), root.path().join("elsewhere")).unwrap();
    let zipped = cub::read(root.path(), cub::Options::default()).unwrap();
    assert_eq!(contents(&zipped), expected);
    fs::rename(root.path().join("elsewhere"), home.join("images")).unwrap();

    let boxed = cub::Options { frame: cub::Frame::BoundingBox, ..cub::Options::default() };
    let check = |name: &str, from: &str, to: &str, words: &str| {
        let path = home.join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let outcome = cub::read(root.path(), boxed).and_then(|birds| birds.image(0));
        let found = message(outcome);
        assert!(found.contains(words), "{name}, {from:?} to {to:?}: {found}");
        fs::write(&path, text).unwrap();
    };
    check("images.txt", "1 ", "one ", "line 1");
    check("images.txt", "2 ", "1 ", "number 1 stands there twice");
    check("images.txt", "/a.png", "/b.png", "listed twice");
    check("images.txt", "/a.png", "/z.png", "images.txt` does not list it");
    check("images.txt", "001.", "077.", "classes.txt");
    check("bounding_boxes.txt", "1 1.0 ", "1 one ", "no box");
    check("bounding_boxes.txt", "1 1.0 ", "1 -1.0 ", "no box");
    check("bounding_boxes.txt", "1 1.0 ", "7 1.0 ", "no line for it");
    check("bounding_boxes.txt", "2 1.0 2.0 3.0", "2 1.0 2.0 30.0", "does not lie within");
    check("train_test_split.txt", "1 0", "1 2", "neither 1");
    fs::remove_file(home.join("bounding_boxes.txt")).unwrap();
    assert!(message(cub::read(root.path(), boxed)).contains("bounding_boxes.txt"));
    put(&home, "images/003.Sooty_Albatross/extra.png", &noise(16, 16, 3, 0).to_png());
    assert!(message(cub::read(root.path(), cub::Options::default())).contains("extra.png"));
    fs::remove_file(home.join("images/003.Sooty_Albatross/extra.png")).unwrap();
    fs::remove_file(home.join("images/003.Sooty_Albatross/c.png")).unwrap();
    assert!(message(cub::read(root.path(), cub::Options::default())).contains("c.png"));
}

#[test]
fn every_form_of_mini_imagenet_gives_the_same_pictures() {
    // A class for training, one for validation, one for testing, after Ravi and Larochelle.
    let classes = [("train", "n01532829"), ("val", "n01855672"), ("test", "n01930112")];
    let picture = |class: usize, n: usize| noise(6, 6, 3, (10 * class + n) as u64);
    let write = |name: &dyn Fn(usize, usize) -> String| {
        let root = tempfile::tempdir().unwrap();
        for class in 0..3 {
            for n in 0..2 {
                put(root.path(), &name(class, n), &picture(class, n).to_png());
            }
        }
        root
    };
    let in_parts = write(&|k, n| format!("{}/{}/{n}.png", classes[k].0, classes[k].1));
    let expected = contents(&mini_imagenet::read(in_parts.path()).unwrap());
    assert_eq!(expected.len(), 6);
    assert_eq!(expected[0].1, Some(Split::Train));
    let in_classes = write(&|k, n| format!("images/{}/{n}.png", classes[k].1));
    assert_eq!(contents(&mini_imagenet::read(in_classes.path()).unwrap()), expected);
    let flat = write(&|k, n| format!("images/{}{n:08}.png", classes[k].1));
    put(flat.path(), "train.csv", b"filename,label\n");
    assert_eq!(contents(&mini_imagenet::read(flat.path()).unwrap()), expected);
    let zipped = tempfile::tempdir().unwrap();
    for folder in
        [&in_parts.path(), &in_classes.path().join("images").as_path(), &flat.path().join("images").as_path()]
    {
        zip_folder(folder, &zipped.path().join("images.zip"));
        assert_eq!(contents(&mini_imagenet::read(zipped.path()).unwrap()), expected);
        assert_eq!(contents(&mini_imagenet::read(&zipped.path().join("images.zip")).unwrap()), expected);
    }
    let pickles = tempfile::tempdir().unwrap();
    for (k, file) in ["train", "validation", "test"].iter().enumerate() {
        let named = miniature::pickle_of(&[(classes[k].1, 2)], &[picture(k, 0), picture(k, 1)]);
        fs::write(pickles.path().join(format!("mini-imagenet-cache-{file}.pkl")), named).unwrap();
    }
    assert_eq!(contents(&mini_imagenet::read(pickles.path()).unwrap()), expected);

    let wrong = write(&|k, n| format!("{}/{}/{n}.png", classes[k].0, classes[(k + 1) % 3].1));
    let text = message(mini_imagenet::read(wrong.path()));
    assert!(text.contains("Ravi") && text.contains("n01532829"), "{text}");
    put(in_classes.path(), "images/n99999999/1.png", &picture(0, 0).to_png());
    assert!(message(mini_imagenet::read(in_classes.path())).contains("n99999999"));
    put(flat.path(), "images/notes.png", &picture(0, 0).to_png());
    assert!(message(mini_imagenet::read(flat.path())).contains("notes.png"));
}

#[test]
fn a_pickle_that_is_not_of_mini_imagenet_says_what_it_lacks() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("mini-imagenet-cache-train.pkl");
    let good = pickle(&[2], &[noise(2, 2, 3, 0), noise(2, 2, 3, 1)]);
    let replaced = |from: &[u8], to: &[u8]| {
        let at = good.windows(from.len()).position(|window| window == from).unwrap();
        [&good[..at], to, &good[at + from.len()..]].concat()
    };
    for (bytes, words) in [
        (b"\x80\x03}.".to_vec(), "no `image_data`"),
        (replaced(b"image_data", b"image_dato"), "no `image_data`"),
        (replaced(b"_reconstruct", b"_reconstrukt"), "which this kind of file does not need"),
        (b"cos\nsystem\n(S'true'\ntR.".to_vec(), "os.system"),
        // The second picture is listed as number 7, then as number 0.
        (replaced(b"K\x00K\x01e", b"K\x00K\x07e"), "lists picture 7; there are 2"),
        (replaced(b"K\x00K\x01e", b"K\x00K\x00e"), "listed twice"),
    ] {
        fs::write(&path, bytes).unwrap();
        let text = message(mini_imagenet::read(root.path()));
        assert!(text.contains(words) && text.contains("cache-train.pkl"), "{text}");
    }
}

#[test]
fn people_are_read_by_name_junk_is_dropped_and_distractors_stay() {
    let root = tempfile::tempdir().unwrap();
    let picture = noise(8, 4, 3, 0).to_png();
    for name in [
        "0002_c1s1_000451_03.png",
        "0002_c2s1_000451_03.png",
        "-1_c3s2_013243_04.png",
        "0000_c1s1_000151_01.png",
    ] {
        put(root.path(), &format!("people/{name}"), &picture);
    }
    let folder = root.path().join("people");
    let people = reid::read(&folder).unwrap();
    assert_eq!(people.index().classes(), ["0000", "0002"]);
    assert_eq!(people.index().identities(), ["0002"]);
    assert_eq!(people.index().cameras(), ["c1", "c2"]);
    assert_eq!(people.index().items()[0].identity, None, "a distractor is nobody that is looked for");
    zip_folder(&folder, &root.path().join("people.zip"));
    assert_eq!(contents(&reid::read(&root.path().join("people.zip")).unwrap()), contents(&people));
    put(root.path(), "people/portrait.png", &picture);
    let text = message(reid::read(&folder));
    assert!(text.contains("portrait.png") && text.contains("CSV"), "{text}");
    assert!(message(reid::read(&root.path().join("none"))).contains("none"));
}

#[test]
fn rotations_make_classes_and_turn_the_pictures() {
    let glyphs = synthetic::stroke_glyphs(2, 3, 0);
    let turned = omniglot::with_rotations(&glyphs);
    assert_eq!(turned.index().classes()[..4], ["0/rot000", "0/rot090", "0/rot180", "0/rot270"]);
    assert_eq!(turned.index().class_counts(None), [3; 8]);
    let original = glyphs.image(4).unwrap();
    let index = turned.index();
    for turns in 0..4_usize {
        let class =
            index.classes().iter().position(|name| *name == format!("1/rot{:03}", 90 * turns)).unwrap();
        let at = (0..turned.len()).filter(|&n| index.items()[n].class as usize == class).nth(1).unwrap();
        let image = turned.image(at).unwrap();
        for (row, column) in [(5, 9), (20, 3), (13, 14)] {
            let (from_row, from_column) = match turns {
                0 => (row, column),
                1 => (column, 27 - row),
                2 => (27 - row, 27 - column),
                _ => (27 - column, row),
            };
            assert_eq!(image.pixel(row, column), original.pixel(from_row, from_column), "{turns} turns");
        }
    }
    // Once in memory the pictures are turned already, and are not turned again.
    let loaded = turned.preload(&hyp_data::transform::Transform::default()).unwrap();
    assert_eq!(contents(&loaded), contents(&turned));
}

#[test]
fn people_in_a_list_are_cut_like_those_in_a_folder() {
    let root = tempfile::tempdir().unwrap();
    let made = synthetic::people(4, 2, 3, 0);
    synthetic::write_people(&made, root.path()).unwrap();
    let folder = root.path().join("bounding_box_train");
    let mut list = "path,class,identity,camera\n".to_owned();
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        writeln!(list, "bounding_box_train/{name},person,{},c{}", &name[..4], &name[6..7]).unwrap();
    }
    put(root.path(), "people.csv", list.as_bytes());
    let rule = SplitRule::Identities { train: 2 };
    let listed = csv::load(&root.path().join("people.csv"), Colour::Rgb).unwrap();
    let listed = listed.with_split(&rule, Path::new("the command line")).unwrap();
    let read = reid::read_cut(&folder, 2).unwrap();
    for split in Split::ALL {
        assert_eq!(listed.index().positions(split), read.index().positions(split), "{split}");
    }
    assert_eq!(read.index().positions(Split::Query).len(), 4, "two people, two cameras");
}

//! People from training to an index and a search, as a person types it, and what is said where something is wrong.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;

use std::fmt::Write as _;

use bed::{Bed, run};
use hyp_data::source::synthetic;

/// Twelve invented people, each seen twice by two cameras, under names that say so.
fn people(bed: &Bed, folder: &str) {
    let made = synthetic::people(12, 2, 2, 0);
    std::fs::create_dir_all(bed.root().join(folder)).unwrap();
    for (number, item) in made.index().items().iter().enumerate() {
        let (identity, camera) = (item.identity.unwrap() + 1, item.camera.unwrap() + 1);
        let name = format!("{folder}/{identity:04}_c{camera}_{number}.png");
        std::fs::write(bed.root().join(name), made.image(number).unwrap().to_png()).unwrap();
    }
}

/// Runs a command that must end with this code, and expects the words.
fn says(bed: &Bed, arguments: &[&str], code: i32, words: &[&str]) -> String {
    let (got, text) = run(bed, arguments);
    assert_eq!(got, code, "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?}: `{word}` is missing in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// A workspace with a model of people, trained for an epoch.
fn trained() -> Bed {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    people(&bed, "people");
    bed.write("people/0099_c1_broken.jpg", "no picture");
    bed.write("people/holiday.png", "no picture");
    let images = at(&bed, "people");
    let words = [
        "left out",
        "broken.jpg",
        "holiday.png",
        "8 identities on 32 pictures",
        "8 queries of 4 identities",
        "mAP",
    ];
    says(&bed, &train(&["--images", &images]), 0, &words);
    bed
}

const TRAIN: [&str; 12] =
    ["train", "reid", "--backbone", "conv4", "--width", "84", "--epochs", "1", "--dim", "8", "--out", "run"];
const SIZE: [&str; 4] = ["--height", "84", "--batch", "8"];

fn at(bed: &Bed, name: &str) -> String {
    bed.root().join(name).display().to_string()
}

#[test]
fn people_go_from_training_to_an_index_and_a_search() {
    let bed = trained();
    for name in ["run/model.json", "run/ranks.png", "run/ranks_worst.png"] {
        assert!(bed.root().join(name).is_file(), "{name}");
    }
    let (images, index, csv) = (at(&bed, "people"), at(&bed, "emb.parquet"), at(&bed, "emb.csv"));
    let embed = ["embed", "--model", "run", "--images", &images, "--out"];
    let words = ["broken.jpg", "48 pictures of 12 identities by 2 cameras", "c = 0.00001", "2 left out"];
    says(&bed, &[&embed[..], &[&index]].concat(), 0, &words);
    says(&bed, &[&embed[..], &[&csv]].concat(), 0, &["48 pictures"]);
    let text = bed.read("emb.csv");
    assert_eq!((text.lines().count(), text.lines().next().unwrap().split(',').count()), (49, 5 + 8 + 9));

    // A picture of the index finds the others; a copy of it elsewhere passes through the model and finds itself first.
    let first = std::fs::read_dir(bed.root().join("people")).unwrap().map(|entry| entry.unwrap().path());
    let inside = first
        .filter(|path| path.ends_with("0001_c1_0.png"))
        .map(|path| path.display().to_string())
        .next()
        .unwrap();
    std::fs::create_dir(bed.root().join("elsewhere")).unwrap();
    std::fs::copy(&inside, bed.root().join("elsewhere/0001_c1_copy.png")).unwrap();
    let (outside, png) = (at(&bed, "elsewhere/0001_c1_copy.png"), at(&bed, "found.png"));
    let search = ["search", "--index", &index, "--top", "3", "--png", &png, "--query"];
    let text = says(&bed, &[&search[..], &[&inside, &outside]].concat(), 0, &["hyperbolic distance"]);
    let rows: Vec<&str> = text.lines().filter(|line| line.contains("_c") && line.starts_with('|')).collect();
    assert_eq!(rows.len(), 6, "{text}");
    assert!(rows[..3].iter().all(|row| !row.contains("| 0001_c1_0.png | 0.0000")), "never itself: {text}");
    assert!(rows[3].contains("| 1 | 0001_c1_0.png | 0.0000 | 0001 | c1 | right |"), "{text}");
    let sheet = image_of(&bed, "found.png");
    assert!(sheet.0 > 4 * 72 && sheet.1 > 2 * 144, "two rows of four pictures: {sheet:?}");

    let others = says(&bed, &[&search[..], &[&inside, "--other-cameras"]].concat(), 0, &["| 1 |"]);
    assert!(!others.contains("| 0001 | c1 |"), "the person by the same camera is left out: {others}");
    for (metric, words) in [("cosine", "cosine distance"), ("euclidean", "Euclidean distance")] {
        says(&bed, &[&search[..], &[&inside, "--metric", metric]].concat(), 0, &[words]);
    }
    // By its name in the index, and somebody whom the index does not know.
    std::fs::copy(&inside, bed.root().join("elsewhere/0077_c1_1.png")).unwrap();
    let stranger = at(&bed, "elsewhere/0077_c1_1.png");
    let text = says(
        &bed,
        &[&search[..], &["0001_c1_0.png", &stranger]].concat(),
        0,
        &["0077_c1_1.png: the index has no other picture of 0077, so no answer can be right", "wrong"],
    );
    assert!(!text.contains("0001_c1_0.png: the index has no"), "{text}");
    let check = ["search", "--index", &index, "--check", "--top", "3"];
    let text = says(&bed, &check, 0, &["have the same first 3", "with the time of the hyperboloid"]);
    let same =
        text.lines().find(|line| line.ends_with("have the same first 3")).expect("the line that was found");
    let [found, "of", all, ..] = same.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{same}") };
    assert_eq!(found, all);
    says(&bed, &[&check[..], &["--query", &inside]].concat(), 2, &["--query"]);
    wrong_searches(&bed, &search, &inside, &outside);
}

/// What is said of queries, models and pictures that are not what the index needs.
fn wrong_searches(bed: &Bed, search: &[&str], inside: &str, outside: &str) {
    let with = |more: &[&'static str]| [search, more].concat();
    bed.write("elsewhere/broken.png", "no picture");
    let broken = at(bed, "elsewhere/broken.png");
    says(bed, &[search, &[broken.as_str()]].concat(), 1, &["broken.png", "cannot be read", "name a picture"]);
    says(bed, &with(&["none.png"]), 1, &["none.png", "name a picture"]);
    says(bed, &[search, &[inside, "--top", "0"]].concat(), 2, &["--top"]);
    says(
        bed,
        &["search", "--index", "none.parquet", "--query", inside],
        1,
        &["none.parquet", "cargo xtask embed"],
    );

    // Weights of another shape, then other weights of the same shape, then none.
    let weights = bed.root().join("run/last.safetensors");
    let right = std::fs::read(&weights).unwrap();
    bed.replace("run/model.json", "\"dim\": 8", "\"dim\": 9");
    let words = ["last.safetensors", "belongs to another model", "--model RUN"];
    says(bed, &[search, &[outside]].concat(), 1, &words);
    bed.replace("run/model.json", "\"dim\": 9", "\"dim\": 8");
    let mut other = right.clone();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, &other).unwrap();
    let words = ["are not those that", "emb.parquet was made with", "embed the pictures again"];
    says(bed, &[search, &[outside]].concat(), 1, &words);
    std::fs::write(&weights, &right[..right.len() / 2]).unwrap();
    says(bed, &[search, &[outside]].concat(), 1, &["last.safetensors", "not a whole safetensors file"]);
    std::fs::write(&weights, &right).unwrap();

    // Moved pictures and a moved run are named where they are now.
    std::fs::rename(bed.root().join("people"), bed.root().join("moved")).unwrap();
    says(bed, &[search, &[outside]].concat(), 1, &["people", "--images DIR"]);
    let moved = at(bed, "moved");
    says(bed, &[search, &[outside, "--images", &moved]].concat(), 0, &["right"]);
    std::fs::rename(bed.root().join("run"), bed.root().join("renamed")).unwrap();
    says(bed, &[search, &[outside, "--images", &moved]].concat(), 1, &["run", "--model RUN"]);
    let renamed = at(bed, "renamed");
    says(bed, &[search, &[outside, "--images", &moved, "--model", &renamed]].concat(), 0, &["right"]);
    let predict = ["predict", "--model", &renamed, "--support", &moved, "--query", &moved];
    says(bed, &predict, 1, &["not the description of a few-shot model", "train fewshot"]);
}

fn image_of(bed: &Bed, name: &str) -> (usize, usize) {
    let path = bed.root().join(name);
    let image =
        hyp_data::Image::decode(&std::fs::read(&path).unwrap(), hyp_data::Colour::Rgb, &path).unwrap();
    (image.width(), image.height())
}

#[test]
fn classes_are_embedded_by_a_few_shot_model_and_found_by_their_folders() {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    synthetic::write_folder(&synthetic::coloured(6, 6, 64, 0), &bed.root().join("images")).unwrap();
    let (images, index) = (at(&bed, "images"), at(&bed, "emb.parquet"));
    let train =
        ["train", "fewshot", "--images", &images, "--geometry", "lorentz", "--way", "2", "--query", "2"];
    let train =
        [&train[..], &["--c", "0.05", "--epochs", "1", "--episodes", "2", "--dim", "8", "--out", "mine"]]
            .concat();
    says(&bed, &train, 0, &["predict --model"]);
    let embed = ["embed", "--model", "mine", "--images", &images, "--out", &index];
    says(&bed, &embed, 0, &["36 pictures of 6 classes", "space parts on the hyperboloid, c = 0.05"]);
    let search = ["search", "--index", &index, "--query", "2/0003.png", "--top", "4"];
    let text = says(&bed, &search, 0, &["hyperbolic distance", "| 2/0003.png | 4 |"]);
    assert_eq!(text.lines().filter(|line| line.starts_with("| 2/0003.png |")).count(), 4, "{text}");
    assert!(bed.root().join("runs/search.png").is_file());
}

/// The training of a small model with more options.
fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&TRAIN[..], &SIZE, more].concat()
}

#[test]
fn what_cannot_be_trained_or_embedded_is_said_with_the_remedy() {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    people(&bed, "people");
    let images = at(&bed, "people");
    says(&bed, &train(&["--images", "none"]), 1, &["none", "CSV"]);
    says(&bed, &train(&["--images", &images, "--train-identities", "12"]), 1, &["between 1 and 11"]);
    let large = ["--images", &images, "--height", "84", "--batch", "500"];
    says(&bed, &[&TRAIN[..], &large].concat(), 1, &["do not fill a batch of 500"]);
    says(&bed, &[&TRAIN[..], &["--images", &images, "--height", "128"]].concat(), 1, &["84 × 84"]);
    says(&bed, &train(&["--images", &images, "--weights", "w.pth"]), 1, &["--weights", "--backbone"]);
    says(&bed, &train(&["--images", &images, "--pictures-per-identity", "3"]), 1, &["give a multiple"]);
    // A list in which nobody who is looked for is seen by a second camera.
    let mut list = "path,identity,camera\n".to_owned();
    for person in 1..=12 {
        for camera in 1..=2 {
            let number = (person - 1) * 4 + (camera - 1) * 2;
            writeln!(list, "people/{person:04}_c{camera}_{number}.png,{person},c{camera}").unwrap();
        }
    }
    bed.write("list.csv", &list);
    let csv = at(&bed, "list.csv");
    says(&bed, &train(&["--images", &csv]), 1, &["none of the 8 queries of", "list.csv", "two cameras"]);
    bed.write("list.csv", &list.replace(",camera\n", "\n").replace(",c1\n", "\n").replace(",c2\n", "\n"));
    says(&bed, &train(&["--images", &csv]), 1, &["list.csv", "names no cameras", "path,identity,camera"]);
    synthetic::write_folder(&synthetic::coloured(3, 2, 16, 0), &bed.root().join("flat")).unwrap();
    says(&bed, &train(&["--images", &at(&bed, "flat")]), 1, &["flat", "IDENTITY/CAMERA"]);
    // Weights of another network.
    bed.write("weights.pth", "no weights");
    let weights = at(&bed, "weights.pth");
    let other = ["train", "reid", "--images", &images, "--weights", &weights, "--batch", "8", "--out", "run"];
    says(&bed, &other, 1, &["weights.pth"]);
    // The right names, and a tensor of the wrong shape.
    let header = br#"{"_conv_stem.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let file = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
    let shapes = at(&bed, "shapes.safetensors");
    std::fs::write(&shapes, file).unwrap();
    let other = ["train", "reid", "--images", &images, "--weights", &shapes, "--batch", "8", "--out", "run"];
    says(&bed, &other, 1, &["shapes.safetensors", "_conv_stem.weight"]);
    let missing = ["train", "reid", "--images", &images, "--batch", "8", "--out", "run"];
    says(&bed, &missing, 1, &["EfficientNet", "cargo xtask fetch efficientnet_lite0", "conv4"]);

    let embed = ["embed", "--model", "run", "--images", &images, "--out"];
    says(
        &bed,
        &[&embed[..], &["emb.parquet"]].concat(),
        1,
        &["no model.json", "train reid", "train fewshot"],
    );
    says(&bed, &[&embed[..], &["emb.xlsx"]].concat(), 1, &["emb.xlsx", ".parquet", ".csv"]);
    says(&bed, &["embed", "--images", &images, "--out", "a.parquet"], 2, &["--model"]);
    assert!(!bed.root().join("emb.parquet").exists());
}

/// The people in the layout of the published archive, with the folder around it and what lies beside its parts.
fn published(bed: &Bed, folder: &str) {
    people(bed, "flat");
    for entry in std::fs::read_dir(bed.root().join("flat")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let (identity, number): (usize, usize) =
            (name[..4].parse().unwrap(), name[8..name.len() - 4].parse().unwrap());
        let part = match (identity, number % 2) {
            (1..=8, _) => "bounding_box_train",
            (_, 0) => "query",
            _ => "bounding_box_test",
        };
        let place = bed.root().join(folder).join(part);
        std::fs::create_dir_all(&place).unwrap();
        std::fs::copy(&path, place.join(&name)).unwrap();
        let beside = bed.root().join(folder).join("gt_bbox");
        std::fs::create_dir_all(&beside).unwrap();
        std::fs::copy(&path, beside.join(&name)).unwrap();
    }
    bed.write(&format!("{folder}/readme.txt"), "about");
}

#[test]
fn parts_that_are_given_are_kept_and_what_cannot_be_ranked_is_refused() {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    published(&bed, "archive/Market");
    let images = at(&bed, "archive");
    let words =
        ["as they are given", "8 identities on 32 pictures", "8 queries of 4 identities", "of 8 pictures"];
    says(&bed, &train(&["--images", &images]), 0, &words);
    let copy = |from: &str, to: &str| {
        let to = bed.root().join("archive/Market").join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(bed.root().join("flat").join(from), to).unwrap();
    };
    copy("0001_c1_0.png", "2019/0001_c1_0.png");
    says(&bed, &train(&["--images", &images]), 1, &["lie in none of the parts", "0001_c1_0.png"]);
    std::fs::remove_file(bed.root().join("archive/Market/2019/0001_c1_0.png")).unwrap();
    copy("0001_c1_0.png", "query/0000_c1_0.png");
    says(&bed, &train(&["--images", &images]), 1, &["show nobody in particular", "0000_c1_0.png"]);
}

#[test]
fn a_model_is_not_overwritten_and_goes_on_as_it_was_begun() {
    let bed = trained();
    let images = at(&bed, "people");
    let again = train(&["--images", &images]);
    says(&bed, &again, 1, &["run holds a trained model", "--resume", "--out"]);
    says(&bed, &[&again[..], &["--resume"]].concat(), 0, &["mAP"]);
    let other = [&again[..], &["--resume", "--c", "1", "--erasing", "0.5"]].concat();
    says(&bed, &other, 1, &["--c is 1.0 and was 0.00001", "--erasing is 0.5 and was 0.0"]);
    std::fs::remove_file(bed.root().join("people/0001_c1_0.png")).unwrap();
    says(&bed, &[&again[..], &["--resume"]].concat(), 1, &["--images shows other pictures"]);

    // The description of the model, changed behind the index.
    let index = at(&bed, "emb.parquet");
    says(&bed, &["embed", "--model", "run", "--images", &images, "--out", &index], 0, &["c = 0.00001"]);
    let mut described: serde_json::Value = serde_json::from_str(&bed.read("run/model.json")).unwrap();
    described["geometry"]["c"] = 1.0.into();
    bed.write("run/model.json", &described.to_string());
    bed.write("elsewhere/readme.txt", "");
    let picture = at(&bed, "elsewhere/0002_c1_copy.png");
    std::fs::copy(bed.root().join("people/0002_c1_4.png"), &picture).unwrap();
    says(
        &bed,
        &["search", "--index", &index, "--query", &picture],
        1,
        &["description of the model was changed"],
    );
}

#[test]
fn real_people_of_the_table_that_cannot_be_read_are_named_with_the_remedy() {
    let bed = Bed::of_experiment("table6");
    let root = at(&bed, "data");
    let reduced =
        ["reproduce", "table6", "--scale", "reduced", "--row", "market1501/euclidean/32", "--data-root"];
    let reduced = [&reduced[..], &[&root]].concat();
    says(&bed, &reduced, 1, &["market1501", "cargo xtask fetch market1501", "--scale smoke"]);
    bed.write("data/market1501/bounding_box_train/holiday.jpg", "no picture");
    says(&bed, &reduced, 1, &["holiday.jpg", "identity and camera", "rename it"]);
    let full =
        ["reproduce", "table6", "--row", "duke/euclidean/32/sch1", "--no-record", "--data-root", &root];
    let text = says(&bed, &full, 1, &["DukeMTMC-reID", "cannot be fetched", "lawfully"]);
    assert!(!text.contains("cargo xtask fetch"), "{text}");
    assert!(!bed.root().join("docs/results").exists());
}

//! `predict` on folders made of real birds and drawings, as a person would make them: a few examples of five classes, other
//! pictures of these, pictures of a sixth class, and a file that was cut short. Where `HYP_DATA` names no folder that holds
//! the pictures and `weights/efficientnet-lite0-57934424.pth`, nothing is checked.
//!
//! `HYP_WALK=DIR` leaves the folders in `DIR/birds` and `DIR/drawings`, for other models.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what was not checked, and how many were right, is said")]

mod bed;

use std::path::{Path, PathBuf};

use bed::{Bed, run};
use hyp_data::source::{cub, omniglot, synthetic};
use hyp_data::{Dataset, Index, Item, Split};

/// Classes that are shown; one more is not.
const SHOWN: usize = 5;
/// Pictures of each class shown that are asked about, and of the one that is not.
const ASKED: [usize; 2] = [10, 5];

fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("HYP_DATA").map(PathBuf::from)?;
    let there = root.join(name).exists() && root.join("weights/efficientnet-lite0-57934424.pth").is_file();
    if !there {
        println!("nothing checked: HYP_DATA holds no `{name}` with the weights beside it");
    }
    there.then_some(root)
}

/// Writes `support` and `query` below `folder`: test classes as far apart in their order as can be, since neighbours are
/// alike, and the first pictures of each.
fn write(dataset: &Dataset, shots: usize, folder: &Path) {
    let index = dataset.index();
    let names = index.classes().iter().map(|name| name.replace('/', "-")).collect();
    let items = index.items().iter().map(|item| Item { split: None, ..item.clone() }).collect();
    let mut of_class = vec![Vec::new(); index.classes().len()];
    for position in index.positions(Split::Test) {
        let class = index.items()[position].class as usize;
        // A drawing that was turned is another class of the data set, but may look like the one that was not.
        if !["/rot090", "/rot180", "/rot270"].iter().any(|turn| index.classes()[class].ends_with(turn)) {
            of_class[class].push(position);
        }
    }
    of_class.retain(|positions| !positions.is_empty());
    let of_class: Vec<_> = (0..=SHOWN).map(|n| &of_class[n * of_class.len() / (SHOWN + 1)]).collect();
    let (mut support, mut query) = (Vec::new(), Vec::new());
    for positions in &of_class[..SHOWN] {
        support.extend(&positions[..shots]);
        query.extend(&positions[shots..shots + ASKED[0]]);
    }
    query.extend(&of_class[SHOWN][..ASKED[1]]);
    let whole = dataset.clone().with_index(Index::new(items, names));
    synthetic::write_folder(&whole.subset(&support), &folder.join("support")).unwrap();
    synthetic::write_folder(&whole.subset(&query), &folder.join("query")).unwrap();
    let png = dataset.image(query[0]).unwrap().to_png();
    std::fs::write(folder.join("query/cut.png"), &png[..png.len() / 2]).unwrap();
}

/// How many of the pictures of classes shown were answered rightly.
fn right(root: &Path, folder: &Path) -> usize {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    let path = |path: PathBuf| path.display().to_string();
    let json = path(bed.root().join("answers.json"));
    let (support, query) = (path(folder.join("support")), path(folder.join("query")));
    let arguments = ["predict", "--encoder", "efficientnet_lite0", "--support", &support, "--query", &query];
    let more = ["--json", &json, "--data-root", &path(root.to_owned())];
    let (code, text) = run(&bed, &[&arguments[..], &more[..]].concat());
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("56 pictures, 5 classes; 1 could not be used"), "{text}");
    assert!(text.contains("5 pictures lie in folders that are not named after a class shown"), "{text}");
    let answers: Vec<serde_json::Value> = serde_json::from_str(&bed.read("answers.json")).unwrap();
    let cut = answers.iter().find(|answer| answer["picture"] == "cut.png").unwrap();
    assert!(cut["class"].is_null() && cut["error"].as_str().unwrap().contains("cut.png"), "{cut}");
    let answered = answers.iter().filter(|answer| answer["error"].is_null());
    answered.filter(|answer| answer["class"] == answer["folder"]).count()
}

fn walk(name: &str, dataset: &Dataset, shots: usize, root: &Path) -> usize {
    let kept = std::env::var_os("HYP_WALK").map(|folder| Path::new(&folder).join(name));
    let bed = Bed::new();
    let folder = kept.unwrap_or_else(|| bed.root().join(name));
    assert!(!folder.exists(), "{} is there already; name another folder by HYP_WALK", folder.display());
    write(dataset, shots, &folder);
    let right = right(root, &folder);
    println!("{name}: {right} of {} answered rightly from {shots} examples a class", SHOWN * ASKED[0]);
    right
}

#[test]
fn birds_are_told_apart_by_five_examples_each() {
    let Some(root) = data("cub_50") else { return };
    let birds = cub::read(&root.join("cub_50"), cub::Options::default()).unwrap();
    assert!(walk("birds", &birds, 5, &root) >= 30, "ten would be right by chance");
}

#[test]
fn drawings_are_told_apart_by_one_example_each() {
    let Some(root) = data("omniglot") else { return };
    let drawings = omniglot::load_few_shot(&root).unwrap();
    assert!(walk("drawings", &drawings, 1, &root) >= 20, "ten would be right by chance");
}

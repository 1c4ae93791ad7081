//! Folders, archives and CSV lists: they give one and the same index, and say what is wrong with them.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

#[path = "miniature/mod.rs"]
mod miniature;

use std::fs;

use hyp_data::source::omniglot::{self, Part};
use hyp_data::source::{csv, folder, synthetic};
use hyp_data::transform::Filter;
use hyp_data::{Colour, Dataset, Image, Split};
use miniature::{put, zip_folder_as};
use tempfile::TempDir;

fn png(value: u8) -> Vec<u8> {
    Image::filled(3, 4, &[value]).to_png()
}

fn tree(names: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (n, name) in names.iter().enumerate() {
        put(root.path(), name, &png(n as u8));
    }
    root
}

fn pictures(dataset: &Dataset) -> Vec<Image> {
    (0..dataset.len()).map(|n| dataset.image(n).unwrap()).collect()
}

fn message(result: Result<Dataset, hyp_data::DataError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn folder_archive_and_list_give_the_same_data_set() {
    let root = tree(&["train/b/2.png", "train/b/10.png", "train/a/x.PNG", "test/a/y.png", "val/c/z.png"]);
    let from_folder = folder::load(root.path(), Colour::Grey).unwrap();
    assert_eq!(from_folder.index().classes(), ["a", "b", "c"]);
    assert_eq!(from_folder.index().labels(), [0, 0, 1, 1, 2], "sorted: test/a, train/a, train/b, val/c");
    assert_eq!(from_folder.index().positions(Split::Train), [1, 2, 3]);
    assert_eq!(from_folder.index().positions(Split::Validation), [4]);

    let work = tempfile::tempdir().unwrap();
    for top in ["", "pictures/"] {
        let archive = work.path().join("pictures.zip");
        zip_folder_as(root.path(), top, &archive);
        let from_zip = folder::load(&archive, Colour::Grey).unwrap();
        assert_eq!(from_zip.index().classes(), from_folder.index().classes());
        assert_eq!(from_zip.index().labels(), from_folder.index().labels());
        assert_eq!(pictures(&from_zip), pictures(&from_folder));
    }

    put(
        root.path(),
        "list.csv",
        b"split,class,path\nval,c,val/c/z.png\ntrain,b,train/b/2.png\ntest,a,test/a/y.png\n\
          train,b,train/b/10.png\ntrain,a,train/a/x.PNG\n",
    );
    let from_list = csv::load(&root.path().join("list.csv"), Colour::Grey).unwrap();
    assert_eq!(from_list.index(), from_folder.index());
    assert_eq!(pictures(&from_list), pictures(&from_folder));
}

#[test]
fn a_class_may_be_called_train_and_deeper_folders_belong_to_their_class() {
    let root = tree(&["train/1.png", "plane/1.png", "plane/old/2.png", ".hidden/1.png", "plane/.DS_Store"]);
    let dataset = folder::load(root.path(), Colour::Grey).unwrap();
    assert_eq!(dataset.index().classes(), ["plane", "train"]);
    assert_eq!(dataset.index().class_counts(None), [2, 1]);
    assert!(dataset.index().items().iter().all(|item| item.split.is_none()));
}

#[test]
fn a_list_of_people_has_the_conventions_of_the_field() {
    let root = tree(&["1.png", "2.png", "3.png"]);
    let list = root.path().join("people.csv");
    fs::write(&list, "path,identity,camera\n1.png,-1,c1\n2.png,0000,c1\n3.png,0,c2\n").unwrap();
    let dataset = csv::load(&list, Colour::Grey).unwrap();
    assert_eq!(
        (dataset.index().identities(), dataset.index().classes()),
        (&["0".into()][..], &["0".into(), "0000".into()][..])
    );
    assert_eq!(dataset.index().items().iter().map(|item| item.identity).collect::<Vec<_>>(), [None, Some(0)]);
    fs::write(&list, "path,identity,camera\n1.png,-1,c1\n").unwrap();
    assert!(message(csv::load(&list, Colour::Grey)).contains("nobody in particular"));
}

#[test]
fn what_is_wrong_with_a_folder_is_said_with_its_name_and_a_remedy() {
    let root = tree(&["cat/1.png"]);
    let check = |word: &str, remedy: &str| {
        let text = message(folder::load(root.path(), Colour::Rgb));
        assert!(text.contains(word) && text.contains(remedy), "{text}");
    };
    fs::create_dir(root.path().join("dog")).unwrap();
    check("dog` is not usable: the class folder is empty", "remove it");
    fs::remove_dir(root.path().join("dog")).unwrap();
    put(root.path(), "cat/notes.txt", b"hello");
    check("notes.txt", "move it out");
    fs::remove_file(root.path().join("cat/notes.txt")).unwrap();
    put(root.path(), "stray.png", &png(0));
    check("stray.png", "folder of its class");

    let nothing = tempfile::tempdir().unwrap();
    assert!(message(folder::load(nothing.path(), Colour::Rgb)).contains("no class folder"));
    let absent = nothing.path().join("absent");
    assert!(message(folder::load(&absent, Colour::Rgb)).contains("absent"));
    put(nothing.path(), "x.zip", b"<html>404</html>");
    assert!(
        message(folder::load(&nothing.path().join("x.zip"), Colour::Rgb)).contains("no readable zip archive")
    );
}

#[test]
fn a_list_carries_identities_and_cameras() {
    let root = tree(&["1.png", "2.png", "3.png"]);
    put(
        root.path(),
        "list.csv",
        "\u{feff}path,class,identity,camera\n3.png,person,0007,c2\n1.png,person,0002,c1\n2.png,bag,,c2\n"
            .as_bytes(),
    );
    let dataset = csv::load(&root.path().join("list.csv"), Colour::Rgb).unwrap();
    let index = dataset.index();
    assert_eq!(
        (index.classes(), index.identities()),
        (&["bag".into(), "person".into()][..], &["0002".into(), "0007".into()][..])
    );
    let items = index.items();
    assert_eq!([items[0].identity, items[1].identity, items[2].identity], [Some(0), None, Some(1)]);
    assert_eq!([items[0].camera, items[1].camera, items[2].camera], [Some(0), Some(1), Some(1)]);
}

#[test]
fn what_is_wrong_with_a_list_is_said_with_the_line() {
    let root = tree(&["1.png", "2.png"]);
    let path = root.path().join("list.csv");
    for (text, words) in [
        ("path,class,colour\n1.png,a,red\n", &["line 1", "`colour` is not known"][..]),
        ("path\n1.png\n", &["line 1", "no column `class`"]),
        ("path,class,path\n1.png,a,2.png\n", &["line 1", "comes twice"]),
        ("path,class\n1.png,a\n9.png,a\n", &["line 3", "9.png", "relative to the folder"]),
        ("path,class\n1.png,a\n1.png,b\n", &["line 3", "line 2 already"]),
        ("path,class\n1.png,\n", &["line 2", "no class"]),
        ("path,class\n,a\n", &["line 2", "path is empty"]),
        ("path,class\n1.png,a,b\n", &["line 2", "correct the line"]),
        ("path,class,split\n1.png,a,holdout\n", &["line 2", "`holdout` is no split"]),
        ("path,class\nlist.csv,a\n", &["line 2", "not named like"]),
        ("path,class\n", &["add one"]),
    ] {
        fs::write(&path, text).unwrap();
        let error = message(csv::load(&path, Colour::Rgb));
        assert!(
            error.contains("list.csv") && words.iter().all(|word| error.contains(word)),
            "{text:?}: {error}"
        );
    }
    assert!(message(csv::load(&root.path().join("none.csv"), Colour::Rgb)).contains("none.csv"));
}

#[test]
fn omniglot_is_read_zipped_and_unpacked_alike() {
    let data = tempfile::tempdir().unwrap();
    let top = data.path().join("omniglot/images_evaluation");
    let mut drawing = Image::filled(105, 105, &[255]);
    for column in 20..85 {
        for row in 48..56 {
            drawing.data_mut()[row * 105 + column] = 0;
        }
    }
    for character in ["Greek/character01", "Greek/character02", "Anglo-Saxon_Futhorc/character01"] {
        for drawer in 1..=3 {
            put(&top, &format!("{character}/0965_{drawer:02}.png"), &drawing.to_png());
        }
    }
    let unpacked = omniglot::read(&top).unwrap();
    assert_eq!(
        unpacked.index().classes(),
        ["Anglo-Saxon_Futhorc/character01", "Greek/character01", "Greek/character02"]
    );
    assert_eq!(unpacked.index().class_counts(None), [3, 3, 3]);
    let archive = data.path().join("omniglot/images_evaluation.zip");
    zip_folder_as(&top, "images_evaluation/", &archive);
    let zipped = omniglot::read(&archive).unwrap();
    assert_eq!(zipped.index().labels(), unpacked.index().labels());
    assert_eq!(pictures(&zipped), pictures(&unpacked));

    for filter in [Filter::Bilinear, Filter::Lanczos3, Filter::Box] {
        let small = zipped.preload(&omniglot::like_mnist(filter)).unwrap().image(0).unwrap();
        assert_eq!((small.height(), small.width()), (28, 28));
        assert_eq!(small.pixel(0, 0), [0], "the paper is black now");
        assert!(small.data().iter().max() > Some(&200), "the stroke is white now");
    }

    // The published counts are asserted by `load`, and a stray file is named.
    let text = message(omniglot::load(data.path(), Part::Evaluation));
    assert!(text.contains("3 classes") && text.contains("659"), "{text}");
    let text = message(omniglot::load(data.path(), Part::Background));
    assert!(text.contains("images_background.zip") && text.contains("omniglot` of the data root"), "{text}");
    put(&top, "Greek/stray.png", &drawing.to_png());
    assert!(message(omniglot::read(&top)).contains("stray.png"));
}

#[test]
fn a_truncated_or_escaping_archive_is_refused_by_name() {
    let work = tempfile::tempdir().unwrap();
    let root = tree(&["a/1.png", "b/1.png"]);
    let archive = work.path().join("p.zip");
    zip_folder_as(root.path(), "", &archive);
    let bytes = fs::read(&archive).unwrap();
    fs::write(&archive, &bytes[..bytes.len() - 30]).unwrap();
    let text = message(folder::load(&archive, Colour::Rgb));
    assert!(text.contains("p.zip") && text.contains("obtain it again"), "{text}");

    zip_folder_as(root.path(), "../", &archive);
    let text = message(folder::load(&archive, Colour::Rgb));
    assert!(text.contains("leads out of its folder") && text.contains("zip the folder again"), "{text}");
}

#[test]
fn a_damaged_entry_is_found_when_it_is_read() {
    let work = tempfile::tempdir().unwrap();
    let root = tree(&["a/1.png", "b/1.png"]);
    let archive = work.path().join("p.zip");
    zip_folder_as(root.path(), "", &archive);
    let mut bytes = fs::read(&archive).unwrap();
    let at = bytes.windows(4).position(|window| window == b"IHDR" || window == b"\x89PNG").unwrap_or(60);
    bytes[at + 1] ^= 0x55;
    fs::write(&archive, bytes).unwrap();
    let dataset = folder::load(&archive, Colour::Rgb).unwrap();
    let errors: Vec<String> =
        (0..2).filter_map(|n| dataset.image(n).err()).map(|error| error.to_string()).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("p.zip") && errors[0].contains("1.png"), "{errors:?}");
}

#[test]
fn a_written_folder_reads_back_with_the_same_pixels() {
    let made = synthetic::coloured(3, 2, 8, 0);
    let root = tempfile::tempdir().unwrap();
    synthetic::write_folder(&made, root.path()).unwrap();
    let read = folder::load(root.path(), Colour::Rgb).unwrap();
    assert_eq!(pictures(&read), pictures(&made));
    assert_eq!(read.index().labels(), made.index().labels());
}

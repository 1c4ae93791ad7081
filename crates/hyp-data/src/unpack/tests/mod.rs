//! Archives that mean no good, one for each line of the table in `docs/security.md`, and honest ones beside them.

mod forge;

use std::fs;
use std::path::Path;

use self::forge::{Member, gzip, tar, zip};
use super::*;
use crate::disk::testing::SmallDisk;

/// Room for everything honest.
fn top() -> Unpack {
    Unpack { from: "top".into(), to: "top".into(), bytes: 1_000_000, entries: 50, content: None }
}

/// Every file below a folder, by its path.
fn listed(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && !path.is_symlink() {
            found.extend(listed(&path).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

/// Unpacks in a folder within a folder, and asserts that nothing but the archive is left if it is refused.
fn refused(name: &str, archive: &[u8], word: &str) {
    let outside = tempfile::tempdir().unwrap();
    let inside = outside.path().join("data");
    fs::create_dir(&inside).unwrap();
    let path = inside.join(name);
    fs::write(&path, archive).unwrap();
    let text = unpack(&path, &top(), &mut |_| {}).unwrap_err().to_string();
    assert!(text.contains(word) && text.contains("source you trust"), "{name}: `{word}` is not in: {text}");
    assert_eq!(listed(outside.path()), [format!("data/{name}")], "{text}");
}

/// The same members as a zip, a tar and a compressed tar.
fn refused_in_all(members: &[Member], word: &str) {
    refused("a.zip", &zip(members), word);
    refused("a.tar", &tar(members), word);
    refused("a.tar.gz", &gzip(&tar(members)), word);
}

#[test]
fn names_that_lead_out_are_refused() {
    let honest = Member::file("top/a.txt", b"fine");
    for (name, word) in [
        ("../escaped.txt", "leads out"),
        ("top/../../escaped.txt", "leads out"),
        ("top/../a.txt", "leads out"),
        ("/escaped.txt", "absolute"),
        ("top\\..\\..\\escaped.txt", "separator"),
        ("C:/escaped.txt", "separator"),
        ("top/file:stream", "separator"),
        ("top/NUL", "device on Windows"),
        ("top/a\nb", "control character"),
        ("top//a", "empty part"),
    ] {
        refused_in_all(&[honest.clone(), Member::file(name, b"harm")], word);
    }
}

#[test]
fn links_and_devices_are_refused() {
    let honest = Member::file("top/a.txt", b"fine");
    let behind = Member::file("top/link/escaped.txt", b"harm");
    refused_in_all(&[honest.clone(), Member::link("top/link", "../.."), behind], "is a link");
    refused_in_all(&[Member::link("top", "."), honest.clone()], "is a link");
    for kind in [b'1', b'3', b'4', b'6'] {
        let word = if kind == b'1' { "is a link" } else { "neither a file nor a folder" };
        refused("a.tar", &tar(&[honest.clone(), Member::special("top/x", kind)]), word);
    }
    // The Unix modes of a device and a pipe in a zip.
    for mode in [0o020_644, 0o010_644] {
        refused(
            "a.zip",
            &zip(&[honest.clone(), Member::file("top/x", b"").mode(mode)]),
            "neither a file nor a folder",
        );
    }
}

#[test]
fn duplicates_are_refused() {
    let twice = [Member::file("top/a.txt", b"one"), Member::file("top/a.txt", b"two")];
    refused("a.tar", &tar(&twice), "is there twice");
    refused(
        "a.zip",
        &forge::renamed(
            &zip(&[Member::file("top/a.txt", b"one"), Member::file("top/b.txt", b"two")]),
            b"top/b.txt",
            b"top/a.txt",
        ),
        "",
    );
    refused_in_all(
        &[Member::file("top/a", b"one"), Member::file("top/a/b", b"two")],
        "a file and a folder at once",
    );
    refused(
        "a.tar",
        &tar(&[Member::file("./top/a", b"one"), Member::file("top/a", b"two")]),
        "is there twice",
    );
}

#[test]
fn the_list_of_what_was_unpacked_is_never_the_archives_own() {
    let planted = Member::file("top/.unpacked.sha256", b"0000  a.txt\n");
    refused_in_all(&[Member::file("top/a.txt", b"fine"), planted], "the list that is made");
}

#[test]
fn bombs_are_stopped_early() {
    // A thousand times its size, in one entry and in many.
    let zeros = vec![0; 4_000_000];
    refused_in_all(&[Member::file("top/zeros", &zeros)], "more than");
    let many: Vec<Member> = (0..20).map(|n| Member::file(&format!("top/{n}"), &zeros[..200_000])).collect();
    refused_in_all(&many, "more than");
    let crowd: Vec<Member> = (0..60).map(|n| Member::file(&format!("top/{n}"), b"")).collect();
    refused_in_all(&crowd, "more than 50 entries");
    // Beside what is asked for, it counts all the same.
    refused_in_all(&[Member::file("top/a", b"fine"), Member::file("beside", &zeros)], "more than");
    // A ratio beyond all reason, although the size itself would be allowed.
    let generous = Unpack { bytes: u64::MAX, ..top() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar.gz");
    fs::write(&path, gzip(&tar(&[Member::file("top/zeros", &vec![0; 8_000_000])]))).unwrap();
    assert!(unpack(&path, &generous, &mut |_| {}).unwrap_err().to_string().contains("more than"));
    // A single stream.
    let path = folder.path().join("b.gz");
    fs::write(&path, gzip(&zeros)).unwrap();
    assert!(unpack(&path, &top(), &mut |_| {}).unwrap_err().to_string().contains("more than"));
    assert_eq!(listed(folder.path()), ["a.tar.gz", "b.gz"]);
}

#[test]
fn extended_headers_change_nothing_unseen() {
    let honest = Member::file("top/a.txt", b"fine");
    let pax = |records: &str| {
        tar(&[honest.clone(), Member::extension(b'x', records.as_bytes()), Member::file("top/b", b"x")])
    };
    refused("a.tar", &pax("20 path=../escaped\n"), "");
    refused("a.tar", &pax("19 path=../escaped\n"), "leads out");
    refused("a.tar", &pax("11 size=99\n"), "change links or sizes");
    refused("a.tar", &pax("22 GNU.sparse.size=100\n"), "");
    refused("a.tar", &pax("x"), "cannot be read");
    let long = tar(&[Member::extension(b'L', b"../escaped\0"), Member::file("top/b", b"x")]);
    refused("a.tar", &long, "leads out");
    let endless = tar(&[Member::extension(b'L', &vec![b'x'; 100_000]), Member::file("top/b", b"x")]);
    refused("a.tar", &endless, "extended header of 100000 bytes");
}

#[test]
fn archives_that_break_off_are_refused() {
    let members = [Member::file("top/a", &[7; 3000]), Member::file("top/b", &[9; 3000])];
    let (whole_zip, whole_tar) = (zip(&members), gzip(&tar(&members)));
    for cut in [1, 10, 100, whole_tar.len() / 2] {
        refused("a.zip", &whole_zip[..whole_zip.len() - cut], "");
        refused("a.tar.gz", &whole_tar[..whole_tar.len() - cut], "");
    }
    let mut flipped = zip(&[Member::file("top/a", b"some stored text").stored()]);
    let at = flipped.windows(4).position(|bytes| bytes == b"some").unwrap();
    flipped[at] ^= 1;
    refused("a.zip", &flipped, "");
    refused("a.zip", b"", "");
    refused("a.tar.gz", b"<html>", "");
    refused("a.rar", b"Rar!", "zip, tar");
    refused("a.zip", &zip(&[Member::file("elsewhere/a", b"x")]), "holds no `top`");
}

#[test]
fn honest_archives_arrive_in_all_forms() {
    let members = [
        Member::folder("./top/"),
        Member::file("top/one/ä日本.txt", b"first"),
        Member::file("top/two.txt", b""),
        Member::file("top/zeros", &[0; 10_000].repeat(6)),
        Member::file("beside/note.txt", b"not asked for"),
    ];
    let long = format!("top/{}/{}.txt", "d".repeat(120), "f".repeat(120));
    let extended = [
        &members[1..],
        &[Member::extension(b'L', format!("{long}\0").as_bytes()), Member::file("top/short", b"long name")],
    ]
    .concat();
    for (name, bytes) in [
        ("a.zip", zip(&members[1..])),
        ("a.tar", tar(&members)),
        ("a.tgz", gzip(&tar(&members))),
        ("a.tar.gz", gzip(&tar(&extended))),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let mut seen = Vec::new();
        let target = unpack(&path, &top(), &mut |done| seen.push(done)).unwrap();
        let length = fs::metadata(&path).unwrap().len();
        assert!(seen.is_sorted() && (1..=length).contains(seen.last().unwrap()), "{name}: {seen:?}");
        let mut expected = vec![".unpacked.sha256", "one/ä日本.txt", "two.txt", "zeros"];
        if name == "a.tar.gz" {
            expected.insert(1, long.strip_prefix("top/").unwrap());
        }
        assert_eq!(listed(&target), expected, "{name}");
        assert_eq!(fs::read(target.join("one/ä日本.txt")).unwrap(), b"first");
        assert!(receipt::compare(&target, &mut |_| {}).unwrap().confirmed);
        // A second time would overwrite.
        assert!(unpack(&path, &top(), &mut |_| {}).unwrap_err().to_string().contains("there already"));
    }
}

#[test]
fn a_full_disk_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    fs::write(&path, tar(&[Member::file("top/a", &[1; 9_000]), Member::file("top/b", &[2; 9_000])])).unwrap();
    let error = unpack_on(&SmallDisk::new(12_000), &path, &top(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, DataError::NoRoom { .. }), "{error}");
    assert_eq!(listed(folder.path()), ["a.tar"]);
}

#[test]
fn random_damage_never_leaves_the_folder() {
    use rand::{RngExt as _, SeedableRng as _};
    let members =
        [Member::file("top/a", &[7; 700]), Member::file("top/d/b", b"text"), Member::folder("top/e/")];
    let outside = tempfile::tempdir().unwrap();
    let inside = outside.path().join("data");
    fs::create_dir(&inside).unwrap();
    let mut opened = 0;
    for seed in 0..1_500 {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let name = ["a.zip", "a.tar", "a.tar.gz"][seed as usize % 3];
        let mut bytes = match name {
            "a.zip" => zip(&members),
            "a.tar" => tar(&members),
            _ => gzip(&tar(&members)),
        };
        for _ in 0..random.random_range(1..8) {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        fs::write(inside.join(name), bytes).unwrap();
        let whole = unpack(&inside.join(name), &top(), &mut |_| {}).is_ok();
        opened += u32::from(whole);
        assert_eq!(inside.join("top").exists(), whole, "seed {seed}");
        let hidden = inside.join(".top.unpacking");
        assert!(!hidden.exists(), "seed {seed}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "seed {seed}");
        if whole {
            fs::remove_dir_all(inside.join("top")).unwrap();
        }
        fs::remove_file(inside.join(name)).unwrap();
    }
    assert!(opened > 0, "no archive survived, so nothing was shown about those that do");
}

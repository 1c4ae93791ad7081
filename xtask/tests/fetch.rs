//! `cargo xtask fetch` as a person uses it: without a network, killed half-way, twice at once, into places that do not work.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;
#[path = "../../crates/hyp-data/src/fetch/tests/server.rs"]
#[allow(dead_code, reason = "the fetcher's own tests use all of it")]
mod server;

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bed::{Bed, program, run};
use server::{Served, Server};
use sha2::{Digest as _, Sha256};

/// A workspace with one data set, `toy`, whose files these lines describe.
fn workspace(files: &str) -> Bed {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    bed.write(
        "data/toy/manifest.toml",
        &format!(
            "schema = 1\nname = \"toy\"\ntitle = \"Toy\"\nlicence = \"CC0\"\nterms = \"be kind to the toy\"\n\
             homepage = \"\"\nby_hand = \"carve it from wood\"\n{files}"
        ),
    );
    bed
}

fn sha256(bytes: &[u8]) -> String {
    let digits: Vec<String> = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

/// The lines of a file with its binding checksum.
fn file(name: &str, url: &str, bytes: &[u8]) -> String {
    format!(
        "[[file]]\nname = \"{name}\"\nmirrors = [\"{url}\"]\nbytes = {}\nsha256 = \"{}\"\norigin = \"verified\"\n",
        bytes.len(),
        sha256(bytes)
    )
}

/// Bytes that do not repeat.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(step).collect()
}

/// Starts the program and leaves it running.
fn start(bed: &Bed, arguments: &[&str]) -> Child {
    let mut command = Command::new(program());
    command.args(arguments).arg("--root").arg(bed.root()).env_remove("HYP_DATA");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until something holds, for no longer than a test may take.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what} did not happen");
        thread::sleep(Duration::from_millis(2));
    }
}

fn visible(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn the_list_names_everything_and_fetches_nothing() {
    let bytes = noise(1000);
    let server = Server::of(&bytes);
    let bed = workspace(&file("a.bin", &server.url("a.bin"), &bytes));
    let (code, text) = run(&bed, &["fetch"]);
    assert_eq!(code, 0, "{text}");
    says(&text, &["toy", "1.00 kB", "not fetched", "Toy (CC0)", "data/cache"]);
    let (code, text) = run(&bed, &["fetch", "toy", "--dry-run"]);
    assert_eq!(code, 0, "{text}");
    says(&text, &["a.bin", &server.url("a.bin"), "nothing was fetched"]);
    assert!(server.requests().is_empty() && !bed.root().join("data/cache").exists());
    let (code, text) = run(&bed, &["fetch", "bird"]);
    assert_eq!(code, 1);
    says(&text, &["no bird to fetch", "there are: toy"]);
}

#[test]
fn a_fetched_set_is_shown_verified_and_found_changed() {
    let bytes = noise(100_000);
    let server = Server::of(&bytes);
    let bed = workspace(&file("a.bin", &server.url("a.bin"), &bytes));
    let (code, text) = run(&bed, &["fetch", "toy"]);
    assert_eq!(code, 0, "{text}");
    let terms = text.find("be kind to the toy").unwrap();
    assert!(terms < text.find("a.bin from").unwrap(), "the terms come first: {text}");
    let path = bed.root().join("data/cache/toy/a.bin");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    says(&run(&bed, &["fetch"]).1, &["there"]);
    let (code, text) = run(&bed, &["fetch", "--verify"]);
    assert_eq!(code, 0, "{text}");
    says(&text, &["toy: a.bin: the sha256 agrees"]);
    fs::write(&path, &bytes[1..]).unwrap();
    let (code, text) = run(&bed, &["fetch", "--verify", "toy"]);
    assert_eq!(code, 1, "{text}");
    says(&text, &["a.bin", "delete it and obtain it again"]);
}

/// The real manifest of CUB, its addresses bent to a port that nobody listens on.
fn cub_without_network() -> Bed {
    let manifest =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/cub/manifest.toml")).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut bent = manifest.clone();
    for host in ["data.caltech.edu/records", "zenodo.org/records", "s3.amazonaws.com"] {
        bent = bent.replace(&format!("https://{host}"), &format!("http://127.0.0.1:{port}/{host}"));
    }
    assert_eq!(bent.matches("http://127.0.0.1").count(), 3);
    let bed = workspace("");
    bed.write("data/cub/manifest.toml", &bent);
    bed
}

#[test]
fn cub_without_a_network_says_what_to_do() {
    let bed = cub_without_network();
    let (code, text) = run(&bed, &["fetch", "cub"]);
    assert_eq!(code, 1, "{text}");
    says(
        &text,
        &[
            "non-commercial",
            "`CUB_200_2011.tgz` could not be fetched",
            "data.caltech.edu",
            "zenodo.org",
            "refused",
            "by hand: put CUB_200_2011.tgz of data.caltech.edu/records/65de6-vp158",
        ],
    );
    assert!(visible(&bed.root().join("data/cache/cub")).is_empty());
}

#[test]
fn cub_beside_a_half_file_says_what_to_do() {
    let bed = cub_without_network();
    bed.write("data/cache/cub/CUB_200_2011.tgz", "\u{1f}\u{8b} half of it");
    let (code, text) = run(&bed, &["fetch", "cub"]);
    assert_eq!(code, 1, "{text}");
    says(
        &text,
        &["CUB_200_2011.tgz", "of 1150585339 bytes", "broken-off download", "delete it and obtain it again"],
    );
    assert!(bed.root().join("data/cache/cub/CUB_200_2011.tgz").exists(), "it is the person's to delete");
}

#[test]
fn cub_into_a_place_that_cannot_be_written_says_what_to_do() {
    let bed = cub_without_network();
    bed.write("file", "x");
    let below = bed.root().join("file/below");
    let (code, text) = run(&bed, &["fetch", "cub", "--data-root", &below.display().to_string()]);
    assert_eq!(code, 1, "{text}");
    says(&text, &["file/below/cub", "a part of this path is a file"]);
    // A read-only file system, where this user may mount one.
    let place = bed.root().join("read-only");
    fs::create_dir(&place).unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "ro,size=64k", "tmpfs"]).arg(&place).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("nothing checked of a read-only file system: this user may not mount one");
        return;
    }
    let (code, text) = run(&bed, &["fetch", "cub", "--data-root", &place.display().to_string()]);
    Command::new("umount").arg(&place).status().unwrap();
    assert_eq!(code, 1, "{text}");
    says(&text, &["read-only/cub", "ead-only file system"]);
}

#[test]
fn a_set_that_asks_first_is_not_fetched_by_itself() {
    let bytes = noise(1000);
    let server = Server::of(&bytes);
    let bed = workspace(&format!("ask = \"it bites\"\n{}", file("a.bin", &server.url("a.bin"), &bytes)));
    let (code, text) = run(&bed, &["fetch", "toy"]);
    assert_eq!(code, 1, "{text}");
    says(&text, &["it bites", "--yes"]);
    assert!(server.requests().is_empty());
    assert_eq!(run(&bed, &["fetch", "toy", "--yes"]).0, 0);
}

#[test]
fn killed_in_the_middle_of_a_download_it_goes_on() {
    let bytes = noise(3_000_000);
    let served = Served::new(&bytes);
    let server = Server::start(move |request, stream| {
        let answer = served.answer(request);
        for (number, block) in answer.chunks(100_000).enumerate() {
            // The first time it stops half-way and waits to be left.
            if request.number == 0 && number == 15 {
                thread::sleep(Duration::from_secs(20));
            }
            if server::send(stream, block).is_err() {
                break;
            }
        }
    });
    let bed = workspace(&file("a.bin", &server.url("a.bin"), &bytes));
    let folder = bed.root().join("data/cache/toy");
    let mut child = start(&bed, &["fetch", "toy"]);
    let part = folder.join(".a.bin.part");
    until("half a file", || fs::metadata(&part).is_ok_and(|metadata| metadata.len() > 1_000_000));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(visible(&folder).is_empty());
    says(&run(&bed, &["fetch"]).1, &["MB arrived"]);
    let (code, text) = run(&bed, &["fetch", "toy"]);
    assert_eq!(code, 0, "{text}");
    says(&text, &["going on where it stopped"]);
    assert!(server.requests()[1].offset() > 1_000_000);
    assert_eq!(fs::read(folder.join("a.bin")).unwrap(), bytes);
}

/// A tar archive of many files in the folder `top`, with some weight.
fn many_files(count: usize) -> Vec<u8> {
    let mut tar = Vec::new();
    let body = noise(3000);
    for number in 0..count {
        let mut header = [0_u8; 512];
        let name = format!("top/{number:05}");
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{:011o}", body.len()).as_bytes());
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut cursor = Cursor::new(&mut tar);
        cursor.set_position((number * 512 * 7) as u64);
        cursor.write_all(&header).unwrap();
        cursor.write_all(&body).unwrap();
        tar.resize((number + 1) * 512 * 7, 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

#[test]
fn killed_in_the_middle_of_unpacking_it_does_it_again() {
    const FILES: usize = 8_000;
    let bytes = many_files(FILES);
    let server = Server::of(&bytes);
    let unpack = "unpack = { from = \"top\", to = \"top\", bytes = 100000000, entries = 10000 }\n";
    let bed = workspace(&format!("{}{unpack}", file("a.tar", &server.url("a.tar"), &bytes)));
    let folder = bed.root().join("data/cache/toy");
    let mut child = start(&bed, &["fetch", "toy"]);
    let hidden = folder.join(".top.unpacking");
    until("half a folder", || fs::read_dir(&hidden).is_ok_and(|entries| entries.count() > 100));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.join("top").exists(), "it was too quick to be caught");
    let half = fs::read_dir(&hidden).unwrap().count();
    assert!((100..FILES).contains(&half), "{half}");
    let (code, text) = run(&bed, &["fetch", "toy"]);
    assert_eq!(code, 0, "{text}");
    assert!(!hidden.exists());
    assert_eq!(fs::read_dir(folder.join("top")).unwrap().count(), FILES + 1);
    assert_eq!(server.requests().len(), 1, "the archive was there");
    let (code, text) = run(&bed, &["fetch", "--verify", "toy"]);
    assert_eq!(code, 0, "{text}");
    says(&text, &["8000 files are as they were unpacked"]);
}

#[test]
fn two_processes_share_the_work() {
    let bytes = noise(500_000);
    let served = Served::new(&bytes);
    let server = Server::start(move |request, stream| {
        thread::sleep(Duration::from_millis(300));
        served.send(request, stream);
    });
    let bed = workspace(&file("a.bin", &server.url("a.bin"), &bytes));
    let mut children: Vec<Child> = (0..3).map(|_| start(&bed, &["fetch", "toy"])).collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(fs::read(bed.root().join("data/cache/toy/a.bin")).unwrap(), bytes);
}

#[test]
fn a_proxy_of_the_environment_is_used() {
    let bytes = noise(10_000);
    let served = Served::new(&bytes);
    let proxy = Server::start(move |_, stream| {
        let _ = server::send(stream, b"HTTP/1.1 200 Connection established\r\n\r\n");
        let inner = server::Request::read(stream).unwrap();
        served.send(&inner, stream);
    });
    let bed = workspace(&file("a.bin", "http://data.invalid/a.bin", &bytes));
    let output = Command::new(program())
        .args(["fetch", "toy", "--root"])
        .arg(bed.root())
        .env_remove("HYP_DATA")
        .env_remove("ALL_PROXY")
        .env_remove("all_proxy")
        .env_remove("HTTPS_PROXY")
        .env_remove("https_proxy")
        .env("HTTP_PROXY", format!("http://{}", proxy.address()))
        .env("NO_PROXY", "")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(proxy.requests()[0].path, "data.invalid:80");
    assert_eq!(fs::read(bed.root().join("data/cache/toy/a.bin")).unwrap(), bytes);
}

//! The fetcher against servers, disks and neighbours that misbehave: a file is whole and confirmed, or it is not there.

mod cuts;
mod disks;
mod folders;
mod manners;
pub(crate) mod server;

use std::fs;
use std::path::Path;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::checksum::Digests;
use crate::manifest::Origin;

/// Bytes that nothing compresses and nothing repeats.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..length).map(|_| random.random()).collect()
}

/// Retries without waiting. The time-outs are long: a busy machine is not to look like a bad server.
fn quick() -> Options {
    Options {
        connect: Duration::from_secs(20),
        answer: Duration::from_secs(20),
        idle: Duration::from_secs(20),
        wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(20),
        ..Options::default()
    }
}

/// Time-outs that a test can wait for.
fn impatient() -> Options {
    let short = Duration::from_secs(1);
    Options { connect: short, answer: short, idle: short, ..quick() }
}

/// A data set of one file, `a.bin`, with its checksum as `origin`.
fn manifest(mirrors: &[String], bytes: &[u8], origin: Origin) -> Manifest {
    let digests = Digests::of(bytes, |_| {}).unwrap();
    let kind = match origin {
        Origin::Verified => {
            format!("sha256 = \"{}\"\norigin = \"verified\"\nbytes = {}\n", digests.sha256, bytes.len())
        }
        Origin::Recalled => format!("md5 = \"{}\"\n", digests.md5),
    };
    parse(&format!("[[file]]\nname = \"a.bin\"\nmirrors = {mirrors:?}\n{kind}"))
}

/// A manifest with these files.
fn parse(files: &str) -> Manifest {
    let head = "schema = 1\nname = \"toy\"\ntitle = \"Toy\"\nlicence = \"none\"\nterms = \"\"\nhomepage = \"\"\n\
                by_hand = \"draw it yourself\"\n";
    Manifest::parse(&format!("{head}{files}"), Path::new("manifest.toml")).unwrap()
}

/// The visible files of the data set's folder, which is made if it is not there.
fn visible(root: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root.join("toy")) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

/// Fetches and asserts that nothing is half: the right bytes, or no file.
fn outcome(manifest: &Manifest, root: &Path, options: &Options, bytes: &[u8]) -> Result<(), String> {
    let result = fetch(manifest, root, options, &mut ());
    match result {
        Ok(folder) => {
            assert!(fs::read(folder.join("a.bin")).unwrap() == bytes, "the bytes differ");
            assert_eq!(visible(root), ["a.bin"]);
            assert!(!folder.join(".a.bin.part").exists() && !folder.join(".a.bin.part.toml").exists());
            Ok(())
        }
        Err(error) => {
            assert!(visible(root).is_empty(), "{:?} after {error}", visible(root));
            Err(error.to_string())
        }
    }
}

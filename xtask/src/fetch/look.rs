//! A second look at what is there: checksums, then counts.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use hyp_data::count::{Part, count};
use hyp_data::fetch::{State, plan};
use hyp_data::{DataError, Manifest};

use super::bar::Bar;

/// Compares what is there; a failure when something is wrong, or when something that was named is not there.
pub(super) fn verify(
    root: &Path,
    data_root: &Path,
    manifests: &[&Manifest],
    named: bool,
) -> Result<ExitCode> {
    let mut wrong = 0;
    let mut looked = 0;
    for manifest in manifests {
        // What ships with the repository lies beside its manifest.
        let shipped = !manifest.files.is_empty() && manifest.files.iter().all(|file| file.mirrors.is_empty());
        let data_root = if shipped { root.join("data") } else { data_root.to_owned() };
        let folder = data_root.join(manifest.folder_name());
        let there = plan(manifest, &data_root)?.iter().any(|step| matches!(step.state, State::Present(_)));
        if !named && !there {
            continue;
        }
        looked += 1;
        let before = wrong;
        for file in manifest.files.iter().filter(|file| file.instead_of.is_none()) {
            let mut bar = Bar::new();
            bar.checking(&file.name, manifest.bytes_to_verify(file, &folder));
            let finding = manifest.verify_file(file, &folder, &mut |done| bar.at(done));
            bar.clear();
            match finding {
                Ok(finding) if finding.confirmed => {
                    println!("{}: {}: {}", manifest.name, file.name, finding.how);
                }
                Ok(finding) => println!("{}: {}: not confirmed: {}", manifest.name, file.name, finding.how),
                Err(error) => {
                    wrong += 1;
                    eprintln!("{}: {error}", manifest.name);
                }
            }
        }
        if wrong > before {
            // What is not there, or not whole, would only be named once more.
            continue;
        }
        wrong += usize::from(counts(manifest, &data_root).inspect_err(|error| eprintln!("{error}")).is_err());
    }
    if looked == 0 {
        println!("nothing is there to be looked at; `cargo xtask fetch` shows what there is to fetch");
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Counts pictures and classes through the readers and prints them.
pub(super) fn counts(manifest: &Manifest, data_root: &Path) -> Result<(), DataError> {
    if manifest.counts.is_empty() {
        return Ok(());
    }
    match count(manifest, data_root)? {
        None => println!("{}: there is no reader for it, so nothing was counted", manifest.name),
        Some(parts) => {
            let text: Vec<String> = parts
                .iter()
                .map(|Part { name, pictures, classes }| {
                    format!("{name} {pictures} pictures of {classes} classes")
                })
                .collect();
            println!("{}: counted as published: {}", manifest.name, text.join(", "));
        }
    }
    Ok(())
}

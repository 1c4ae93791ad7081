//! What there is to fetch, and what fetching it would do.

use std::path::Path;

use anyhow::Result;
use hyp_data::Manifest;
use hyp_data::fetch::{State, Step, plan, size};

/// Prints a line for each manifest: name, size, state, licence.
pub(super) fn print(manifests: &[Manifest], data_root: &Path) -> Result<()> {
    let mut rows = vec![["name", "size", "state", "what, licence"].map(ToOwned::to_owned)];
    for manifest in manifests {
        let steps = plan(manifest, data_root)?;
        let what = format!("{} ({})", manifest.title, manifest.licence);
        rows.push([manifest.name.clone(), total(manifest), state(manifest, &steps), what]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [first, second, third] = [width(0), width(1), width(2)];
    for [name, size, state, what] in &rows {
        println!("{name:first$}  {size:>second$}  {state:third$}  {what}");
    }
    println!("\nthe data root is {}; nothing is fetched unless it is named:", data_root.display());
    println!("  cargo xtask fetch mnist omniglot");
    Ok(())
}

/// Prints what would be done about each file, the mirrors in their order.
pub(super) fn print_plan(manifest: &Manifest, data_root: &Path) -> Result<()> {
    let folder = data_root.join(manifest.folder_name());
    println!("{}: {}, licence: {}", manifest.name, manifest.title, manifest.licence);
    println!("  into {}", folder.display());
    let steps = plan(manifest, data_root)?;
    if steps.is_empty() {
        println!("  no address is known; by hand: {}", manifest.by_hand.trim());
    }
    for step in steps {
        let bytes = step.file.bytes.map_or("size unknown".to_owned(), size);
        match &step.state {
            State::Present(path) => println!("  {}: there already, {}", step.file.name, path.display()),
            State::Partial(done) => println!("  {}: {bytes}, {} have arrived", step.file.name, size(*done)),
            State::Absent => println!("  {}: {bytes}", step.file.name),
        }
        if !matches!(step.state, State::Present(_)) {
            for url in &step.file.mirrors {
                println!("    from {url}");
            }
            for other in
                manifest.files.iter().filter(|file| file.instead_of.as_ref() == Some(&step.file.name))
            {
                for url in &other.mirrors {
                    println!("    or   {url} as {}", other.name);
                }
            }
            if let Some(unpack) = &step.file.unpack {
                println!("    then unpacked to {}", unpack.to);
            }
        }
    }
    println!("nothing was fetched");
    Ok(())
}

/// The size of all files, as far as it is known.
fn total(manifest: &Manifest) -> String {
    let files: Vec<_> = manifest.files.iter().filter(|file| file.instead_of.is_none()).collect();
    let known: u64 = files.iter().filter_map(|file| file.bytes).sum();
    match (files.is_empty(), known) {
        (true, _) => "–".to_owned(),
        (false, 0) => "unknown".to_owned(),
        (false, bytes) => size(bytes),
    }
}

fn state(manifest: &Manifest, steps: &[Step]) -> String {
    let present = steps.iter().filter(|step| matches!(step.state, State::Present(_))).count();
    let arrived: u64 =
        steps.iter().map(|step| if let State::Partial(bytes) = step.state { bytes } else { 0 }).sum();
    if steps.is_empty() {
        "by hand only".to_owned()
    } else if steps.iter().all(|step| step.file.mirrors.is_empty()) {
        "in the repository".to_owned()
    } else if present == steps.len() {
        "there".to_owned()
    } else if arrived > 0 {
        format!("{} arrived", size(arrived))
    } else if present > 0 {
        format!("{present} of {} files", steps.len())
    } else if manifest.ask.is_some() {
        "asks first".to_owned()
    } else {
        "not fetched".to_owned()
    }
}

//! `cargo xtask fetch`: what there is to fetch, fetching it, and looking again at what is there.

mod bar;
mod list;
mod look;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use hyp_data::Manifest;
use hyp_data::fetch::{self, Options as Patience, State};

use crate::workspace;

/// Options of `fetch`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// What to fetch, by the names of the list; without a name the list is shown.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// The folder that holds the data sets; `HYP_DATA` names the same thing [default: data/cache].
    #[arg(long, value_name = "DIR")]
    data_root: Option<PathBuf>,
    /// Say what would be fetched, from where and how much, and fetch nothing.
    #[arg(long, conflicts_with = "verify")]
    dry_run: bool,
    /// Fetch nothing; compare what is there with its checksums and counts (of everything when no name is given).
    #[arg(long)]
    verify: bool,
    /// Do not ask where a person would be asked.
    #[arg(long)]
    yes: bool,
    /// Take a file with this sha256 although its checksum differs from one that the manifest has from hearsay.
    #[arg(long, value_name = "SHA256")]
    accept: Option<String>,
}

/// One message on a data set or weights that are not there: how large they are and under which licence, how they are
/// fetched, and, as a line of its own, what can be done without.
pub(crate) fn missing(name: &str, data_root: Option<&Path>, instead: &str) -> anyhow::Error {
    let manifest = Manifest::builtin(name).expect("invariant: only manifests of the crate are asked for");
    let bytes: u64 =
        manifest.files.iter().filter(|file| file.instead_of.is_none()).filter_map(|file| file.bytes).sum();
    let size = match bytes {
        0 => "of unknown size".to_owned(),
        1..100_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    };
    let looked = match data_root {
        Some(folder) => format!("it was looked for in {}", folder.display()),
        None => "no data root was named (`--data-root DIR` or `HYP_DATA`)".to_owned(),
    };
    // Of a withdrawn data set there is no address.
    let how = if manifest.files.is_empty() {
        format!("it cannot be fetched: {}", manifest.by_hand.trim())
    } else {
        format!("to fetch it:          cargo xtask fetch {name}")
    };
    anyhow::anyhow!(
        "{} is missing ({size}; licence: {}): {looked}\n  {how}\n  {instead}",
        manifest.title,
        manifest.licence,
    )
}

/// Runs the command.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let data_root = workspace::data_root(root, options.data_root.as_deref());
    let manifests = manifests(root)?;
    let mut chosen = Vec::new();
    for name in &options.names {
        let Some(manifest) = manifests.iter().find(|manifest| manifest.name == *name) else {
            let names: Vec<&str> = manifests.iter().map(|manifest| manifest.name.as_str()).collect();
            bail!("there is no {name} to fetch; there are: {}", names.join(", "));
        };
        chosen.push(manifest);
    }
    if options.verify {
        let all = manifests.iter().filter(|manifest| chosen.is_empty() || chosen.contains(manifest));
        return look::verify(root, &data_root, &all.collect::<Vec<_>>(), !options.names.is_empty());
    }
    if chosen.is_empty() {
        list::print(&manifests, &data_root)?;
        return Ok(ExitCode::SUCCESS);
    }
    for manifest in chosen {
        if options.dry_run {
            list::print_plan(manifest, &data_root)?;
        } else {
            fetch_one(root, manifest, &data_root, options)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The manifests of the workspace, sorted by name, data before weights.
fn manifests(root: &Path) -> Result<Vec<Manifest>> {
    let folder = root.join("data");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut manifests = Vec::new();
    for entry in entries {
        let path =
            entry.with_context(|| format!("cannot list {}", folder.display()))?.path().join("manifest.toml");
        if path.is_file() {
            manifests.push(Manifest::read(&path)?);
        }
    }
    manifests.sort_by_key(|manifest| (manifest.kind, manifest.name.clone()));
    Ok(manifests)
}

/// Shows the terms, fetches, and counts what has come.
fn fetch_one(root: &Path, manifest: &Manifest, data_root: &Path, options: &Options) -> Result<()> {
    let steps = fetch::plan(manifest, data_root)?;
    if steps.iter().any(|step| !matches!(step.state, State::Present(_))) {
        println!("{}\nlicence: {}\n", manifest.title, manifest.licence);
        println!("{}\n\n{}\n", manifest.terms.trim(), manifest.homepage);
        if let Some(why) = &manifest.ask
            && !options.yes
        {
            agreed(why.trim())?;
        }
    }
    let patience = Patience { accept: options.accept.clone(), ..Patience::from_environment() };
    let folder = fetch::fetch(manifest, data_root, &patience, &mut bar::Bar::new())?;
    println!("{} is in {}", manifest.name, workspace::shown(root, &folder));
    look::counts(manifest, data_root)?;
    Ok(())
}

/// Asks whether to go on.
fn agreed(why: &str) -> Result<()> {
    println!("please note: {why}");
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to be asked; nothing was fetched; give `--yes` to go on all the same");
    }
    print!("go on? [y/N] ");
    std::io::stdout().flush().context("the terminal cannot be written to")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("the terminal cannot be read")?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        bail!("nothing was fetched");
    }
    Ok(())
}

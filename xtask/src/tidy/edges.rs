//! Which crate may depend on which, read from the manifests.

use std::path::Path;

use anyhow::{Context, Result};

use super::Problem;
use crate::workspace;

/// Each crate with the crates of this workspace that it may name; everything else is refused.
const EDGES: &[(&str, &[&str])] = &[
    ("hyp-math", &[]),
    ("hyp-data", &[]),
    ("hyp-nn", &["hyp-math", "hyp-data"]),
    ("hyp-delta", &["hyp-math"]),
    ("hyp-fewshot", &["hyp-math", "hyp-nn", "hyp-data"]),
    ("hyp-reid", &["hyp-math", "hyp-nn", "hyp-data"]),
    ("xtask", &["hyp-math", "hyp-data", "hyp-nn", "hyp-delta", "hyp-fewshot", "hyp-reid"]),
];

/// The one crate whose manifest may name Candle.
const CANDLE_OWNER: &str = "hyp-nn";

/// The one crate that may open connections, and the clients with which another could.
const NETWORK_OWNER: &str = "hyp-data";
const CLIENTS: &[&str] = &["attohttpc", "curl", "hf-hub", "hyper", "isahc", "minreq", "reqwest", "ureq"];

/// Checks the manifest of every crate.
pub(super) fn check(root: &Path, files: &[String], problems: &mut Vec<Problem>) -> Result<()> {
    let members = files.iter().filter(|file| {
        *file == "xtask/Cargo.toml" || (file.starts_with("crates/") && file.matches('/').count() == 2)
    });
    for file in members.filter(|file| file.ends_with("/Cargo.toml")) {
        let manifest: toml::Table = workspace::read(&root.join(file))?
            .parse()
            .with_context(|| format!("{file} is not a manifest that cargo would read"))?;
        let name =
            manifest.get("package").and_then(|package| package.get("name")).and_then(|name| name.as_str());
        let Some((name, allowed)) = EDGES.iter().find(|(known, _)| Some(*known) == name) else {
            let remedy = "give it a line in xtask/src/tidy/edges.rs";
            problems.push(Problem::new(file, "the crate has no place in the layering", remedy));
            continue;
        };
        for dependency in dependencies(&manifest) {
            let ours = EDGES.iter().any(|(known, _)| *known == dependency);
            if ours && dependency != *name && !allowed.contains(&dependency.as_str()) {
                let what = format!("{name} may not depend on {dependency}");
                let remedy = "move what both need to a lower crate (docs/ARCHITECTURE.md)";
                problems.push(Problem::new(file, what, remedy));
            }
            if CLIENTS.contains(&dependency.as_str()) && *name != NETWORK_OWNER {
                let what = format!("only {NETWORK_OWNER} may name {dependency}");
                let remedy = "fetch through hyp_data::fetch (docs/security.md)";
                problems.push(Problem::new(file, what, remedy));
            }
            if dependency.starts_with("candle") && *name != CANDLE_OWNER {
                let what = format!("only {CANDLE_OWNER} may name {dependency}");
                problems.push(Problem::new(file, what, format!("use what {CANDLE_OWNER} re-exports")));
            }
        }
    }
    Ok(())
}

/// The packages that a manifest names in any of its dependency tables.
fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let mut tables = vec![manifest];
    if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
        tables.extend(targets.values().filter_map(toml::Value::as_table));
    }
    let mut names = Vec::new();
    for table in tables {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, details) in table.get(kind).and_then(toml::Value::as_table).into_iter().flatten() {
                let package = details.get("package").and_then(toml::Value::as_str).unwrap_or(name);
                names.push(package.to_owned());
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

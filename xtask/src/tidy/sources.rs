//! Rules for source files: a first line that says what is in them, a size, a name, no machine's paths.

use std::path::Path;

use anyhow::Result;

use super::Problem;
use crate::workspace::{self, extension};

/// Lines above which a file is cut in two.
const LINE_LIMIT: usize = 500;

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: &[&str] = &["utils.rs", "common.rs", "helpers.rs", "misc.rs"];

/// Folders that exist on one machine only. Cut in two, so that this file passes its own rule.
const MACHINE_FOLDERS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/tm", "p/"),
];

/// Kinds of file that are read as text.
const TEXT: &[&str] =
    &["rs", "cu", "cuh", "toml", "md", "json", "py", "sh", "csv", "txt", "html", "svg", "yml", "yaml"];

/// Checks every source and text file.
pub(super) fn check(root: &Path, files: &[String], problems: &mut Vec<Problem>) -> Result<()> {
    for file in files {
        let kind = extension(file);
        if !TEXT.contains(&kind.as_str()) && !file.starts_with(".ci/") {
            continue;
        }
        let text = workspace::read(&root.join(file))?;
        match kind.as_str() {
            "rs" => source(file, &text, "//!", problems),
            "cu" | "cuh" => source(file, &text, "// ", problems),
            _ => {}
        }
        for (number, line) in text.lines().enumerate() {
            for folder in MACHINE_FOLDERS {
                if names_folder(line, folder) {
                    let what = format!("names {folder}, a folder of one machine");
                    problems.push(Problem::at(
                        file,
                        number,
                        what,
                        "write the path relative to the workspace",
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Checks a source file whose first line is a comment that starts with `opening`.
fn source(file: &str, text: &str, opening: &str, problems: &mut Vec<Problem>) {
    if !text.starts_with(opening) {
        let opening = opening.trim_end();
        let remedy = format!("open it with a `{opening}` line that says what is in it");
        problems.push(Problem::new(file, format!("the first line is not a `{opening}` line"), remedy));
    }
    let in_tests = file.split('/').any(|part| part == "tests");
    let generated = text.lines().next().is_some_and(|line| line.contains("@generated"));
    let lines = text.lines().count();
    if lines > LINE_LIMIT && !in_tests && !generated {
        let what = format!("{lines} lines, above {LINE_LIMIT}");
        problems.push(Problem::new(file, what, "split it into files that each have one subject"));
    }
    let name = file.rsplit('/').next().unwrap_or(file);
    let module = file.rsplit('/').nth(1).map(|folder| format!("{folder}.rs")).unwrap_or_default();
    let empty = EMPTY_NAMES.contains(&name) || (name == "mod.rs" && EMPTY_NAMES.contains(&module.as_str()));
    if empty && file.split('/').any(|part| part == "src") {
        problems.push(Problem::new(file, "the name does not say what is in it", "name it after its subject"));
    }
}

/// Whether the line names the folder as the start of a path, and not as the middle of a longer one.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || "_.-~/}>)…*".contains(c)))
    })
}

//! Every path that the docs name exists.

use std::path::Path;

use anyhow::Result;

use super::Problem;
use crate::workspace::{self, extension};

/// A token in backticks that starts with one of these is read as a path.
const TOP_FOLDERS: &[&str] = &["crates", "docs", "xtask", "data", ".ci", ".cargo"];

/// Folders that are made on demand.
const MADE_ON_DEMAND: &[&str] = &["data/cache"];

/// Checks every Markdown file.
pub(super) fn check(root: &Path, files: &[String], problems: &mut Vec<Problem>) -> Result<()> {
    for file in files.iter().filter(|file| extension(file) == "md") {
        let text = workspace::read(&root.join(file))?;
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut fenced = false;
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
                continue;
            }
            if fenced {
                continue;
            }
            for path in named_paths(line) {
                if !exists(root, &path) {
                    let what = format!("names `{path}`, which does not exist");
                    problems.push(Problem::at(file, number, what, "correct the path or add the file"));
                }
            }
            for link in relative_links(line) {
                if !root.join(folder).join(&link).exists() {
                    let what = format!("links to `{link}`, which does not exist");
                    problems.push(Problem::at(file, number, what, "correct the link or add the file"));
                }
            }
        }
    }
    Ok(())
}

fn exists(root: &Path, path: &str) -> bool {
    root.join(path).exists() || MADE_ON_DEMAND.iter().any(|folder| path.starts_with(folder))
}

/// Tokens in backticks that look like a path of this repository; patterns and placeholders are left alone.
fn named_paths(line: &str) -> Vec<String> {
    let spans = line.split('`').skip(1).step_by(2);
    let tokens = spans.flat_map(str::split_whitespace);
    tokens
        .map(|token| token.split("::").next().unwrap_or(token).trim_end_matches([',', '.', ';', ':']))
        .filter(|token| token.contains('/'))
        .filter(|token| token.chars().all(|c| c.is_ascii_alphanumeric() || "_./-".contains(c)))
        .filter(|token| TOP_FOLDERS.contains(&token.split('/').next().unwrap_or_default()))
        .map(ToOwned::to_owned)
        .collect()
}

/// Targets of `[words](target)` that stay inside the repository, without their fragment.
fn relative_links(line: &str) -> Vec<String> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    targets
        .filter(|target| {
            !target.contains("://") && !target.starts_with('#') && !target.starts_with("mailto:")
        })
        .filter_map(|target| target.split('#').next())
        .filter(|target| !target.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{named_paths, relative_links};

    #[test]
    fn paths_are_told_from_other_code() {
        let line =
            "See `crates/hyp-math/src/gyro.rs::add`, `docs/<id>.toml`, `a/b`, `cargo run -p x -- docs/a.md`.";
        assert_eq!(named_paths(line), ["crates/hyp-math/src/gyro.rs", "docs/a.md"]);
    }

    #[test]
    fn links_that_leave_the_repository_are_not_checked() {
        let line = "[a](docs/a.md#part) [b](https://example.org/x) [c](#here)";
        assert_eq!(relative_links(line), ["docs/a.md"]);
    }
}

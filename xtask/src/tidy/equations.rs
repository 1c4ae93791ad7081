//! Every row of `docs/paper/equations.md` names a function and a test that exist.

use std::path::Path;

use anyhow::Result;

use super::Problem;
use crate::workspace;

const FILE: &str = "docs/paper/equations.md";

/// Checks the rows of every table whose last columns are `function` and `test`.
pub(super) fn check(root: &Path, files: &[String], problems: &mut Vec<Problem>) -> Result<()> {
    if !files.iter().any(|file| file == FILE) {
        problems.push(Problem::new(FILE, "the file is missing", "write the table equation, function, test"));
        return Ok(());
    }
    let text = workspace::read(&root.join(FILE))?;
    let mut in_table = false;
    for (number, line) in text.lines().enumerate() {
        let cells = cells(line);
        let [.., function, test] = cells.as_slice() else {
            in_table = false;
            continue;
        };
        if function.eq_ignore_ascii_case("function") && test.eq_ignore_ascii_case("test") {
            in_table = true;
            continue;
        }
        if !in_table || cells.iter().all(|cell| cell.chars().all(|c| c == '-' || c == ':')) {
            continue;
        }
        let functions = backticked(function);
        if functions.is_empty() {
            let remedy = "name it as `crate::module::function`";
            problems.push(Problem::at(FILE, number, "the row names no function", remedy));
        }
        for path in functions {
            if !function_exists(root, files, path)? {
                let what = format!("there is no function `{path}`");
                problems.push(Problem::at(FILE, number, what, "correct the name or write the function"));
            }
        }
        let tests = backticked(test);
        if tests.is_empty() {
            let remedy = "name it as `crates/…/file.rs::test_name`";
            problems.push(Problem::at(FILE, number, "the row names no test", remedy));
        }
        for path in tests {
            if !test_exists(root, files, path)? {
                let what = format!("there is no test `{path}`");
                problems.push(Problem::at(FILE, number, what, "correct the name or write the test"));
            }
        }
    }
    Ok(())
}

/// The cells of a table row; empty when the line is none.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    match line.strip_prefix('|').and_then(|rest| rest.strip_suffix('|')) {
        Some(inside) => inside.split('|').map(|cell| cell.trim().to_owned()).collect(),
        None => Vec::new(),
    }
}

fn backticked(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).map(str::trim).filter(|token| !token.is_empty()).collect()
}

/// Looks for `fn name` in the files of the module, or of the whole crate when the path goes through a type.
fn function_exists(root: &Path, files: &[String], path: &str) -> Result<bool> {
    let parts: Vec<&str> = path.split("::").collect();
    let [krate, modules @ .., name] = parts.as_slice() else {
        return Ok(false);
    };
    let folder = format!("crates/{}/src/", krate.replace('_', "-"));
    let through_type = modules.iter().find(|part| part.starts_with(char::is_uppercase));
    let module: String = modules
        .iter()
        .take_while(|part| !part.starts_with(char::is_uppercase))
        .copied()
        .collect::<Vec<_>>()
        .join("/");
    for file in files.iter().filter(|file| workspace::extension(file) == "rs") {
        let Some(inside) = file.strip_prefix(&folder) else {
            continue;
        };
        let here = module.is_empty()
            || inside == format!("{module}.rs")
            || inside.strip_prefix(&module).is_some_and(|rest| rest.starts_with('/'));
        if !here {
            continue;
        }
        let text = workspace::read(&root.join(file))?;
        if through_type.is_none_or(|name| text.contains(name)) && defines(&text, name) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn test_exists(root: &Path, files: &[String], path: &str) -> Result<bool> {
    let Some((file, name)) = path.split_once("::") else {
        return Ok(false);
    };
    let name = name.rsplit("::").next().unwrap_or(name);
    if !files.iter().any(|known| known == file) {
        return Ok(false);
    }
    let text = workspace::read(&root.join(file))?;
    // Tests repeated over scalar types by a macro are named by their module.
    let module = format!("mod {name}");
    let is_module = |(at, found): (usize, &str)| text[at + found.len()..].starts_with([' ', ';']);
    Ok(defines_test(&text, name) || text.match_indices(&module).any(is_module))
}

/// Whether the text defines a function of that name with `#[test]` among the lines just above it.
fn defines_test(text: &str, name: &str) -> bool {
    text.match_indices(&format!("fn {name}(")).any(|(at, _)| {
        let above = text[..at].rsplit('\n').skip(1).map(str::trim);
        above.take_while(|line| line.starts_with(['#', '/'])).any(|line| line == "#[test]")
    })
}

/// Whether the text defines a function of that name.
fn defines(text: &str, name: &str) -> bool {
    text.match_indices(&format!("fn {name}"))
        .any(|(at, found)| text[at + found.len()..].starts_with(['(', '<']))
}

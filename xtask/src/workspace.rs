//! Where the workspace is, and reading and writing of its files.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Folders that hold nothing of ours: build output, caches and run folders.
const NOT_OURS: &[&str] = &[".git", "target", "runs", CACHE];

/// The workspace folder: the one given, or the first one above the current folder.
pub(crate) fn find_root(given: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(root) = given {
        if !root.join("Cargo.toml").is_file() {
            bail!("{} holds no Cargo.toml; give the workspace folder to `--root`", root.display());
        }
        return Ok(root);
    }
    let here = std::env::current_dir().context("the current folder cannot be read")?;
    for folder in here.ancestors() {
        if let Ok(text) = fs::read_to_string(folder.join("Cargo.toml"))
            && text.contains("[workspace]")
        {
            return Ok(folder.to_path_buf());
        }
    }
    bail!("no workspace above {}; run inside the checkout or give `--root DIR`", here.display())
}

/// The folder that `fetch` fills unless another one is named.
pub(crate) const CACHE: &str = "data/cache";

/// The folder that holds the data sets: the one given, that of `HYP_DATA`, or the workspace's own cache.
pub(crate) fn data_root(root: &Path, given: Option<&Path>) -> PathBuf {
    named_data_root(given).unwrap_or_else(|| root.join(CACHE))
}

/// The folder of the data sets, if a person named one.
pub(crate) fn named_data_root(given: Option<&Path>) -> Option<PathBuf> {
    let variable = || std::env::var_os("HYP_DATA").filter(|value| !value.is_empty()).map(PathBuf::from);
    given.map(Path::to_path_buf).or_else(variable)
}

/// A path as a reader sees it: relative to the workspace where it lies in it.
pub(crate) fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

/// Every file of the workspace in sorted order, as paths relative to `root` with `/` between the parts.
pub(crate) fn files(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    walk(root, "", &mut found)?;
    found.sort();
    Ok(found)
}

fn walk(root: &Path, folder: &str, found: &mut Vec<String>) -> Result<()> {
    let path = root.join(folder);
    let entries = fs::read_dir(&path).with_context(|| format!("cannot list {}", path.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", path.display()))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            bail!("{} holds a file whose name is not UTF-8; rename it", path.display());
        };
        let relative = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        if NOT_OURS.contains(&relative.as_str()) {
            continue;
        }
        let kind = entry.file_type().with_context(|| format!("cannot stat {relative}"))?;
        if kind.is_dir() {
            walk(root, &relative, found)?;
        } else if kind.is_file() {
            found.push(relative);
        }
    }
    Ok(())
}

/// The text of a file, with its path in the error.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Refuses a folder where a file is to be written.
pub(crate) fn refuse_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        bail!("{} is a folder; give the name of a file", path.display());
    }
    Ok(())
}

/// The place that a path leads to: of a link, where it points, whether or not something is there.
pub(crate) fn followed(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| match fs::read_link(path) {
        Ok(target) => path.parent().map_or_else(|| target.clone(), |folder| folder.join(&target)),
        Err(_) => path.to_owned(),
    })
}

/// Writes a file whole or not at all: to a temporary name beside it, then renamed.
///
/// A link is followed; what is printed to, a device or a pipe is written to, and stays what it is.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = || format!("cannot write to {}", path.display());
    match path.to_str() {
        Some("/dev/stdout" | "/dev/fd/1") => return io::stdout().write_all(bytes).with_context(failed),
        Some("/dev/stderr" | "/dev/fd/2") => return io::stderr().write_all(bytes).with_context(failed),
        _ => {}
    }
    refuse_folder(path)?;
    if path.exists() && !path.is_file() {
        let file = fs::OpenOptions::new().write(true).open(path);
        return file.and_then(|mut file| file.write_all(bytes)).with_context(failed);
    }
    let path = &followed(path);
    let folder = path.parent().context("invariant: an output file has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut name = path.file_name().context("invariant: an output file has a name")?.to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    // Without the synchronisation a power cut could leave the new name on an empty file.
    let write = |mut file: fs::File| file.write_all(bytes).and_then(|()| file.sync_all());
    fs::File::create(&temporary).and_then(write).map_err(|error| {
        // On a full disk the half of a file would only be in the way.
        let _ = fs::remove_file(&temporary);
        anyhow::anyhow!(
            "cannot write {}: {error}; make room there, or see that you may write to it",
            path.display()
        )
    })?;
    fs::rename(&temporary, path).with_context(|| format!("cannot rename {} into place", temporary.display()))
}

/// The ending of a file name, lower case, without the dot.
pub(crate) fn extension(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.rsplit_once('.').map_or_else(String::new, |(_, end)| end.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_where_it_lies_and_a_folder_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let [real, new] = ["real.txt", "new/file.txt"].map(|name| folder.path().join(name));
        for text in ["first", "second"] {
            for path in [&real, &new] {
                write_atomic(path, text.as_bytes()).unwrap();
                assert_eq!(read(path).unwrap(), text);
            }
        }
        let refused = write_atomic(folder.path(), b"text").unwrap_err().to_string();
        assert!(refused.contains("is a folder"), "{refused}");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_pipes_stay() {
        let folder = tempfile::tempdir().unwrap();
        let [real, link] = ["real.txt", "link.txt"].map(|name| folder.path().join(name));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert_eq!(read(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let (to_come, later) = (folder.path().join("to come.txt"), folder.path().join("later.txt"));
        std::os::unix::fs::symlink("to come.txt", &later).unwrap();
        write_atomic(&later, b"there").unwrap();
        assert_eq!(read(&to_come).unwrap(), "there");
        assert!(fs::symlink_metadata(&later).unwrap().is_symlink());

        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || read(&pipe).unwrap()
        });
        write_atomic(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), "through");
        assert!(!fs::metadata(&pipe).unwrap().is_file());
    }
}

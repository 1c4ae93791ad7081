//! A tree of picture files in sorted order, be it a folder or a zip archive.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::archive::Archive;
use crate::error::DataError;
use crate::index::Source;

/// Name endings that are read as pictures, in lower case.
const PICTURES: [&str; 7] = ["bmp", "gif", "jpeg", "jpg", "png", "webp", "jpe"];
/// Folders nested deeper than this are a loop or a mistake.
const MAX_DEPTH: usize = 32;
/// The most paths that may lead to one folder: with two links in each of thirty folders, a thousand million would.
const MAX_PATHS: u32 = 100;

/// The files below a root, sorted by the parts of their names.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The root: a folder or an archive.
    pub(crate) root: PathBuf,
    /// The files.
    pub(crate) files: Vec<Entry>,
    /// Folders without any file, as their parts.
    pub(crate) empty_folders: Vec<Vec<String>>,
    /// The archive, if the root is one.
    pub(crate) archive: Option<Archive>,
    /// What could not be listed: links that lead nowhere, names that are not Unicode and the like.
    pub(crate) problems: Vec<DataError>,
    /// How often each folder was reached, by its real place.
    reached: BTreeMap<PathBuf, u32>,
}

/// One file of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The names of its folders below the root, then its own.
    pub(crate) parts: Vec<String>,
    /// Where it lies.
    pub(crate) source: Source,
}

impl Tree {
    /// Lists a folder or a zip archive; where no folder below it has a meaning (`depth` 0), a picture is one file.
    ///
    /// Hidden files and folders (a leading dot), `Thumbs.db` and `__MACOSX` are passed over.
    /// In an archive, folders that hold everything else are passed through while `depth` folders stay below them.
    pub(crate) fn open(root: &Path, depth: usize) -> Result<Self, DataError> {
        let metadata = fs::metadata(root).map_err(DataError::io("read", root))?;
        let mut tree = Self {
            root: root.to_owned(),
            files: Vec::new(),
            empty_folders: Vec::new(),
            archive: None,
            problems: Vec::new(),
            reached: BTreeMap::new(),
        };
        if metadata.is_dir() {
            let mut ancestors = Vec::new();
            tree.walk(root, &mut Vec::new(), &mut ancestors)?;
        } else if depth == 0 && is_picture_file(root) {
            let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
            tree.files.push(Entry { parts: vec![name], source: Source::File(root.to_owned()) });
        } else {
            let archive = Archive::open(root)?;
            for parts in archive.entries()? {
                if !parts.iter().any(|part| is_hidden(part)) {
                    let source =
                        Source::Entry { archive: Arc::clone(archive.path()), entry: parts.join("/") };
                    tree.files.push(Entry { parts, source });
                }
            }
            tree.archive = Some(archive);
            tree.pass_through(depth);
        }
        tree.files.sort_by(|a, b| a.parts.cmp(&b.parts));
        Ok(tree)
    }

    fn walk(
        &mut self,
        folder: &Path,
        parts: &mut Vec<String>,
        ancestors: &mut Vec<PathBuf>,
    ) -> Result<(), DataError> {
        let real = fs::canonicalize(folder).map_err(DataError::io("read", folder))?;
        if ancestors.contains(&real) || ancestors.len() >= MAX_DEPTH {
            let reason = "the folder is linked into itself or nested too deep";
            return Err(DataError::corrupt(folder, reason, "remove the link"));
        }
        let times = self.reached.entry(real.clone()).or_default();
        *times += 1;
        if *times > MAX_PATHS {
            let reason = format!("more than {MAX_PATHS} paths lead to the folder `{}`", real.display());
            return Err(DataError::corrupt(
                folder,
                reason,
                "remove links to folders that hold links themselves",
            ));
        }
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(DataError::io("list", folder))? {
            paths.push(entry.map_err(DataError::io("list", folder))?.path());
        }
        paths.sort();
        ancestors.push(real);
        let before = self.files.len();
        for path in paths {
            if let Err(problem) = self.add(path, parts, ancestors) {
                self.problems.push(problem);
            }
        }
        if self.files.len() == before {
            self.empty_folders.push(parts.clone());
        }
        ancestors.pop();
        Ok(())
    }

    /// Adds a file, or what lies below a folder.
    fn add(
        &mut self,
        path: PathBuf,
        parts: &mut Vec<String>,
        ancestors: &mut Vec<PathBuf>,
    ) -> Result<(), DataError> {
        let name = path.file_name().unwrap_or_default();
        let Some(name) = name.to_str().map(ToOwned::to_owned) else {
            return Err(DataError::corrupt(&path, "its name is not Unicode", "rename it"));
        };
        if is_hidden(&name) {
            return Ok(());
        }
        // Follows links, so a link that leads nowhere is an error that names it.
        let metadata = fs::metadata(&path).map_err(DataError::io("read", &path))?;
        parts.push(name);
        let outcome = if metadata.is_dir() {
            self.walk(&path, parts, ancestors)
        } else if metadata.is_file() {
            self.files.push(Entry { parts: parts.clone(), source: Source::File(path) });
            Ok(())
        } else {
            Err(DataError::corrupt(&path, "it is neither a file nor a folder", "remove it"))
        };
        parts.pop();
        outcome
    }

    /// Drops the first part of all names while it is one and the same and more than `depth` folders are left.
    fn pass_through(&mut self, depth: usize) {
        while let Some(first) = self.files.first().map(|entry| entry.parts[0].clone()) {
            let all = self.files.iter().all(|entry| entry.parts.len() > depth + 1 && entry.parts[0] == first);
            if !all || crate::Split::from_name(&first).is_some() {
                break;
            }
            for entry in &mut self.files {
                entry.parts.remove(0);
            }
        }
    }
}

/// Whether a name is a file manager's or a person's private matter.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || matches!(name, "Thumbs.db" | "desktop.ini" | "__MACOSX")
}

/// Whether a single picture lies there.
pub(crate) fn is_picture_file(path: &Path) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(is_picture) && path.is_file()
}

/// Whether a name ends like that of a picture that can be decoded.
pub(crate) fn is_picture(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| PICTURES.contains(&extension.as_str()))
}

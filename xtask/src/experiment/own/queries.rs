//! The pictures that are asked about: all files below a folder, each decoded or with the reason why not.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hyp_data::Image;
use rayon::prelude::*;

use crate::retrieval::{Seen, Sight};

/// One file.
pub(super) struct Query {
    /// Its path below the folder.
    pub(super) name: String,
    /// The folder it lies in, which may be the name of its class.
    pub(super) folder: Option<String>,
    /// Its numbers, or why there are none.
    pub(super) seen: Result<Seen, String>,
}

/// Reads every file below `root` in the order of their names; hidden ones are passed over.
pub(super) fn read(root: &Path, sight: &Sight) -> Result<Vec<Query>> {
    let mut files = Vec::new();
    walk(root, &mut files)?;
    if files.is_empty() {
        bail!("{} holds no file; put the pictures to classify there", root.display());
    }
    let query = |path: PathBuf| {
        let relative = path.strip_prefix(root).unwrap_or(&path);
        let folder = relative.parent().and_then(Path::file_name);
        Query {
            name: relative.display().to_string(),
            folder: folder.map(|name| name.to_string_lossy().into_owned()),
            seen: seen(&path, sight).map_err(|error| format!("{error:#}")),
        }
    };
    Ok(files.into_par_iter().map(query).collect())
}

fn seen(path: &Path, sight: &Sight) -> Result<Seen> {
    let bytes = std::fs::read(path)?;
    Ok(sight.see(Image::decode(&bytes, sight.colour(), path)?)?)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| {
        format!("cannot list {}; name the folder that holds the pictures", folder.display())
    })?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() { walk(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

//! The pictures that are asked about: all files below a folder, each decoded or with the reason why not.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hyp_data::transform::{Normalise, Transform};
use hyp_data::{Colour, Image, Random};
use rayon::prelude::*;

/// One file.
pub(super) struct Query {
    /// Its path below the folder.
    pub(super) name: String,
    /// The folder it lies in, which may be the name of its class.
    pub(super) folder: Option<String>,
    /// Its numbers, or why there are none.
    pub(super) pixels: Result<Vec<f32>, String>,
}

/// Reads every file below `root` in the order of their names; hidden ones are passed over.
pub(super) fn read(root: &Path, prepare: &Transform, scale: &Normalise) -> Result<Vec<Query>> {
    let mut files = Vec::new();
    walk(root, &mut files)?;
    if files.is_empty() {
        bail!("{} holds no file; put the pictures to classify there", root.display());
    }
    let colour = if scale.channels() == 3 { Colour::Rgb } else { Colour::Grey };
    let query = |path: PathBuf| {
        let relative = path.strip_prefix(root).unwrap_or(&path);
        let folder = relative.parent().and_then(Path::file_name);
        Query {
            name: relative.display().to_string(),
            folder: folder.map(|name| name.to_string_lossy().into_owned()),
            pixels: pixels(&path, colour, prepare, scale).map_err(|error| format!("{error:#}")),
        }
    };
    Ok(files.into_par_iter().map(query).collect())
}

fn pixels(path: &Path, colour: Colour, prepare: &Transform, scale: &Normalise) -> Result<Vec<f32>> {
    let bytes = std::fs::read(path)?;
    let image = prepare.apply(Image::decode(&bytes, colour, path)?, &mut Random::new(0))?;
    let mut out = vec![0.0; image.data().len()];
    scale.write(image.data(), &mut out);
    Ok(out)
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

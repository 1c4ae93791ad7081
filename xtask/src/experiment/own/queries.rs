//! The pictures that are asked about: all files of a folder or archive, each decoded or with the reason why not.

use std::path::Path;

use anyhow::{Context, Result};
use hyp_data::DataError;
use hyp_data::source::{ReadOptions, Unusable, folder, own};
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

/// Reads a picture, or every file below `root` in the order of their names; hidden ones are passed over.
pub(super) fn read(root: &Path, sight: &Sight) -> Result<Vec<Query>> {
    let options = ReadOptions { colour: sight.colour(), unusable: Unusable::SkipNames };
    let loaded = folder::load_unlabelled(root, options).context("the pictures to classify cannot be read")?;
    let dataset = loaded.dataset;
    let home = own::home(root);
    let query = |name: String, seen: Result<Seen, DataError>| {
        let folder = Path::new(&name).parent().and_then(Path::file_name);
        let folder = folder.map(|name| name.to_string_lossy().into_owned());
        Query { name, folder, seen: seen.map_err(|error| error.to_string()) }
    };
    let see = |at: usize| {
        let name = own::name_of(&dataset.index().items()[at].source, &home);
        query(name, dataset.checked_image(at).and_then(|image| sight.see(image)))
    };
    let mut queries: Vec<Query> = (0..dataset.len()).into_par_iter().map(see).collect();
    for problem in loaded.skipped {
        let name = problem
            .path()
            .map_or(String::new(), |path| path.strip_prefix(&home).unwrap_or(path).display().to_string());
        queries.push(query(name, Err(problem)));
    }
    queries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(queries)
}

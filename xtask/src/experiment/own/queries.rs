//! The pictures that are asked about: all files of a folder or archive, each decoded in its turn or with the reason why not.

use std::path::Path;

use anyhow::{Context, Result};
use hyp_data::source::{ReadOptions, Unusable, folder, own};
use hyp_data::{DataError, Dataset};
use rayon::prelude::*;

use crate::retrieval::{Seen, Sight};

/// One file.
pub(super) struct Query {
    /// Its path below the folder.
    pub(super) name: String,
    /// The folder it lies in, which may be the name of its class.
    pub(super) folder: Option<String>,
    /// Where it stands in the data set, or why it is no picture by its name.
    found: Result<usize, String>,
}

/// All files, in the order of their names.
pub(super) struct Queries<'a> {
    dataset: Dataset,
    sight: &'a Sight,
    files: Vec<Query>,
}

impl<'a> Queries<'a> {
    /// Lists a picture, or every file below `root`; hidden ones are passed over.
    pub(super) fn list(root: &Path, sight: &'a Sight) -> Result<Self> {
        let options = ReadOptions { colour: sight.colour(), unusable: Unusable::SkipNames };
        let loaded =
            folder::load_unlabelled(root, options).context("the pictures to classify cannot be read")?;
        let dataset = loaded.dataset;
        let home = own::home(root);
        let query = |name: String, found: Result<usize, DataError>| {
            let folder = Path::new(&name).parent().and_then(Path::file_name);
            let folder = folder.map(|name| name.to_string_lossy().into_owned());
            Query { name, folder, found: found.map_err(|error| error.to_string()) }
        };
        let items = dataset.index().items().iter().enumerate();
        let mut files: Vec<Query> =
            items.map(|(at, item)| query(own::name_of(&item.source, &home), Ok(at))).collect();
        for problem in loaded.skipped {
            let name = problem
                .path()
                .map_or(String::new(), |path| path.strip_prefix(&home).unwrap_or(path).display().to_string());
            files.push(query(name, Err(problem)));
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { dataset, sight, files })
    }

    /// The files.
    pub(super) fn all(&self) -> &[Query] {
        &self.files
    }

    /// What is seen on some of them, or why nothing is: decoded now, so that memory holds no more than these.
    pub(super) fn see(&self, some: &[Query]) -> Vec<Result<Seen, String>> {
        let decoded = |at: usize| {
            let seen = self.dataset.checked_image(at).and_then(|image| self.sight.see(image));
            seen.map_err(|error| error.to_string())
        };
        some.par_iter().map(|query| query.found.clone().and_then(decoded)).collect()
    }
}

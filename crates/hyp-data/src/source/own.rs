//! A person's own pictures, wherever it stands who or what is seen.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::image::Colour;
use crate::index::{Index, Item, Source};
use crate::source::listed::{self, Listed};
use crate::source::tree::{self, Tree};
use crate::source::{Loaded, ReadOptions, csv, folder, reid};

/// Where the names of classes, identities and cameras stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// In a CSV list: see [`csv`].
    List,
    /// In the names of the files, `0002_c1s1_000451_03.jpg`: see [`reid`].
    Names,
    /// In folders, `IDENTITY/CAMERA/PICTURE`, below folders of the parts if there are such.
    Cameras,
    /// In folders, `CLASS/PICTURE`: see [`folder`].
    Classes,
    /// Nowhere.
    Nowhere,
}

/// Lists the pictures of a folder, a zip archive or a CSV file; where the labels stand is guessed unless it is said.
///
/// A file that ends in `.csv` is a list. Of a folder or an archive, the names count if most of them say identity and
/// camera, else the folders, if every picture lies in one; folders of cameras are never guessed.
///
/// # Errors
/// [`DataError`] naming the file or folder; with [`Unusable::Refuse`](super::Unusable::Refuse) also of a picture whose name
/// or place does not say what it should.
///
/// # Examples
/// ```
/// use hyp_data::source::own::{self, Labels};
/// use hyp_data::source::{ReadOptions, synthetic};
/// let root = tempfile::tempdir()?;
/// synthetic::write_folder(&synthetic::coloured(2, 3, 16, 0), root.path())?;
/// let (labels, loaded) = own::load(root.path(), None, ReadOptions::default())?;
/// assert_eq!((labels, loaded.dataset.len()), (Labels::Classes, 6));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load(
    path: &Path,
    labels: Option<Labels>,
    options: ReadOptions,
) -> Result<(Labels, Loaded), DataError> {
    let labels = match labels {
        Some(labels) => labels,
        None => guess(path)?,
    };
    let loaded = match labels {
        Labels::List => csv::load_with(path, options),
        Labels::Names => reid::read_with(path, options),
        Labels::Cameras => folder::read(path, options, (2, PLACES), cameras),
        Labels::Classes => folder::load_with(path, options),
        Labels::Nowhere => folder::load_unlabelled(path, options),
    };
    Ok((labels, loaded?))
}

/// Where the labels stand, by the look of it; see [`load`].
///
/// # Errors
/// [`DataError`] if there is nothing, or it cannot be listed.
pub fn guess(path: &Path) -> Result<Labels, DataError> {
    if is_list(path) {
        return Ok(Labels::List);
    }
    if !path.exists() {
        let remedy = "name a folder, a zip archive or a CSV list of pictures";
        return Err(DataError::missing("pictures", path, remedy));
    }
    let tree = Tree::open(path, 1)?;
    let is_picture = |parts: &[String]| tree::is_picture(&parts[parts.len() - 1]);
    let in_folders = |entry: &&tree::Entry| !is_picture(&entry.parts) || entry.parts.len() > 1;
    Ok(if reid::has_names(&tree) {
        Labels::Names
    } else if tree.files.iter().all(|entry| in_folders(&entry)) {
        Labels::Classes
    } else {
        Labels::Nowhere
    })
}

fn is_list(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"))
}

const PLACES: &str = "name a folder that holds IDENTITY/CAMERA/PICTURE";

/// Pictures in folders of cameras in folders of identities.
fn cameras(tree: &Tree, problems: &mut Vec<DataError>) -> Result<Index, DataError> {
    let parts = reid::Parts::of(tree);
    let mut listed = Vec::with_capacity(tree.files.len());
    for entry in &tree.files {
        if !folder::has_picture_name(entry, problems) {
            continue;
        }
        let Some([identity, camera, _, ..]) = entry.parts.get(parts.depth()..) else {
            let reason = "it does not lie in a folder of its camera in a folder of its identity";
            let remedy = "move it to IDENTITY/CAMERA/, or list the pictures in a CSV file";
            problems.push(DataError::corrupt(&entry.source.path(), reason, remedy));
            continue;
        };
        let (identity, camera) = (Some(identity.clone()), Some(camera.clone()));
        let class = identity.clone().unwrap_or_default();
        let split = parts.split_of(entry);
        listed.push(Listed { identity, camera, split, ..Listed::new(entry.source.clone(), class) });
    }
    if listed.is_empty() && problems.is_empty() {
        return Err(DataError::missing("picture in IDENTITY/CAMERA/", &tree.root, PLACES));
    }
    Ok(listed::index(listed))
}

/// Where the pictures of [`load`] lie: the folder or archive itself, or the folder of a list or of a single picture.
pub fn home(path: &Path) -> PathBuf {
    let folder = || path.parent().map(Path::to_owned).unwrap_or_default();
    if is_list(path) || tree::is_picture_file(path) { folder() } else { path.to_owned() }
}

/// The name of a picture below its [`home`]: what [`pictures`] finds it by.
pub fn name_of(source: &Source, home: &Path) -> String {
    match source {
        Source::Entry { entry, .. } => entry.clone(),
        Source::File(path) => path.strip_prefix(home).unwrap_or(path).display().to_string(),
        other => other.to_string(),
    }
}

/// The pictures of these names below a folder or in a zip archive, in the order given, as one class; nothing is decoded
/// yet.
///
/// # Errors
/// [`DataError::Missing`] if the folder is not there, [`DataError`] if the archive cannot be opened. A picture that is not
/// there is an error when it is read.
///
/// # Examples
/// ```
/// use hyp_data::Colour;
/// use hyp_data::source::{own, synthetic};
/// let root = tempfile::tempdir()?;
/// synthetic::write_folder(&synthetic::coloured(2, 3, 16, 0), root.path())?;
/// let two = own::pictures(root.path(), &["1/0002.png".into(), "0/0000.png".into()], Colour::Rgb)?;
/// assert_eq!(two.image(1)?.width(), 16);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn pictures(home: &Path, names: &[String], colour: Colour) -> Result<Dataset, DataError> {
    // A list in the current folder has an empty one.
    let here = if home.as_os_str().is_empty() { Path::new(".") } else { home };
    if !here.exists() {
        let remedy = "they were moved; put them back, or name where they are now";
        return Err(DataError::missing("pictures", home, remedy));
    }
    let archive = if here.is_dir() { None } else { Some(Archive::open(home)?) };
    let source = |name: &String| match &archive {
        Some(archive) => Source::Entry { archive: Arc::clone(archive.path()), entry: name.clone() },
        None => Source::File(home.join(name)),
    };
    let items = names.iter().map(|name| Item::new(source(name), 0)).collect();
    let index = Index::new(items, vec!["pictures".to_owned()]);
    Ok(Dataset::encoded(index, colour, archive.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Unusable, synthetic};

    const NAMES_ONLY: ReadOptions = ReadOptions { colour: Colour::Rgb, unusable: Unusable::SkipNames };

    /// A picture under each of these names.
    fn folder(names: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let png = synthetic::coloured(1, 1, 8, 0).image(0).unwrap().to_png();
        for name in names {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &png).unwrap();
        }
        root
    }

    fn guessed(names: &[&str]) -> Labels {
        load(folder(names).path(), None, NAMES_ONLY).unwrap().0
    }

    #[test]
    fn where_the_labels_stand_is_guessed() {
        assert_eq!(guessed(&["0001_c1_1.png", "deep/0002_c2_1.png", "holiday.png"]), Labels::Names);
        assert_eq!(guessed(&["a/1.png", "b/1.png"]), Labels::Classes);
        assert_eq!(guessed(&["a/1.png", "1.png"]), Labels::Nowhere);
        let root = folder(&["a.png"]);
        let list = root.path().join("people.CSV");
        std::fs::write(&list, "path,identity,camera\na.png,anna,door\n").unwrap();
        let (labels, loaded) = load(&list, None, NAMES_ONLY).unwrap();
        let index = loaded.dataset.index();
        assert_eq!(
            (labels, index.classes(), index.cameras()),
            (Labels::List, index.identities(), &["door".to_owned()][..])
        );
        let text = load(&root.path().join("none"), None, NAMES_ONLY).unwrap_err().to_string();
        assert!(text.contains("none") && text.contains("CSV"), "{text}");
    }

    #[test]
    fn folders_of_cameras_name_who_is_seen_and_a_stray_picture_is_named() {
        let root = folder(&["anna/door/1.png", "anna/hall/2.png", "bert/door/deep/1.png", "anna/3.png"]);
        let (_, loaded) = load(root.path(), Some(Labels::Cameras), NAMES_ONLY).unwrap();
        let index = loaded.dataset.index();
        assert_eq!(
            (index.identities(), index.cameras()),
            (&["anna".into(), "bert".into()][..], &["door".into(), "hall".into()][..])
        );
        assert!(loaded.skipped[0].to_string().contains("3.png"), "{:?}", loaded.skipped);
        let refused = load(root.path(), Some(Labels::Cameras), ReadOptions::default()).unwrap_err();
        assert!(refused.to_string().contains("IDENTITY/CAMERA"), "{refused}");
    }

    #[test]
    fn names_that_do_not_parse_are_listed_and_parts_are_known_by_their_folders() {
        let parts = ["train/0001_c1_1.png", "query/0002_c1_1.png", "gallery/0002_c2_1.png"];
        let (_, loaded) = load(folder(&parts).path(), None, NAMES_ONLY).unwrap();
        use crate::Split::{Gallery, Query, Train};
        let splits: Vec<_> = loaded.dataset.index().items().iter().filter_map(|item| item.split).collect();
        assert_eq!(splits, [Gallery, Query, Train]);
        let (_, loaded) =
            load(folder(&[&parts[..], &["holiday.png"]].concat()).path(), None, NAMES_ONLY).unwrap();
        assert!(loaded.skipped[0].to_string().contains("holiday.png"));
        assert_eq!(splits_of(&loaded), [Some(Gallery), Some(Query), Some(Train)]);
        // As the published archive is laid out, with the folder around it, its annotations and its second pictures.
        let published = [
            "M/bounding_box_train/0001_c1_1.png",
            "M/bounding_box_test/0000_c1_1.png",
            "M/bounding_box_test/0002_c2_1.png",
            "M/query/0002_c1_1.png",
            "M/gt_bbox/0001_c1_1.png",
            "M/gt_query/0002_c1_1_good.png",
            "M/readme.txt",
        ];
        let (_, loaded) = load(folder(&published).path(), None, NAMES_ONLY).unwrap();
        assert_eq!(splits_of(&loaded), [Some(Gallery), Some(Gallery), Some(Train), Some(Query)]);
        // Beside parts there is a picture of none.
        let stray = [&parts[..], &["2019/0003_c1_1.png"]].concat();
        let (_, loaded) = load(folder(&stray).path(), None, NAMES_ONLY).unwrap();
        assert_eq!(splits_of(&loaded), [None, Some(Gallery), Some(Query), Some(Train)]);
    }

    fn splits_of(loaded: &Loaded) -> Vec<Option<crate::Split>> {
        loaded.dataset.index().items().iter().map(|item| item.split).collect()
    }

    #[test]
    fn folders_of_cameras_may_lie_in_parts() {
        use crate::Split::{Gallery, Query, Train};
        let names = ["set/train/anna/door/1.png", "set/query/bert/door/1.png", "set/gallery/bert/hall/1.png"];
        let (_, loaded) = load(folder(&names).path(), Some(Labels::Cameras), NAMES_ONLY).unwrap();
        assert_eq!(loaded.dataset.index().identities(), ["anna", "bert"]);
        assert_eq!(loaded.dataset.index().cameras(), ["door", "hall"]);
        assert_eq!(splits_of(&loaded), [Some(Gallery), Some(Query), Some(Train)]);
        // A part is no identity.
        let shallow =
            load(folder(&["train/anna/1.png"]).path(), Some(Labels::Cameras), NAMES_ONLY).unwrap_err();
        assert!(shallow.to_string().contains("1.png"), "{shallow}");
    }

    #[test]
    fn pictures_are_found_again_by_their_names() {
        let root = folder(&["a/1.png"]);
        let (_, loaded) = load(root.path(), None, NAMES_ONLY).unwrap();
        let name = name_of(&loaded.dataset.index().items()[0].source, &home(root.path()));
        assert_eq!(name, "a/1.png");
        let again = pictures(root.path(), &[name, "gone.png".to_owned()], Colour::Rgb).unwrap();
        assert_eq!(again.image(0).unwrap(), loaded.dataset.image(0).unwrap());
        assert!(again.image(1).unwrap_err().to_string().contains("gone.png"));
        let moved = pictures(&root.path().join("moved"), &[], Colour::Rgb).unwrap_err();
        assert!(moved.to_string().contains("moved"), "{moved}");
    }
}

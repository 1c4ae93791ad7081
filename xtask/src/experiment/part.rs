//! The parts of data sets that `reduced` takes: a folder of the data root, or the same classes of the whole data set.
//!
//! Pictures of the whole may have more pixels than those of the folder; a record's hash of the data tells them apart.

use std::path::Path;

use anyhow::Result;
use hyp_data::source::{cifar, cub, mini_imagenet};
use hyp_data::{DataError, Dataset, Split};

use super::Environment;

/// CUB-200-2011's classes 1 to 50, in the few-shot split 23, 14 and 13.
const CUB: &str = "cub_50";
/// 25 classes of mini-ImageNet: 14 for training, 6 for validation, 5 for testing.
const MINI_IMAGENET: &str = "mini_imagenet_25";
/// The test part of CIFAR-10.
const CIFAR10: &str = "cifar10_test";

const MINI_IMAGENET_CLASSES: [&str; 25] = [
    "n01855672",
    "n01910747",
    "n02074367",
    "n02099601",
    "n02129165",
    "n02165456",
    "n02795169",
    "n02823428",
    "n02950826",
    "n03400231",
    "n03544143",
    "n03584254",
    "n03770439",
    "n03838899",
    "n03854065",
    "n03980874",
    "n04067472",
    "n04146614",
    "n04149813",
    "n04251144",
    "n04275548",
    "n04596742",
    "n07747607",
    "n09246464",
    "n09256479",
];

/// mini-ImageNet, or a part of it.
pub(crate) fn mini_imagenet_of(environment: &Environment, id: &str, part: Option<&str>) -> Result<Dataset> {
    environment.found("mini_imagenet", id, |root: &Path| match part {
        Some(folder) => of(root, folder, mini_imagenet::read, mini_imagenet::load),
        None => mini_imagenet::load(root),
    })
}

/// CUB-200-2011, or a part of it.
pub(crate) fn cub_of(
    environment: &Environment,
    id: &str,
    part: Option<&str>,
    frame: cub::Frame,
) -> Result<Dataset> {
    let options = cub::Options { frame, ..cub::Options::default() };
    environment.found("cub", id, |root: &Path| match part {
        Some(folder) => of(root, folder, |path| cub::read(path, options), |root| cub::load(root, options)),
        None => cub::load(root, options),
    })
}

/// CIFAR, or a part of it.
pub(crate) fn cifar_of(
    environment: &Environment,
    id: &str,
    variant: cifar::Variant,
    part: Option<&str>,
) -> Result<Dataset> {
    let name = match variant {
        cifar::Variant::Cifar10 => "cifar10",
        cifar::Variant::Cifar100 => "cifar100",
    };
    environment.found(name, id, |root: &Path| match part {
        Some(folder) => {
            of(root, folder, |path| cifar::read(path, variant), |root| cifar::load(root, variant))
        }
        None => cifar::load(root, variant),
    })
}

/// The folder of the data root if it is there, or what it stands for of the whole data set.
fn of(
    root: &Path,
    folder: &str,
    read: impl Fn(&Path) -> Result<Dataset, DataError>,
    load: impl Fn(&Path) -> Result<Dataset, DataError>,
) -> Result<Dataset, DataError> {
    let path = root.join(folder);
    if path.is_dir() {
        return read(&path);
    }
    let whole = load(root)?;
    let positions = positions(&whole, folder);
    if positions.is_empty() {
        let what = format!("the pictures that `{folder}` stands for");
        let remedy = "put them there as class folders, or as the published archive".to_owned();
        return Err(DataError::Missing { what, path, remedy });
    }
    Ok(whole.subset(&positions))
}

/// Where the pictures of a part are in the whole data set; nowhere if the part is not one of the above.
fn positions(whole: &Dataset, part: &str) -> Vec<usize> {
    let index = whole.index();
    let belongs = |class: &str| match part {
        CUB => class.split('.').next().and_then(|number| number.parse().ok()).is_some_and(|n: u32| n <= 50),
        MINI_IMAGENET => MINI_IMAGENET_CLASSES.contains(&class),
        _ => false,
    };
    let all = index.items().iter().enumerate();
    let those = all.filter(|(_, item)| match part {
        CIFAR10 => item.split == Some(Split::Test),
        _ => belongs(&index.classes()[item.class as usize]),
    });
    those.map(|(position, _)| position).collect()
}

#[cfg(test)]
mod tests {
    use hyp_data::Index;
    use hyp_data::source::synthetic;

    use super::*;

    /// Six pictures of three classes, the odd ones for testing.
    fn whole(names: [&str; 3]) -> Dataset {
        let made = synthetic::coloured(3, 2, 8, 0);
        let split = |at: usize| if at % 2 == 1 { Split::Test } else { Split::Train };
        let items = made.index().items().iter().enumerate();
        let items = items.map(|(at, item)| item.clone().in_split(split(at))).collect();
        let index = Index::new(items, names.map(str::to_owned).to_vec());
        made.with_index(index)
    }

    #[test]
    fn a_part_is_cut_from_the_whole() {
        let birds = whole(["001.Black_footed_Albatross", "050.Eared_Grebe", "051.Horned_Grebe"]);
        assert_eq!(positions(&birds, CUB), [0, 1, 2, 3]);
        let things = whole(["n01532829", "n09256479", "n01855672"]);
        assert_eq!(positions(&things, MINI_IMAGENET), [2, 3, 4, 5]);
        assert_eq!(positions(&things, CIFAR10), [1, 3, 5]);
        assert!(positions(&things, "cub_10").is_empty());
    }

    #[test]
    fn the_folder_comes_first_and_an_unknown_part_is_missing() {
        let root = std::env::temp_dir();
        let names = ["001.a", "002.b", "003.c"];
        let read = |_: &Path| Ok(whole(["in", "the", "folder"]));
        let load = |_: &Path| Ok(whole(names));
        let found =
            of(root.parent().unwrap(), root.file_name().unwrap().to_str().unwrap(), read, load).unwrap();
        assert_eq!(found.index().classes()[0], "in");
        let nowhere = root.join("hyp-no-such-folder");
        assert_eq!(of(&nowhere, CUB, read, load).unwrap().index().classes(), names);
        let error = of(&nowhere, "cub_10", read, load).unwrap_err().to_string();
        assert!(error.contains("cub_10") && error.contains("class folders"), "{error}");
    }
}

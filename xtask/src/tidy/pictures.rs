//! No photograph enters the repository.
//!
//! A program cannot tell a plot from the picture of a person, so the rule is about places:
//! raster files stand only among the results, under the name of an experiment, and stay small,
//! or beside the script that drew them for a test, and are too small to show anybody.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Problem;
use crate::workspace::{self, extension};

const RASTER: &[&str] = &[
    "png", "jpg", "jpeg", "jpe", "gif", "bmp", "webp", "tif", "tiff", "ppm", "pgm", "pnm", "ico", "avif",
    "heic", "jp2", "tga",
];

/// Bytes of the largest plot.
const SIZE_LIMIT: u64 = 1 << 20;

/// Bytes of the largest picture drawn for a test.
const GOLDEN_LIMIT: u64 = 4096;

/// Whether `file` stands in a `tests/golden/` folder beside the script that made it.
fn is_golden(file: &str, files: &[String]) -> bool {
    let Some((folder, _)) = file.rsplit_once('/') else { return false };
    let made = format!("{folder}/make_");
    folder.ends_with("/tests/golden") && files.iter().any(|known| known.starts_with(&made))
}

/// Checks every picture.
pub(super) fn check(root: &Path, files: &[String], problems: &mut Vec<Problem>) -> Result<()> {
    for file in files {
        let kind = extension(file);
        let raster = RASTER.contains(&kind.as_str());
        if !raster && kind != "svg" {
            continue;
        }
        let plot = file.strip_prefix("docs/results/").filter(|name| !name.contains('/'));
        let of_experiment = plot
            .and_then(|name| name.split(['.', '-']).next())
            .is_some_and(|id| files.iter().any(|known| *known == format!("docs/experiments/{id}.toml")));
        let size = fs::metadata(root.join(file)).with_context(|| format!("cannot stat {file}"))?.len();
        let golden = is_golden(file, files) && size <= GOLDEN_LIMIT;
        if raster && !golden && (!of_experiment || kind != "png") {
            let remedy = "remove it; plots are docs/results/<experiment>.<name>.png, photographs never enter the repository";
            problems.push(Problem::new(file, "a raster picture that no experiment drew", remedy));
        }
        if size > SIZE_LIMIT {
            let what = format!("{size} bytes, above {SIZE_LIMIT}");
            problems.push(Problem::new(file, what, "draw it smaller or with fewer points"));
        }
        if kind == "svg" {
            let text = workspace::read(&root.join(file))?;
            if text.contains("<image") || text.contains("data:image") {
                let remedy = "draw it with lines and text only";
                problems.push(Problem::new(file, "a raster picture inside an SVG file", remedy));
            }
        }
    }
    Ok(())
}

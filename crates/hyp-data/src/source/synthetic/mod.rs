//! Pictures made on the spot from a seed: for tests, examples and runs without data.

mod glyphs;
mod objects;
mod people;

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;

use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::error::DataError;
use crate::image::Image;
use crate::index::{Index, Item, Source};
use crate::seed::{Purpose, Random};

pub use self::glyphs::{GLYPH_SIDE, stroke_glyphs};
pub use self::objects::{objects, write_mini_imagenet};
pub use self::people::{PERSON_HEIGHT, PERSON_WIDTH, people, write_people};

/// Classes of one colour each, with noise: `per_class` pictures of `side` × `side` in red, green and blue.
///
/// Class `k` of `classes` has the hue `k / classes`; a linear classifier tells them apart.
///
/// # Panics
/// If a number is 0.
pub fn coloured(classes: usize, per_class: usize, side: usize, seed: u64) -> Dataset {
    dataset("coloured", classes, per_class, |class, number| {
        let mut random = Random::keyed(Purpose::Synthetic, seed, class as u64, number as u64);
        let colour = hue(class as f64 / classes as f64);
        let mut data = Vec::with_capacity(side * side * 3);
        for _ in 0..side * side {
            data.extend(colour.map(|level| (255.0 * (level + random.between(-0.1, 0.1))).round() as u8));
        }
        Image::new(side, side, 3, data)
    })
}

/// Writes every picture as `class/number.png` below `root`, or `split/class/number.png` where items have parts.
///
/// # Errors
/// [`DataError::Io`] if a folder or file cannot be written.
pub fn write_folder(dataset: &Dataset, root: &Path) -> Result<(), DataError> {
    let index = dataset.index();
    let mut numbers = vec![0_usize; index.classes().len()];
    for (position, item) in index.items().iter().enumerate() {
        let part = item.split.map_or(root.to_owned(), |split| root.join(split.to_string()));
        let folder = part.join(&index.classes()[item.class as usize]);
        let number = &mut numbers[item.class as usize];
        write_png(dataset, position, &folder, &format!("{number:04}.png"))?;
        *number += 1;
    }
    Ok(())
}

/// Writes one picture, making its folder where there is none.
fn write_png(dataset: &Dataset, position: usize, folder: &Path, name: &str) -> Result<(), DataError> {
    fs::create_dir_all(folder).map_err(DataError::io("create", folder))?;
    let path = folder.join(name);
    fs::write(&path, dataset.image(position)?.to_png()).map_err(DataError::io("write", &path))
}

/// Red, green and blue of a hue from 0 to 1, each between 0.15 and 0.85.
fn hue(turn: f64) -> [f64; 3] {
    [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|shift| 0.5 + 0.35 * (TAU * (turn - shift)).cos())
}

/// A byte for a level from 0 to 1.
fn byte(level: f64) -> u8 {
    (255.0 * level.clamp(0.0, 1.0)).round() as u8
}

fn dataset(
    generator: &'static str,
    classes: usize,
    per_class: usize,
    make: impl Fn(usize, usize) -> Image + Sync,
) -> Dataset {
    assert!(classes > 0 && per_class > 0, "at least one class and one picture of each");
    let number = |n: usize| Item::new(Source::Generated { generator, number: n }, (n / per_class) as u32);
    let items = (0..classes * per_class).map(number).collect();
    let images: Vec<Image> =
        (0..classes * per_class).into_par_iter().map(|n| make(n / per_class, n % per_class)).collect();
    let digits = (classes - 1).to_string().len();
    let names = (0..classes).map(|class| format!("{class:0digits$}")).collect();
    Dataset::from_images(Index::new(items, names), &images)
}

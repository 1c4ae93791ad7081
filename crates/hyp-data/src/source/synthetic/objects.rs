//! Invented things in front of invented backgrounds, for few-shot runs without data.

use std::f64::consts::TAU;
use std::path::Path;

use super::{byte, dataset, hue, write_png};
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::image::Image;
use crate::seed::{Purpose, Random};
use crate::split::Split;

/// Classes of things, `side` × `side` in red, green and blue.
///
/// A class is an outline with a number of lobes, two colours, and stripes of a width and direction of their own; a picture
/// turns, scales and shifts it, changes the light, and puts it before a background that says nothing of the class.
///
/// # Panics
/// If a number is 0.
///
/// # Examples
/// ```
/// use hyp_data::source::synthetic;
/// let things = synthetic::objects(10, 4, 84, 0);
/// assert_eq!((things.len(), things.channels()), (40, 3));
/// ```
pub fn objects(classes: usize, per_class: usize, side: usize, seed: u64) -> Dataset {
    assert!(side > 0, "a picture has at least one pixel");
    dataset("object", classes, per_class, |class, number| {
        let kind = Kind::new(&mut Random::keyed(Purpose::Synthetic, seed, class as u64, u64::MAX));
        let mut random = Random::keyed(Purpose::Synthetic, seed, class as u64, number as u64);
        kind.picture(side, &mut random)
    })
}

/// Writes things in mini-ImageNet's layout: `train/n99000000/*.png`, `val/…`, `test/…`; the given numbers of classes go to
/// each part in order.
///
/// # Errors
/// [`DataError::Io`] if a folder or file cannot be written.
///
/// # Panics
/// If there are not as many classes as the parts ask for.
///
/// # Examples
/// ```
/// use hyp_data::Split;
/// use hyp_data::source::{mini_imagenet, synthetic};
/// let root = tempfile::tempdir()?;
/// synthetic::write_mini_imagenet(&synthetic::objects(6, 2, 16, 0), [3, 1, 2], root.path())?;
/// let read = mini_imagenet::read(root.path())?;
/// assert_eq!(read.index().positions(Split::Train).len(), 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_mini_imagenet(things: &Dataset, classes: [usize; 3], root: &Path) -> Result<(), DataError> {
    let index = things.index();
    assert_eq!(classes.iter().sum::<usize>(), index.classes().len(), "classes of the three parts");
    let parts: Vec<Split> = Split::CLASSIFICATION
        .into_iter()
        .zip(classes)
        .flat_map(|(split, count)| std::iter::repeat_n(split, count))
        .collect();
    for (position, item) in index.items().iter().enumerate() {
        let part = match parts[item.class as usize] {
            Split::Validation => "val".to_owned(),
            split => split.to_string(),
        };
        // Numbers beyond those of WordNet, so that no true class is meant.
        let class = format!("n{}", 99_000_000 + item.class);
        write_png(things, position, &root.join(part).join(&class), &format!("{class}{position:08}.png"))?;
    }
    Ok(())
}

/// What the pictures of a class have in common.
struct Kind {
    lobes: f64,
    depth: f64,
    colours: [[f64; 3]; 2],
    stripe: f64,
    direction: f64,
}

impl Kind {
    fn new(random: &mut Random) -> Self {
        Self {
            lobes: (2 + random.below(6)) as f64,
            depth: random.between(0.05, 0.45),
            colours: [hue(random.unit()), hue(random.unit())],
            stripe: random.between(2.0, 9.0),
            direction: random.between(0.0, TAU),
        }
    }

    fn picture(&self, side: usize, random: &mut Random) -> Image {
        let turn = random.between(-0.6, 0.6);
        let size = random.between(0.24, 0.42);
        let centre = [random.between(0.35, 0.65), random.between(0.35, 0.65)];
        let light = random.between(0.7, 1.15);
        let grounds = [hue(random.unit()), hue(random.unit())];
        let slope = random.between(0.0, TAU);
        let mut data = Vec::with_capacity(side * side * 3);
        for row in 0..side {
            for column in 0..side {
                let at = [column, row].map(|v| (v as f64 + 0.5) / side as f64);
                let (x, y) = (at[0] - centre[0], at[1] - centre[1]);
                let (radius, angle) = (x.hypot(y), y.atan2(x) + turn);
                let outline = size * (1.0 + self.depth * (self.lobes * angle).cos());
                let along = radius * (angle - self.direction).cos() / size;
                let noise = random.between(-0.06, 0.06);
                let colour = if radius < outline {
                    self.colours[usize::from((self.stripe * along).sin() > 0.0)].map(|v| v * light)
                } else {
                    let mix = 0.5 + 0.5 * (at[0] * slope.cos() + at[1] * slope.sin());
                    [0, 1, 2].map(|c| mix * grounds[0][c] + (1.0 - mix) * grounds[1][c])
                };
                data.extend(colour.map(|level| byte(level + noise)));
            }
        }
        Image::new(side, side, 3, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_and_classes_differ_more_than_their_pictures() {
        let mean = |things: &Dataset, n: usize| {
            let image = things.image(n).unwrap();
            // The middle, where the thing is.
            let middle = (12..20).flat_map(|row| (12..20).map(move |column| (row, column)));
            let mut sums = [0.0; 3];
            for (row, column) in middle {
                for (sum, value) in sums.iter_mut().zip(image.pixel(row, column)) {
                    *sum += f64::from(*value) / 64.0;
                }
            }
            sums
        };
        let things = objects(20, 2, 32, 3);
        assert_eq!(things.image(7).unwrap(), objects(20, 2, 32, 3).image(7).unwrap());
        assert_ne!(things.image(7).unwrap(), objects(20, 2, 32, 4).image(7).unwrap());
        let apart = |a: usize, b: usize| -> f64 {
            let (a, b) = (mean(&things, a), mean(&things, b));
            a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt()
        };
        let same: f64 = (0..20).map(|k| apart(2 * k, 2 * k + 1)).sum();
        let other: f64 = (0..20).map(|k| apart(2 * k, (2 * k + 2) % 40)).sum();
        assert!(same < 0.8 * other, "{same} within, {other} between");
    }
}

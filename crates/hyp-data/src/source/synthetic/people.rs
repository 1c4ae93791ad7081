//! Invented people as cameras would see them, for re-identification runs without data: coloured blocks, nobody's likeness.

use std::path::Path;

use super::{byte, hue, write_png};
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::image::Image;
use crate::index::{Index, Item, Source};
use crate::seed::{Purpose, Random};
use crate::split::Split;

/// Rows of a picture of a person.
pub const PERSON_HEIGHT: usize = 128;
/// Columns of a picture of a person.
pub const PERSON_WIDTH: usize = 64;

/// `people` identities, each seen `pictures` times by each of `cameras` cameras, 128 × 64 in red, green and blue.
///
/// An identity is its clothing: colours and patterns of what it wears above and below, and perhaps a bag.
/// A camera is a colour cast, a brightness and a background; a picture adds a crop, a stance and noise.
///
/// # Panics
/// If a number is 0.
///
/// # Examples
/// ```
/// use hyp_data::source::synthetic;
/// let people = synthetic::people(4, 3, 2, 0);
/// assert_eq!((people.len(), people.index().identities().len(), people.index().cameras().len()), (24, 4, 3));
/// ```
pub fn people(people: usize, cameras: usize, pictures: usize, seed: u64) -> Dataset {
    assert!(people > 0 && cameras > 0 && pictures > 0, "at least one picture");
    let mut items = Vec::with_capacity(people * cameras * pictures);
    let mut images = Vec::with_capacity(items.capacity());
    let seen_by: Vec<Camera> = (0..cameras)
        .map(|camera| Camera::new(&mut Random::keyed(Purpose::Synthetic, seed, u64::MAX, camera as u64)))
        .collect();
    for person in 0..people {
        let clothing = Clothing::new(&mut Random::keyed(Purpose::Synthetic, seed, person as u64, u64::MAX));
        for camera in 0..cameras {
            for picture in 0..pictures {
                let number = items.len();
                let source = Source::Generated { generator: "person", number };
                let within = (camera * pictures + picture) as u64;
                let mut random = Random::keyed(Purpose::Synthetic, seed, person as u64, within);
                images.push(clothing.picture(&seen_by[camera], &mut random));
                let (identity, camera) = (Some(person as u32), Some(camera as u32));
                items.push(Item { identity, camera, ..Item::new(source, person as u32) });
            }
        }
    }
    let names: Vec<String> = (1..=people).map(|person| format!("{person:04}")).collect();
    let cameras = (1..=cameras).map(|camera| format!("c{camera}")).collect();
    Dataset::from_images(Index::with_names(items, names.clone(), names, cameras), &images)
}

/// Writes people in Market-1501's layout and names: `bounding_box_train`, `query` and `bounding_box_test` where items have
/// these parts, `bounding_box_train` where they have none.
///
/// # Errors
/// [`DataError::Io`] if a folder or file cannot be written; [`DataError::Setting`] for an item without identity or camera,
/// or of a part that is not of re-identification.
pub fn write_people(people: &Dataset, root: &Path) -> Result<(), DataError> {
    let index = people.index();
    for (position, item) in index.items().iter().enumerate() {
        let folder = match item.split {
            None | Some(Split::Train) => Some("bounding_box_train"),
            Some(Split::Query) => Some("query"),
            Some(Split::Gallery) => Some("bounding_box_test"),
            Some(_) => None,
        };
        let (Some(folder), Some(identity), Some(camera)) = (folder, item.identity, item.camera) else {
            let reason = format!(
                "`{}` cannot be written as a person: give it an identity, a camera, and the part train, query or gallery",
                item.source
            );
            return Err(DataError::Setting { reason });
        };
        let name = format!("{:04}_c{}s1_{position:06}_00.png", identity + 1, camera + 1);
        write_png(people, position, &root.join(folder), &name)?;
    }
    Ok(())
}

type Colour = [f64; 3];

struct Clothing {
    skin: Colour,
    above: [Colour; 2],
    below: Colour,
    /// Stripes of the upper part: rows of one stripe, 0 for none.
    stripes: f64,
    /// Whether the stripes run down instead of across.
    down: bool,
    bag: Option<Colour>,
    waist: f64,
}

impl Clothing {
    fn new(random: &mut Random) -> Self {
        let shade = random.between(0.35, 0.9);
        Self {
            skin: [shade, 0.8 * shade, 0.65 * shade],
            above: [hue(random.unit()), hue(random.unit())],
            below: hue(random.unit()).map(|v| 0.6 * v),
            stripes: if random.unit() < 0.5 { 0.0 } else { random.between(3.0, 9.0) },
            down: random.unit() < 0.5,
            bag: (random.unit() < 0.4).then(|| hue(random.unit())),
            waist: random.between(0.50, 0.60),
        }
    }

    fn picture(&self, camera: &Camera, random: &mut Random) -> Image {
        let scale = random.between(0.88, 1.08);
        let shift = [random.between(-0.06, 0.06), random.between(-0.04, 0.04)];
        let stance = random.between(0.02, 0.09);
        let light = camera.light * random.between(0.9, 1.1);
        let mut data = Vec::with_capacity(PERSON_HEIGHT * PERSON_WIDTH * 3);
        for row in 0..PERSON_HEIGHT {
            for column in 0..PERSON_WIDTH {
                // From 0 to 1 down, from −½ to ½ across.
                let y = ((row as f64 + 0.5) / PERSON_HEIGHT as f64 - 0.5 + shift[1]) / scale + 0.5;
                let x = ((column as f64 + 0.5) / PERSON_WIDTH as f64 - 0.5 + shift[0]) / scale;
                let colour = self.colour(x, y, stance).unwrap_or_else(|| camera.background(x, y));
                let noise = random.between(-0.04, 0.04);
                data.extend([0, 1, 2].map(|c| byte(light * camera.cast[c] * colour[c] + noise)));
            }
        }
        Image::new(PERSON_HEIGHT, PERSON_WIDTH, 3, data)
    }

    /// The colour of the person at a place; nothing beside it.
    fn colour(&self, x: f64, y: f64, stance: f64) -> Option<Colour> {
        let wide = x.abs();
        let head = (x / 0.16).powi(2) + ((y - 0.12) / 0.075).powi(2) < 1.0;
        if head {
            return Some(self.skin);
        }
        if (0.19..self.waist).contains(&y) && wide < 0.30 {
            if let Some(bag) = self.bag
                && x > 0.12
                && y > 0.36
            {
                return Some(bag);
            }
            let along = if self.down { x * PERSON_WIDTH as f64 } else { y * PERSON_HEIGHT as f64 };
            let second = self.stripes > 0.0 && (along / self.stripes).rem_euclid(2.0) < 1.0;
            return Some(self.above[usize::from(second)]);
        }
        let leg = (self.waist..0.95).contains(&y) && (stance..0.24).contains(&wide);
        leg.then_some(self.below)
    }
}

struct Camera {
    cast: Colour,
    light: f64,
    ground: [Colour; 2],
    horizon: f64,
}

impl Camera {
    fn new(random: &mut Random) -> Self {
        let cast = [0; 3].map(|_: i32| random.between(0.8, 1.2));
        let grey = |random: &mut Random| [random.between(0.35, 0.75); 3];
        Self {
            cast,
            light: random.between(0.75, 1.1),
            ground: [grey(random), grey(random)],
            horizon: random.between(0.45, 0.8),
        }
    }

    fn background(&self, x: f64, y: f64) -> Colour {
        self.ground[usize::from(y > self.horizon)].map(|v| v + 0.08 * x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::reid;
    use crate::split::SplitRule;

    #[test]
    fn written_people_read_back_with_identities_cameras_and_pixels() {
        let made = people(5, 3, 2, 1);
        let root = tempfile::tempdir().unwrap();
        write_people(&made, root.path()).unwrap();
        let folder = root.path().join("bounding_box_train");
        let read = reid::read(&folder).unwrap();
        assert_eq!(read.index().identities(), made.index().identities());
        assert_eq!(read.index().cameras(), made.index().cameras());
        for n in 0..made.len() {
            let (ours, theirs) = (&made.index().items()[n], &read.index().items()[n]);
            assert_eq!(
                (ours.identity, ours.camera, ours.class),
                (theirs.identity, theirs.camera, theirs.class)
            );
            assert_eq!(made.image(n).unwrap(), read.image(n).unwrap());
        }
        let cut = reid::read_cut(&folder, 3).unwrap();
        let count = |split| cut.index().positions(split).len();
        // Two people for evaluation, three cameras: one query each, the other picture in the gallery.
        assert_eq!([Split::Train, Split::Query, Split::Gallery].map(count), [18, 6, 6]);
        let rule = SplitRule::Identities { train: 3 };
        assert!(made.with_split(&rule, Path::new("here")).is_ok());
    }

    #[test]
    fn a_person_is_alike_across_cameras_in_the_colour_of_the_clothes() {
        let made = people(12, 2, 1, 0);
        let clothes = |n: usize| {
            let image = made.image(n).unwrap();
            let mut sums = [0.0; 6];
            for (part, rows) in [(0, 40..60), (3, 80..110)] {
                for row in rows.clone() {
                    for column in [24, 26, 37, 39] {
                        for c in 0..3 {
                            sums[part + c] += f64::from(image.pixel(row, column)[c]) / rows.len() as f64;
                        }
                    }
                }
            }
            sums
        };
        let apart = |a: usize, b: usize| -> f64 {
            clothes(a).iter().zip(clothes(b)).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt()
        };
        let same: f64 = (0..12).map(|k| apart(2 * k, 2 * k + 1)).sum();
        let other: f64 = (0..12).map(|k| apart(2 * k, (2 * k + 3) % 24)).sum();
        assert!(same < 0.8 * other, "{same} within, {other} between");
    }
}

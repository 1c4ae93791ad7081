//! Windows of random size and place: for a crop that is resized, and for one that is erased.

use crate::error::DataError;
use crate::image::Image;
use crate::seed::Random;

/// A window of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// The first row.
    pub(crate) top: usize,
    /// The first column.
    pub(crate) left: usize,
    /// Rows.
    pub(crate) height: usize,
    /// Columns.
    pub(crate) width: usize,
}

impl Window {
    /// Refuses a window that is empty or does not lie within the picture.
    pub(super) fn check_within(self, image: &Image) -> Result<(), DataError> {
        let within = |start: usize, length: usize, side: usize| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= side)
        };
        let Self { top, left, height, width } = self;
        if within(top, height, image.height()) && within(left, width, image.width()) {
            return Ok(());
        }
        Err(DataError::Setting {
            reason: format!(
                "a {height} × {width} window at row {top}, column {left} does not lie within {image:?}; \
                 resize to at least the window first"
            ),
        })
    }
}

pub(super) fn default_scale() -> [f64; 2] {
    [0.08, 1.0]
}

pub(super) fn default_ratio() -> [f64; 2] {
    [0.75, 4.0 / 3.0]
}

pub(super) fn default_erased() -> [f64; 2] {
    [0.02, 0.33]
}

pub(super) fn default_erased_ratio() -> [f64; 2] {
    [0.3, 3.3]
}

/// Refuses ranges from which nothing sensible can be drawn.
pub(super) fn check(scale: [f64; 2], ratio: [f64; 2]) -> Result<(), DataError> {
    let is_range = |[from, to]: [f64; 2], most: f64| 0.0 < from && from <= to && to <= most;
    if is_range(scale, 1.0) && is_range(ratio, 1000.0) {
        return Ok(());
    }
    Err(DataError::Setting {
        reason: format!(
            "no window can be drawn with scale {scale:?} and ratio {ratio:?}; \
             give a scale within (0, 1] and a positive ratio, the smaller number first"
        ),
    })
}

/// How often a window is drawn before the middle of the picture is taken, as in torchvision.
const ATTEMPTS: usize = 10;

/// The window of torchvision's `RandomResizedCrop`: an area of `scale` times the picture's, a ratio of width to height
/// whose logarithm is uniform between those of `ratio`; where ten draws do not fit, the largest window in the middle
/// whose ratio lies in `ratio`.
pub(super) fn to_resize(image: &Image, scale: [f64; 2], ratio: [f64; 2], random: &mut Random) -> Window {
    let (rows, columns) = (image.height(), image.width());
    for _ in 0..ATTEMPTS {
        let (area, aspect) = draw(image, scale, ratio, random);
        let (width, height) = (rounded((area * aspect).sqrt()), rounded((area / aspect).sqrt()));
        if 0 < width && width <= columns && 0 < height && height <= rows {
            let (top, left) = (random.below(rows - height + 1), random.below(columns - width + 1));
            return Window { top, left, height, width };
        }
    }
    let own = columns as f64 / rows as f64;
    let (width, height) = if own < ratio[0] {
        (columns, rounded(columns as f64 / ratio[0]).clamp(1, rows))
    } else if own > ratio[1] {
        (rounded(rows as f64 * ratio[1]).clamp(1, columns), rows)
    } else {
        (columns, rows)
    };
    Window { top: (rows - height) / 2, left: (columns - width) / 2, height, width }
}

/// The window of torchvision's `RandomErasing`: as above with a ratio of height to width, smaller than the picture on
/// both sides; nothing where ten draws do not fit.
pub(super) fn to_erase(
    image: &Image,
    area: [f64; 2],
    ratio: [f64; 2],
    random: &mut Random,
) -> Option<Window> {
    let (rows, columns) = (image.height(), image.width());
    for _ in 0..ATTEMPTS {
        let (area, aspect) = draw(image, area, ratio, random);
        let (height, width) = (rounded((area * aspect).sqrt()), rounded((area / aspect).sqrt()));
        if height < rows && width < columns {
            let (top, left) = (random.below(rows - height + 1), random.below(columns - width + 1));
            return Some(Window { top, left, height, width });
        }
    }
    None
}

/// An area in pixels and a ratio of sides.
fn draw(image: &Image, scale: [f64; 2], ratio: [f64; 2], random: &mut Random) -> (f64, f64) {
    let area = (image.height() * image.width()) as f64 * random.between(scale[0], scale[1]);
    (area, random.between(ratio[0].ln(), ratio[1].ln()).exp())
}

fn rounded(value: f64) -> usize {
    value.round_ties_even() as usize
}

/// Fills a window with one colour.
pub(super) fn erase(image: &mut Image, window: Window, fill: [u8; 3]) {
    let (columns, channels) = (image.width(), image.channels());
    let colour = &fill[..channels];
    let row_bytes = columns * channels;
    for row in window.top..window.top + window.height {
        let start = row * row_bytes + window.left * channels;
        for pixel in image.data_mut()[start..start + window.width * channels].chunks_exact_mut(channels) {
            pixel.copy_from_slice(colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and deviation of the area, and of the logarithm of width / height, over many draws.
    fn moments(draw: impl Fn(&mut Random) -> Option<Window>) -> [f64; 4] {
        let mut random = Random::new(1);
        let windows: Vec<Window> = (0..DRAWS).filter_map(|_| draw(&mut random)).collect();
        let moment = |value: fn(&Window) -> f64| {
            let mean = windows.iter().map(value).sum::<f64>() / windows.len() as f64;
            let squares = windows.iter().map(|w| (value(w) - mean).powi(2)).sum::<f64>();
            [mean, (squares / windows.len() as f64).sqrt()]
        };
        let area = moment(|w| (w.height * w.width) as f64);
        let ratio = moment(|w| (w.width as f64 / w.height as f64).ln());
        [area[0], area[1], ratio[0], ratio[1]]
    }

    const DRAWS: usize = 20_000;

    /// Five standard errors of a mean: 5 · deviation / √draws; that of a deviation is smaller for these laws.
    fn assert_near(found: [f64; 4], expected: [f64; 4]) {
        for at in 0..4 {
            let allowed = 5.0 * expected[at | 1] / (DRAWS as f64).sqrt();
            assert!((found[at] - expected[at]).abs() < allowed, "moment {at}: {found:?} {expected:?}");
        }
    }

    #[test]
    fn windows_have_the_moments_of_torchvisions() {
        // 200,000 draws of torchvision 0.29.2, printed by tests/golden/make_transforms.py.
        for (rows, columns, expected) in [
            (64, 64, [1984.0034, 970.8836, -0.0003, 0.1596]),
            (105, 90, [4446.2436, 2202.1651, -0.0216, 0.1619]),
            (30, 120, [695.585, 272.4009, 0.0668, 0.1728]),
        ] {
            let image = Image::filled(rows, columns, &[0]);
            let found = moments(|random| Some(to_resize(&image, default_scale(), default_ratio(), random)));
            assert_near(found, expected);
        }
        let image = Image::filled(256, 128, &[0]);
        let found = moments(|random| to_erase(&image, default_erased(), default_erased_ratio(), random));
        assert_near(found, [5374.7285, 2861.1299, -0.1089, 0.6462]);
    }

    #[test]
    fn a_picture_that_no_draw_fits_gives_its_middle() {
        let draw = |rows, columns| {
            let image = Image::filled(rows, columns, &[0]);
            to_resize(&image, [1.0, 1.0], [1.0, 1.0], &mut Random::new(0))
        };
        assert_eq!(draw(10, 40), Window { top: 0, left: 15, height: 10, width: 10 });
        assert_eq!(draw(40, 10), Window { top: 15, left: 0, height: 10, width: 10 });
        assert_eq!(draw(7, 7), Window { top: 0, left: 0, height: 7, width: 7 });
        let small = Image::filled(4, 4, &[0]);
        assert_eq!(to_erase(&small, [0.9, 1.0], [1.0, 1.0], &mut Random::new(0)), None);
    }

    #[test]
    fn what_cannot_be_drawn_or_cut_is_refused_with_a_remedy() {
        for (scale, ratio) in [
            ([0.0, 1.0], [1.0, 1.0]),
            ([0.5, 0.4], [1.0, 1.0]),
            ([0.5, 2.0], [1.0, 1.0]),
            ([0.5, 1.0], [f64::NAN, 1.0]),
        ] {
            assert!(check(scale, ratio).unwrap_err().to_string().contains("smaller number first"));
        }
        let image = Image::filled(4, 4, &[0]);
        for (top, height) in [(0, 5), (4, 1), (0, 0), (usize::MAX, 2)] {
            let window = Window { top, left: 0, height, width: 1 };
            assert!(window.check_within(&image).unwrap_err().to_string().contains("resize"));
        }
    }
}

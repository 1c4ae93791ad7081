//! Resizing with a filter that grows with the reduction, so that thin strokes do not vanish between samples; in the fixed
//! point of Pillow.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::image::Image;
use crate::transform::crop;
use crate::transform::resample::{Kernel, Rows, resample};
use crate::transform::window::Window;

/// How the pixels under a pixel of the result are averaged; every filter is antialiased when the picture shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Filter {
    /// The mean of the pixels covered.
    Box,
    /// A triangle two pixels of the result wide.
    Bilinear,
    /// A cubic four pixels of the result wide (Catmull and Rom), often called bicubic.
    #[serde(alias = "bicubic")]
    CatmullRom,
    /// A windowed sinc six pixels of the result wide; the sharpest, with slight overshoot.
    Lanczos3,
}

impl Filter {
    fn kernel(self) -> Kernel {
        let (value, support): (fn(f64) -> f64, f64) = match self {
            Self::Box => (|x| f64::from(u8::from(x > -0.5 && x <= 0.5)), 0.5),
            Self::Bilinear => (|x| (1.0 - x.abs()).max(0.0), 1.0),
            Self::CatmullRom => (catmull_rom, 2.0),
            Self::Lanczos3 => (|x| if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }, 3.0),
        };
        Kernel { value, support }
    }
}

fn catmull_rom(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The picture at `height` × `width`.
pub(super) fn resize(image: Image, height: usize, width: usize, filter: Filter) -> Result<Image, DataError> {
    if (height, width) == (image.height(), image.width()) {
        return Ok(image);
    }
    let whole = Window { top: 0, left: 0, height: image.height(), width: image.width() };
    resize_window(&image, whole, height, width, filter)
}

/// A window of the picture at `height` × `width`; what lies outside the window has no say.
pub(super) fn resize_window(
    image: &Image,
    window: Window,
    height: usize,
    width: usize,
    filter: Filter,
) -> Result<Image, DataError> {
    window.check_within(image)?;
    if height == 0 || width == 0 {
        return Err(DataError::Setting {
            reason: format!("a picture cannot be resized to {height} × {width}; give both sides at least 1"),
        });
    }
    if (height, width) == (window.height, window.width) {
        return crop::chosen(image, window);
    }
    let channels = image.channels();
    let rows = Rows {
        bytes: &image.data()[window.top * image.width() * channels..],
        stride: image.width() * channels,
        skip: window.left * channels,
    };
    let (from, to) = ((window.height, window.width), (height, width));
    let data = match channels {
        1 => resample::<1>(rows, from, to, filter.kernel()),
        3 => resample::<3>(rows, from, to, filter.kernel()),
        _ => {
            return Err(DataError::Setting {
                reason: format!("{image:?} cannot be resized; decode it to one or three channels"),
            });
        }
    };
    Ok(Image::new(height, width, channels, data))
}

/// Height and width at which the shorter side is `side`, the longer one cut to a whole pixel, as torchvision does.
pub(super) fn shorter_side(image: &Image, side: usize) -> (usize, usize) {
    let scale = |longer: usize, shorter: usize| (longer * side / shorter).max(1);
    if image.height() <= image.width() {
        (side, scale(image.width(), image.height()))
    } else {
        (scale(image.height(), image.width()), side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILTERS: [Filter; 4] = [Filter::Box, Filter::Bilinear, Filter::CatmullRom, Filter::Lanczos3];

    #[test]
    fn a_flat_picture_stays_flat_under_every_filter() {
        for filter in FILTERS {
            for channels in [1, 3] {
                let image = Image::filled(105, 90, &vec![200; channels]);
                let small = resize(image, 28, 28, filter).unwrap();
                assert!(small.data().iter().all(|&v| v == 200), "{filter:?}");
            }
        }
    }

    #[test]
    fn box_halving_is_the_mean_of_four() {
        let image = Image::new(2, 4, 1, vec![0, 10, 100, 200, 20, 30, 100, 200]);
        assert_eq!(resize(image, 1, 2, Filter::Box).unwrap().data(), [15, 150]);
    }

    #[test]
    fn a_thin_stroke_keeps_its_ink_under_every_filter() {
        // One white column of 105 carries 255 · 105 of ink; at 28 × 28 that is 255 · 28 · (28 / 105) = 1904.
        let mut image = Image::filled(105, 105, &[0]);
        for row in 0..105 {
            image.data_mut()[row * 105 + 52] = 255;
        }
        for filter in FILTERS {
            let small = resize(image.clone(), 28, 28, filter).unwrap();
            let ink: f64 = small.data().iter().map(|&v| f64::from(v)).sum();
            // Bytes are rounded, half a level on about 34 in each of two columns. The box counts whole pixels, 4 for
            // 3.75, and so gives 15/16. The two filters with negative lobes add what is clipped at black: a twelfth
            // of the ink for Catmull-Rom, about a quarter for Lanczos.
            let allowed = match filter {
                Filter::Box => 0.93..0.95,
                Filter::Bilinear => 0.97..1.03,
                Filter::CatmullRom | Filter::Lanczos3 => 0.97..1.30,
            };
            assert!(allowed.contains(&(ink / 1904.0)), "{filter:?}: {ink}");
        }
    }

    #[test]
    fn proportions_stay_when_the_shorter_side_is_given() {
        assert_eq!(shorter_side(&Image::filled(100, 150, &[0]), 84), (84, 126));
        assert_eq!(shorter_side(&Image::filled(150, 100, &[0]), 84), (126, 84));
        assert_eq!(shorter_side(&Image::filled(3, 7, &[0]), 2), (2, 4));
    }

    #[test]
    fn an_empty_size_is_refused() {
        assert!(resize(Image::filled(2, 2, &[0]), 0, 2, Filter::Box).is_err());
    }
}

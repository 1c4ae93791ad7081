//! The steps between a decoded picture and the numbers of a batch.

mod colour;
pub(crate) mod crop;
mod normalise;
pub mod recipe;
mod resample;
mod resize;
mod window;

use serde::{Deserialize, Serialize};

pub use self::colour::JitterOrder;
pub use self::normalise::Normalise;
pub use self::resize::Filter;

use self::window::Window;
use crate::error::DataError;
use crate::image::Image;
use crate::seed::Random;

/// One step, from a picture to a picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Step {
    /// To exactly `height` × `width`, whatever the proportions were.
    Resize {
        /// Rows of the result.
        height: usize,
        /// Columns of the result.
        width: usize,
        /// How pixels are averaged.
        filter: Filter,
    },
    /// So that the shorter side becomes `side`; proportions stay, the longer side is cut to a whole pixel.
    ResizeShorter {
        /// The shorter side of the result.
        side: usize,
        /// How pixels are averaged.
        filter: Filter,
    },
    /// The middle `height` × `width`; where an odd pixel is left over, the window starts at the even one of two places.
    CenterCrop {
        /// Rows of the result.
        height: usize,
        /// Columns of the result.
        width: usize,
    },
    /// A window at a place of one's choice.
    Crop {
        /// The first row.
        top: usize,
        /// The first column.
        left: usize,
        /// Rows of the result.
        height: usize,
        /// Columns of the result.
        width: usize,
    },
    /// A window of random size and place, resized: torchvision's `RandomResizedCrop`.
    RandomResizedCrop {
        /// Rows of the result.
        height: usize,
        /// Columns of the result.
        width: usize,
        /// How pixels are averaged.
        filter: Filter,
        /// The window's area as a fraction of the picture's, from and to.
        #[serde(default = "window::default_scale")]
        scale: [f64; 2],
        /// The window's width divided by its height, from and to.
        #[serde(default = "window::default_ratio")]
        ratio: [f64; 2],
    },
    /// Black borders of `padding` pixels, then a window of the former size at a random place.
    PadCrop {
        /// The width of each border.
        padding: usize,
    },
    /// Left and right change places with this probability.
    HorizontalFlip {
        /// Between 0 and 1.
        probability: f64,
    },
    /// Brightness, contrast and saturation, each times a factor drawn from `[max(0, 1 − strength), 1 + strength)`.
    ColourJitter {
        /// The strength of the change of brightness; 0 for none.
        brightness: f64,
        /// The strength of the change of contrast.
        contrast: f64,
        /// The strength of the change of saturation.
        saturation: f64,
        /// In which order.
        #[serde(default)]
        order: JitterOrder,
    },
    /// Brightness times `factor`.
    Brightness {
        /// Below 1 darker, above 1 brighter.
        factor: f32,
    },
    /// Contrast times `factor`: away from the mean grey of the picture.
    Contrast {
        /// Below 1 flatter, above 1 harder.
        factor: f32,
    },
    /// Saturation times `factor`: away from the grey of each pixel.
    Saturation {
        /// 0 for a grey picture, above 1 for brighter colours.
        factor: f32,
    },
    /// A window of random size and place is filled with one colour: torchvision's `RandomErasing`.
    RandomErasing {
        /// How often, between 0 and 1.
        probability: f64,
        /// The colour, one byte for each of three channels; a grey picture takes the first.
        fill: [u8; 3],
        /// The window's area as a fraction of the picture's, from and to.
        #[serde(default = "window::default_erased")]
        scale: [f64; 2],
        /// The window's height divided by its width, from and to.
        #[serde(default = "window::default_erased_ratio")]
        ratio: [f64; 2],
    },
    /// A window at a place of one's choice is filled with one colour.
    Erase {
        /// The first row.
        top: usize,
        /// The first column.
        left: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// The colour, as for [`Step::RandomErasing`].
        fill: [u8; 3],
    },
    /// Every byte `v` becomes `255 − v`: black on white becomes white on black.
    Invert,
}

impl Step {
    fn is_random(self) -> bool {
        matches!(
            self,
            Self::PadCrop { .. }
                | Self::HorizontalFlip { .. }
                | Self::RandomResizedCrop { .. }
                | Self::ColourJitter { .. }
                | Self::RandomErasing { .. }
        )
    }

    fn apply(self, mut image: Image, random: &mut Random) -> Result<Image, DataError> {
        match self {
            Self::Resize { height, width, filter } => resize::resize(image, height, width, filter),
            Self::ResizeShorter { side, filter } => {
                let (height, width) = resize::shorter_side(&image, side);
                resize::resize(image, height, width, filter)
            }
            Self::CenterCrop { height, width } => crop::center(&image, height, width),
            Self::Crop { top, left, height, width } => {
                crop::chosen(&image, Window { top, left, height, width })
            }
            Self::RandomResizedCrop { height, width, filter, scale, ratio } => {
                window::check(scale, ratio)?;
                let window = window::to_resize(&image, scale, ratio, random);
                resize::resize_window(&image, window, height, width, filter)
            }
            Self::PadCrop { padding } => {
                let top = random.below(2 * padding + 1);
                let left = random.below(2 * padding + 1);
                Ok(crop::padded_window(&image, padding, top, left))
            }
            Self::HorizontalFlip { probability } => {
                // The number is drawn whatever the probability, so that later steps see the same stream.
                if random.unit() < probability {
                    crop::flip_horizontally(&mut image);
                }
                Ok(image)
            }
            Self::ColourJitter { brightness, contrast, saturation, order } => {
                colour::jitter(&mut image, [brightness, contrast, saturation], order, random)?;
                Ok(image)
            }
            Self::Brightness { factor } => {
                colour::brightness(&mut image, factor);
                Ok(image)
            }
            Self::Contrast { factor } => {
                colour::contrast(&mut image, factor);
                Ok(image)
            }
            Self::Saturation { factor } => {
                colour::saturation(&mut image, factor);
                Ok(image)
            }
            Self::RandomErasing { probability, fill, scale, ratio } => {
                window::check(scale, ratio)?;
                if random.unit() < probability
                    && let Some(window) = window::to_erase(&image, scale, ratio, random)
                {
                    window::erase(&mut image, window, fill);
                }
                Ok(image)
            }
            Self::Erase { top, left, height, width, fill } => {
                let window = Window { top, left, height, width };
                window.check_within(&image)?;
                window::erase(&mut image, window, fill);
                Ok(image)
            }
            Self::Invert => {
                for byte in image.data_mut() {
                    *byte = 255 - *byte;
                }
                Ok(image)
            }
        }
    }
}

/// Steps in their order.
///
/// # Examples
/// ```
/// use hyp_data::transform::{Filter, Step, Transform};
/// use hyp_data::{Image, Random};
/// // Omniglot's black strokes on white, made to look like MNIST's white on black.
/// let transform = Transform::new([
///     Step::Invert,
///     Step::Resize { height: 28, width: 28, filter: Filter::Bilinear },
/// ]);
/// let paper = Image::filled(105, 105, &[255]);
/// let picture = transform.apply(paper, &mut Random::new(0))?;
/// assert_eq!((picture.height(), picture.width(), picture.pixel(0, 0)), (28, 28, &[0][..]));
/// # Ok::<(), hyp_data::DataError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Transform {
    steps: Vec<Step>,
}

impl Transform {
    /// The given steps, applied first to last.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect() }
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether there is nothing to do.
    pub fn is_identity(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether the result depends on the random numbers.
    pub fn is_random(&self) -> bool {
        self.steps.iter().any(|step| step.is_random())
    }

    /// Applies the steps.
    ///
    /// # Errors
    /// [`DataError::Setting`] if a crop is larger than the picture, or a size is 0.
    pub fn apply(&self, image: Image, random: &mut Random) -> Result<Image, DataError> {
        self.steps.iter().try_fold(image, |image, step| step.apply(image, random))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(height: usize, width: usize) -> Image {
        Image::new(height, width, 1, (0..height * width).map(|n| n as u8).collect())
    }

    fn apply(step: Step, image: Image, seed: u64) -> Image {
        Transform::new([step]).apply(image, &mut Random::new(seed)).unwrap()
    }

    #[test]
    fn invert_is_its_own_inverse() {
        let once = apply(Step::Invert, ramp(2, 2), 0);
        assert_eq!(once.data(), [255, 254, 253, 252]);
        assert_eq!(apply(Step::Invert, once, 0), ramp(2, 2));
    }

    #[test]
    fn a_flip_happens_as_often_as_asked() {
        let flipped = |probability, seed| {
            apply(Step::HorizontalFlip { probability }, ramp(1, 3), seed).data() == [2, 1, 0]
        };
        assert!((0..50).all(|seed| flipped(1.0, seed)));
        assert!((0..50).all(|seed| !flipped(0.0, seed)));
        // 1,000 fair draws: standard deviation 15.8; five of them are allowed.
        let count = (0..1000).filter(|&seed| flipped(0.5, seed)).count();
        assert!(count.abs_diff(500) < 79, "{count}");
    }

    #[test]
    fn pad_crop_reaches_every_offset_and_pads_with_black() {
        let image = Image::filled(2, 2, &[9]);
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            seen.insert(apply(Step::PadCrop { padding: 1 }, image.clone(), seed).into_data());
        }
        assert_eq!(seen.len(), 9, "three rows times three columns of offsets");
        assert!(seen.contains(&vec![9, 9, 9, 9]) && seen.contains(&vec![0, 0, 0, 9]));
    }

    #[test]
    fn steps_are_read_from_a_config_and_unknown_keys_refused() {
        #[derive(Deserialize)]
        struct Config {
            steps: Transform,
        }
        let read = |text: &str| toml::from_str::<Config>(text).map(|config| config.steps);
        let transform = read(
            "steps = [{ kind = \"invert\" }, { kind = \"resize\", height = 28, width = 28, filter = \"lanczos3\" }]",
        );
        assert_eq!(transform.unwrap().steps().len(), 2);
        assert!(read("steps = [{ kind = \"pad-crop\", padding = 4, colour = 1 }]").is_err());
    }
}

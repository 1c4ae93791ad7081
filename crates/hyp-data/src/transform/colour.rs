//! Brightness, contrast and saturation, byte for byte as Pillow's `ImageEnhance` and so torchvision change them.

use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::image::Image;
use crate::seed::Random;

/// In which order the three are changed; the order matters a little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JitterOrder {
    /// Brightness, contrast, saturation, as the paper's released code does.
    #[default]
    Fixed,
    /// An order drawn for each picture, as torchvision's `ColorJitter` does.
    Random,
}

/// Each of the three by a factor of its own from `[max(0, 1 − strength), 1 + strength)`.
///
/// Four numbers are drawn whatever the strengths and the order, so that later steps see the same stream.
pub(super) fn jitter(
    image: &mut Image,
    strengths: [f64; 3],
    order: JitterOrder,
    random: &mut Random,
) -> Result<(), DataError> {
    if let Some(bad) = strengths.iter().find(|strength| !(0.0..=10.0).contains(*strength)) {
        let reason = format!("colours cannot be changed with the strength {bad}; give one between 0 and 10");
        return Err(DataError::Setting { reason });
    }
    let factors = strengths.map(|s| random.between((1.0 - s).max(0.0), 1.0 + s) as f32);
    let permutation = random.below(ORDERS.len());
    let order = ORDERS[if order == JitterOrder::Random { permutation } else { 0 }];
    for which in order {
        if strengths[which] > 0.0 {
            CHANGES[which](image, factors[which]);
        }
    }
    Ok(())
}

const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
const CHANGES: [fn(&mut Image, f32); 3] = [brightness, contrast, saturation];

/// Towards black (`factor` below 1) or away from it.
pub(super) fn brightness(image: &mut Image, factor: f32) {
    look_up(image, 0, factor);
}

/// Towards the mean grey of the picture or away from it.
pub(super) fn contrast(image: &mut Image, factor: f32) {
    let (sum, pixels) = match image.channels() {
        3 => {
            let pixels = image.data().chunks_exact(3);
            (pixels.clone().map(|pixel| u64::from(luma(pixel))).sum::<u64>(), pixels.len())
        }
        _ => (image.data().iter().map(|byte| u64::from(*byte)).sum(), image.data().len()),
    };
    let mean = (sum as f64 / pixels as f64 + 0.5) as u8;
    look_up(image, mean, factor);
}

/// Towards the grey of each pixel or away from it; nothing for a grey picture.
pub(super) fn saturation(image: &mut Image, factor: f32) {
    if image.channels() != 3 {
        return;
    }
    for pixel in image.data_mut().chunks_exact_mut(3) {
        let grey = luma(pixel);
        for value in pixel {
            *value = blend(grey, *value, factor);
        }
    }
}

/// Luma after ITU-R BT.601 in the 16-bit fixed point of Pillow.
fn luma(pixel: &[u8]) -> u8 {
    ((19595 * u32::from(pixel[0]) + 38470 * u32::from(pixel[1]) + 7471 * u32::from(pixel[2]) + 0x8000) >> 16)
        as u8
}

/// `from + factor · (to − from)` in `f32`, cut to a byte towards zero.
fn blend(from: u8, to: u8, factor: f32) -> u8 {
    // A conversion to an integer saturates, which is the clipping that Pillow does by hand.
    (f32::from(from) + factor * (f32::from(to) - f32::from(from))) as u8
}

/// Blends every byte with one and the same.
fn look_up(image: &mut Image, from: u8, factor: f32) {
    let table: [u8; 256] = std::array::from_fn(|value| blend(from, value as u8, factor));
    for byte in image.data_mut() {
        *byte = table[usize::from(*byte)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_changes_of_single_pixels() {
        let change = |change: fn(&mut Image, f32), factor, bytes: [u8; 3]| {
            let mut image = Image::new(1, 1, 3, bytes.to_vec());
            change(&mut image, factor);
            <[u8; 3]>::try_from(image.data()).unwrap()
        };
        assert_eq!(change(brightness, 0.5, [10, 101, 255]), [5, 50, 127], "cut, not rounded");
        assert_eq!(change(brightness, 1.5, [10, 101, 255]), [15, 151, 255], "clipped at white");
        // Luma of (200, 0, 0): (19595 · 200 + 32768) / 65536 = 60.3.
        assert_eq!(change(saturation, 0.0, [200, 0, 0]), [60; 3]);
        assert_eq!(change(saturation, 2.0, [200, 0, 0]), [255, 0, 0]);
        assert_eq!(change(contrast, 0.5, [200, 0, 0]), [130, 30, 30]);
        for unchanged in CHANGES {
            assert_eq!(change(unchanged, 1.0, [1, 99, 254]), [1, 99, 254]);
        }
    }

    #[test]
    fn the_stream_behind_a_jitter_does_not_depend_on_its_settings() {
        let after = |strengths, order| {
            let mut random = Random::new(3);
            jitter(&mut Image::filled(2, 2, &[1, 2, 3]), strengths, order, &mut random).unwrap();
            random.unit()
        };
        assert_eq!(after([0.4; 3], JitterOrder::Fixed), after([0.0; 3], JitterOrder::Random));
    }

    #[test]
    fn a_random_order_takes_every_order() {
        let image = Image::new(1, 2, 3, vec![250, 20, 30, 5, 90, 200]);
        let results: std::collections::BTreeSet<Vec<u8>> = (0..200)
            .map(|seed| {
                let mut changed = image.clone();
                jitter(&mut changed, [0.9; 3], JitterOrder::Random, &mut Random::new(seed)).unwrap();
                changed.into_data()
            })
            .collect();
        assert!(results.len() > 150, "{}", results.len());
    }
}

//! Windows of a picture, and its mirror image.

use crate::error::DataError;
use crate::image::Image;
use crate::transform::window::Window;

/// The middle `height` × `width` of a picture.
pub(super) fn center(image: &Image, height: usize, width: usize) -> Result<Image, DataError> {
    if height == 0 || width == 0 || height > image.height() || width > image.width() {
        return Err(DataError::Setting {
            reason: format!(
                "a {height} × {width} window cannot be cut from {image:?}; resize to at least the window first"
            ),
        });
    }
    let (top, left) = (half_to_even(image.height() - height), half_to_even(image.width() - width));
    Ok(window(image, top, left, height, width))
}

/// Half of a number, a half left over going to the even neighbour, as torchvision places a window.
fn half_to_even(number: usize) -> usize {
    number / 2 + usize::from(number % 4 == 3)
}

/// A window of one's choice.
pub(super) fn chosen(image: &Image, window: Window) -> Result<Image, DataError> {
    window.check_within(image)?;
    Ok(self::window(image, window.top, window.left, window.height, window.width))
}

/// The window that starts at (`top`, `left`) and lies within the picture.
pub(crate) fn window(image: &Image, top: usize, left: usize, height: usize, width: usize) -> Image {
    let channels = image.channels();
    let mut data = Vec::with_capacity(height * width * channels);
    for row in top..top + height {
        let start = (row * image.width() + left) * channels;
        data.extend_from_slice(&image.data()[start..start + width * channels]);
    }
    Image::new(height, width, channels, data)
}

/// A window of the picture's own size at (`top`, `left`) of the picture with black borders of `padding` pixels.
pub(super) fn padded_window(image: &Image, padding: usize, top: usize, left: usize) -> Image {
    let (height, width, channels) = (image.height(), image.width(), image.channels());
    let mut result = Image::filled(height, width, &vec![0; channels]);
    let columns = (0..width).filter(|column| (padding..padding + width).contains(&(column + left)));
    let (Some(first), count) = (columns.clone().next(), columns.count()) else {
        return result; // the window lies in the border
    };
    for row in 0..height {
        let Some(from_row) = (row + top).checked_sub(padding).filter(|&from_row| from_row < height) else {
            continue;
        };
        let from = (from_row * width + first + left - padding) * channels;
        let to = (row * width + first) * channels;
        let size = count * channels;
        result.data_mut()[to..to + size].copy_from_slice(&image.data()[from..from + size]);
    }
    result
}

/// The picture turned anticlockwise by quarter turns.
pub(crate) fn turned(image: &Image, quarter_turns: u8) -> Image {
    let (height, width, channels) = (image.height(), image.width(), image.channels());
    let (rows, columns) = if quarter_turns.is_multiple_of(2) { (height, width) } else { (width, height) };
    let mut data = Vec::with_capacity(image.data().len());
    for row in 0..rows {
        for column in 0..columns {
            let (from_row, from_column) = match quarter_turns % 4 {
                0 => (row, column),
                1 => (column, width - 1 - row),
                2 => (height - 1 - row, width - 1 - column),
                _ => (height - 1 - column, row),
            };
            data.extend_from_slice(image.pixel(from_row, from_column));
        }
    }
    Image::new(rows, columns, channels, data)
}

/// Left and right change places.
pub(super) fn flip_horizontally(image: &mut Image) {
    let (width, channels) = (image.width(), image.channels());
    for row in image.data_mut().chunks_exact_mut(width * channels) {
        for column in 0..width / 2 {
            let (left, right) = (column * channels, (width - 1 - column) * channels);
            for channel in 0..channels {
                row.swap(left + channel, right + channel);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(height: usize, width: usize, channels: usize) -> Image {
        Image::new(height, width, channels, (0..height * width * channels).map(|n| n as u8).collect())
    }

    #[test]
    fn the_middle_is_the_middle() {
        assert_eq!(center(&ramp(4, 4, 1), 2, 2).unwrap().data(), [5, 6, 9, 10]);
        assert_eq!(center(&ramp(3, 2, 1), 1, 1).unwrap().data(), [2], "half of one odd pixel goes to 0");
        assert_eq!(center(&ramp(4, 1, 1), 1, 1).unwrap().data(), [2], "half of three goes to 2");
        assert_eq!(center(&ramp(1, 3, 2), 1, 1).unwrap().data(), [2, 3]);
    }

    #[test]
    fn a_window_larger_than_the_picture_is_refused_with_a_remedy() {
        let text = center(&ramp(2, 2, 1), 3, 1).unwrap_err().to_string();
        assert!(text.contains("3 × 1") && text.contains("resize"), "{text}");
    }

    #[test]
    fn padded_windows_shift_the_picture() {
        let image = ramp(2, 2, 1);
        assert_eq!(padded_window(&image, 1, 1, 1), image);
        assert_eq!(
            padded_window(&image, 1, 0, 0).data(),
            [0, 0, 0, 0],
            "one pixel down and right: pixel 0 is black"
        );
        assert_eq!(padded_window(&image, 1, 2, 1).data(), [2, 3, 0, 0], "one pixel up");
        assert_eq!(padded_window(&image, 1, 1, 2).data(), [1, 0, 3, 0], "one pixel left");
        assert_eq!(padded_window(&image, 5, 0, 10).data(), [0, 0, 0, 0], "wholly in the border");
    }

    #[test]
    fn a_quarter_turn_is_anticlockwise_and_four_are_none() {
        let image = ramp(2, 3, 1); // 0 1 2 / 3 4 5
        let once = turned(&image, 1);
        assert_eq!((once.height(), once.width(), once.data()), (3, 2, &[2, 5, 1, 4, 0, 3][..]));
        assert_eq!(turned(&image, 2).data(), [5, 4, 3, 2, 1, 0]);
        assert_eq!(turned(&once, 3), image);
        assert_eq!(turned(&turned(&image, 2), 2), image);
    }

    #[test]
    fn a_flip_moves_whole_pixels() {
        let mut image = ramp(1, 3, 2);
        flip_horizontally(&mut image);
        assert_eq!(image.data(), [4, 5, 2, 3, 0, 1]);
    }
}

//! Windows of a picture, and its mirror image.

use crate::error::DataError;
use crate::image::Image;

/// The middle `height` × `width` of a picture.
pub(super) fn center(image: &Image, height: usize, width: usize) -> Result<Image, DataError> {
    if height == 0 || width == 0 || height > image.height() || width > image.width() {
        return Err(DataError::Setting {
            reason: format!(
                "a {height} × {width} window cannot be cut from {image:?}; resize to at least the window first"
            ),
        });
    }
    Ok(window(image, (image.height() - height) / 2, (image.width() - width) / 2, height, width))
}

/// The window that starts at (`top`, `left`) and lies within the picture.
pub(super) fn window(image: &Image, top: usize, left: usize, height: usize, width: usize) -> Image {
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
        assert_eq!(
            center(&ramp(3, 2, 1), 1, 1).unwrap().data(),
            [2],
            "an odd pixel is left below and at the right"
        );
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
    fn a_flip_moves_whole_pixels() {
        let mut image = ramp(1, 3, 2);
        flip_horizontally(&mut image);
        assert_eq!(image.data(), [4, 5, 2, 3, 0, 1]);
    }
}

//! A decoded picture: bytes, height × width × channel.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};
use serde::{Deserialize, Serialize};

use crate::error::{DataError, OBTAIN_AGAIN};
use crate::jpeg;

/// The formats that are read.
const FORMATS: [ImageFormat; 5] =
    [ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP];

/// How many channels a picture is decoded to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colour {
    /// One channel: luma after ITU-R BT.709 where the file has colour.
    Grey,
    /// Three channels: red, green, blue; a grey file repeats its one channel.
    #[default]
    Rgb,
}

impl Colour {
    /// The number of channels.
    pub fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }
}

/// A picture of bytes in height × width × channel order.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    height: usize,
    width: usize,
    channels: usize,
    data: Vec<u8>,
}

impl Image {
    /// The largest side a picture may have; larger ones are refused before any memory is taken.
    pub const MAX_SIDE: u32 = 16_384;
    /// The most bytes that the decoder of one picture may take; turning it and changing its channels comes on top.
    pub const MAX_BYTES: u64 = 512 * 1024 * 1024;

    /// A picture of the given bytes.
    ///
    /// # Panics
    /// If a side or the number of channels is 0, or `data` is not `height · width · channels` long.
    ///
    /// # Examples
    /// ```
    /// use hyp_data::Image;
    /// let picture = Image::new(1, 2, 3, vec![255, 0, 0, 0, 0, 255]); // a red and a blue pixel
    /// assert_eq!(picture.pixel(0, 1), [0, 0, 255]);
    /// ```
    pub fn new(height: usize, width: usize, channels: usize, data: Vec<u8>) -> Self {
        assert!(height > 0 && width > 0 && channels > 0, "a picture has no empty side");
        assert_eq!(data.len(), height * width * channels, "bytes of a {height}×{width}×{channels} picture");
        Self { height, width, channels, data }
    }

    /// A picture of one colour; the number of channels is the colour's length.
    pub fn filled(height: usize, width: usize, colour: &[u8]) -> Self {
        Self::new(height, width, colour.len(), colour.repeat(height * width))
    }

    /// Decodes the bytes of a PNG, JPEG, GIF, BMP or WebP file; `path` is for the message of a failure.
    ///
    /// The format is read from the bytes, not from the name.
    /// The camera's orientation (EXIF) is applied, transparency is laid over white, CMYK becomes RGB,
    /// 16-bit channels are rounded to 8 bits, and an animation is its first frame.
    ///
    /// # Errors
    /// [`DataError::Corrupt`] naming `path` if the bytes are no picture, end early, are fewer than the promised pixels
    /// need, or the picture is larger than [`Image::MAX_SIDE`] or [`Image::MAX_BYTES`] allow.
    pub fn decode(bytes: &[u8], colour: Colour, path: &Path) -> Result<Self, DataError> {
        if bytes.is_empty() {
            return Err(DataError::corrupt(path, "the file is empty", OBTAIN_AGAIN));
        }
        let reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(DataError::io("read", path))?;
        let Some(format) = reader.format() else {
            return Err(DataError::corrupt(
                path,
                "its first bytes are not those of a PNG, JPEG, GIF, BMP or WebP picture",
                "convert it, or leave it out",
            ));
        };
        if !FORMATS.contains(&format) {
            let reason = format!("its first bytes are those of {format:?}, which is not read here");
            return Err(DataError::corrupt(path, reason, "convert it to PNG or JPEG, or leave it out"));
        }
        let failed = |error: image::ImageError| match error {
            image::ImageError::Limits(_) => DataError::corrupt(
                path,
                format!("it is larger than {0} × {0} pixels or needs too much memory", Self::MAX_SIDE),
                "make it smaller, or leave it out",
            ),
            error => DataError::corrupt(path, format!("{format:?} decoder: {error}"), OBTAIN_AGAIN),
        };
        if format == ImageFormat::Jpeg && !jpeg::is_whole(bytes) {
            return Err(DataError::corrupt(path, "the JPEG data end before their end marker", OBTAIN_AGAIN));
        }
        let mut decoder = reader.into_decoder().map_err(failed)?;
        let mut limits = Limits::default();
        limits.max_image_width = Some(Self::MAX_SIDE);
        limits.max_image_height = Some(Self::MAX_SIDE);
        limits.max_alloc = Some(Self::MAX_BYTES);
        let (width, height) = decoder.dimensions();
        if width == 0 || height == 0 {
            let reason = format!("its header promises {width} × {height} pixels");
            return Err(DataError::corrupt(path, reason, OBTAIN_AGAIN));
        }
        limits.check_dimensions(width, height).map_err(failed)?;
        limits.reserve(decoder.total_bytes()).map_err(failed)?;
        if u64::from(width) * u64::from(height) > most_pixels(format, bytes.len()) {
            let reason = format!(
                "its header promises {width} × {height} pixels, which its {} bytes cannot hold",
                bytes.len()
            );
            return Err(DataError::corrupt(path, reason, "obtain it again, or leave it out"));
        }
        decoder.set_limits(limits).map_err(failed)?;
        // An orientation that cannot be read is no reason to refuse the pixels.
        let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
        let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
        picture.apply_orientation(orientation);
        Ok(Self::from_dynamic(picture, colour))
    }

    fn from_dynamic(picture: DynamicImage, colour: Colour) -> Self {
        let (height, width) = (picture.height() as usize, picture.width() as usize);
        let picture = if picture.color().has_alpha() { over_white(picture) } else { picture };
        let data = match colour {
            Colour::Grey => picture.into_luma8().into_raw(),
            Colour::Rgb => picture.into_rgb8().into_raw(),
        };
        Self::new(height, width, colour.channels(), data)
    }

    /// The picture as the bytes of a PNG file.
    ///
    /// # Panics
    /// If the picture has neither one nor three channels.
    pub fn to_png(&self) -> Vec<u8> {
        use image::ImageEncoder as _;
        let colour = match self.channels {
            1 => image::ExtendedColorType::L8,
            3 => image::ExtendedColorType::Rgb8,
            other => panic!("a PNG of {other} channels is not written here"),
        };
        let mut bytes = Vec::new();
        image::codecs::png::PngEncoder::new(&mut bytes)
            .write_image(&self.data, self.width as u32, self.height as u32, colour)
            .expect("invariant: a valid picture is encoded into memory");
        bytes
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Bytes per pixel.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// All bytes, height × width × channel.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// All bytes, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// The bytes themselves.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The channels of the pixel in `row` and `column`.
    pub fn pixel(&self, row: usize, column: usize) -> &[u8] {
        assert!(row < self.height && column < self.width, "pixel ({row}, {column})");
        let start = (row * self.width + column) * self.channels;
        &self.data[start..start + self.channels]
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({} × {} × {})", self.height, self.width, self.channels)
    }
}

/// The most pixels that a file of so many bytes can honestly hold, so that a few bytes cannot ask for seconds of work.
///
/// A JPEG's Huffman codes spend a bit or more on every block of 64 pixels, and no scan of the picture does without
/// them; a factor of four is left for unusual sampling. The other formats know pixels that take no bytes (a run, a
/// background), so up to 16 million are granted to any file, and beyond these twice what
/// deflate can hold at best: 1,032 bytes of eight 1-bit pixels each in one byte (a GIF's best is 2,730 pixels).
fn most_pixels(format: ImageFormat, bytes: usize) -> u64 {
    let (granted, for_each_byte) = match format {
        ImageFormat::Jpeg => (0, 4 * 8 * 64),
        _ => (1 << 24, 16_384),
    };
    (bytes as u64).saturating_mul(for_each_byte).saturating_add(granted)
}

/// Lays a transparent picture over white: `v·a + 255·(1 − a)`, rounded.
fn over_white(picture: DynamicImage) -> DynamicImage {
    let rgba = picture.into_rgba8();
    let mut flat = image::RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in flat.pixels_mut().zip(rgba.pixels()) {
        let alpha = u32::from(from[3]);
        for channel in 0..3 {
            to[channel] = ((u32::from(from[channel]) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        }
    }
    DynamicImage::ImageRgb8(flat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn png_round_trip_keeps_every_byte() {
        let grey = Image::new(2, 3, 1, vec![0, 1, 2, 253, 254, 255]);
        assert_eq!(Image::decode(&grey.to_png(), Colour::Grey, Path::new("grey.png")).unwrap(), grey);
        let colour = Image::new(1, 2, 3, vec![255, 0, 9, 8, 7, 6]);
        assert_eq!(Image::decode(&colour.to_png(), Colour::Rgb, Path::new("colour.png")).unwrap(), colour);
    }

    #[test]
    fn a_grey_file_read_as_rgb_repeats_its_channel() {
        let png = Image::new(1, 2, 1, vec![7, 200]).to_png();
        let image = Image::decode(&png, Colour::Rgb, Path::new("grey.png")).unwrap();
        assert_eq!(image.data(), [7, 7, 7, 200, 200, 200]);
    }

    #[test]
    fn empty_foreign_and_truncated_bytes_name_the_file() {
        let mut random = crate::seed::Random::new(0);
        let noise = (0..24 * 24).map(|_| random.below(256) as u8).collect();
        let png = Image::new(24, 24, 1, noise).to_png();
        for bytes in [&b""[..], b"hello, world", &png[..png.len() / 2], &png[..20]] {
            let error = Image::decode(bytes, Colour::Grey, Path::new("a/b.png")).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("a/b.png") && text.contains(';'), "{text}");
        }
    }

    #[test]
    fn debug_shows_the_shape_and_not_the_bytes() {
        assert_eq!(format!("{:?}", Image::filled(2, 3, &[0])), "Image(2 × 3 × 1)");
    }
}

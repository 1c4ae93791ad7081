//! A person's own pictures: every kind of file is used, skipped with a count when asked, or named with a remedy.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

#[path = "miniature/mod.rs"]
mod miniature;

use std::fs::{self, File};
use std::io::Cursor;
use std::path::Path;

use hyp_data::inspect::inspect;
use hyp_data::sample::{EpisodeSampler, EpisodeShape};
use hyp_data::source::{Loaded, ReadOptions, Unusable, csv, folder};
use hyp_data::{Colour, DataError, Dataset, Image, Split};
use image::{DynamicImage, ImageFormat};
use miniature::put;

const CMYK: &[u8] = include_bytes!("golden/cmyk.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("golden/progressive.jpg");

/// A picture that differs from its neighbours in every pixel.
fn noise(height: u32, width: u32) -> image::RgbImage {
    let mut random = hyp_data::Random::new(u64::from(height * width));
    image::RgbImage::from_fn(width, height, |_, _| image::Rgb([0; 3].map(|_: u8| random.below(256) as u8)))
}

fn encode(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn png(value: u8) -> Vec<u8> {
    Image::filled(3, 4, &[value]).to_png()
}

fn decode(bytes: &[u8], colour: Colour) -> Result<Image, DataError> {
    Image::decode(bytes, colour, Path::new("some/picture"))
}

fn skip(root: &Path) -> Result<Loaded, DataError> {
    folder::load_with(root, ReadOptions { colour: Colour::Rgb, unusable: Unusable::Skip })
}

fn refuse(root: &Path) -> Result<(), DataError> {
    first_refusal(&folder::load(root, Colour::Rgb)?)
}

/// A JPEG whose camera noted `orientation`: the EXIF segment is put in behind the start marker.
fn oriented(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend([0xFF, 0xE1]);
    bytes.extend((exif.len() as u16 + 2).to_be_bytes());
    bytes.extend(exif);
    bytes.extend(&jpeg[2..]);
    bytes
}

#[test]
fn a_picture_cut_anywhere_is_an_error_or_lacks_nothing() {
    let picture = DynamicImage::ImageRgb8(noise(17, 23));
    let formats =
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP];
    let mut files: Vec<(String, Vec<u8>)> =
        formats.iter().map(|format| (format!("{format:?}"), encode(&picture, *format))).collect();
    files.push(("progressive JPEG".to_owned(), PROGRESSIVE.to_vec()));
    files.push(("CMYK JPEG".to_owned(), CMYK.to_vec()));
    for (name, bytes) in files {
        let whole = decode(&bytes, Colour::Rgb).unwrap();
        let mut refused = 0;
        for cut in 0..bytes.len() {
            match decode(&bytes[..cut], Colour::Rgb) {
                Ok(image) => {
                    assert!(image == whole, "{name} cut at {cut} of {} differs silently", bytes.len());
                }
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().contains("some/picture"), "{name} cut at {cut}: {error}");
                }
            }
        }
        // What may be missing unnoticed is an end mark without pixels.
        assert!(refused + 16 >= bytes.len(), "{name}: {refused} of {} refused", bytes.len());
    }
}

#[test]
fn the_cameras_orientation_is_applied() {
    // Columns: red, then blue; turned by the camera's note.
    let mut picture = image::RgbImage::new(16, 8);
    for (x, _, pixel) in picture.enumerate_pixels_mut() {
        *pixel = if x < 8 { image::Rgb([255, 0, 0]) } else { image::Rgb([0, 0, 255]) };
    }
    let jpeg = encode(&DynamicImage::ImageRgb8(picture), ImageFormat::Jpeg);
    for (orientation, size, red_at, blue_at) in [
        (1, (8, 16), (4, 2), (4, 13)),
        (2, (8, 16), (4, 13), (4, 2)),
        (3, (8, 16), (4, 13), (4, 2)),
        (4, (8, 16), (4, 2), (4, 13)),
        (5, (16, 8), (2, 4), (13, 4)),
        (6, (16, 8), (2, 4), (13, 4)),
        (7, (16, 8), (13, 4), (2, 4)),
        (8, (16, 8), (13, 4), (2, 4)),
    ] {
        let image = decode(&oriented(&jpeg, orientation), Colour::Rgb).unwrap();
        assert_eq!((image.height(), image.width()), size, "orientation {orientation}");
        let (red, blue) = (image.pixel(red_at.0, red_at.1), image.pixel(blue_at.0, blue_at.1));
        assert!(red[0] > 200 && red[2] < 60, "orientation {orientation}: {red:?}");
        assert!(blue[2] > 200 && blue[0] < 60, "orientation {orientation}: {blue:?}");
    }
    // A note that makes no sense is no reason to refuse the pixels.
    let image = decode(&oriented(&jpeg, 77), Colour::Rgb).unwrap();
    assert_eq!((image.height(), image.width()), (8, 16));
}

#[test]
fn cmyk_and_progressive_jpegs_decode_as_pillow_decodes_them() {
    for (bytes, quarters) in [
        (CMYK, [[255, 0, 0], [0, 255, 0], [0, 0, 191], [255, 255, 255]]),
        (PROGRESSIVE, [[254, 0, 0], [0, 255, 1], [0, 1, 190], [255, 255, 255]]),
    ] {
        let image = decode(bytes, Colour::Rgb).unwrap();
        for (quarter, expected) in quarters.iter().enumerate() {
            let pixel = image.pixel(4 + 8 * (quarter / 2), 4 + 8 * (quarter % 2));
            // Two levels: decoders round the colour conversion differently.
            assert!(
                pixel.iter().zip(expected).all(|(a, b): (&u8, &u8)| a.abs_diff(*b) <= 2),
                "{pixel:?} {expected:?}"
            );
        }
    }
}

#[test]
fn transparency_lies_over_white_and_sixteen_bits_become_eight() {
    let rgba = image::RgbaImage::from_vec(3, 1, vec![10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 128]).unwrap();
    let bytes = encode(&DynamicImage::ImageRgba8(rgba), ImageFormat::Png);
    assert_eq!(decode(&bytes, Colour::Rgb).unwrap().data(), [10, 20, 30, 255, 255, 255, 127, 127, 127]);
    assert_eq!(decode(&bytes, Colour::Grey).unwrap().data()[1..], [255, 127]);

    let grey_alpha = image::GrayAlphaImage::from_vec(2, 1, vec![40, 255, 40, 0]).unwrap();
    let bytes = encode(&DynamicImage::ImageLumaA8(grey_alpha), ImageFormat::Png);
    assert_eq!(decode(&bytes, Colour::Grey).unwrap().data(), [40, 255]);

    let deep = image::ImageBuffer::<image::Luma<u16>, _>::from_vec(3, 1, vec![0, 0x8080, 0xFFFF]).unwrap();
    let bytes = encode(&DynamicImage::ImageLuma16(deep), ImageFormat::Png);
    assert_eq!(decode(&bytes, Colour::Rgb).unwrap().data(), [0, 0, 0, 128, 128, 128, 255, 255, 255]);
}

#[test]
fn absurdly_large_pictures_are_refused_before_memory_is_taken() {
    let giant = |change: &dyn Fn(&mut Vec<u8>), bytes: Vec<u8>| {
        let mut bytes = bytes;
        change(&mut bytes);
        decode(&bytes, Colour::Rgb).unwrap_err().to_string()
    };
    let small = DynamicImage::ImageRgb8(noise(4, 4));
    // Headers that promise 65,500 × 65,500 pixels (12 GB) over a few bytes of data.
    let bmp = giant(
        &|b| {
            b[18..22].copy_from_slice(&65_500_u32.to_le_bytes());
            b[22..26].copy_from_slice(&65_500_u32.to_le_bytes());
        },
        encode(&small, ImageFormat::Bmp),
    );
    let jpeg = giant(
        &|b| {
            let at = b.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
            b[at + 5..at + 9].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
        },
        encode(&small, ImageFormat::Jpeg),
    );
    let gif =
        giant(&|b| b[6..10].copy_from_slice(&[0xDC, 0xFF, 0xDC, 0xFF]), encode(&small, ImageFormat::Gif));
    for text in [bmp, jpeg, gif] {
        assert!(text.contains("larger than 16384 × 16384") && text.contains("make it smaller"), "{text}");
    }
    // Within the side limit, but not within the memory limit: 16,000 × 16,000 × 3 bytes.
    let wide = giant(
        &|b| {
            b[18..22].copy_from_slice(&16_000_u32.to_le_bytes());
            b[22..26].copy_from_slice(&16_000_u32.to_le_bytes());
        },
        encode(&small, ImageFormat::Bmp),
    );
    assert!(wide.contains("memory"), "{wide}");
}

#[test]
fn a_few_bytes_cannot_ask_for_the_work_of_many() {
    // A picture of 16 × 16 whose header says 11,000 × 11,000, within all limits of size; once it took seconds.
    let picture = DynamicImage::ImageRgb8(noise(16, 16));
    let side = 11_000_u16;
    let mut gif = encode(&picture, ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[side.to_le_bytes(), side.to_le_bytes()].concat());
    let mut jpeg = encode(&picture, ImageFormat::Jpeg);
    let at = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    jpeg[at + 5..at + 9].copy_from_slice(&[side.to_be_bytes(), side.to_be_bytes()].concat());
    for bytes in [gif, jpeg] {
        let text = decode(&bytes, Colour::Rgb).unwrap_err().to_string();
        assert!(text.contains("11000 × 11000 pixels") && text.contains("cannot hold"), "{text}");
    }
    // Pictures of one colour are as small as honest files get, and are taken.
    let blank = DynamicImage::ImageRgb8(image::RgbImage::from_pixel(2_000, 1_500, image::Rgb([200; 3])));
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
        assert_eq!(decode(&encode(&blank, format), Colour::Grey).unwrap().width(), 2_000, "{format:?}");
    }
    // Every scan is a pass over the whole picture, and twelve bytes make one; the decoder itself counts them.
    let scans = |count: usize| {
        let table =
            |class: u8, symbol: u8| [&[0xFF, 0xC4, 0, 20, class, 1][..], &[0; 15], &[symbol]].concat();
        let start = [&[0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0][..], &[1; 64]].concat();
        let frame = [0xFF, 0xC2, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0].to_vec();
        let first = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0, 0x7F].to_vec();
        let more = [0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 63, 0, 0x7F, 0xFE].repeat(count);
        [start, frame, table(0, 0), table(0x10, 0xE0), first, more, vec![0xFF, 0xD9]].concat()
    };
    assert_eq!(decode(&scans(20), Colour::Grey).unwrap().pixel(3, 3), [128]);
    let text = decode(&scans(200), Colour::Grey).unwrap_err().to_string();
    assert!(text.contains("scans") && text.contains("some/picture"), "{text}");
}

#[test]
fn a_picture_without_pixels_is_refused_and_makes_nothing_panic() {
    let mut bytes = encode(&DynamicImage::ImageRgb8(noise(4, 4)), ImageFormat::Gif);
    bytes[6..8].fill(0); // the width of the screen
    let text = decode(&bytes, Colour::Rgb).unwrap_err().to_string();
    assert!(text.contains("0 × 4 pixels") && text.contains("some/picture"), "{text}");
}

/// Writes a file beside three good pictures of two classes, and a list of all four.
fn beside_good_ones(root: &Path, name: &str, write: impl FnOnce(&Path)) {
    for good in ["a/1.png", "a/2.png", "b/1.png"] {
        put(root, good, &png(9));
    }
    write(&root.join("b").join(name));
    put(root, ".list.csv", format!("path,class\nb/{name},b\na/1.png,a\na/2.png,a\nb/1.png,b\n").as_bytes());
}

/// Reads a folder, and then the list in it, as a user would.
fn both_forms(root: &Path, unusable: Unusable) -> [Result<Loaded, DataError>; 2] {
    let options = ReadOptions { colour: Colour::Rgb, unusable };
    [folder::load_with(root, options), csv::load_with(&root.join(".list.csv"), options)]
}

/// The first refusal among the pictures of a data set.
fn first_refusal(dataset: &Dataset) -> Result<(), DataError> {
    (0..dataset.len()).try_for_each(|n| dataset.image(n).map(drop))
}

/// A folder and a list refuse the file by its name and for its reason; or they leave it out, and say so, when asked.
fn left_out(name: &str, word: &str, write: impl FnOnce(&Path)) {
    let root = tempfile::tempdir().unwrap();
    beside_good_ones(root.path(), name, write);
    for (form, loaded) in ["folder", "list"].iter().zip(both_forms(root.path(), Unusable::Refuse)) {
        let text = loaded.and_then(|loaded| first_refusal(&loaded.dataset)).unwrap_err().to_string();
        assert!(text.contains(name) && text.contains(word) && text.contains(';'), "{form}: {text}");
    }
    for (form, loaded) in ["folder", "list"].iter().zip(both_forms(root.path(), Unusable::Skip)) {
        let Loaded { dataset, skipped } = loaded.unwrap();
        assert_eq!(dataset.index().class_counts(None), [2, 1], "{form}, {name}");
        assert!(skipped.len() == 1 && skipped[0].to_string().contains(name), "{form}, {name}: {skipped:?}");
    }
}

/// A folder and a list use the file, and show it alike; the picture.
fn used(name: &str, write: impl FnOnce(&Path)) -> Image {
    let root = tempfile::tempdir().unwrap();
    beside_good_ones(root.path(), name, write);
    let seen = both_forms(root.path(), Unusable::Skip).map(|loaded| {
        let Loaded { dataset, skipped } = loaded.unwrap();
        assert!(skipped.is_empty(), "{name}: {skipped:?}");
        assert_eq!(dataset.index().class_counts(None), [2, 2], "{name}");
        let of_it = |n: &usize| dataset.index().items()[*n].source.to_string().ends_with(name);
        dataset.image((0..4).find(of_it).unwrap()).unwrap()
    });
    let [in_folder, in_list] = seen;
    assert!(in_folder == in_list, "{name}");
    in_folder
}

#[test]
fn every_unusable_file_is_refused_by_name_or_skipped_and_counted() {
    let bytes = |bytes: Vec<u8>| move |path: &Path| fs::write(path, bytes).unwrap();
    let giant = |width: u32, height: u32| {
        let mut bmp = encode(&DynamicImage::ImageRgb8(noise(4, 4)), ImageFormat::Bmp);
        bmp[18..22].copy_from_slice(&width.to_le_bytes());
        bmp[22..26].copy_from_slice(&height.to_le_bytes());
        bytes(bmp)
    };
    left_out("zero.png", "empty", bytes(Vec::new()));
    left_out("text.png", "first bytes", bytes(b"these are words".to_vec()));
    left_out("scan.jpg", "Tiff, which is not read here; convert it", bytes(b"II*\0\x08\0\0\0\0\0".to_vec()));
    left_out("notes.txt", "PNG, JPEG, GIF, BMP or WebP", bytes(b"words".to_vec()));
    left_out("half.png", "decoder", bytes(png(1)[..40].to_vec()));
    left_out("half.jpg", "end marker", bytes(PROGRESSIVE[..300].to_vec()));
    left_out("wide.bmp", "larger than 16384", giant(65_500, 65_500));
    left_out("heavy.bmp", "memory", giant(16_000, 16_000));
    left_out("hollow.bmp", "cannot hold", giant(10_000, 10_000));
    let sparse = |path: &Path| File::create(path).unwrap().set_len(300 << 20).unwrap();
    left_out("heap.png", "larger than any picture", sparse);
}

#[test]
fn every_usable_file_is_used_alike_in_a_folder_and_in_a_list() {
    let noisy = DynamicImage::ImageRgb8(noise(5, 7));
    let bytes = |bytes: Vec<u8>| move |path: &Path| fs::write(path, bytes).unwrap();
    let plain = used("plain.png", bytes(encode(&noisy, ImageFormat::Png)));
    assert_eq!((plain.height(), plain.width(), plain.channels()), (5, 7, 3));
    for (name, format) in [("a.bmp", ImageFormat::Bmp), ("a.webp", ImageFormat::WebP)] {
        assert!(used(name, bytes(encode(&noisy, format))) == plain, "{name}");
    }
    // The bytes tell what it is, whatever the name says.
    assert!(used("really-a-bmp.JPEG", bytes(encode(&noisy, ImageFormat::Bmp))) == plain);
    let long = format!("{}.png", "n".repeat(251)); // 255 bytes, the longest that file systems allow
    for name in ["猫 🐈 Ünïcödé %20 'quoted'.png", &long] {
        assert!(used(name, bytes(encode(&noisy, ImageFormat::Png))) == plain, "{name}");
    }
    assert_eq!(used("grey.png", bytes(png(77))).pixel(1, 2), [77, 77, 77]);
    let colour = Image::filled(2, 2, &[200, 100, 50]).to_png();
    let luma = decode(&colour, Colour::Grey).unwrap().data()[0];
    // 0.2126 · 200 + 0.7152 · 100 + 0.0722 · 50 = 117.65, rounded or cut.
    assert!((117..=118).contains(&luma), "{luma}");
    let rgba = image::RgbaImage::from_pixel(2, 2, image::Rgba([0, 0, 0, 128]));
    let alpha = encode(&DynamicImage::ImageRgba8(rgba), ImageFormat::Png);
    assert_eq!(used("alpha.png", bytes(alpha)).pixel(0, 0), [127, 127, 127], "over white");
    assert!(used("cmyk.jpg", bytes(CMYK.to_vec())) == decode(CMYK, Colour::Rgb).unwrap());
    let wide = encode(&DynamicImage::ImageRgb8(noise(8, 16)), ImageFormat::Jpeg);
    let turned = used("phone.jpg", bytes(oriented(&wide, 6)));
    assert_eq!((turned.height(), turned.width()), (16, 8), "as the phone was held");
}

#[test]
fn files_outside_a_class_folder_are_named() {
    for (name, word) in [("stray.png", "outside a class folder"), ("README", "not that of a PNG")] {
        let root = tempfile::tempdir().unwrap();
        beside_good_ones(root.path(), "2.png", |path| fs::write(path, png(4)).unwrap());
        put(root.path(), name, &png(3));
        let text = refuse(root.path()).unwrap_err().to_string();
        assert!(text.contains(name) && text.contains(word) && text.contains(';'), "{text}");
        let loaded = skip(root.path()).unwrap();
        assert_eq!((loaded.dataset.len(), loaded.skipped.len()), (4, 1), "{:?}", loaded.skipped);
    }
}

#[test]
fn hidden_files_are_passed_over() {
    let root = tempfile::tempdir().unwrap();
    beside_good_ones(root.path(), "2.png", |path| fs::write(path, png(4)).unwrap());
    for name in ["a/.DS_Store", "a/._1.png", ".git/x/1.png", "b/Thumbs.db", "desktop.ini", "__MACOSX/a/1.png"]
    {
        put(root.path(), name, b"a file manager's own");
    }
    assert_eq!(folder::load(root.path(), Colour::Rgb).unwrap().index().class_counts(None), [2, 2]);
}

#[test]
fn an_animation_is_its_first_picture() {
    let frame =
        |value: u8| image::Frame::new(image::RgbaImage::from_pixel(6, 4, image::Rgba([value, 0, 0, 255])));
    let mut bytes = Vec::new();
    image::codecs::gif::GifEncoder::new(&mut bytes).encode_frames([frame(250), frame(20)]).unwrap();
    let image = decode(&bytes, Colour::Rgb).unwrap();
    assert!(
        (image.height(), image.width()) == (4, 6) && image.pixel(2, 3)[0] > 240,
        "{:?}",
        image.pixel(2, 3)
    );
}

#[test]
fn every_test_that_the_documents_name_is_here() {
    let (document, source) = (include_str!("../../../docs/own-pictures.md"), include_str!("own_pictures.rs"));
    let cells =
        document.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.split('|').nth(3));
    let names: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(source.contains(&format!("#[test]\nfn {name}()")), "{name}");
    }
}

#[test]
fn the_same_picture_twice_is_used_twice_and_the_same_line_twice_is_not() {
    let root = tempfile::tempdir().unwrap();
    beside_good_ones(root.path(), "again.png", |path| fs::write(path, png(9)).unwrap());
    for loaded in both_forms(root.path(), Unusable::Skip) {
        let loaded = loaded.unwrap();
        assert_eq!((loaded.dataset.len(), loaded.skipped.len()), (4, 0));
        assert_eq!(inspect(&loaded.dataset).duplicates, [vec![0, 1, 2, 3]], "all four show the same");
    }
    // However it is spelled, one path is one file.
    let from_the_root = root.path().join("a/1.png").display().to_string();
    for again in ["a/1.png", "./a/1.png", "a/./1.png", "a//1.png", "b/../a/1.png", &from_the_root] {
        put(root.path(), ".list.csv", format!("path,class\na/1.png,a\nb/1.png,b\n{again},b\n").as_bytes());
        let [_, refused] = both_forms(root.path(), Unusable::Refuse);
        let text = refused.unwrap_err().to_string();
        assert!(
            text.contains("line 4") && text.contains("a/1.png") && text.contains("line 2 already"),
            "{text}"
        );
        let [_, skipped] = both_forms(root.path(), Unusable::Skip);
        let skipped = skipped.unwrap();
        assert_eq!((skipped.dataset.len(), skipped.skipped.len()), (2, 1), "{again}");
    }
}

#[test]
fn a_class_of_one_picture_is_used_and_an_episode_that_needs_more_names_it() {
    let root = tempfile::tempdir().unwrap();
    beside_good_ones(root.path(), "x/2.png", |path| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, png(4)).unwrap();
    });
    put(root.path(), "one/1.png", &png(1));
    put(
        root.path(),
        ".list.csv",
        b"path,class\none/1.png,one\na/1.png,a\na/2.png,a\nb/1.png,b\nb/x/2.png,b\n",
    );
    for loaded in both_forms(root.path(), Unusable::Refuse) {
        let dataset = loaded.unwrap().dataset;
        assert_eq!(dataset.index().class_counts(None), [2, 2, 1]);
        assert_eq!(inspect(&dataset).single, ["one"]);
        let all: Vec<usize> = (0..dataset.len()).collect();
        let shape = EpisodeShape { way: 2, shot: 1, query: 1 };
        let text = EpisodeSampler::new(dataset.index(), &all, shape, 1, 0).unwrap_err().to_string();
        assert!(
            text.contains("class `one` has 1 pictures") && text.contains("leave the class out"),
            "{text}"
        );
    }
}

#[test]
fn a_class_that_loses_every_picture_is_left_out_and_listed() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "a/1.png", b"");
    put(root.path(), "b/1.png", &png(0));
    fs::create_dir(root.path().join("empty")).unwrap();
    let loaded = skip(root.path()).unwrap();
    assert_eq!(loaded.dataset.index().classes(), ["b"]);
    assert_eq!(loaded.dataset.index().labels(), [0]);
    let texts: Vec<String> = loaded.skipped.iter().map(ToString::to_string).collect();
    assert!(texts[0].contains("empty` is not usable: the class folder is empty"), "{texts:?}");
    assert!(texts[1].contains("a/1.png") && texts[2].contains("class `a`"), "{texts:?}");

    fs::remove_dir_all(root.path().join("b")).unwrap();
    let text = skip(root.path()).unwrap_err().to_string();
    assert!(text.contains("no usable picture"), "{text}");
}

#[test]
fn stray_files_do_not_hide_the_parts_of_a_folder() {
    let root = tempfile::tempdir().unwrap();
    for name in ["train/a/1.png", "train/b/1.png", "test/a/2.png"] {
        put(root.path(), name, &png(1));
    }
    put(root.path(), "README.txt", b"how these were taken");
    assert!(refuse(root.path()).unwrap_err().to_string().contains("README.txt"));
    let loaded = skip(root.path()).unwrap();
    assert_eq!(loaded.dataset.index().positions(Split::Train).len(), 2);
    assert_eq!(loaded.skipped.len(), 1);
}

#[test]
fn lines_that_cannot_be_used_are_skipped_and_counted_when_asked() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "1.png", &png(1));
    put(root.path(), "2.png", b"");
    put(root.path(), "3.png", &png(3));
    let list = root.path().join("list.csv");
    fs::write(&list, "path,class\n3.png,x\n1.png,x\n2.png,y\n9.png,x\n1.png,z\n,x\n").unwrap();
    let loaded =
        csv::load_with(&list, ReadOptions { colour: Colour::Grey, unusable: Unusable::Skip }).unwrap();
    assert_eq!(loaded.dataset.len(), 2);
    assert_eq!(loaded.dataset.index().classes(), ["x"], "the first of two lines with one path is used");
    let texts: Vec<String> = loaded.skipped.iter().map(ToString::to_string).collect();
    for word in ["9.png", "path is empty", "line 3 already", "2.png", "class `y`", "class `z`"] {
        let count = texts.iter().filter(|text| text.contains(word)).count();
        assert_eq!(count, usize::from(word != "class `z`"), "{word}: {texts:?}");
    }
}

#[test]
fn unicode_and_very_long_names_are_names() {
    let root = tempfile::tempdir().unwrap();
    let long = format!("{}.png", "n".repeat(251)); // 255 bytes, the longest that file systems allow
    put(root.path(), &format!("猫 🐈/{long}"), &png(1));
    put(root.path(), "Ünïcödé/é ñ %20 'quoted'.png", &png(2));
    put(
        root.path(),
        "list.csv",
        "path,class\n\"猫 🐈/LONG\",\"cat, \"\"neko\"\"\"\n".replace("LONG", &long).as_bytes(),
    );
    let listed = csv::load(&root.path().join("list.csv"), Colour::Grey).unwrap();
    assert_eq!(listed.index().classes(), ["cat, \"neko\""]);
    fs::remove_file(root.path().join("list.csv")).unwrap();
    let dataset = folder::load(root.path(), Colour::Grey).unwrap();
    assert_eq!(dataset.index().classes(), ["Ünïcödé", "猫 🐈"]);
    assert_eq!([dataset.image(0).unwrap().data()[0], dataset.image(1).unwrap().data()[0]], [2, 1]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_those_that_lead_nowhere_or_back_are_named() {
    use std::os::unix::fs::symlink;
    let elsewhere = tempfile::tempdir().unwrap();
    put(elsewhere.path(), "dogs/1.png", &png(5));
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "cat/1.png", &png(1));
    symlink(elsewhere.path().join("dogs"), root.path().join("dog")).unwrap();
    symlink(elsewhere.path().join("dogs/1.png"), root.path().join("cat/2.png")).unwrap();
    let dataset = folder::load(root.path(), Colour::Grey).unwrap();
    assert_eq!(dataset.index().class_counts(None), [2, 1]);

    symlink(root.path(), root.path().join("cat/loop")).unwrap();
    symlink(root.path().join("gone.png"), root.path().join("cat/3.png")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("cat/socket.png")).unwrap();
    let text = refuse(root.path()).unwrap_err().to_string();
    assert!(text.contains("cat/3.png"), "{text}");
    let loaded = skip(root.path()).unwrap();
    assert_eq!(loaded.dataset.len(), 3);
    let texts: Vec<String> = loaded.skipped.iter().map(ToString::to_string).collect();
    for word in ["3.png", "linked into itself", "neither a file nor a folder"] {
        assert!(texts.iter().any(|text| text.contains(word)), "{word}: {texts:?}");
    }
}

#[cfg(unix)]
#[test]
fn links_to_links_do_not_multiply_without_end() {
    use std::os::unix::fs::symlink;
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "pictures/cat/1.png", &png(1));
    // Two links in each of 25 folders: 2^25 paths lead to the last one.
    for level in 0..25 {
        let folder = root.path().join(format!("levels/{level}"));
        fs::create_dir_all(&folder).unwrap();
        for name in ["left", "right"] {
            symlink(format!("../{}", level + 1), folder.join(name)).unwrap();
        }
    }
    put(root.path(), "levels/25/1.png", &png(2));
    symlink("../levels/0", root.path().join("pictures/deep")).unwrap();
    let pictures = root.path().join("pictures");
    let text = refuse(&pictures).unwrap_err().to_string();
    assert!(text.contains("paths lead to the folder") && text.contains("remove links"), "{text}");
    let loaded = skip(&pictures).unwrap();
    assert_eq!(loaded.dataset.index().class_counts(None), [1, 100]);
    assert!(loaded.skipped.len() < 10_000, "{}", loaded.skipped.len());
}

#[cfg(unix)]
#[test]
fn links_in_a_list_are_followed_and_those_that_lead_nowhere_are_named() {
    use std::os::unix::fs::symlink;
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "1.png", &png(1));
    symlink("1.png", root.path().join("2.png")).unwrap();
    symlink("gone.png", root.path().join("3.png")).unwrap();
    symlink("4.png", root.path().join("4.png")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("5.png")).unwrap();
    let list = root.path().join("list.csv");
    put(root.path(), "list.csv", b"path,class\n1.png,a\n2.png,a\n3.png,a\n4.png,a\n5.png,a\n");
    let text = csv::load(&list, Colour::Grey).unwrap_err().to_string();
    assert!(text.contains("line 4") && text.contains("3.png"), "{text}");
    let loaded =
        csv::load_with(&list, ReadOptions { colour: Colour::Grey, unusable: Unusable::Skip }).unwrap();
    assert_eq!((loaded.dataset.len(), loaded.skipped.len()), (2, 3));
    assert_eq!(loaded.dataset.image(0).unwrap(), loaded.dataset.image(1).unwrap());
}

#[test]
fn a_path_longer_than_any_file_system_takes_is_an_error_that_can_be_read() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "list.csv", format!("path,class\n{}.png,a\n", "n/".repeat(5_000)).as_bytes());
    let text = csv::load(&root.path().join("list.csv"), Colour::Grey).unwrap_err().to_string();
    assert!(text.contains("line 2") && text.contains("there is no file") && text.len() < 1_000, "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_unicode_is_named() {
    use std::os::unix::ffi::OsStrExt;
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "a/1.png", &png(1));
    let odd = root.path().join("a").join(std::ffi::OsStr::from_bytes(b"caf\xE9.png"));
    fs::write(odd, png(2)).unwrap();
    let text = refuse(root.path()).unwrap_err().to_string();
    assert!(text.contains("not Unicode") && text.contains("rename it"), "{text}");
    assert_eq!(skip(root.path()).unwrap().dataset.len(), 1);
}

#[test]
fn an_inspection_finds_duplicates_leaks_and_thin_classes() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "train/a/1.png", &png(1));
    put(root.path(), "train/a/2.png", &png(2));
    put(root.path(), "train/b/3.png", &png(2)); // twice in training, under two labels
    let bmp = encode(
        &DynamicImage::ImageRgb8(image::RgbImage::from_pixel(4, 3, image::Rgb([1; 3]))),
        ImageFormat::Bmp,
    );
    put(root.path(), "test/a/4.bmp", &bmp); // the pixels of 1.png in another format
    put(root.path(), "test/c/5.png", b"damaged");
    let dataset = folder::load(root.path(), Colour::Rgb).unwrap();
    let found = inspect(&dataset);
    // Sorted: test/a/4, test/c/5, train/a/1, train/a/2, train/b/3.
    assert_eq!(found.duplicates, [vec![0, 2], vec![3, 4]]);
    assert_eq!(found.leaks, [vec![0, 2]]);
    assert_eq!(found.contradictions, [vec![3, 4]]);
    assert_eq!(found.single, ["b", "c"]);
    assert_eq!(found.unusable.len(), 1);
    let text = found.to_string();
    assert!(
        text.starts_with("5 pictures, 1 unusable, 2 groups of duplicates (1 across parts, 1 across classes)"),
        "{text}"
    );
    assert!(text.contains("5.png"), "{text}");
}

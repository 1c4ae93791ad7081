//! An index together with the means to read its pictures: from files, from archives, or from memory.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::archive::Archive;
use crate::error::{DataError, OBTAIN_AGAIN};
use crate::image::{Colour, Image};
use crate::index::{Index, Item, Region, Source, View};
use crate::seed::Random;
use crate::split::SplitRule;
use crate::transform::{Transform, crop};

/// A data set: an [`Index`] whose pictures can be read.
#[derive(Clone, Debug)]
pub struct Dataset {
    index: Index,
    colour: Colour,
    pixels: Pixels,
}

#[derive(Clone, Debug)]
enum Pixels {
    /// Decoded when asked for.
    Encoded(BTreeMap<PathBuf, Archive>),
    /// Decoded already; one shape for all.
    Packed(Packed),
}

/// Decoded pictures of one shape, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) data: Arc<[u8]>,
}

impl Packed {
    fn picture(&self, position: usize) -> &[u8] {
        let size = self.height * self.width * self.channels;
        &self.data[position * size..(position + 1) * size]
    }
}

impl Dataset {
    /// A data set whose pictures are decoded when asked for.
    pub(crate) fn encoded(index: Index, colour: Colour, archives: Vec<Archive>) -> Self {
        let archives = archives.into_iter().map(|a| (a.path().to_path_buf(), a)).collect();
        Self { index, colour, pixels: Pixels::Encoded(archives) }
    }

    /// A data set whose pictures are in memory, in the order of the index.
    pub(crate) fn packed(index: Index, packed: Packed) -> Self {
        let size = packed.height * packed.width * packed.channels;
        assert_eq!(packed.data.len(), index.len() * size, "bytes of the pictures");
        let colour = if packed.channels == 1 { Colour::Grey } else { Colour::Rgb };
        Self { index, colour, pixels: Pixels::Packed(packed) }
    }

    /// A data set of pictures that are in memory already.
    ///
    /// # Panics
    /// If there are more or fewer pictures than items, or the pictures differ in shape, or there is none.
    pub fn from_images(index: Index, images: &[Image]) -> Self {
        assert_eq!(index.len(), images.len(), "one picture for each item");
        let (height, width, channels) =
            shape(images.first().expect("invariant: at least one picture is given"));
        let mut data = Vec::with_capacity(images.len() * height * width * channels);
        for image in images {
            assert_eq!(shape(image), (height, width, channels), "the pictures have one shape");
            data.extend_from_slice(image.data());
        }
        Self::packed(index, Packed { height, width, channels, data: data.into() })
    }

    /// The list of pictures.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The number of pictures.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Channels of every picture.
    pub fn channels(&self) -> usize {
        match &self.pixels {
            Pixels::Encoded(_) => self.colour.channels(),
            Pixels::Packed(packed) => packed.channels,
        }
    }

    /// Height, width and bytes of the picture at `position`, if they are in memory as they are shown.
    pub(crate) fn in_memory(&self, position: usize) -> Option<(usize, usize, &[u8])> {
        match &self.pixels {
            Pixels::Packed(packed) if self.index.items()[position].view == View::default() => {
                Some((packed.height, packed.width, packed.picture(position)))
            }
            _ => None,
        }
    }

    /// The picture at `position` of the index, in the item's view.
    ///
    /// # Errors
    /// [`DataError`] naming the file if it cannot be read or decoded, or the item's region does not lie within it.
    ///
    /// # Panics
    /// If `position` is not in the index.
    pub fn image(&self, position: usize) -> Result<Image, DataError> {
        let Item { source, view, .. } = &self.index.items()[position];
        let whole = match &self.pixels {
            Pixels::Packed(packed) => {
                let data = packed.picture(position).to_vec();
                Image::new(packed.height, packed.width, packed.channels, data)
            }
            Pixels::Encoded(archives) => match source {
                Source::File(path) => {
                    let bytes = read_file(path)?;
                    Image::decode(&bytes, self.colour, path)?
                }
                Source::Entry { archive, entry } => {
                    let archive = &archives[archive.as_path()];
                    Image::decode(&archive.read(entry)?, self.colour, &source.path())?
                }
                Source::Record { .. } | Source::Generated { .. } => {
                    unreachable!("records and generated pictures are held in memory")
                }
            },
        };
        seen(whole, *view, source)
    }

    /// As [`Dataset::image`]; a decoder that panics becomes an error that names the picture.
    ///
    /// # Errors
    /// As [`Dataset::image`], and [`DataError::Panicked`].
    ///
    /// # Panics
    /// As [`Dataset::image`].
    pub fn checked_image(&self, position: usize) -> Result<Image, DataError> {
        self.catch(position, || self.image(position))
    }

    /// Runs what concerns one picture; a panic becomes an error that names it.
    pub(crate) fn catch<T>(
        &self,
        position: usize,
        run: impl FnOnce() -> Result<T, DataError>,
    ) -> Result<T, DataError> {
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let reason = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            let path = self.index.items()[position].source.path();
            Err(DataError::Panicked { path, reason: reason.to_owned() })
        })
    }

    /// The same data set decoded into memory on all cores, with `transform` applied once to every picture.
    ///
    /// Batches then cost no decoding: for sets of MNIST's or Omniglot's size.
    ///
    /// # Errors
    /// [`DataError::Setting`] if the transform is random or leaves pictures of different shapes,
    /// and whatever reading a picture gives; of several failures, that of the first picture in order.
    pub fn preload(&self, transform: &Transform) -> Result<Self, DataError> {
        if transform.is_random() {
            let reason =
                "a random step cannot be applied once and for all; leave it to the loader".to_owned();
            return Err(DataError::Setting { reason });
        }
        let images: Vec<Result<Image, DataError>> = (0..self.len())
            .into_par_iter()
            .map(|n| self.catch(n, || transform.apply(self.image(n)?, &mut Random::new(0))))
            .collect();
        let images: Vec<Image> = images.into_iter().collect::<Result<_, _>>()?;
        let Some(first) = images.first() else {
            return Err(DataError::Setting {
                reason: "the data set is empty; there is nothing to load".to_owned(),
            });
        };
        if let Some(other) = images.iter().position(|image| shape(image) != shape(first)) {
            return Err(DataError::Setting {
                reason: format!(
                    "`{}` is {first:?} and `{}` is {:?}; add a resize or crop step to hold them in memory",
                    self.index.items()[0].source,
                    self.index.items()[other].source,
                    images[other],
                ),
            });
        }
        Ok(Self::from_images(self.index.with_plain_views(), &images))
    }

    /// The pictures at some positions, with only those classes that still have one.
    ///
    /// # Panics
    /// If a position is not in the index.
    pub fn subset(&self, positions: &[usize]) -> Self {
        let pixels = match &self.pixels {
            Pixels::Encoded(archives) => Pixels::Encoded(archives.clone()),
            Pixels::Packed(packed) => {
                let data: Vec<u8> = positions.iter().flat_map(|&n| packed.picture(n)).copied().collect();
                Pixels::Packed(Packed { data: data.into(), ..packed.clone() })
            }
        };
        Self { index: self.index.subset(positions), colour: self.colour, pixels }
    }

    /// The same pictures with their parts given by a rule; `path` is the rule's file, for messages.
    ///
    /// # Errors
    /// As [`SplitRule::apply`].
    pub fn with_split(self, rule: &SplitRule, path: &Path) -> Result<Self, DataError> {
        Ok(Self { index: rule.apply(&self.index, path)?, ..self })
    }

    /// As [`Dataset::with_split`] for a data set that may lack some of the classes that the rule names.
    ///
    /// # Errors
    /// As [`SplitRule::apply_to_present`].
    pub fn with_split_of_present(self, rule: &SplitRule, path: &Path) -> Result<Self, DataError> {
        Ok(Self { index: rule.apply_to_present(&self.index, path)?, ..self })
    }

    /// The same pictures under another index, item by item.
    ///
    /// # Panics
    /// If the index has more or fewer items.
    pub fn with_index(self, index: Index) -> Self {
        assert_eq!(index.len(), self.index.len(), "one item for each picture");
        Self { index, ..self }
    }

    /// The pictures of both, the classes numbered anew.
    ///
    /// # Panics
    /// If one is in memory and the other is not, or they differ in colour.
    pub(crate) fn joined(self, other: Self) -> Self {
        assert_eq!(self.channels(), other.channels(), "channels of two parts of a data set");
        let (Pixels::Encoded(mut archives), Pixels::Encoded(more)) = (self.pixels, other.pixels) else {
            panic!("two data sets are joined before they are loaded into memory");
        };
        archives.extend(more);
        let index = self.index.joined(&other.index);
        Self { index, colour: self.colour, pixels: Pixels::Encoded(archives) }
    }
}

/// What a view shows of a picture.
fn seen(image: Image, view: View, source: &Source) -> Result<Image, DataError> {
    let View { region, quarter_turns } = view;
    let cut = match region {
        None => image,
        Some(Region { left, top, width, height }) => {
            let within = |start: u32, length: u32, side: usize| {
                length > 0 && u64::from(start) + u64::from(length) <= side as u64
            };
            if !within(left, width, image.width()) || !within(top, height, image.height()) {
                return Err(DataError::corrupt(
                    &source.path(),
                    format!(
                        "its region, {width} × {height} from ({left}, {top}), does not lie within {image:?}"
                    ),
                    "use the pictures that the list of regions was made for, or read them whole",
                ));
            }
            crop::window(&image, top as usize, left as usize, height as usize, width as usize)
        }
    };
    Ok(if quarter_turns.is_multiple_of(4) { cut } else { crop::turned(&cut, quarter_turns) })
}

fn shape(image: &Image) -> (usize, usize, usize) {
    (image.height(), image.width(), image.channels())
}

/// The largest file that is read as a picture.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

fn read_file(path: &Path) -> Result<Vec<u8>, DataError> {
    let bytes = fs::metadata(path).map_err(DataError::io("read", path))?.len();
    if bytes > MAX_FILE_BYTES {
        let reason = format!("at {bytes} bytes it is larger than any picture");
        return Err(DataError::corrupt(path, reason, "leave it out"));
    }
    if bytes == 0 {
        return Err(DataError::corrupt(path, "the file is empty", OBTAIN_AGAIN));
    }
    fs::read(path).map_err(DataError::io("read", path))
}

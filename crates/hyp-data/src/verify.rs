//! Whether what lies on disk is what the manifest means.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use crate::checksum::{Digests, sha256};
use crate::error::{DataError, OBTAIN_AGAIN};
use crate::manifest::{Content, Manifest, ManifestFile, Origin};
use crate::unpack::{most_from, receipt};

/// What a look at a file, or at an unpacked folder, found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether a checksum says that it is the right one.
    pub confirmed: bool,
    /// What says so, or what speaks against it.
    pub how: String,
    /// The checksum of a file; of a folder there is none.
    pub sha256: Option<String>,
}

/// Where a file of a manifest is, in whichever of its forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// As it is published.
    File(PathBuf),
    /// What was taken out of it.
    Unpacked(PathBuf),
    /// The file that stands in for it: its position in the manifest, and where it is.
    Alternative(usize, PathBuf),
    /// Nowhere.
    Absent,
}

/// Where `file` is; what it unpacks to counts before the archive.
pub(crate) fn place(manifest: &Manifest, file: &ManifestFile, folder: &Path) -> Place {
    if let Some(unpack) = &file.unpack {
        let path = folder.join(&unpack.to);
        if path.exists() {
            return Place::Unpacked(path);
        }
    }
    let path = folder.join(&file.name);
    let plain =
        file.name.strip_suffix(".gz").filter(|_| file.content.is_some()).map(|name| folder.join(name));
    if let Some(path) = [Some(path), plain].into_iter().flatten().find(|path| path.is_file()) {
        return Place::File(path);
    }
    let stands_in = |(_, other): &(usize, &ManifestFile)| other.instead_of.as_ref() == Some(&file.name);
    for (position, other) in manifest.files.iter().enumerate().filter(stands_in) {
        let path = folder.join(&other.name);
        if path.is_file() {
            return Place::Alternative(position, path);
        }
    }
    Place::Absent
}

impl Manifest {
    /// Compares every listed file in `folder` with its size and checksums.
    ///
    /// A recalled checksum is not binding; a verified one and [`ManifestFile::content`] are.
    ///
    /// # Errors
    /// [`DataError::Missing`], [`DataError::Corrupt`] or [`DataError::Checksum`] of the first file that fails.
    pub fn verify(&self, folder: &Path) -> Result<(), DataError> {
        for file in self.files.iter().filter(|file| file.instead_of.is_none()) {
            self.verify_file(file, folder, &mut |_| {})?;
        }
        Ok(())
    }

    /// How many bytes [`Manifest::verify_file`] will read of a file, in whichever form it is there.
    pub fn bytes_to_verify(&self, file: &ManifestFile, folder: &Path) -> u64 {
        match place(self, file, folder) {
            Place::Unpacked(path) if path.is_dir() => receipt::bytes(&path),
            Place::File(path) | Place::Unpacked(path) | Place::Alternative(_, path) => {
                fs::metadata(path).map_or(0, |metadata| metadata.len())
            }
            Place::Absent => 0,
        }
    }

    /// Looks at one file of the manifest in whichever form it is there; `seen` hears how many bytes are done.
    ///
    /// # Errors
    /// [`DataError::Missing`] if it is not there, otherwise what is wrong with it.
    pub fn verify_file(
        &self,
        file: &ManifestFile,
        folder: &Path,
        seen: &mut dyn FnMut(u64),
    ) -> Result<Finding, DataError> {
        match place(self, file, folder) {
            Place::File(path) => examine(file, &path, seen),
            Place::Alternative(position, path) => examine(&self.files[position], &path, seen),
            Place::Unpacked(path) if path.is_dir() => receipt::compare(&path, seen),
            Place::Unpacked(path) => {
                let content = file.unpack.as_ref().and_then(|unpack| unpack.content.as_ref());
                examine_content(content, &path)
            }
            Place::Absent => {
                let what = format!("`{}` of {}", file.name, self.title);
                Err(DataError::missing(what, folder, self.by_hand.trim()))
            }
        }
    }
}

/// Compares a published file with everything that the manifest says of it.
pub(crate) fn examine(
    file: &ManifestFile,
    path: &Path,
    seen: &mut dyn FnMut(u64),
) -> Result<Finding, DataError> {
    let plain_name = file.name.strip_suffix(".gz");
    let decompressed = plain_name.is_some() && path.file_name().and_then(|name| name.to_str()) == plain_name;
    let gzipped = plain_name.is_some() && !decompressed;
    let digests = Digests::of(open(path)?, seen).map_err(|error| unreadable(path, &error))?;
    let found = |confirmed, how: String| Finding { confirmed, how, sha256: Some(digests.sha256.clone()) };
    let mut agrees = Vec::new();
    let mut doubts = Vec::new();
    let starts = |start: &Option<String>| {
        start.as_ref().map(|start| (start.clone(), digests.sha256[..start.len()].to_owned()))
    };
    let whole = |expected: &Option<String>, actual: &str| {
        expected.as_ref().map(|expected| (expected.clone(), actual.to_owned()))
    };
    let checks = [
        ("sha256", whole(&file.sha256, &digests.sha256)),
        ("start of the sha256", starts(&file.sha256_start)),
        ("md5", whole(&file.md5, &digests.md5)),
    ];
    for (kind, pair) in checks.into_iter().filter(|_| !decompressed) {
        match pair {
            Some((expected, actual)) if expected == actual => agrees.push(kind),
            Some((expected, actual)) if file.origin == Origin::Verified => {
                if let Some(bytes) = file.bytes.filter(|bytes| digests.bytes < *bytes) {
                    let reason = format!("it has {} of {bytes} bytes", digests.bytes);
                    return Err(DataError::corrupt(path, reason, OBTAIN_AGAIN));
                }
                return Err(DataError::Checksum { path: path.to_owned(), kind, expected, actual });
            }
            Some((expected, actual)) => {
                doubts.push(format!("its {kind} is {actual}, {expected} is recalled"));
            }
            None => {}
        }
    }
    if let Some(content) = &file.content {
        compare_content(content, path, gzipped)?;
        return Ok(found(true, "the sha256 of its contents agrees".to_owned()));
    }
    if !doubts.is_empty() {
        // A recalled checksum may be wrong; a file that breaks off is wrong whatever the checksum.
        let shorter = file.bytes.filter(|bytes| digests.bytes < *bytes);
        match (whole_by_itself(path), shorter) {
            (Err(DataError::Corrupt { .. }) | Ok(Form::Unknown), Some(bytes)) => {
                let reason = format!("it has {} of {bytes} bytes, as a broken-off download", digests.bytes);
                return Err(DataError::corrupt(path, reason, OBTAIN_AGAIN));
            }
            (Ok(_), _) => {}
            (Err(error), _) => return Err(error),
        }
        return Ok(found(false, doubts.join(", ")));
    }
    if !agrees.is_empty() {
        return Ok(found(true, format!("the {} agrees", agrees.join(" and the "))));
    }
    let how = match whole_by_itself(path)? {
        Form::Unknown => "no checksum is known",
        _ => "no checksum is known; its own structure is whole",
    };
    Ok(found(false, how.to_owned()))
}

/// Compares what an archive's single file became.
fn examine_content(content: Option<&Content>, path: &Path) -> Result<Finding, DataError> {
    let Some(content) = content else {
        return Ok(Finding { confirmed: false, how: "no checksum is known".to_owned(), sha256: None });
    };
    compare_content(content, path, false)?;
    Ok(Finding { confirmed: true, how: "the sha256 agrees".to_owned(), sha256: Some(content.sha256.clone()) })
}

/// Compares size and checksum of a file, after decompression if it is `gzipped`.
pub(crate) fn compare_content(content: &Content, path: &Path, gzipped: bool) -> Result<(), DataError> {
    let reader: Box<dyn io::Read> =
        if gzipped { Box::new(MultiGzDecoder::new(open(path)?)) } else { Box::new(open(path)?) };
    // One byte more than there should be is enough to know.
    let (actual, bytes) = sha256(reader.take(content.bytes + 1)).map_err(|error| unreadable(path, &error))?;
    if bytes != content.bytes {
        let more = if bytes > content.bytes { "more than " } else { "" };
        let count = bytes.min(content.bytes);
        let reason = format!("it holds {more}{count} bytes, {} are expected", content.bytes);
        return Err(DataError::corrupt(path, reason, OBTAIN_AGAIN));
    }
    if actual != content.sha256 {
        let expected = content.sha256.clone();
        return Err(DataError::Checksum { path: path.to_owned(), kind: "sha256", expected, actual });
    }
    Ok(())
}

/// Whether a file of this name has a form that says where it ends.
pub(crate) fn ends_by_itself(name: &str) -> bool {
    form(name) != Form::Unknown
}

/// A form that can be followed from the beginning of a file to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Zip,
    Gzip,
    Safetensors,
    Unknown,
}

/// The form that a name promises; a file that is still arriving is called `.NAME.part`.
fn form(name: &str) -> Form {
    let name = name.strip_suffix(".part").unwrap_or(name);
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("zip" | "whl") => Form::Zip,
        Some("gz" | "tgz") => Form::Gzip,
        Some("safetensors") => Form::Safetensors,
        _ => Form::Unknown,
    }
}

/// Follows the structure of a file from its beginning to its end, for the kinds that have one.
fn whole_by_itself(path: &Path) -> Result<Form, DataError> {
    let form = form(path.file_name().and_then(|name| name.to_str()).unwrap_or_default());
    match form {
        Form::Zip => {
            ZipArchive::new(open(path)?).map_err(|error| {
                DataError::corrupt(path, format!("no readable zip archive ({error})"), OBTAIN_AGAIN)
            })?;
        }
        Form::Gzip => {
            let most = most_from(fs::metadata(path).map_err(DataError::io("read", path))?.len());
            let mut stream = MultiGzDecoder::new(open(path)?).take(most + 1);
            let bytes = io::copy(&mut stream, &mut io::sink()).map_err(|error| unreadable(path, &error))?;
            if bytes > most {
                let reason = format!("more than {most} bytes come out of it");
                return Err(DataError::corrupt(path, reason, OBTAIN_AGAIN));
            }
        }
        Form::Safetensors => safetensors(path)?,
        Form::Unknown => {}
    }
    Ok(form)
}

/// The longest header of a safetensors file that is read; the format's own limit.
const MAX_HEADER: u64 = 100_000_000;

/// The header of a safetensors file says where its last tensor ends, and that must be the end of the file.
fn safetensors(path: &Path) -> Result<(), DataError> {
    let broken =
        |reason: &str| DataError::corrupt(path, format!("no whole safetensors file: {reason}"), OBTAIN_AGAIN);
    let length = fs::metadata(path).map_err(DataError::io("read", path))?.len();
    let mut file = open(path)?;
    let mut start = [0; 8];
    file.read_exact(&mut start).map_err(|_| broken("it is shorter than 8 bytes"))?;
    let header = u64::from_le_bytes(start);
    if header > MAX_HEADER || header + 8 > length {
        return Err(broken("its header is longer than it may be"));
    }
    let mut text = vec![0; header as usize];
    file.read_exact(&mut text).map_err(|error| unreadable(path, &error))?;
    let tensors: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&text).map_err(|_| broken("its header is no JSON object"))?;
    let ends = tensors.values().filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
    if ends.max() != (length - 8).checked_sub(header) {
        return Err(broken("its tensors do not end where it ends"));
    }
    Ok(())
}

fn open(path: &Path) -> Result<BufReader<File>, DataError> {
    Ok(BufReader::new(File::open(path).map_err(DataError::io("open", path))?))
}

fn unreadable(path: &Path, error: &io::Error) -> DataError {
    DataError::corrupt(path, format!("it cannot be read to its end ({error})"), OBTAIN_AGAIN)
}

//! PyTorch's weight files (`.pth`, `.pt`) as plain tensors: names, shapes, element types, bytes.
//!
//! Both layouts are read: the zip archive that PyTorch writes since 1.6, and the older one, in which many published
//! weights still come. Nothing in a file is executed: its pickle is [read as data](crate::pickle), and only the calls
//! that a state dict consists of are understood.
//!
//! A file that claims more than it holds is refused before memory is set aside for it: archive entries must be stored
//! uncompressed and fit the file, tensors must lie within their storage, and all tensors together may not take more
//! than four times the file (they can share storages).

mod archive;
mod legacy;
mod storage;
mod tensor;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{DataError, OBTAIN_AGAIN};
use crate::pickle::{Pickle, Value};
use storage::Storages;
pub use tensor::{Element, TensorInfo};

/// The callables that a state dict, or a checkpoint around one, consists of.
const CALLABLES: &[&str] = &[
    "collections.OrderedDict",
    "_codecs.encode",
    "__builtin__.bytes",
    "builtins.bytes",
    "numpy.dtype",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "torch.Size",
    "torch.device",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch.BFloat16Storage",
    "torch.BoolStorage",
    "torch.ByteStorage",
    "torch.CharStorage",
    "torch.DoubleStorage",
    "torch.FloatStorage",
    "torch.HalfStorage",
    "torch.IntStorage",
    "torch.LongStorage",
    "torch.ShortStorage",
];

/// Keys under which checkpoints keep their state dict.
const STATE_KEYS: [&str; 5] = ["state_dict", "model_state_dict", "model", "params", "net"];

/// The largest file that is read; it is held in memory.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024 * 1024;

/// The tensors of one file.
#[derive(Debug)]
pub struct TorchFile {
    path: PathBuf,
    tensors: BTreeMap<String, TensorInfo>,
    other: Vec<String>,
    storages: Storages,
}

impl TorchFile {
    /// Reads a `.pth` file.
    ///
    /// The state dict is the file's own dict, or the one that a checkpoint keeps under a usual key such as
    /// `state_dict` or `model`.
    ///
    /// # Errors
    /// [`DataError`] naming `path`: if it cannot be read, is no PyTorch file, is damaged, asks for code to be run, or
    /// holds no tensors by name.
    ///
    /// # Examples
    /// ```no_run
    /// # use std::path::Path;
    /// let file = hyp_data::torch::TorchFile::read(Path::new("resnet50-0676ba61.pth"))?;
    /// for (name, tensor) in file.tensors() {
    ///     println!("{name} {:?} {:?}", tensor.shape, tensor.element);
    /// }
    /// # Ok::<(), hyp_data::DataError>(())
    /// ```
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let length = fs::metadata(path).map_err(DataError::io("read", path))?.len();
        if length > MAX_FILE_BYTES {
            let reason = format!("it is larger than {MAX_FILE_BYTES} bytes");
            return Err(DataError::corrupt(
                path,
                reason,
                "give the weights alone, without an optimiser's state",
            ));
        }
        Self::parse(fs::read(path).map_err(DataError::io("read", path))?, path)
    }

    /// The same for a file in memory; `path` names it in errors.
    ///
    /// # Errors
    /// As [`TorchFile::read`].
    pub fn parse(bytes: Vec<u8>, path: &Path) -> Result<Self, DataError> {
        let parsed = match bytes.first_chunk::<2>() {
            Some(b"PK") => archive::read(bytes),
            Some([0x80, _]) => legacy::read(bytes),
            _ => {
                let start: Vec<u8> = bytes.iter().copied().take(8).collect();
                let start = start.escape_ascii();
                Err(Refusal::Other(format!("it begins with \"{start}\", unlike any file of PyTorch")))
            }
        };
        let (tensors, other, storages) = parsed.map_err(|refusal| {
            let (reason, remedy) = match refusal {
                Refusal::Damaged(reason) => (reason, OBTAIN_AGAIN),
                Refusal::Other(reason) => {
                    (reason, "give a file written by `torch.save(model.state_dict(), …)`")
                }
            };
            DataError::corrupt(path, reason, remedy)
        })?;
        Ok(Self { path: path.to_owned(), tensors, other, storages })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors in the order of their names.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Entries that are no tensors, each with what it is, in words.
    pub fn other(&self) -> &[String] {
        &self.other
    }

    /// The elements of a tensor, the last axis fastest, lowest byte first; `None` if there is no such tensor.
    pub fn bytes(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.tensors.get(name).map(|tensor| tensor.elements(&self.storages))
    }
}

/// Why a file is refused.
enum Refusal {
    /// It was whole once.
    Damaged(String),
    /// It is of another kind.
    Other(String),
}

type Parts = (BTreeMap<String, TensorInfo>, Vec<String>, Storages);

/// The pickle that holds a file's objects.
fn objects(bytes: &[u8]) -> Result<Pickle<'_>, Refusal> {
    Pickle::parse(bytes, CALLABLES)
        .map_err(|error| Refusal::Damaged(format!("its pickle is not readable: {error}")))
}

/// The tensors by name of the state dict in `root`, and what else stands there.
fn state_dict(
    root: Value<'_>,
    storages: &Storages,
    file_bytes: usize,
) -> Result<(BTreeMap<String, TensorInfo>, Vec<String>), Refusal> {
    let has_tensors = |value: &Value<'_>| {
        value.entries().is_some_and(|mut entries| entries.any(|(_, value)| tensor::is_tensor(value)))
    };
    let found = if has_tensors(&root) {
        Some(root)
    } else {
        STATE_KEYS.iter().filter_map(|key| root.get(key)).find(has_tensors)
    };
    let Some(dict) = found.and_then(Value::entries) else {
        return Err(Refusal::Other(format!("it holds no tensors by name, but {}", root.kind())));
    };
    let budget = file_bytes.saturating_mul(4).saturating_add(1 << 16);
    let (mut tensors, mut other, mut total) = (BTreeMap::new(), Vec::new(), 0_usize);
    for (key, value) in dict {
        let Some(name) = key.as_str() else {
            other.push(format!("{} under {}", value.kind(), key.kind()));
            continue;
        };
        if !tensor::is_tensor(value) {
            other.push(format!("{name}: {}", value.kind()));
            continue;
        }
        let damaged = |reason: String| Refusal::Damaged(format!("tensor '{name}' {reason}"));
        let tensor = TensorInfo::of(value, storages).map_err(damaged)?;
        total = total.saturating_add(tensor.byte_len());
        if total > budget {
            return Err(damaged(format!("brings its tensors to {total} bytes, more than the file can hold")));
        }
        if tensors.insert(name.to_owned(), tensor).is_some() {
            return Err(damaged("stands in it twice".to_owned()));
        }
    }
    Ok((tensors, other))
}

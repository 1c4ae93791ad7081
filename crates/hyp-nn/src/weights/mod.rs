//! Published weights: PyTorch's `.pth` and safetensors files, matched with a model by name.
//!
//! Nothing in a file is executed, and nothing in a model is changed unless all that it needs is there in the right
//! shape; what is missing, left over or of another shape is listed by name.

mod report;

pub use report::{LoadReport, Misshaped};

use crate::{
    error::{Error, Result},
    parameter::ParameterStore,
};
use candle_core::{DType, Device, Tensor};
use hyp_data::torch::{Element, TorchFile};
use safetensors::SafeTensors;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The weights of one file.
#[derive(Debug)]
pub struct WeightsFile {
    path: PathBuf,
    content: Content,
    entries: BTreeMap<String, Entry>,
}

/// What a file says about one of its tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its axes.
    pub shape: Vec<usize>,
    /// The type of its elements, if it is one that a model can take.
    pub dtype: Option<DType>,
}

#[derive(Debug)]
enum Content {
    Torch(TorchFile),
    SafeTensors(Vec<u8>),
}

/// How the tensors of a file find their places in a model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Matching<'a> {
    /// Beginnings of names in the model that need not be in the file and then keep their values: new heads and
    /// embeddings.
    pub fresh: &'a [&'a str],
    /// Beginnings of names in the file that are not wanted, such as an unused classifier; they are not listed as
    /// left over.
    pub unwanted: &'a [&'a str],
    /// Other names, as (in the file, in the model), each the beginning of a name; of a tensor that is found so, the
    /// shape may differ if the number of elements does not.
    pub aliases: &'a [(&'a str, &'a str)],
}

/// Left over in every file of PyTorch's: counts of batches that nothing reads.
const COUNTER: &str = "num_batches_tracked";

/// What `DataParallel` puts before every name.
const PARALLEL: &str = "module.";

impl WeightsFile {
    /// Reads a file; its content, not its name, tells which kind it is.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::WeightsFile`] or [`Error::Checkpoint`] if it is damaged, hostile
    /// or neither kind.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(Error::io("cannot read", path))?;
        // A safetensors file begins with the length of its header, which may look like the start of anything; that the
        // header itself begins behind it is true of no file of PyTorch's.
        if bytes.get(8) == Some(&b'{') { Self::safetensors(bytes, path) } else { Self::torch(bytes, path) }
    }

    fn torch(bytes: Vec<u8>, path: &Path) -> Result<Self> {
        let file = TorchFile::parse(bytes, path)?;
        let entry = |(name, tensor): (&str, &hyp_data::torch::TensorInfo)| {
            (name.to_owned(), Entry { shape: tensor.shape.clone(), dtype: dtype_of(tensor.element) })
        };
        let entries = file.tensors().map(entry).collect();
        Ok(Self { path: path.to_owned(), content: Content::Torch(file), entries })
    }

    fn safetensors(bytes: Vec<u8>, path: &Path) -> Result<Self> {
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| Error::Checkpoint {
            path: path.to_owned(),
            reason: format!("not a whole safetensors file ({error}); delete it and obtain it again"),
        })?;
        let entries = tensors
            .iter()
            .map(|(name, view)| {
                let dtype = DType::try_from(view.dtype()).ok();
                (name.to_owned(), Entry { shape: view.shape().to_vec(), dtype })
            })
            .collect();
        Ok(Self { path: path.to_owned(), content: Content::SafeTensors(bytes), entries })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors in the order of their names.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// Compares the file with a model, which is not changed.
    pub fn compare(&self, store: &ParameterStore, matching: &Matching<'_>) -> LoadReport {
        self.assign_names(store, matching).0
    }

    /// Fills a model from the file.
    ///
    /// Half and double precision are converted to the model's; integers never match.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] with the names, if a tensor that is not [fresh](Matching::fresh) is missing or one has
    /// another shape; then the model is as it was.
    pub fn load(&self, store: &ParameterStore, matching: &Matching<'_>) -> Result<LoadReport> {
        let (report, names) = self.assign_names(store, matching);
        if !report.is_complete() {
            let reason = format!("{report}; give the weights of the same network");
            return Err(Error::Checkpoint { path: self.path.clone(), reason });
        }
        let parsed = match &self.content {
            Content::SafeTensors(bytes) => {
                Some(SafeTensors::deserialize(bytes).map_err(candle_core::Error::wrap)?)
            }
            Content::Torch(_) => None,
        };
        for (name, var) in store.variables() {
            let Some(in_file) = names.get(name) else { continue };
            let bytes: Cow<'_, [u8]> = match (&self.content, &parsed) {
                (Content::Torch(file), _) => file.bytes(in_file).expect("invariant: listed"),
                (_, Some(tensors)) => {
                    Cow::Borrowed(tensors.tensor(in_file).map_err(candle_core::Error::wrap)?.data())
                }
                (Content::SafeTensors(_), None) => unreachable!("invariant: parsed above"),
            };
            let dtype = self.entries[*in_file].dtype.expect("invariant: matched by type");
            let tensor = Tensor::from_raw_buffer(&bytes, dtype, var.dims(), &Device::Cpu)?;
            var.set(&tensor.to_dtype(var.dtype())?.to_device(var.device())?)?;
        }
        Ok(report)
    }

    /// Which tensor of the file each of the model is to have.
    fn assign_names<'f>(
        &'f self,
        store: &ParameterStore,
        matching: &Matching<'_>,
    ) -> (LoadReport, BTreeMap<String, &'f str>) {
        let starts = |name: &str, beginnings: &[&str]| beginnings.iter().any(|start| name.starts_with(start));
        let parallel = !self.entries.is_empty() && self.entries.keys().all(|name| name.starts_with(PARALLEL));
        // Name in the model → name in the file, entry, whether by an alias.
        let mut offered: BTreeMap<String, (&str, &Entry, bool)> = BTreeMap::new();
        let mut report = LoadReport::default();
        for (in_file, entry) in &self.entries {
            let name = if parallel { &in_file[PARALLEL.len()..] } else { in_file.as_str() };
            if name.ends_with(COUNTER) || starts(name, matching.unwanted) {
                report.ignored.push(in_file.clone());
                continue;
            }
            let alias = matching
                .aliases
                .iter()
                .find_map(|(file, model)| name.strip_prefix(file).map(|rest| format!("{model}{rest}")));
            let renamed = alias.is_some();
            offered.insert(alias.unwrap_or_else(|| name.to_owned()), (in_file, entry, renamed));
        }
        let mut names = BTreeMap::new();
        for (name, var) in store.variables() {
            let Some((in_file, entry, renamed)) = offered.remove(name) else {
                let list = if starts(name, matching.fresh) { &mut report.fresh } else { &mut report.missing };
                list.push(name.to_owned());
                continue;
            };
            let count = entry.shape.iter().try_fold(1_usize, |count, axis| count.checked_mul(*axis));
            let fits = entry.shape == var.dims() || (renamed && count == Some(var.elem_count()));
            if fits && entry.dtype.is_some_and(|dtype| dtype.is_float()) {
                names.insert(name.to_owned(), in_file);
                report.loaded.push(name.to_owned());
            } else {
                report.misshaped.push(Misshaped {
                    name: name.to_owned(),
                    file: entry.clone(),
                    model: var.dims().to_vec(),
                });
            }
        }
        report.unexpected = offered.into_values().map(|(in_file, ..)| in_file.to_owned()).collect();
        (report, names)
    }
}

fn dtype_of(element: Element) -> Option<DType> {
    Some(match element {
        Element::U8 => DType::U8,
        Element::I64 => DType::I64,
        Element::F16 => DType::F16,
        Element::BF16 => DType::BF16,
        Element::F32 => DType::F32,
        Element::F64 => DType::F64,
        Element::Bool | Element::I8 | Element::I16 | Element::I32 => return None,
    })
}

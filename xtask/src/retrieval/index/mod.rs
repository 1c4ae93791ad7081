//! The index of embedded pictures: what it says of itself, and its rows.

mod draft;
mod parquet;
mod text;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hyp_data::source::own::Labels;
use hyp_math::Curvature;
use hyp_reid::Metric;
use serde::{Deserialize, Serialize};

use super::embedder::{Embedder, Place};
use crate::workspace;

pub(crate) use self::parquet::read;

/// Layout of the file.
pub(crate) const VERSION: u32 = 1;

/// What an index says of itself, in the metadata of its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct About {
    pub(crate) version: u32,
    /// The space of the embeddings.
    pub(crate) space: Space,
    /// Its curvature parameter; 0 where there is none.
    pub(crate) c: f64,
    /// Numbers of an embedding.
    pub(crate) dim: usize,
    /// The folder or archive in which the pictures lie.
    pub(crate) home: PathBuf,
    /// Where it stood who or what is seen.
    pub(crate) labels: Labels,
    pub(crate) model: Place,
    pub(crate) weights_sha256: String,
}

/// The spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Space {
    /// The Poincaré ball.
    Poincare,
    /// Space parts on the hyperboloid.
    Lorentz,
    Euclidean,
    /// Directions.
    Spherical,
}

impl Space {
    /// The space of a model's points, its c, and the numbers of a point.
    pub(crate) fn of_model(model: &Embedder) -> (Self, f64, usize) {
        (Self::of(model.metric), model.metric.curvature().get(), model.dim())
    }

    pub(crate) fn of(metric: Metric) -> Self {
        match metric {
            Metric::Hyperbolic(_) => Self::Poincare,
            Metric::Lorentz(_) => Self::Lorentz,
            Metric::Euclidean => Self::Euclidean,
            Metric::Cosine => Self::Spherical,
        }
    }
}

impl About {
    /// The distance of the space.
    pub(crate) fn metric(&self) -> Result<Metric> {
        let c = || Curvature::new(self.c).context("the index names no curvature; embed the pictures again");
        Ok(match self.space {
            Space::Poincare => Metric::Hyperbolic(c()?),
            Space::Lorentz => Metric::Lorentz(c()?),
            Space::Euclidean => Metric::Euclidean,
            Space::Spherical => Metric::Cosine,
        })
    }

    /// One line on the space.
    pub(crate) fn describe(&self) -> String {
        match self.space {
            Space::Poincare => format!("points of the Poincaré ball, c = {}", self.c),
            Space::Lorentz => format!("space parts on the hyperboloid, c = {}", self.c),
            Space::Euclidean => "points of flat space".to_owned(),
            Space::Spherical => "directions".to_owned(),
        }
    }
}

/// Rows of an index.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entries {
    /// Below the index's home.
    pub(crate) paths: Vec<String>,
    pub(crate) classes: Vec<Option<String>>,
    pub(crate) identities: Vec<Option<String>>,
    pub(crate) cameras: Vec<Option<String>>,
    /// Row after row.
    pub(crate) embeddings: Vec<f32>,
}

impl Entries {
    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    /// The columns of text, in the order of the file.
    fn labels(&self) -> [(&'static str, &Vec<Option<String>>); 3] {
        [("class", &self.classes), ("identity", &self.identities), ("camera", &self.cameras)]
    }
}

/// The columns that are computed from the embeddings: d(x, 0), and the vectors of an engine of inner products.
pub(super) fn derived(entries: &Entries, about: &About) -> Result<(Vec<f64>, Vec<f32>)> {
    let metric = about.metric()?;
    let points = || entries.embeddings.chunks_exact(about.dim);
    let distances = points().map(|point| metric.distance_to_origin(point)).collect();
    let mut vectors = vec![0.0; entries.len() * (about.dim + 1)];
    for (point, vector) in points().zip(vectors.chunks_exact_mut(about.dim + 1)) {
        metric.index_vector(point, vector);
    }
    Ok((distances, vectors))
}

/// An index as it is written; nothing stands under its name before it is whole.
pub(crate) enum Writer {
    Parquet(parquet::Writer),
    Text(text::Writer),
}

impl Writer {
    /// The end of the name tells the form.
    pub(crate) fn checked(path: &Path) -> Result<()> {
        match workspace::extension(&path.to_string_lossy()).as_str() {
            "parquet" | "csv" if path.is_dir() => {
                bail!("{} is a folder; name a file for the index", path.display())
            }
            "parquet" | "csv" => Ok(()),
            _ => bail!(
                "{} ends in neither .parquet nor .csv; give an index one of these endings (`search` reads .parquet)",
                path.display()
            ),
        }
    }

    pub(crate) fn create(path: &Path, about: About) -> Result<Self> {
        Self::checked(path)?;
        Ok(if workspace::extension(&path.to_string_lossy()) == "csv" {
            Self::Text(text::Writer::create(path, about)?)
        } else {
            Self::Parquet(parquet::Writer::create(path, about)?)
        })
    }

    pub(crate) fn write(&mut self, entries: &Entries) -> Result<()> {
        match self {
            Self::Parquet(writer) => writer.write(entries),
            Self::Text(writer) => writer.write(entries),
        }
    }

    /// Puts the file under its name, and gives its bytes.
    pub(crate) fn finish(self) -> Result<u64> {
        match self {
            Self::Parquet(writer) => writer.finish(),
            Self::Text(writer) => writer.finish(),
        }
    }
}

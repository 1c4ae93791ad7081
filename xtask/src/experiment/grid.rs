//! δ_rel of spaces whose hyperbolicity is known, over a grid of ways to draw points and of their number.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use hyp_delta::space::{self, DiskSampling, EdgeLength, SphereDistance, SpherePart, TreeShape};
use hyp_delta::{DistanceMatrix, Hyperbolicity, delta_all_bases, delta_at_base};
use serde::{Deserialize, Serialize};

use super::Environment;
use super::contract::{Experiment, Finished, Job, Metrics, Plots, RowTable, ScaleTable};
use super::tally::line;
use crate::plot::{Bands, Chart, Lines, save};
use crate::record::{DataFacts, Scale};

/// At the first point of a draw, as in the paper.
const AT_BASE: &str = "delta_rel";
/// The constant of the four-point condition of a draw.
const ALL_BASES: &str = "delta_rel_all_bases";

/// The runner of Table 1.
pub(crate) struct DeltaGrid {
    all_bases_up_to: usize,
}

/// What a scale decides.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GridScale {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seeds: Option<usize>,
    /// Draws of more points have no value over all base points: at 800 points of the disk it takes a minute a draw.
    all_bases_up_to: usize,
}

impl ScaleTable for GridScale {
    fn rows(&self) -> Option<&[String]> {
        self.rows.as_deref()
    }

    fn seeds(&self) -> Option<usize> {
        self.seeds
    }
}

/// One way to draw a number of points.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GridRow {
    id: String,
    points: usize,
    space: Space,
}

impl RowTable for GridRow {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A space and how points of it are drawn; each choice is spelled out in `hyp_delta::space`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Space {
    DiskEuclidean,
    DiskHyperbolic { radius: f64 },
    Sphere { part: Part, distance: Along },
    Tree { shape: Shape, lengths: Lengths },
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Part {
    Whole,
    UpperHalf,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Along {
    Geodesic,
    Chordal,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Shape {
    Attachment,
    Uniform,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Lengths {
    Unit,
    Random,
}

impl Space {
    fn sample(&self, points: usize, seed: u64) -> Result<DistanceMatrix> {
        let matrix = match *self {
            Self::DiskEuclidean => space::hyperbolic_disk(points, DiskSampling::Euclidean, seed),
            Self::DiskHyperbolic { radius } => {
                space::hyperbolic_disk(points, DiskSampling::Hyperbolic { radius }, seed)
            }
            Self::Sphere { part, distance } => {
                let part = match part {
                    Part::Whole => SpherePart::Whole,
                    Part::UpperHalf => SpherePart::UpperHalf,
                };
                let distance = match distance {
                    Along::Geodesic => SphereDistance::Geodesic,
                    Along::Chordal => SphereDistance::Chordal,
                };
                space::sphere(points, part, distance, seed)
            }
            Self::Tree { shape, lengths } => {
                let shape = match shape {
                    Shape::Attachment => TreeShape::Attachment,
                    Shape::Uniform => TreeShape::Uniform,
                };
                let lengths = match lengths {
                    Lengths::Unit => EdgeLength::Unit,
                    Lengths::Random => EdgeLength::Random,
                };
                space::tree(points, shape, lengths, seed)
            }
        };
        Ok(matrix?)
    }
}

impl Experiment for DeltaGrid {
    type Scale = GridScale;
    type Row = GridRow;

    fn prepare(_: &Environment, _: &str, _: Scale, scale: &GridScale) -> Result<Self> {
        Ok(Self { all_bases_up_to: scale.all_bases_up_to })
    }

    fn data(&self) -> BTreeMap<String, DataFacts> {
        BTreeMap::new()
    }

    fn job(&self, job: &Job<'_, GridRow>) -> Result<Metrics> {
        let distances = job.row.space.sample(job.row.points, job.seed)?;
        // The base point is the first of the sample, as in the paper.
        let mut found = vec![(AT_BASE, delta_at_base(&distances, 0))];
        if job.row.points <= self.all_bases_up_to {
            found.push((ALL_BASES, delta_all_bases(&distances)));
        }
        let value = |(name, found): (&str, Hyperbolicity)| {
            let delta_rel = found.delta_rel().context("all points of the sample coincide; draw more")?;
            Ok((name.to_owned(), delta_rel))
        };
        found.into_iter().map(value).collect()
    }

    fn draw(&self, done: &[Finished<GridRow>], plots: &Plots) -> Result<()> {
        // `disk/euclidean/n400`: one chart for a space, one line for a way to draw points.
        let parts = |id: &str| {
            let mut parts = id.splitn(3, '/').map(ToOwned::to_owned);
            (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
        };
        let spaces: BTreeSet<String> = done.iter().map(|job| parts(&job.row.id).0).collect();
        let mut charts = Vec::new();
        for space in spaces {
            let of_space: Vec<&Finished<GridRow>> =
                done.iter().filter(|job| parts(&job.row.id).0 == space).collect();
            let samplings: BTreeSet<String> = of_space.iter().map(|job| parts(&job.row.id).1).collect();
            let lines = samplings.iter().flat_map(|sampling| [(sampling, AT_BASE), (sampling, ALL_BASES)]);
            let series = lines.map(|(sampling, metric)| {
                let jobs = of_space.iter().filter(|job| parts(&job.row.id).1 == *sampling);
                let values = jobs.filter_map(|job| Some((job.row.points, *job.metrics.get(metric)?)));
                let of = if metric == AT_BASE { "" } else { ", all base points" };
                line(format!("{sampling}{of}"), values, |points| points as f64)
            });
            let series = series.collect();
            charts.push(Chart {
                title: space.clone(),
                x_label: "points".to_owned(),
                y_label: "δ_rel".to_owned(),
                series,
                levels: Vec::new(),
            });
        }
        save(&Lines { charts, columns: 2, bands: Bands::Seeds }, &plots.stem(""))
    }
}

//! Table 2: δ_rel of image data sets as pretrained encoders see them, by the paper's protocol and exactly.

mod config;
mod pictures;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use hyp_data::Dataset;
use hyp_delta::exact::{Interval, Limits, delta_of_features_within};
use hyp_delta::maxmin::Isa;
use hyp_delta::{BallConstant, Metric, Protocol, Replacement, sample, suggested_curvature};
use hyp_nn::candle_core::Device;

use self::config::{FeatureRow, FeatureScale, WeightsKind};
use self::pictures::PictureSet;
use super::contract::{Experiment, Finished, Interrupted, Job, Metrics, Plots, RowTable};
use super::few_shot::pictures::describe;
use super::{Environment, held::Held};
use crate::delta::read::Values;
use crate::features::{Place, Weights, extract};
use crate::plot::{Bands, Chart, Lines, Series, save};
use crate::record::{DataFacts, Scale};
use crate::{fetch, workspace};

/// The runner of Table 2.
pub(crate) struct FeatureDelta {
    environment: Environment,
    id: String,
    scale: Scale,
    table: FeatureScale,
    device: Device,
    /// What was read, by the name in the rows.
    read: Mutex<BTreeMap<String, (Arc<Dataset>, DataFacts)>>,
}

const POISONED: &str = "invariant: no worker panics with the lock held";
/// δ_rel against the number of points, in a job's folder.
const CURVE: &str = "curve.json";
/// What the pictures and weights were, in the folder of their features.
const FACTS: &str = "facts.json";
/// Least sample of the curve.
const LEAST: usize = 25;
/// Draws of each sample of the curve.
const DRAWS: usize = 5;

impl Experiment for FeatureDelta {
    type Scale = FeatureScale;
    type Row = FeatureRow;

    fn prepare(environment: &Environment, id: &str, scale: Scale, table: &FeatureScale) -> Result<Self> {
        Ok(Self {
            environment: environment.clone(),
            id: id.to_owned(),
            scale,
            table: table.clone(),
            device: hyp_nn::device::by_name(&environment.device)?,
            read: Mutex::default(),
        })
    }

    fn data(&self) -> BTreeMap<String, DataFacts> {
        let mut facts = BTreeMap::new();
        for path in self.facts_files() {
            let of_one: Option<BTreeMap<String, DataFacts>> =
                workspace::read(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
            facts.extend(of_one.unwrap_or_default());
        }
        facts
    }

    /// Says everything that is missing before hours go into what is there.
    fn forecast(&self, jobs: &[&Job<'_, FeatureRow>]) -> Result<Option<String>> {
        let mut missing = BTreeSet::new();
        for job in jobs {
            if let Err(error) = self.set(job.row)?.read(&self.environment, &self.id) {
                missing.insert(format!("{error:#}"));
            }
            if let Err(error) = self.weights(job.row, job.seed) {
                missing.insert(format!("{error:#}"));
            }
        }
        if missing.is_empty() {
            return Ok(None);
        }
        let list: Vec<String> = missing.into_iter().collect();
        bail!("{}\n  `--row NAME` runs the rows that need none of this", list.join("\n"))
    }

    fn job(&self, job: &Job<'_, FeatureRow>) -> Result<Metrics> {
        let weights = self.weights(job.row, job.seed)?;
        let (dataset, facts) = self.pictures(&job.row.data)?;
        let folder = self.features_folder(job);
        let _held = Held::take(&folder, job.stop)?;
        let place = Place {
            folder: folder.clone(),
            device: &self.device,
            progress: !job.side_by_side,
            stop: job.stop,
        };
        let features = extract(&dataset, &facts.sha256, job.row.encoder, &weights, &place)?;
        self.note_facts(job.row, &weights, facts, &folder)?;
        let dim = features.columns;
        let Values::Single(values) = features.values else {
            bail!("invariant: features are of single precision")
        };
        let protocol = Protocol {
            draws: self.table.draws,
            size: self.table.size,
            replacement: Replacement::Without,
            seed: job.seed,
        };
        let sampled = sample::estimate_features(&values, dim, Metric::Euclidean, &protocol)?;
        let go = |_| !job.stop.load(Ordering::SeqCst);
        let (Interval { at_least: exact, at_most, .. }, _) = delta_of_features_within(
            &values,
            dim,
            Metric::Euclidean,
            0,
            Limits::while_told(&go),
            Isa::detect(),
        )?;
        if at_most > exact.delta {
            return Err(Interrupted.into());
        }
        let relative = exact.delta_rel().context("all features coincide")?;
        write_curve(&job.folder, &curve(&values, dim, job.seed)?)?;
        let c = suggested_curvature;
        Ok(Metrics::from([
            ("delta_rel".to_owned(), sampled.mean),
            ("delta_rel_std".to_owned(), sampled.std),
            ("delta_rel_exact".to_owned(), relative),
            ("points".to_owned(), dataset.len() as f64),
            ("c_printed".to_owned(), c(sampled.mean, BallConstant::Printed)),
            ("c_consistent".to_owned(), c(sampled.mean, BallConstant::Consistent)),
            ("c_printed_exact".to_owned(), c(relative, BallConstant::Printed)),
            ("c_consistent_exact".to_owned(), c(relative, BallConstant::Consistent)),
        ]))
    }

    fn draw(&self, done: &[Finished<FeatureRow>], plots: &Plots) -> Result<()> {
        let mut charts: BTreeMap<&str, Chart> = BTreeMap::new();
        for job in done {
            let title = self.table.data.get(&job.row.data).map(PictureSet::title);
            let chart = charts.entry(&job.row.data).or_insert_with(|| Chart {
                title: title.unwrap_or_else(|| job.row.data.clone()),
                x_label: "points of a sample; bands: standard deviation".to_owned(),
                y_label: "δ_rel".to_owned(),
                series: Vec::new(),
                levels: Vec::new(),
            });
            let points = read_curve(&job.folder)?;
            chart.series.push(Series {
                name: job.row.encoder.name().to_owned(),
                points: points.iter().map(|(size, mean, _)| (*size as f64, *mean)).collect(),
                half_widths: points.iter().map(|(_, _, std)| *std).collect(),
            });
            let words = format!("{}, all {}", job.row.encoder.name(), job.metrics["points"]);
            chart.levels.push((words, job.metrics["delta_rel_exact"]));
        }
        save(
            &Lines { charts: charts.into_values().collect(), columns: 2, bands: Bands::Draws },
            &plots.stem(""),
        )
    }
}

impl FeatureDelta {
    fn set(&self, row: &FeatureRow) -> Result<&PictureSet> {
        self.table.data.get(&row.data).with_context(|| {
            format!("{} has no pictures `{}` at {} scale; name another row", self.id, row.data, self.scale)
        })
    }

    /// The weights of a row, or how to get them.
    fn weights(&self, row: &FeatureRow, seed: u64) -> Result<Weights> {
        let data_root = self.environment.data_root.as_deref();
        match self.table.weights {
            WeightsKind::Random => Ok(Weights::Random(seed)),
            WeightsKind::Published => Weights::published(row.encoder, data_root).ok_or_else(|| {
                let instead =
                    format!("what runs without it: cargo xtask reproduce {} --scale smoke", self.id);
                fetch::missing(row.encoder.name(), data_root, &instead)
            }),
        }
    }

    /// The pictures of that name and what a record says of them, read once.
    fn pictures(&self, name: &str) -> Result<(Arc<Dataset>, DataFacts)> {
        let mut read = self.read.lock().expect(POISONED);
        if let Some(found) = read.get(name) {
            return Ok(found.clone());
        }
        let set = self.table.data.get(name).context("invariant: the forecast has looked")?;
        let dataset = set.read(&self.environment, &self.id)?;
        let facts = describe(&dataset)?;
        read.insert(name.to_owned(), (Arc::clone(&dataset), facts.clone()));
        Ok((dataset, facts))
    }

    /// `runs/ID.SCALE/features/ROW/seedN`: apart from the job, which empties its own folder when its config changes.
    fn features_folder(&self, job: &Job<'_, FeatureRow>) -> PathBuf {
        self.features_root().join(job.row.id()).join(format!("seed{}", job.seed))
    }

    fn features_root(&self) -> PathBuf {
        self.environment.run_folder(&self.id, self.scale).join("features")
    }

    fn note_facts(&self, row: &FeatureRow, weights: &Weights, facts: DataFacts, folder: &Path) -> Result<()> {
        let weights = match weights {
            Weights::Random(seed) => format!("weights drawn from seed {seed}: the numbers mean nothing"),
            Weights::File(path) => {
                format!("weights {}", path.file_name().unwrap_or_default().to_string_lossy())
            }
        };
        let name = format!("{} under {}", self.set(row)?.title(), row.encoder.name());
        let noted = BTreeMap::from([(name, DataFacts { note: Some(weights), ..facts })]);
        let text = serde_json::to_string_pretty(&noted).context("invariant: facts are plain data")?;
        workspace::write_atomic(&folder.join(FACTS), text.as_bytes())
    }

    /// The facts that finished jobs have left: `features/ENCODER/DATA/seedN/facts.json`.
    fn facts_files(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.features_root()];
        for _ in 0..3 {
            let below = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
            folders = below.filter_map(|entry| Some(entry.ok()?.path())).collect();
        }
        let mut files: Vec<PathBuf> = folders.into_iter().map(|folder| folder.join(FACTS)).collect();
        files.retain(|path| path.is_file());
        files.sort();
        files
    }
}

/// Points of a sample, with mean and standard deviation of δ_rel.
type Curve = Vec<(usize, f64, f64)>;

/// δ_rel of growing samples, up to the size of the paper's.
fn curve(values: &[f32], dim: usize, seed: u64) -> Result<Curve> {
    let most = (values.len() / dim).min(1000);
    let mut sizes: Vec<usize> =
        std::iter::successors(Some(LEAST), |size| Some(2 * size)).take_while(|size| *size < most).collect();
    sizes.push(most);
    let of_size = |size: usize| {
        let protocol = Protocol { draws: DRAWS, size, replacement: Replacement::Without, seed };
        let found = sample::estimate_features(values, dim, Metric::Euclidean, &protocol)?;
        Ok((size, found.mean, found.std))
    };
    sizes.into_iter().map(of_size).collect()
}

fn write_curve(folder: &Path, curve: &Curve) -> Result<()> {
    let text = serde_json::to_string(curve).context("invariant: δ_rel is finite")?;
    workspace::write_atomic(&folder.join(CURVE), text.as_bytes())
}

fn read_curve(folder: &Path) -> Result<Curve> {
    let path = folder.join(CURVE);
    serde_json::from_str(&workspace::read(&path)?).with_context(|| {
        format!("{} is damaged; delete the folder and run again with `--resume`", path.display())
    })
}

//! Person re-identification: Table 6.

pub(crate) mod config;
pub(crate) mod model;
pub(crate) mod pictures;
mod ranks;
mod saved;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};

use self::config::{DataSet, ReidRow, ReidScale};
use self::model::Recipe;
use self::pictures::Pictures;
use super::Environment;
use super::contract::{Experiment, Finished, Job, Metrics, Plots, RowTable};
use super::tally::line;
use crate::plot::{Bands, Chart, Lines, Series, save};
use crate::record::{DataFacts, Scale};

pub(crate) use self::model::{Model, metric_of};
pub(crate) use self::saved::Saved;

/// The runner of Table 6.
pub(crate) struct ReIdentification {
    environment: Environment,
    id: String,
    table: ReidScale,
    /// What was read, by data set.
    pictures: Mutex<BTreeMap<DataSet, Arc<Pictures>>>,
}

const POISONED: &str = "invariant: no worker panics with the lock held";

impl Experiment for ReIdentification {
    type Scale = ReidScale;
    type Row = ReidRow;

    fn prepare(environment: &Environment, id: &str, _: Scale, table: &ReidScale) -> Result<Self> {
        let (environment, id, table) = (environment.clone(), id.to_owned(), table.clone());
        Ok(Self { environment, id, table, pictures: Mutex::default() })
    }

    fn data(&self) -> BTreeMap<String, DataFacts> {
        let pictures = self.pictures.lock().expect(POISONED);
        pictures.values().flat_map(|pictures| pictures.facts.clone()).collect()
    }

    fn data_of(&self, row: &ReidRow) -> Result<BTreeMap<String, DataFacts>> {
        Ok(self.pictures_of(row.people)?.facts.clone())
    }

    fn left_out(&self, row: &ReidRow) -> Result<Option<String>> {
        if row.people != DataSet::Duke || self.pictures_of(DataSet::Duke).is_ok() {
            return Ok(None);
        }
        Ok(Some(
            "DukeMTMC-reID was withdrawn by its authors, and a whole copy is not in the data root; \
             `--row duke` says what it needs"
                .to_owned(),
        ))
    }

    fn job(&self, job: &Job<'_, ReidRow>) -> Result<Metrics> {
        let pictures = self.pictures_of(job.row.people)?;
        model::run(job, &Recipe::from(&self.table), &pictures, &self.environment)
    }

    /// mAP against the dimension of the embedding, a line for each geometry and schedule.
    fn draw(&self, done: &[Finished<ReidRow>], plots: &Plots) -> Result<()> {
        let mut lines: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
        for job in done {
            let name = job.row.id().replace(&format!("/{}/", job.row.dim), "/");
            lines.entry(name).or_default().push((job.row.dim as i64, job.metrics["map"]));
        }
        let series: Vec<Series> = lines
            .into_iter()
            .map(|(name, points)| line(name, points.into_iter(), |dim| dim as f64))
            .collect();
        if series.is_empty() {
            return Ok(());
        }
        let chart = Chart {
            title: "Retrieval".to_owned(),
            x_label: "dimension of the embedding".to_owned(),
            y_label: "mAP, percent".to_owned(),
            series,
            levels: Vec::new(),
        };
        save(&Lines { charts: vec![chart], columns: 1, bands: Bands::Seeds }, &plots.stem(""))
    }
}

impl ReIdentification {
    fn pictures_of(&self, set: DataSet) -> Result<Arc<Pictures>> {
        let mut read = self.pictures.lock().expect(POISONED);
        if let Some(pictures) = read.get(&set) {
            return Ok(Arc::clone(pictures));
        }
        let people = match set {
            DataSet::Market1501 => Some(self.table.market1501),
            DataSet::Duke => self.table.duke,
        };
        let people = people.context(
            "DukeMTMC-reID was withdrawn by its authors and is not part of this scale; \
             those who hold it lawfully run `--scale full` with `--data-root`",
        )?;
        let pictures = Arc::new(Pictures::read(&self.environment, &self.id, set, people)?);
        read.insert(set, Arc::clone(&pictures));
        Ok(pictures)
    }
}

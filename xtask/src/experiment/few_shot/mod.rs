//! Few-shot classification: Tables 4, 5 and 7.

mod anew;
pub(crate) mod backbone;
pub(crate) mod config;
mod figures;
mod forecast;
pub(crate) mod model;
pub(crate) mod pictures;
pub(crate) mod saved;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use hyp_data::Dataset;
use hyp_data::sample::{EpisodeList, EpisodeShape};
use hyp_nn::candle_core::Device;
use sha2::{Digest, Sha256};

use self::config::{DataTable, FewShotRow, FewShotScale, ShapeTable};
use self::model::{Length, Place, Trained};
use self::pictures::Pictures;
use super::contract::{Experiment, Finished, Job, Metrics, Plots, RowTable};
use super::outcome::{forget, forget_runs, hash_of, note_runs, runs};
use super::{Environment, Held};
use crate::features::watch;
use crate::record::{DataFacts, Scale, hexadecimal};
use crate::workspace;

/// The runner of the few-shot tables.
pub(crate) struct FewShot {
    environment: Environment,
    id: String,
    scale: Scale,
    table: FewShotScale,
    device: Device,
    /// What was read, by what was asked for.
    pictures: Mutex<BTreeMap<DataTable, Arc<Pictures>>>,
    /// Trainings that this program has finished.
    done: Mutex<BTreeSet<String>>,
}

/// In the folder of a training that came to its end.
const FINISHED: &str = "finished";
const POISONED: &str = "invariant: no worker panics with the lock held";

impl Experiment for FewShot {
    type Scale = FewShotScale;
    type Row = FewShotRow;

    fn prepare(environment: &Environment, id: &str, scale: Scale, table: &FewShotScale) -> Result<Self> {
        let experiment = Self {
            environment: environment.clone(),
            id: id.to_owned(),
            scale,
            table: table.clone(),
            device: hyp_nn::device::by_name(&environment.device)?,
            pictures: Mutex::default(),
            done: Mutex::default(),
        };
        experiment.pictures_of(&table.data)?;
        Ok(experiment)
    }

    fn data(&self) -> BTreeMap<String, DataFacts> {
        let pictures = self.pictures.lock().expect(POISONED);
        pictures.values().flat_map(|pictures| pictures.facts.clone()).collect()
    }

    fn data_of(&self, row: &FewShotRow) -> Result<BTreeMap<String, DataFacts>> {
        let pictures = self.pictures_for(row)?;
        let mut facts = pictures.facts.clone();
        if let Some(list) = self.replayed(&self.fitting(row, &pictures), &pictures)? {
            let index = pictures.test.index();
            let sha256 = hexadecimal(&Sha256::digest(format!("{list:?}").as_bytes()));
            let (images, classes) = (index.len(), index.classes().len());
            facts.insert(
                "replayed test episodes".to_owned(),
                DataFacts { sha256, images, classes, note: None },
            );
        }
        Ok(facts)
    }

    fn forecast(&self, jobs: &[&Job<'_, FewShotRow>]) -> Result<Option<String>> {
        forecast::forecast(self, jobs)
    }

    fn shared_work(&self, job: &Job<'_, FewShotRow>) -> Result<Option<PathBuf>> {
        let pictures = self.pictures_for(job.row)?;
        Ok(Some(self.training_folder(&self.fitting(job.row, &pictures), job.seed, &pictures)))
    }

    /// Whether the training is: another row may have begun it anew.
    fn is_whole(&self, job: &Job<'_, FewShotRow>) -> Result<bool> {
        let training = self.shared_work(job)?;
        Ok(training.is_some_and(|folder| folder.join(FINISHED).is_file()))
    }

    fn job(&self, job: &Job<'_, FewShotRow>) -> Result<Metrics> {
        let pictures = self.pictures_for(job.row)?;
        let (trained, training) = self.trained(job, &pictures)?;
        note_runs(&job.folder, &runs(&training)?)?;
        saved::Saved::new(job.row, &pictures).write(&job.folder, &training)?;
        let row = self.fitting(job.row, &pictures);
        let episodes = self.test_episodes(&row, &pictures)?;
        let shown = watch("tested", pictures.test.len(), !job.side_by_side, job.stop);
        let tested = model::test(&trained.model, &row, &pictures, &episodes, shown)?;
        let mut metrics =
            anew::compare(&trained.model, &pictures, &episodes, &tested, &self.device, job.stop)?;
        metrics.extend(tested.metrics);
        metrics.extend(trained.metrics);
        figures::write_curve(&job.folder, &trained.curve)?;
        Ok(metrics)
    }

    fn draw(&self, done: &[Finished<FewShotRow>], plots: &Plots) -> Result<()> {
        figures::draw(done, plots)
    }
}

impl FewShot {
    /// The pictures of a row.
    pub(crate) fn pictures_for(&self, row: &FewShotRow) -> Result<Arc<Pictures>> {
        let mut table = row.data.as_ref().unwrap_or(&self.table.data);
        if self.scale == Scale::Smoke && table.is_grey() && row.backbone.is_for_colour() {
            // What is shipped has no colour.
            table = &DataTable::SyntheticFolder;
        }
        let pictures = self.pictures_of(table)?;
        let (wanted, classes) = (row.train.way, pictures.train.index().classes().len());
        if self.scale == Scale::Full && classes < wanted {
            bail!(
                "{} trains with {wanted} classes an episode and there are {classes}; \
                 use `--scale reduced`, which cuts the episodes, or the whole data set",
                row.id()
            );
        }
        Ok(pictures)
    }

    fn pictures_of(&self, table: &DataTable) -> Result<Arc<Pictures>> {
        let mut read = self.pictures.lock().expect(POISONED);
        if let Some(pictures) = read.get(table) {
            return Ok(Arc::clone(pictures));
        }
        let pictures = Arc::new(Pictures::read(&self.environment, &self.id, table)?);
        read.insert(table.clone(), Arc::clone(&pictures));
        Ok(pictures)
    }

    /// The episodes that test a row: those of its file, or those that every row of that size is asked, which are left in
    /// the folder of the run for other rows and other programs.
    fn test_episodes(&self, row: &FewShotRow, pictures: &Pictures) -> Result<EpisodeList> {
        if let Some(list) = self.replayed(row, pictures)? {
            return Ok(list);
        }
        let index = pictures.test.index();
        let list = model::drawn(&pictures.test, row.test, self.table.test_episodes)?;
        let ShapeTable { way, shot, query } = row.test;
        let data: String = index.fingerprint().chars().take(8).collect();
        let name = format!("{way}way-{shot}shot-{query}query-{}-{data}.txt", self.table.test_episodes);
        let folder = self.environment.run_folder(&self.id, self.scale).join("episodes");
        let path = folder.join(name);
        // One job writes it, whichever comes first.
        let _held = Held::take(&folder, &self.environment.stop)?;
        if !path.is_file() {
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
            list.write(index, &path)?;
        }
        Ok(list)
    }

    /// The test episodes of a row that names a file of them.
    fn replayed(&self, row: &FewShotRow, pictures: &Pictures) -> Result<Option<EpisodeList>> {
        let Some(path) = &row.replay else { return Ok(None) };
        let list = EpisodeList::read(pictures.test.index(), &self.environment.root.join(path))?;
        let (found, wanted) = (list.shape(), EpisodeShape::from(row.test));
        if found != wanted {
            bail!(
                "{} holds episodes of {found:?} and {} is tested on {wanted:?}; make `test` so, or replay another list",
                path.display(),
                row.id()
            );
        }
        Ok(Some(list))
    }

    /// The row, at smoke with episodes that are no wider than what is shipped.
    fn fitting(&self, row: &FewShotRow, pictures: &Pictures) -> FewShotRow {
        if self.scale != Scale::Smoke {
            return row.clone();
        }
        let classes = |part: &Dataset| part.index().classes().len();
        row.with_way_at_most([classes(&pictures.validation), classes(&pictures.test)])
    }

    /// The model of a job and the folder of its training, which rows share that differ only in their test.
    pub(crate) fn trained(
        &self,
        job: &Job<'_, FewShotRow>,
        pictures: &Pictures,
    ) -> Result<(Trained, PathBuf)> {
        let row = self.fitting(job.row, pictures);
        let folder = self.training_folder(&row, job.seed, pictures);
        let key = folder.display().to_string();
        let held = Held::take(&folder, job.stop)?;
        // What another row has trained, or another run while this one waited, is used.
        let known = held.waited || self.done.lock().expect(POISONED).contains(&key);
        let finished = folder.join(FINISHED);
        let resume = job.resume || known;
        if !resume {
            // Should this training be stopped, the one before it is no reason to call it finished.
            forget(&finished)?;
            forget_runs(&folder)?;
        }
        if !(resume && finished.is_file()) {
            note_runs(&folder, std::slice::from_ref(&self.environment.run))?;
        }
        let place = Place { resume, folder: folder.clone(), progress: !job.side_by_side, stop: job.stop };
        let trained =
            model::train(&row, job.seed, pictures, &Length::from(&self.table), &place, &self.device)?;
        workspace::write_atomic(&finished, b"")?;
        self.done.lock().expect(POISONED).insert(key);
        Ok((trained, folder))
    }

    /// `runs/ID.SCALE/trained/HASH/seedN`: the hash is of everything that decides the weights.
    fn training_folder(&self, row: &FewShotRow, seed: u64, pictures: &Pictures) -> PathBuf {
        let data = row.data.as_ref().unwrap_or(&self.table.data);
        // The validation episodes choose the epoch, so they count as well.
        let deciding = (
            (&row.geometry, &row.backbone, &row.train, row.validate(), data, hash_of(&pictures.facts)),
            (
                self.table.epochs,
                self.table.episodes,
                self.table.validation_episodes,
                self.table.train_way_at_most,
            ),
        );
        let text = serde_json::to_string(&deciding).expect("invariant: a config is plain data");
        let hash = hexadecimal(&Sha256::digest(text.as_bytes()));
        let folder = self.environment.run_folder(&self.id, self.scale).join("trained");
        folder.join(&hash[..12]).join(format!("seed{seed}"))
    }
}

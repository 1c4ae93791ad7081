//! What all jobs of one command share: folders, the stop flag, the device, where the numbers come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use hyp_data::{DataError, Dataset};
use hyp_nn::device::{Products, products};

use super::Options;
use crate::record::{Run, Scale};
use crate::{fetch, workspace};

/// The surroundings of a run.
#[derive(Clone)]
pub(crate) struct Environment {
    /// The workspace.
    pub(crate) root: PathBuf,
    /// The folder that holds the data sets: the one that was named, or what `fetch` filled.
    pub(crate) data_root: Option<PathBuf>,
    /// Set by Ctrl-C; a job stops at its next step.
    pub(crate) stop: Arc<AtomicBool>,
    /// As [`hyp_nn::device::by_name`] has it.
    pub(crate) device: String,
    /// Where the numbers come from.
    pub(crate) run: Run,
}

/// Exit code of a command that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// Starts to listen for Ctrl-C, which sets what this returns; the second one ends the program at once.
pub(crate) fn stop_by_interrupt() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        // The second time the person means it.
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED.into());
        }
    })
    .context("Ctrl-C cannot be listened for")?;
    Ok(stop)
}

/// The folder that holds the data sets, where there is one: the folder that was named, which must be there, or what
/// `fetch` filled.
pub(crate) fn data_root(root: &Path, given: Option<&Path>) -> Result<Option<PathBuf>> {
    let named = workspace::named_data_root(given);
    if let Some(folder) = &named
        && !folder.is_dir()
    {
        bail!(
            "the data root {} is not a folder; give one to `--data-root` or `HYP_DATA`, \
             or run with `--scale smoke`, which needs none",
            folder.display()
        );
    }
    let cache = root.join(workspace::CACHE);
    Ok(named.or_else(|| cache.is_dir().then_some(cache)))
}

impl Environment {
    /// Reads the surroundings and starts to listen for Ctrl-C.
    pub(crate) fn new(root: &Path, options: &Options) -> Result<Self> {
        let gpu = !hyp_nn::device::by_name(&options.device)?.is_cpu();
        if gpu && options.jobs > 1 {
            bail!(
                "`--jobs {}` is for the CPU: jobs side by side would share one cuBLAS handle on a GPU; leave it out",
                options.jobs
            );
        }
        let data_root = data_root(root, options.data_root.as_deref())?;
        let run = Run::here(root, gpu);
        let stop = stop_by_interrupt()?;
        Ok(Self { root: root.to_path_buf(), data_root, stop, device: options.device.to_string(), run })
    }

    /// Refuses to make a record of the paper's protocol by a program that may not be of a commit.
    pub(crate) fn refuse_uncommitted(&self, options: &Options) -> Result<()> {
        if options.scale == Scale::Full && self.run.code.dirty && !options.no_record {
            bail!(
                "a full-scale record needs a committed tree, and this one has changes or no git; commit what changed, \
                 or give `--no-record` to keep the numbers in the run folder"
            );
        }
        Ok(())
    }

    /// The surroundings of a command that is about no experiment.
    pub(crate) fn of_command(root: &Path, data_root: Option<&Path>, device: &str) -> Result<Self> {
        let data_root = data_root.map(Path::to_path_buf);
        Self::new(root, &Options::of_one("own", Scale::Smoke, None, data_root, device))
    }

    /// The folder of one experiment at one scale; models that were multiplied in bfloat16 have one of their own.
    pub(crate) fn run_folder(&self, id: &str, scale: Scale) -> PathBuf {
        let made_of = match products() {
            Products::Single => "",
            Products::Bfloat16 => ".bf16",
        };
        self.root.join("runs").join(format!("{id}.{scale}{made_of}"))
    }

    /// A path as a reader sees it: relative to the workspace.
    pub(crate) fn shown(&self, path: &Path) -> String {
        workspace::shown(&self.root, path)
    }

    /// One message about data that are not there.
    pub(crate) fn missing_data(&self, what: &str, id: &str) -> anyhow::Error {
        let looked = match &self.data_root {
            Some(folder) => format!("it was looked for in {}", folder.display()),
            None => format!("no data root was named, and {} does not exist", workspace::CACHE),
        };
        anyhow::anyhow!(
            "{what} is missing: {looked}; `cargo xtask fetch` shows how to get it, or name the folder that holds it with \
             `--data-root DIR` or `HYP_DATA`; without it, `cargo xtask reproduce {id} --scale smoke` and `cargo xtask reproduce table1` run now"
        )
    }

    /// The data set of that manifest from the data root; when it is not there, the error says all of it in one message.
    pub(crate) fn found(
        &self,
        name: &str,
        id: &str,
        read: impl Fn(&Path) -> Result<Dataset, DataError>,
    ) -> Result<Dataset> {
        let Some(root) = self.data_root.as_deref() else { return Err(self.to_fetch(name, id)) };
        match read(root) {
            Err(error @ DataError::Missing { .. }) => {
                Err(anyhow::anyhow!("{}\n  what was looked for:  {error}", self.to_fetch(name, id)))
            }
            other => other.with_context(|| format!("the data set {name} cannot be used")),
        }
    }

    /// What is missing, and what runs without it.
    fn to_fetch(&self, name: &str, id: &str) -> anyhow::Error {
        let instead = format!("what runs without it: cargo xtask reproduce {id} --scale smoke");
        fetch::missing(name, self.data_root.as_deref(), &instead)
    }
}

//! A run that is killed or stopped, then resumed, ends with the bits of one that was not.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use hyp_nn::{
    BoxError, Classification, Classifier, Error, Geometry, Head, Labelled, ParameterStore,
    backbone::LeNet,
    candle_core::{Device, Tensor},
    init,
    optim::{AdamConfig, OptimizerConfig, Schedule},
    train::{FitConfig, LAST, LOG, Loss, Metrics, Monitor, StepContext, Task, fit},
};
use rand::Rng;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

const BATCHES: usize = 10;
const EPOCHS: usize = 3;
/// Names the folder in which the process that is to be killed trains.
const CHILD: &str = "HYP_NN_RESUME_CHILD";

fn images(seed: u64, count: usize) -> Labelled {
    let mut rng = init::generator(seed, "images");
    let labels: Vec<u32> = (0..count).map(|_| rng.next_u32() % 4).collect();
    let pixels: Vec<f32> = labels
        .iter()
        .flat_map(|label| vec![*label as f32; 784])
        .map(|label| (rng.next_u32() % 1000) as f32 / 1000.0 + label / 4.0)
        .collect();
    Labelled { images: Tensor::from_vec(pixels, (count, 1, 28, 28), &Device::Cpu).unwrap(), labels }
}

/// Trained curvature, Riemannian gradients and clipping, so that every kind of state is in the checkpoint.
fn task() -> Classification<LeNet> {
    let mut store = ParameterStore::new(7, &Device::Cpu);
    let backbone = LeNet::new(&mut store, 2).unwrap();
    let geometry = Geometry::Poincare {
        c: 0.5,
        trainable_c: true,
        margin: 1e-3,
        clip: Some(3.0),
        riemannian_gradient: true,
    };
    let head = Head::new(&mut store, "head", geometry, 2, 4).unwrap();
    let model = Classifier { store, backbone, head };
    Classification { model, validation: Some(images(1000, 16)), evaluation_batch: 16 }
}

fn config(folder: &Path) -> FitConfig {
    FitConfig {
        seed: 3,
        epochs: EPOCHS,
        schedule: Schedule::Step { every_epochs: 1, gamma: 0.5 },
        clip_norm: Some(1.0),
        monitor: Some(Monitor::minimise("loss")),
        folder: Some(folder.to_owned()),
        resume: true,
        log_every: 1,
        checkpoint_every: 4,
        ..FitConfig::new(OptimizerConfig::AdamW(AdamConfig { weight_decay: 0.01, ..AdamConfig::default() }))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the shape that `fit` takes")]
fn batches(epoch: usize, seed: u64) -> Result<impl Iterator<Item = Result<Labelled, BoxError>>, BoxError> {
    Ok((0..BATCHES).map(move |batch| Ok(images(seed * 10_000 + (epoch * BATCHES + batch) as u64, 8))))
}

/// Trains in `folder` to the end and gives the checkpoint's bytes: weights, optimiser state and history.
fn finish(folder: &Path) -> Vec<u8> {
    let report = fit(&config(folder), &mut task(), batches).unwrap();
    assert_eq!(report.steps, (BATCHES * EPOCHS) as u64);
    assert_eq!(report.epochs.len(), EPOCHS);
    std::fs::read(folder.join(LAST)).unwrap()
}

fn logged_steps(folder: &Path) -> Vec<u64> {
    let log = std::fs::read_to_string(folder.join(LOG)).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter(|line| line["event"] == "step").map(|line| line["step"].as_u64().unwrap()).collect()
}

/// What the killed process does: train, telling each batch, and never come to an end.
#[expect(clippy::print_stdout, reason = "the parent process listens")]
fn train_until_killed(folder: &Path) {
    let told = |epoch, seed| -> Result<_, BoxError> {
        Ok(batches(epoch, seed)?.enumerate().map(move |(batch, item)| {
            if epoch + 1 == EPOCHS && batch + 1 == BATCHES {
                loop {
                    std::thread::park();
                }
            }
            println!("\nbatch {}", epoch * BATCHES + batch);
            item
        }))
    };
    fit(&config(folder), &mut task(), told).unwrap();
}

#[test]
fn killed_and_resumed_ends_with_the_same_bits() {
    if let Some(folder) = std::env::var_os(CHILD) {
        return train_until_killed(Path::new(&folder));
    }
    let uninterrupted = tempfile::tempdir().unwrap();
    let expected = finish(uninterrupted.path());

    let killed = tempfile::tempdir().unwrap();
    // The second and third process resume what the one before left; the kill comes at whatever point the process has
    // reached when the line has been read: in a step, or in the writing of a checkpoint.
    for last_batch in [6, 9, 23] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed_and_resumed_ends_with_the_same_bits", "--nocapture"])
            .env(CHILD, killed.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let wanted = format!("batch {last_batch}");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == wanted), "the child ended before batch {last_batch}");
        child.kill().unwrap(); // SIGKILL on Unix
        let status = child.wait().unwrap();
        assert!(!status.success(), "the child came to an end: {status}");
        assert!(killed.path().join(LAST).exists(), "no checkpoint by batch {last_batch}");
        assert_ne!(std::fs::read(killed.path().join(LAST)).unwrap(), expected);
    }
    assert!(finish(killed.path()) == expected, "other bits after three kills");
    let every_step: Vec<u64> = (1..=(BATCHES * EPOCHS) as u64).collect();
    assert_eq!(logged_steps(killed.path()), every_step, "each step is logged once");
}

#[test]
fn stopped_by_the_flag_and_resumed_ends_with_the_same_bits() {
    let uninterrupted = tempfile::tempdir().unwrap();
    let expected = finish(uninterrupted.path());
    let stopped = tempfile::tempdir().unwrap();
    let config = config(stopped.path());
    let flag = config.stop.clone();
    let pressing = |epoch, seed| -> Result<_, BoxError> {
        let flag = flag.clone();
        Ok(batches(epoch, seed)?.enumerate().map(move |(batch, item)| {
            if epoch == 1 && batch == 2 {
                flag.store(true, Ordering::Relaxed);
            }
            item
        }))
    };
    let report = fit(&config, &mut task(), pressing).unwrap();
    assert!(report.interrupted);
    assert_eq!((report.steps, report.epochs.len()), (13, 1));
    assert!(finish(stopped.path()) == expected);
}

/// The task, whose steps are counted, and whose evaluation of one epoch may not come to its end.
struct Watched {
    task: Classification<LeNet>,
    stops: Option<(usize, fn() -> Error)>,
    steps: usize,
}

impl Watched {
    fn new(stops: Option<(usize, fn() -> Error)>) -> Self {
        Self { task: task(), stops, steps: 0 }
    }
}

impl Task for Watched {
    type Batch = Labelled;

    fn parameters(&self) -> &ParameterStore {
        self.task.parameters()
    }

    fn loss(&mut self, batch: &Labelled, context: &StepContext) -> hyp_nn::Result<Loss> {
        self.steps += 1;
        self.task.loss(batch, context)
    }

    fn evaluate(&mut self, epoch: usize) -> hyp_nn::Result<Metrics> {
        match self.stops {
            Some((at, error)) if at == epoch => Err(error()),
            _ => self.task.evaluate(epoch),
        }
    }
}

#[test]
fn stopped_in_an_evaluation_no_step_is_repeated() {
    let uninterrupted = tempfile::tempdir().unwrap();
    let expected = finish(uninterrupted.path());
    let lamp = || Error::Setting { setting: "lamp", value: "off".to_owned(), remedy: "switch it on" };
    let stop = || Error::Interrupted;
    // After 10 steps with a checkpoint every 4, the one before the evaluation is of its own.
    let cases: [(fn() -> Error, u64); 4] = [(lamp, 4), (stop, 4), (stop, 5), (stop, 0)];
    for (error, checkpoint_every) in cases {
        let folder = tempfile::tempdir().unwrap();
        let config = FitConfig { checkpoint_every, ..config(folder.path()) };
        match fit(&config, &mut Watched::new(Some((0, error))), batches) {
            Ok(report) => assert_eq!((report.interrupted, report.steps, report.epochs.len()), (true, 10, 0)),
            Err(error) => assert!(error.to_string().contains("lamp"), "{error}"),
        }
        let mut rest = Watched::new(None);
        let report = fit(&config, &mut rest, batches).unwrap();
        assert_eq!((report.steps, rest.steps), ((BATCHES * EPOCHS) as u64, BATCHES * (EPOCHS - 1)));
        assert!(
            std::fs::read(folder.path().join(LAST)).unwrap() == expected,
            "{checkpoint_every}: other bits"
        );
    }
    // Without a folder there is nothing to go on with, and it is still said.
    let config = FitConfig { folder: None, ..config(Path::new("")) };
    let report = fit(&config, &mut Watched::new(Some((1, stop))), batches).unwrap();
    assert_eq!((report.interrupted, report.steps, report.epochs.len()), (true, 20, 1));
}

#[test]
fn a_finished_run_resumes_to_nothing_and_can_be_prolonged() {
    let folder = tempfile::tempdir().unwrap();
    let first = finish(folder.path());
    assert!(finish(folder.path()) == first);
    let longer = FitConfig { epochs: EPOCHS + 1, ..config(folder.path()) };
    let report = fit(&longer, &mut task(), batches).unwrap();
    assert_eq!(report.steps, (BATCHES * (EPOCHS + 1)) as u64);
}

#[test]
fn a_new_run_does_not_continue_an_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let first = finish(folder.path());
    std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let fresh = FitConfig { resume: false, ..config(folder.path()) };
    let report = fit(&fresh, &mut task(), batches).unwrap();
    assert_eq!(report.steps, (BATCHES * EPOCHS) as u64);
    assert!(std::fs::read(folder.path().join(LAST)).unwrap() == first);
    assert_eq!(logged_steps(folder.path()).len(), BATCHES * EPOCHS);
    assert!(folder.path().join("notes.txt").exists(), "files of others stay");
}

#[test]
fn a_resume_that_does_not_fit_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let stop: std::sync::Arc<AtomicBool> = std::sync::Arc::new(AtomicBool::new(true));
    fit(&FitConfig { stop, ..config(folder.path()) }, &mut task(), batches).unwrap();

    let other_seed = FitConfig { seed: 4, ..config(folder.path()) };
    let message = fit(&other_seed, &mut task(), batches).unwrap_err().to_string();
    assert!(message.contains("another seed") && message.contains("another folder"), "{message}");

    let mut other_model = task();
    let mut store = ParameterStore::new(7, &Device::Cpu);
    other_model.model.backbone = LeNet::new(&mut store, 3).unwrap();
    other_model.model.head = Head::new(&mut store, "head", Geometry::Euclidean, 3, 4).unwrap();
    other_model.model.store = store;
    let before = other_model.parameters().snapshot().unwrap()["conv1.weight"].to_string();
    let message = fit(&config(folder.path()), &mut other_model, batches).unwrap_err().to_string();
    assert!(message.contains(LAST) && message.contains("fc2.bias"), "{message}");
    assert_eq!(other_model.parameters().snapshot().unwrap()["conv1.weight"].to_string(), before);

    let fewer = |epoch, seed| Ok(batches(epoch, seed)?.take(0));
    let message = fit(&config(folder.path()), &mut task(), fewer).unwrap_err().to_string();
    assert!(message.contains("epoch 0 has 0 batches, 1 are needed"), "{message}");

    let bytes = std::fs::read(folder.path().join(LAST)).unwrap();
    std::fs::write(folder.path().join(LAST), &bytes[..bytes.len() / 2]).unwrap();
    let message = fit(&config(folder.path()), &mut task(), batches).unwrap_err().to_string();
    assert!(message.contains(LAST) && message.contains("not a whole safetensors file"), "{message}");
}

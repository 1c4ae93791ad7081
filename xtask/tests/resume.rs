//! A training that is killed goes on, and one beside others runs, to the bits of one that was left alone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bed::{Bed, program, run};

const JOB: &str = "runs/table3.smoke/poincare/n2/seed0";
const COMMAND: [&str; 6] = ["reproduce", "table3", "--scale", "smoke", "--row", "poincare/n2"];

/// A workspace with the shipped digits and a smoke run of 6 epochs of 10 steps.
fn workspace() -> Bed {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let config = std::fs::read_to_string(root.join("docs/experiments/table3.toml")).unwrap();
    bed.write("docs/experiments/table3.toml", &config);
    bed.replace(
        "docs/experiments/table3.toml",
        "epochs = 10\nseeds = 1\n",
        "epochs = 6\ntrain_limit = 640\nseeds = 1\n",
    );
    let digits = bed.root().join("data/mnist_5k");
    std::fs::create_dir_all(&digits).unwrap();
    for entry in std::fs::read_dir(root.join("data/mnist_5k")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), digits.join(entry.file_name())).unwrap();
    }
    bed
}

/// Starts a command without waiting for its end.
fn start(bed: &Bed, arguments: &[&str]) -> Child {
    let mut command = Command::new(program());
    command.args(arguments).arg("--root").arg(bed.root()).env_remove("HYP_DATA");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn weights(bed: &Bed, job: &str) -> Vec<u8> {
    std::fs::read(bed.root().join(job).join("last.safetensors")).unwrap()
}

#[test]
fn jobs_side_by_side_and_two_programs_at_once_give_the_bits_of_one_alone() {
    let alone = workspace();
    let rows = [&COMMAND[..], &["--row", "euclidean/n2"]].concat();
    let (code, text) = run(&alone, &rows);
    assert_eq!(code, 0, "{text}");

    let shared = workspace();
    let both = [&rows[..], &["--jobs", "2"]].concat();
    let mut first = start(&shared, &both);
    let mut second = start(&shared, &both);
    assert!(first.wait().unwrap().success() && second.wait().unwrap().success());
    for job in [JOB, "runs/table3.smoke/euclidean/n2/seed0"] {
        assert!(weights(&alone, job) == weights(&shared, job), "{job}");
    }
    let record: serde_json::Value =
        serde_json::from_str(&shared.read("runs/table3.smoke/record.json")).unwrap();
    let ids: Vec<&str> =
        record["rows"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"poincare/n2") && ids.contains(&"euclidean/n2"), "{ids:?}");
}

#[test]
fn a_changed_config_starts_anew() {
    let bed = workspace();
    let (code, text) = run(&bed, &COMMAND);
    assert_eq!(code, 0, "{text}");
    let before = weights(&bed, JOB);
    bed.replace("docs/experiments/table3.toml", "adam_lr = 1e-3", "adam_lr = 2e-3");
    let (code, text) = run(&bed, &[&COMMAND[..], &["--resume"]].concat());
    assert_eq!(code, 0, "{text}");
    assert!(weights(&bed, JOB) != before, "the outcome of another config was kept");
}

#[test]
#[cfg(unix)]
fn a_killed_and_a_stopped_run_that_are_resumed_end_with_the_same_bits() {
    let whole = workspace();
    let (code, text) = run(&whole, &COMMAND);
    assert_eq!(code, 0, "{text}");

    let broken = workspace();
    let checkpoint = broken.root().join(JOB).join("last.safetensors");
    // Killed after its first checkpoint; stopped as by Ctrl-C after the next.
    for (signal, resume) in [("KILL", &[][..]), ("INT", &["--resume"][..])] {
        let before = std::fs::read(&checkpoint).ok();
        let mut child = start(&broken, &[&COMMAND[..], resume].concat());
        while std::fs::read(&checkpoint).ok() == before {
            assert!(child.try_wait().unwrap().is_none(), "the run ended before its next checkpoint");
            std::thread::sleep(Duration::from_millis(2));
        }
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{signal} {}", child.id())).status();
        assert!(sent.unwrap().success(), "{signal} was not sent");
        assert!(!child.wait().unwrap().success(), "{signal}: the run was over");
        assert!(!broken.root().join(JOB).join("outcome.json").exists(), "{signal}: the run was over");
    }

    let stopped: f64 = broken.read(&format!("{JOB}/seconds")).parse().unwrap();

    let (code, text) = run(&broken, &[&COMMAND[..], &["--resume"]].concat());
    assert_eq!(code, 0, "{text}");
    let outcome: serde_json::Value =
        serde_json::from_str(&broken.read(&format!("{JOB}/outcome.json"))).unwrap();
    assert!(outcome["wall_s"].as_f64().unwrap() > stopped, "the time of the sitting before counts too");
    let record: serde_json::Value =
        serde_json::from_str(&broken.read("runs/table3.smoke/record.json")).unwrap();
    let commands: Vec<&str> = record["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["host"]["command"].as_str().unwrap())
        .collect();
    // The run that was stopped and the one that ended differ in nothing that a record says: they are one line.
    assert_eq!(commands.len(), 2, "all runs had a part in it: {commands:?}");
    assert!(!commands[0].contains("--resume"), "{commands:?}");
    assert!(commands[1..].iter().all(|command| command.contains("--resume")), "{commands:?}");
    assert!(weights(&whole, JOB) == weights(&broken, JOB), "the weights differ");
    let metrics = |bed: &Bed| {
        let outcome: serde_json::Value =
            serde_json::from_str(&bed.read(&format!("{JOB}/outcome.json"))).unwrap();
        outcome["metrics"].to_string()
    };
    assert_eq!(metrics(&whole), metrics(&broken));
}

//! A training that is killed without warning goes on and ends with the bits of one that was not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;

use std::path::Path;
use std::process::{Command, Stdio};
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

#[test]
fn a_killed_run_that_is_resumed_ends_with_the_same_bits() {
    let whole = workspace();
    let (code, text) = run(&whole, &COMMAND);
    assert_eq!(code, 0, "{text}");

    let broken = workspace();
    let mut child = Command::new(program())
        .args(COMMAND)
        .arg("--root")
        .arg(broken.root())
        .env_remove("HYP_DATA")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let checkpoint = broken.root().join(JOB).join("last.safetensors");
    while !checkpoint.exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before its first checkpoint");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!broken.root().join(JOB).join("outcome.json").exists(), "the run was over before it was killed");

    let (code, text) = run(&broken, &[&COMMAND[..], &["--resume"]].concat());
    assert_eq!(code, 0, "{text}");
    let weights = |bed: &Bed| std::fs::read(bed.root().join(JOB).join("last.safetensors")).unwrap();
    assert!(weights(&whole) == weights(&broken), "the weights differ");
    let metrics = |bed: &Bed| {
        let outcome: serde_json::Value =
            serde_json::from_str(&bed.read(&format!("{JOB}/outcome.json"))).unwrap();
        outcome["metrics"].to_string()
    };
    assert_eq!(metrics(&whole), metrics(&broken));
}

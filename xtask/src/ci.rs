//! Every check of the project in one command, the cheapest first.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{cli, report, tidy};

/// One check: its name and how it runs.
enum Step {
    /// A house rule checked in this process.
    Rule(&'static str, fn(&Path) -> Result<Vec<tidy::Problem>>),
    /// A cargo command, with one environment variable when it needs it.
    Cargo(&'static str, &'static [&'static str], Option<(&'static str, &'static str)>),
}

const STEPS: &[Step] = &[
    Step::Rule("tidy", tidy::check),
    Step::Rule("records", report::check),
    Step::Cargo("fmt", &["fmt", "--all", "--check"], None),
    Step::Cargo(
        "clippy, tidy alone",
        &["clippy", "--package", "xtask", "--no-default-features", "--", "-D", "warnings"],
        None,
    ),
    Step::Cargo("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], None),
    Step::Cargo("test", &["test", "--workspace"], None),
    Step::Cargo("doc", &["doc", "--workspace", "--no-deps"], Some(("RUSTDOCFLAGS", "-D warnings"))),
];

/// The readers of data beside those of another library; run only when asked, because building it takes minutes.
const PEERS: Step = Step::Cargo(
    "peers",
    &[
        "test",
        "--locked",
        "--manifest-path",
        "crates/hyp-data/peers/Cargo.toml",
        "--target-dir",
        "target/peers",
    ],
    None,
);

/// Runs the steps and stops at the first that fails; prints what each one took.
pub(crate) fn run(root: &Path, no_test: bool, peers: bool) -> Result<ExitCode> {
    let mut times: Vec<(&str, Duration)> = Vec::new();
    for step in STEPS.iter().chain(peers.then_some(&PEERS)) {
        let name = match step {
            Step::Rule(name, _) | Step::Cargo(name, _, _) => *name,
        };
        if no_test && name == "test" {
            continue;
        }
        println!("== {name}");
        let start = Instant::now();
        let passed = match step {
            Step::Rule(name, rule) => {
                let problems = rule(root)?;
                cli::verdict_of(&problems, &format!("{name}: nothing to mend")) == ExitCode::SUCCESS
            }
            Step::Cargo(_, arguments, variable) => {
                let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
                command.args(*arguments).current_dir(root).envs(variable.iter().copied());
                command.status().context("cargo cannot be started; is it on the path?")?.success()
            }
        };
        times.push((name, start.elapsed()));
        if !passed {
            eprintln!("ci stopped: {name} failed");
            print_times(&times);
            return Ok(ExitCode::FAILURE);
        }
    }
    print_times(&times);
    println!("ci: every check passed");
    Ok(ExitCode::SUCCESS)
}

fn print_times(times: &[(&str, Duration)]) {
    for (name, time) in times {
        println!("{:>8.1} s  {name}", time.as_secs_f64());
    }
}

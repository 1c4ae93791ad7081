//! The command line of the workspace: `cargo xtask --help`.
#![cfg_attr(
    not(feature = "experiments"),
    allow(dead_code, unused_imports, reason = "only runs write records")
)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks through them")]

use std::process::ExitCode;

#[cfg(feature = "experiments")]
mod bench;
mod ci;
mod cli;
#[cfg(feature = "experiments")]
mod delta;
#[cfg(feature = "experiments")]
mod experiment;
#[cfg(feature = "experiments")]
mod fetch;
mod metric;
#[cfg(feature = "experiments")]
mod plot;
mod record;
mod report;
mod tidy;
mod workspace;

/// Keeps freed memory: first-touch page faults otherwise cost a training step as much as its arithmetic.
#[cfg(feature = "experiments")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

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
mod compute;
#[cfg(feature = "experiments")]
mod delta;
#[cfg(feature = "experiments")]
mod experiment;
#[cfg(feature = "experiments")]
mod features;
#[cfg(feature = "experiments")]
mod fetch;
#[cfg(feature = "experiments")]
mod gpu_check;
mod metric;
mod panics;
#[cfg(feature = "experiments")]
mod plot;
mod record;
mod report;
#[cfg(feature = "experiments")]
mod retrieval;
mod tidy;
mod workspace;

/// Keeps freed memory: page faults otherwise cost a training step a fifth of its time.
#[cfg(feature = "experiments")]
#[global_allocator]
static ALLOCATOR: hyp_nn::memory::Keeping<mimalloc::MiMalloc> =
    hyp_nn::memory::Keeping::new(mimalloc::MiMalloc);

fn main() -> ExitCode {
    panics::install();
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each said once: many errors quote their cause themselves.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    #[test]
    fn a_cause_is_said_once() {
        let inner = || Err::<(), _>(std::io::Error::other("the disk is gone"));
        let quoted =
            inner().map_err(|error| anyhow::anyhow!("cannot read `a`: {error}; look there").context("b"));
        assert_eq!(super::told(&quoted.unwrap_err()), "b: cannot read `a`: the disk is gone; look there");
        let plain = inner().context("cannot read `a`").unwrap_err();
        assert_eq!(super::told(&plain), "cannot read `a`: the disk is gone");
        let error = quoting();
        assert_eq!(super::told(&error).matches("denied").count(), 1, "{error}");
    }

    /// An error that quotes its cause and names it as its source as well.
    fn quoting() -> anyhow::Error {
        #[derive(Debug)]
        struct Quotes(std::io::Error);
        impl std::fmt::Display for Quotes {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "cannot write: {}; choose another folder", self.0)
            }
        }
        impl std::error::Error for Quotes {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        anyhow::Error::new(Quotes(std::io::Error::other("access denied")))
    }
}

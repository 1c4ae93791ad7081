//! Speed, with the figures of other libraries beside ours.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

/// Options of `bench`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {}

/// Measures.
pub(crate) fn run(_: &Path, _: &Options) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}

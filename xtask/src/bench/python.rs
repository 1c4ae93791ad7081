//! The Python environment of the peers: one that the caller names, or one of ours in the build folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The peers' packages, pinned.
const REQUIREMENTS: &str = "xtask/peers/requirements.txt";
/// The environment that is made when none is named.
const ENVIRONMENT: &str = "target/peers";

/// The interpreter to run the peers with; makes and fills an environment the first time.
pub(super) fn interpreter(root: &Path, named: Option<&Path>) -> Result<PathBuf> {
    if let Some(named) = named {
        run(Command::new(named).arg("--version")).with_context(|| {
            format!("{} does not run; give the path of a Python interpreter to `--python`", named.display())
        })?;
        return Ok(named.to_owned());
    }
    let folder = root.join(ENVIRONMENT);
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let wanted = workspace::read(&root.join(REQUIREMENTS))?;
    let stamp = folder.join("installed.txt");
    if python.is_file() && std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    eprintln!(
        "installing the peers into {ENVIRONMENT}: some gigabytes, once; `--python PATH` names one that has them"
    );
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).with_context(|| {
        format!(
            "no environment in {ENVIRONMENT}; install Python 3 with its venv module, or give `--python PATH`"
        )
    })?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--requirement", REQUIREMENTS])
        .current_dir(root))
    .with_context(|| {
        format!(
            "the packages of {REQUIREMENTS} could not be installed; this needs the network once, \
                 or an interpreter that has them: `--python PATH`"
        )
    })?;
    workspace::write_atomic(&stamp, wanted.as_bytes())?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<()> {
    // What it prints is progress: it goes where errors go, so that our own output stays a table.
    let output = command.stdout(std::io::stderr());
    let status = output.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_that_does_not_run_is_an_error_with_a_remedy() {
        let error = interpreter(Path::new("."), Some(Path::new("/no/such/python"))).unwrap_err();
        assert!(format!("{error:#}").contains("--python"), "{error:#}");
    }
}

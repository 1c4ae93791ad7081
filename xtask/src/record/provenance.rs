//! Where a number comes from: commit, compiler, processor, command.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One run of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    /// What was run.
    pub(crate) code: Code,
    /// Where it was run.
    pub(crate) host: Host,
}

/// The program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    /// Commit of the working tree.
    pub(crate) commit: String,
    /// Whether what decides a number differed from that commit.
    pub(crate) dirty: bool,
    /// Version of the compiler.
    pub(crate) rustc: String,
    /// Version of `candle-core`.
    pub(crate) candle: String,
    /// Cargo features that change what runs.
    pub(crate) features: Vec<String>,
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Host {
    /// Name of the processor.
    pub(crate) cpu: String,
    /// Threads that the run could use.
    pub(crate) threads: usize,
    /// Name of the GPU that the run used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gpu: Option<String>,
    /// The command, without folders of the machine.
    pub(crate) command: String,
}

/// Folders and files that decide a number; a change elsewhere does not make a run dirty.
#[cfg(feature = "experiments")]
const DECIDING: &[&str] = &[
    "crates",
    "xtask",
    "data",
    "docs/experiments",
    "Cargo.toml",
    "Cargo.lock",
    ".cargo",
    "rust-toolchain.toml",
];

#[cfg(feature = "experiments")]
impl Run {
    /// The facts of this process, in this checkout.
    pub(crate) fn here(root: &Path, gpu: bool) -> Self {
        let commit = output(root, "git", &["rev-parse", "HEAD"]);
        let mut status = vec!["status", "--porcelain", "--"];
        status.extend(DECIDING);
        // A checkout without git cannot show that it is clean.
        let changed = output(root, "git", &status).is_none_or(|changes| !changes.is_empty());
        let dirty =
            changed || std::env::current_exe().is_ok_and(|program| is_older_than_its_sources(&program));
        let rustc = output(root, "rustc", &["--version"]);
        let rustc = rustc.and_then(|line| line.split_whitespace().nth(1).map(ToOwned::to_owned));
        let gpu = gpu.then(|| output(root, "nvidia-smi", &["--query-gpu=name", "--format=csv,noheader"]));
        Self {
            code: Code {
                commit: commit.unwrap_or_else(|| "unknown".to_owned()),
                dirty,
                rustc: rustc.unwrap_or_else(|| "unknown".to_owned()),
                candle: candle_version(root),
                features: if cfg!(feature = "cuda") { vec!["cuda".to_owned()] } else { Vec::new() },
            },
            host: Host {
                cpu: processor(),
                threads: std::thread::available_parallelism().map_or(1, usize::from),
                gpu: gpu.map(|name| name.unwrap_or_else(|| "unknown".to_owned())),
                command: command_line(std::env::args().skip(1)),
            },
        }
    }
}

/// Whether a file that the program was built from is newer than it: the commit is then not what runs.
///
/// Cargo lists the files in `PROGRAM.d`; a program without a list was installed by hand and is taken at its word.
#[cfg(feature = "experiments")]
fn is_older_than_its_sources(program: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|facts| facts.modified());
    let list = std::fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    let Ok(built) = changed(program) else { return false };
    // A blank in a path is written `\\ `.
    let list = list.replace("\\ ", "\0");
    let sources = list.split_whitespace().skip(1).map(|path| path.replace('\0', " "));
    sources.into_iter().any(|path| changed(Path::new(&path)).is_ok_and(|time| time > built))
}

/// Name of the processor.
#[cfg(feature = "experiments")]
pub(crate) fn processor() -> String {
    of_processor("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// Family and model of the processor, which tell more than its name where a hypervisor hides that.
#[cfg(feature = "experiments")]
pub(crate) fn processor_model() -> Option<String> {
    let [family, model] = ["cpu family", "model"].map(of_processor);
    Some(format!("family {}, model {}", family?, model?))
}

/// What Linux says of the first processor under this name.
#[cfg(feature = "experiments")]
fn of_processor(name: &str) -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

/// The arguments as a reader would type them: folders of this machine become `DIR`.
#[cfg(feature = "experiments")]
fn command_line(arguments: impl Iterator<Item = String>) -> String {
    let mut line = "cargo xtask".to_owned();
    let mut folder = false;
    for argument in arguments {
        let shown = match argument.split_once('=') {
            _ if folder => "DIR".to_owned(),
            Some((name @ ("--data-root" | "--root" | "--runs"), _)) => format!("{name}=DIR"),
            _ => argument.clone(),
        };
        folder = matches!(argument.as_str(), "--data-root" | "--root" | "--runs");
        let _ = write!(line, " {shown}");
    }
    line
}

/// What a program says on its standard output, run in `root`; none if it fails or is not there.
#[cfg(feature = "experiments")]
pub(crate) fn output(root: &Path, program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(root).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The version of `candle-core` in the lock file.
#[cfg(feature = "experiments")]
fn candle_version(root: &Path) -> String {
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    let after = lock.split("name = \"candle-core\"\nversion = \"").nth(1);
    after.and_then(|rest| rest.split('"').next()).unwrap_or("unknown").to_owned()
}

/// SHA-256 of the bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Two digits for each byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(all(test, feature = "experiments"))]
mod tests {
    use super::{command_line, is_older_than_its_sources, sha256};

    #[test]
    fn a_program_older_than_a_source_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (program, source) = (folder.path().join("xtask"), folder.path().join("main of it.rs"));
        std::fs::write(&source, "").unwrap();
        std::fs::write(&program, "").unwrap();
        let named = source.display().to_string().replace(' ', "\\ ");
        std::fs::write(folder.path().join("xtask.d"), format!("{}: {named}\n", program.display())).unwrap();
        assert!(!is_older_than_its_sources(&program));
        let later = program.metadata().unwrap().modified().unwrap() + std::time::Duration::from_secs(1);
        std::fs::File::options().write(true).open(&source).unwrap().set_modified(later).unwrap();
        assert!(is_older_than_its_sources(&program));
    }

    #[test]
    fn the_command_keeps_no_folder_of_the_machine() {
        let arguments =
            ["reproduce", "table3", "--data-root", "/somewhere/data", "--root=/here", "--jobs", "2"];
        let line = command_line(arguments.iter().map(|argument| (*argument).to_owned()));
        assert_eq!(line, "cargo xtask reproduce table3 --data-root DIR --root=DIR --jobs 2");
    }

    #[test]
    fn the_hash_is_sha256() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

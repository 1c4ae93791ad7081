//! Compiles the CUDA kernels to PTX, with the feature `cuda` alone; without it this script does nothing.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the sources; each `.cu` file becomes a module of its own.
const SOURCES: &str = "kernels";

/// The types of element: each file is compiled once for each, under the suffix.
const ELEMENTS: [(&str, &str); 2] = [("float", "f32"), ("double", "f64")];

/// The oldest cards for which CUDA 13 compiles. The driver turns PTX into the code of any newer card.
const OLDEST: &str = "75";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    println!("cargo::rerun-if-changed={SOURCES}");
    for name in ["NVCC", "CUDA_HOME", "CUDA_PATH", "CUDA_COMPUTE_CAP"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    if let Err(problem) = compile() {
        println!("cargo::error={problem}");
    }
}

fn compile() -> Result<(), String> {
    let (nvcc, out) = (nvcc(), PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?));
    let entries = std::fs::read_dir(SOURCES).map_err(|error| format!("cannot list {SOURCES}: {error}"))?;
    for entry in entries {
        let source = entry.map_err(|error| format!("cannot list {SOURCES}: {error}"))?.path();
        if source.extension().is_some_and(|kind| kind == "cu") {
            for element in ELEMENTS {
                to_ptx(&nvcc, &source, element, &out)?;
            }
        }
    }
    Ok(())
}

/// The compiler: `NVCC`, else that of `CUDA_HOME` or `CUDA_PATH`, else whatever the search path has.
fn nvcc() -> PathBuf {
    if let Some(named) = env::var_os("NVCC") {
        return PathBuf::from(named);
    }
    let home = env::var_os("CUDA_HOME").or_else(|| env::var_os("CUDA_PATH"));
    home.map_or_else(|| PathBuf::from("nvcc"), |home| Path::new(&home).join("bin").join("nvcc"))
}

fn to_ptx(nvcc: &Path, source: &Path, (element, suffix): (&str, &str), out: &Path) -> Result<(), String> {
    let capability = env::var("CUDA_COMPUTE_CAP").unwrap_or_else(|_| OLDEST.to_owned());
    let name = source.file_stem().unwrap_or_default().to_string_lossy();
    let target = out.join(format!("{name}_{suffix}.ptx"));
    let run = Command::new(nvcc)
        .args(["-ptx", "-O3", "-std=c++17"])
        .arg(format!("-arch=compute_{capability}"))
        .args([format!("-DELEMENT={element}"), format!("-DSUFFIX={suffix}")])
        .arg("-o")
        .arg(&target)
        .arg(source)
        .output()
        .map_err(|error| {
            format!(
                "the CUDA compiler {} cannot be run ({error}); set NVCC or CUDA_HOME to a CUDA 13 toolkit as in \
                 docs/gpu.md, or build without the feature `cuda`",
                nvcc.display()
            )
        })?;
    if run.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&run.stderr).replace('\n', " | ");
    Err(format!("{} failed on {}: {said}", nvcc.display(), source.display()))
}

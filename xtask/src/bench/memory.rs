//! Memory that a row takes above its inputs, measured in a process of its own: what earlier rows leave behind would hide it.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// Where a Linux process reads what it occupies, and where it forgets its highest mark.
const STATUS: &str = "/proc/self/status";
const MARKS: &str = "/proc/self/clear_refs";

/// Runs `work` once, and gives the most memory that was occupied meanwhile above what was before, in megabytes; none
/// where the system does not tell.
pub(super) fn above(work: impl FnOnce() -> Result<()>) -> Result<Option<f64>> {
    let before = if std::fs::write(MARKS, "5").is_ok() { megabytes("VmRSS:") } else { None };
    work()?;
    Ok(before.and_then(|before| Some(megabytes("VmHWM:")? - before)))
}

fn megabytes(name: &str) -> Option<f64> {
    let status = std::fs::read_to_string(STATUS).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kilobytes| kilobytes / 1024.0)
}

/// What a process of its own finds for one row of this program.
pub(super) fn of_row(subject: &str, key: &str) -> Result<Option<f64>> {
    let mut command = Command::new(std::env::current_exe().context("this program cannot be found")?);
    let output = command
        .args(["bench", subject, "--only", key, "--memory"])
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix("MB"));
    Ok(found.and_then(|found| found.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::above;

    #[test]
    fn what_is_touched_is_counted_and_freed_again_or_not() {
        let mut kept = 0;
        let found = above(|| {
            let numbers: Vec<u64> = (0..8 << 20).collect();
            kept = numbers[numbers.len() - 1];
            Ok(())
        })
        .unwrap();
        assert_eq!(kept, (8 << 20) - 1);
        // Other tests beside this one may free memory meanwhile, or take some; other systems than Linux tell nothing.
        let expected = if cfg!(target_os = "linux") { Some(true) } else { None };
        assert_eq!(found.map(|megabytes| megabytes > 32.0), expected, "{found:?} of 64 MB");
    }
}

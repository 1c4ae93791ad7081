//! The log of a run: one JSON object a line.

use super::checkpoint::write_whole;
use crate::error::{Error, Result};
use std::{
    fs::{self, File, OpenOptions},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

/// A buffered log; lines reach the file when the buffer is full and at each checkpoint.
pub(super) struct Log {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Log {
    /// Opens the log; when a run continues after `step`, later lines are removed first, so that none appears twice.
    pub(super) fn open(path: &Path, step: Option<u64>) -> Result<Self> {
        if let Some(step) = step
            && path.exists()
        {
            let text = fs::read(path).map_err(Error::io("cannot read", path))?;
            write_whole(path, keep_until(&String::from_utf8_lossy(&text), step).as_bytes())?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(Error::io("cannot open", path))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Writes one line; a number that is not finite becomes `null`, as JSON has it.
    pub(super) fn write(
        &mut self,
        event: &str,
        epoch: usize,
        step: u64,
        numbers: &[(&str, f64)],
    ) -> Result<()> {
        let mut line = serde_json::Map::new();
        line.insert("event".into(), event.into());
        line.insert("epoch".into(), epoch.into());
        line.insert("step".into(), step.into());
        line.extend(numbers.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
        let line = serde_json::Value::Object(line);
        writeln!(self.file, "{line}").map_err(Error::io("cannot write", &self.path))
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(Error::io("cannot write", &self.path))
    }
}

/// The whole lines of `text` that are not after `step`; a line cut off by a crash is dropped.
fn keep_until(text: &str, step: u64) -> String {
    let keep = |line: &&str| {
        let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
        value.and_then(|value| value["step"].as_u64()).is_some_and(|at| at <= step)
    };
    text.lines().filter(keep).flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_after_the_checkpoint_and_broken_lines_are_dropped() {
        let text = "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"st";
        assert_eq!(keep_until(text, 2), "{\"step\":1}\n{\"step\":2}\n");
    }
}

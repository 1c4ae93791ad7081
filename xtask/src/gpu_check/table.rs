//! The table of `gpu-check`, in the form in which `docs/gpu.md` asks for it.

use std::fmt::Write as _;
use std::path::Path;

use crate::record::{output, processor};

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Agrees,
    Differs,
    /// A figure without a limit.
    Measured,
}

impl Verdict {
    pub(super) fn of(agrees: bool) -> Self {
        if agrees { Self::Agrees } else { Self::Differs }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Differs => "DIFFERS",
            Self::Measured => "measured",
        }
    }
}

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Row {
    device: usize,
    check: String,
    found: String,
    limit: String,
    pub(super) verdict: Verdict,
}

impl Row {
    pub(super) fn new(check: String, found: String, limit: String, verdict: Verdict) -> Self {
        Self { device: 0, check, found, limit, verdict }
    }

    /// Says on which device it was.
    pub(super) fn place(&mut self, device: usize) {
        self.device = device;
    }
}

/// The table with what a reader must know of the run.
pub(super) fn text(root: &Path, rows: &[Row]) -> String {
    let cards = output(root, "nvidia-smi", &["--query-gpu=name,driver_version", "--format=csv,noheader"]);
    let commit = output(root, "git", &["rev-parse", "--short=12", "HEAD"]);
    let mut text = String::new();
    let unknown = || "unknown".to_owned();
    let cards = cards.unwrap_or_else(unknown).replace('\n', "; ");
    let _ = writeln!(text, "Cards and driver: {cards}. Processor: {}.", processor());
    let _ = writeln!(text, "Commit: {}.\n", commit.unwrap_or_else(unknown));
    text.push_str("| device | check | found | limit | verdict |\n|--|--|--|--|--|");
    for Row { device, check, found, limit, verdict } in rows {
        let _ = write!(text, "\n| {device} | {check} | {found} | {limit} | {} |", verdict.word());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_stands_out() {
        let mut row =
            Row::new("sum".to_owned(), "value 1.0e0".to_owned(), "1e-5".to_owned(), Verdict::of(false));
        row.place(1);
        let text = text(Path::new("."), &[row]);
        assert!(text.ends_with("| 1 | sum | value 1.0e0 | 1e-5 | DIFFERS |"), "{text}");
    }
}

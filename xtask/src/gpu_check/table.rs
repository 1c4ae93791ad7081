//! The table of `gpu-check`, in the form in which `docs/gpu.md` asks for it.

use std::path::Path;

use anyhow::Result;

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

/// The table, whose rows are printed as they come: what a later check breaks takes no earlier one with it.
pub(super) struct Table {
    device: usize,
    pub(super) rows: usize,
    pub(super) faults: usize,
}

impl Table {
    /// Prints what a reader must know of the run, and the head.
    pub(super) fn begin(root: &Path) -> Self {
        let cards = output(root, "nvidia-smi", &["--query-gpu=name,driver_version", "--format=csv,noheader"]);
        let commit = output(root, "git", &["rev-parse", "--short=12", "HEAD"]);
        let unknown = || "unknown".to_owned();
        let cards = cards.unwrap_or_else(unknown).replace('\n', "; ");
        println!("Cards and driver: {cards}. Processor: {}.", processor());
        println!("Commit: {}.\n", commit.unwrap_or_else(unknown));
        println!("| device | check | found | limit | verdict |\n|--|--|--|--|--|");
        Self { device: 0, rows: 0, faults: 0 }
    }

    /// Says on which device the following checks are.
    pub(super) fn on(&mut self, device: usize) {
        self.device = device;
    }

    /// Prints a row.
    pub(super) fn add(&mut self, check: &str, found: &str, limit: &str, verdict: Verdict) {
        println!("{}", line(self.device, check, found, limit, verdict));
        self.rows += 1;
        self.faults += usize::from(verdict == Verdict::Differs);
    }

    /// Prints the row that a check ends in, or why it did not end.
    pub(super) fn attempt(&mut self, check: &str, work: impl FnOnce() -> Result<(String, String, Verdict)>) {
        match work() {
            Ok((found, limit, verdict)) => self.add(check, &found, &limit, verdict),
            Err(error) => self.add(check, &refusal(&format!("{error:#}")), "—", Verdict::Differs),
        }
    }
}

/// What stands in the table for a check that did not run: the first line of the reason.
pub(super) fn refusal(why: &str) -> String {
    format!("did not run: {}", why.lines().next().unwrap_or_default())
}

fn line(device: usize, check: &str, found: &str, limit: &str, verdict: Verdict) -> String {
    format!("| {device} | {check} | {found} | {limit} | {} |", verdict.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_stands_out_and_is_counted() {
        let differs = Verdict::of(false);
        let text = line(1, "sum", "value 1.0e0", "1e-5", differs);
        assert_eq!(text, "| 1 | sum | value 1.0e0 | 1e-5 | DIFFERS |");
        let mut table = Table { device: 0, rows: 0, faults: 0 };
        table.add("sum", "value 0.0e0", "1e-5", Verdict::of(true));
        table.attempt("step", || anyhow::bail!("out of memory\nat 0x0"));
        assert_eq!((table.rows, table.faults), (2, 1));
        assert_eq!(refusal("out of memory\nat 0x0"), "did not run: out of memory");
    }
}

//! A Python process that runs the peers' side of the rows, one visit when asked.
//!
//! Requests and answers are JSON lines; `xtask/peers/protocol.py` is the other end.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::json;

use super::measure::Visit;

/// The running script.
pub(super) struct Peer {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    hello: Hello,
}

/// The script's first line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hello {
    /// Packages with their versions, as they are to be named.
    versions: Vec<String>,
    /// The contenders of every row.
    rows: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    #[serde(default)]
    times: Vec<f64>,
    /// Megabytes.
    memory: Option<f64>,
    error: Option<String>,
}

impl Peer {
    /// Starts the script.
    ///
    /// The memory allocator of the C library is told to keep what it has, as ours does: page faults at first touch cost
    /// as much as the arithmetic otherwise, on both sides.
    pub(super) fn start(mut command: Command, threads: usize) -> Result<Self> {
        command
            .args(["--threads", &threads.to_string()])
            .env("OMP_NUM_THREADS", threads.to_string())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("MALLOC_MMAP_MAX_", "0")
            .env("MALLOC_TRIM_THRESHOLD_", "17179869184")
            .env("MALLOC_TOP_PAD_", "268435456")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let requests = child.stdin.take().context("invariant: stdin is piped")?;
        let answers = BufReader::new(child.stdout.take().context("invariant: stdout is piped")?);
        let hello = Hello { versions: Vec::new(), rows: BTreeMap::new() };
        let mut peer = Self { child, requests, answers, hello };
        let line = peer.line("the first line of the peers' script")?;
        peer.hello = serde_json::from_str(&line)
            .with_context(|| format!("the peers' script began with {line:?}, not with its rows"))?;
        Ok(peer)
    }

    /// Versions of what is measured.
    pub(super) fn versions(&self) -> &[String] {
        &self.hello.versions
    }

    /// Who can run this row.
    pub(super) fn contenders(&self, row: &str) -> Vec<String> {
        self.hello.rows.get(row).cloned().unwrap_or_default()
    }

    /// Times in milliseconds of one visit; the first visit makes one more run that is not counted.
    pub(super) fn visit(&mut self, row: &str, contender: &str, visit: Visit) -> Result<Vec<f64>> {
        let Visit { seconds, most, warm } = visit;
        let answer = self.ask(
            json!({ "row": row, "contender": contender, "seconds": seconds, "most": most, "warm": warm }),
        )?;
        if answer.times.is_empty() {
            bail!("{contender} gave no time for {row}");
        }
        Ok(answer.times)
    }

    /// Megabytes above the inputs that a run takes in a process of its own.
    pub(super) fn memory(&mut self, row: &str, contender: &str) -> Result<f64> {
        let answer = self.ask(json!({ "memory": row, "contender": contender }))?;
        answer.memory.with_context(|| format!("{contender} told no memory for {row}"))
    }

    /// Lets the script free what it holds for the row.
    pub(super) fn forget(&mut self, row: &str) -> Result<()> {
        self.ask(json!({ "forget": row })).map(drop)
    }

    fn ask(&mut self, request: serde_json::Value) -> Result<Answer> {
        writeln!(self.requests, "{request}").context("the peers' script has ended; its message is above")?;
        let line = self.line("an answer of the peers' script")?;
        let answer: Answer = serde_json::from_str(&line)
            .with_context(|| format!("the peers' script answered {line:?} to {request}"))?;
        match answer.error {
            Some(error) => bail!("the peers' script failed at {request}: {error}"),
            None => Ok(answer),
        }
    }

    fn line(&mut self, what: &str) -> Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line).with_context(|| format!("cannot read {what}"))? == 0 {
            let status = self.child.wait().context("the peers' script cannot be waited for")?;
            bail!(
                "the peers' script ended ({status}) instead of writing {what}; \
                 its own message is above, and too little memory kills without one"
            );
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Killing is safe at any point: the script writes no file.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn script(text: &str) -> Result<Peer> {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        Peer::start(command, 2)
    }

    const HELLO: &str = r#"{"versions": ["Thing 1.0"], "rows": {"a": ["Thing"]}}"#;

    #[test]
    fn a_visit_is_a_request_and_an_answer() {
        let mut peer = script(&format!(
            "echo '{HELLO}'; read request; case $request in *Thing*) echo '{{\"times\": [1.5, 2.5]}}';; esac; \
             read request; echo '{{\"memory\": 12.5}}'; read request; echo '{{\"error\": \"no memory\"}}'"
        ))
        .unwrap();
        assert_eq!(peer.versions(), ["Thing 1.0"]);
        assert_eq!((peer.contenders("a"), peer.contenders("b")), (vec!["Thing".to_owned()], vec![]));
        let visit = Visit { seconds: 0.1, most: 3, warm: true };
        assert_eq!(peer.visit("a", "Thing", visit).unwrap(), [1.5, 2.5]);
        assert_eq!(peer.memory("a", "Thing").unwrap(), 12.5);
        let error = peer.visit("a", "Thing", visit).unwrap_err().to_string();
        assert!(error.contains("no memory"), "{error}");
        let error = peer.visit("a", "Thing", visit).unwrap_err().to_string();
        assert!(error.contains("ended"), "{error}");
    }

    #[test]
    fn a_script_that_is_none_is_named() {
        let error = script("echo hello").err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("began with \"hello\""), "{error}");
    }
}

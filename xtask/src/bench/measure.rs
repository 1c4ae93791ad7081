//! Timing of one row: our work and that of every peer in turn, so that a ratio compares times of one run.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::memory;
use super::peer::Peer;

/// Seconds that one visit of a contender may fill with repetitions.
const VISIT: f64 = 0.25;
/// Repetitions of one visit at most.
const MOST: usize = 9;
/// A contender slower than this, in seconds, is visited only [`FEW`] times.
const SLOW: f64 = 1.5;
/// Visits of slow work.
const FEW: usize = 3;
/// Contenders that all are faster than this, in seconds, are visited [`MORE`] times as often: a thread that the machine
/// stops for a moment is a large part of so little.
const QUICK: f64 = 0.05;
/// Visits of quick work for one of other work.
const MORE: usize = 3;
/// Threads that spin after their work are given this long to fall asleep before the next contender starts.
const SETTLE: Duration = Duration::from_millis(30);

/// How many repetitions a visit may hold; also what a peer is told.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Visit {
    pub(super) seconds: f64,
    pub(super) most: usize,
    /// Whether a run that is not counted comes first: the one before has worked in the caches meanwhile.
    pub(super) warm: bool,
}

/// What is measured, and what it takes.
pub(super) struct Row {
    /// The name by which the peers' script knows it too: `kebab-case`.
    key: &'static str,
    title: String,
    work: Option<Work>,
    once: bool,
    memory: bool,
}

/// The amount of work of one run.
pub(super) enum Work {
    /// Floating-point operations in `f32`.
    Single(f64),
    /// Floating-point operations in `f64`.
    Double(f64),
    /// Things done, and their name in the plural.
    Items(f64, &'static str),
    /// Minima and maxima of whole numbers, and how many of them the registers can do in a second, in thousand millions.
    Whole(f64, f64),
}

impl Row {
    pub(super) fn new(key: &'static str, title: impl Into<String>) -> Self {
        Self { key, title: title.into(), work: None, once: false, memory: false }
    }

    pub(super) fn key(&self) -> &'static str {
        self.key
    }

    pub(super) fn work(mut self, work: Work) -> Self {
        self.work = Some(work);
        self
    }

    /// Also measured for its memory above the inputs.
    pub(super) fn memory(mut self) -> Self {
        self.memory = true;
        self
    }

    /// Timed once and cold: for work of minutes.
    pub(super) fn once(mut self) -> Self {
        self.once = true;
        self
    }
}

/// Times of one contender, in milliseconds, sorted.
pub(super) struct Times(Vec<f64>);

impl Times {
    pub(super) fn new(mut milliseconds: Vec<f64>) -> Self {
        milliseconds.sort_by(f64::total_cmp);
        Self(milliseconds)
    }

    pub(super) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// First and third quartile.
    pub(super) fn quartiles(&self) -> (f64, f64) {
        (self.quantile(0.25), self.quantile(0.75))
    }

    fn quantile(&self, share: f64) -> f64 {
        let at = (self.0.len() - 1) as f64 * share;
        let (low, high) = (self.0[at.floor() as usize], self.0[at.ceil() as usize]);
        low + (high - low) * at.fract()
    }
}

/// One measured row.
pub(super) struct Line {
    pub(super) title: String,
    pub(super) work: Option<Work>,
    pub(super) ours: Times,
    pub(super) peers: Vec<(String, Times)>,
    /// Megabytes above the inputs: ours, and the peers' in their order.
    pub(super) memory: Option<(f64, Vec<f64>)>,
}

/// Measures rows and keeps them.
pub(super) struct Bench<'a> {
    /// The subject that the rows belong to.
    pub(super) subject: &'a str,
    pub(super) rounds: usize,
    pub(super) only: Option<&'a str>,
    /// Nothing is timed: the row runs once, and its memory is printed.
    pub(super) memory: bool,
    pub(super) peer: Option<&'a mut Peer>,
    pub(super) lines: Vec<Line>,
    /// The rows that there are, asked for or not.
    pub(super) keys: BTreeSet<String>,
}

impl<'a> Bench<'a> {
    /// For the memory of one row alone.
    pub(super) fn of_memory(subject: &'a str, only: Option<&'a str>) -> Self {
        Self { subject, rounds: 0, only, memory: true, peer: None, lines: Vec::new(), keys: BTreeSet::new() }
    }

    /// Whether the row is asked for; ask before building what is large.
    pub(super) fn wants(&mut self, key: &str) -> bool {
        self.keys.insert(key.to_owned());
        self.only.is_none_or(|part| key.contains(part))
    }

    /// Times `work` and the contenders that the peers' script has under the same key, one visit each in every round.
    ///
    /// The first run of each is not counted, nor the first of a visit after another's, unless it is the only one.
    pub(super) fn row(&mut self, row: Row, mut work: impl FnMut() -> Result<()>) -> Result<()> {
        let Row { key, title, work: amount, once, memory } = row;
        if !self.wants(key) {
            return Ok(());
        }
        if self.memory {
            let found = memory::above(work).with_context(|| format!("the row {key}"))?;
            match found {
                Some(megabytes) => println!("{key} {megabytes:.1} MB"),
                None => println!("{key}: this system does not tell"),
            }
            return Ok(());
        }
        let names = self.peer.as_ref().map_or_else(Vec::new, |peer| peer.contenders(key));
        let visit = Visit { seconds: VISIT, most: MOST, warm: !once && !names.is_empty() };
        let mut ours = Vec::new();
        let mut theirs = vec![Vec::new(); names.len()];
        if !once {
            work().with_context(|| format!("the row {key}"))?;
        }
        let (mut round, mut rounds) = (0, if once { 1 } else { self.rounds });
        while round < rounds {
            std::thread::sleep(SETTLE);
            repeat(visit, &mut ours, &mut work).with_context(|| format!("the row {key}"))?;
            for (name, times) in names.iter().zip(&mut theirs) {
                let peer = self.peer.as_mut().context("invariant: contenders come from a peer")?;
                times.extend(peer.visit(key, name, visit)?);
            }
            round += 1;
            let slowest = ours.iter().chain(theirs.iter().flatten()).copied().fold(0.0, f64::max);
            if round == 1 && !once && slowest < QUICK * 1e3 {
                rounds *= MORE;
            }
            if round >= FEW && slowest > SLOW * 1e3 {
                break;
            }
        }
        if let Some(peer) = &mut self.peer {
            peer.forget(key)?;
        }
        let memory = if memory { self.memories(key, &names)? } else { None };
        let peers = names.into_iter().zip(theirs.into_iter().map(Times::new)).collect();
        let line = Line { title, work: amount, ours: Times::new(ours), peers, memory };
        eprintln!("{key}: ours {:.3} ms{}", line.ours.median(), beside(&line.peers));
        self.lines.push(line);
        Ok(())
    }
}

impl Bench<'_> {
    /// Memory of ours and of each peer, each in a process of its own.
    fn memories(&mut self, key: &str, names: &[String]) -> Result<Option<(f64, Vec<f64>)>> {
        let Some(ours) = memory::of_row(self.subject, key)? else { return Ok(None) };
        let mut theirs = Vec::with_capacity(names.len());
        for name in names {
            let peer = self.peer.as_mut().context("invariant: contenders come from a peer")?;
            theirs.push(peer.memory(key, name)?);
        }
        Ok(Some((ours, theirs)))
    }
}

fn beside(peers: &[(String, Times)]) -> String {
    let words: Vec<String> =
        peers.iter().map(|(name, times)| format!(", {name} {:.3} ms", times.median())).collect();
    words.concat()
}

/// Runs `work` until the visit is full, at least once.
fn repeat(visit: Visit, times: &mut Vec<f64>, work: &mut impl FnMut() -> Result<()>) -> Result<()> {
    if visit.warm {
        work()?;
    }
    let mut spent = 0.0;
    for _ in 0..visit.most {
        let start = Instant::now();
        work()?;
        let seconds = start.elapsed().as_secs_f64();
        times.push(seconds * 1e3);
        spent += seconds;
        if spent + seconds > visit.seconds {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_run_is_not_counted_and_every_round_is_a_visit() {
        let mut count = 0;
        let mut bench = Bench { rounds: 2, memory: false, ..Bench::of_memory("nn", None) };
        bench
            .row(Row::new("x", "X"), || {
                count += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(count, 1 + 2 * MORE * MOST);
        let (low, high) = bench.lines[0].ours.quartiles();
        assert!(low <= bench.lines[0].ours.median() && bench.lines[0].ours.median() <= high);
    }

    #[test]
    fn rows_that_are_not_asked_for_are_not_run() {
        let mut bench = Bench { rounds: 1, memory: false, ..Bench::of_memory("nn", Some("conv")) };
        bench.row(Row::new("lenet-step", "LeNet"), || panic!("not asked for")).unwrap();
        assert!(bench.lines.is_empty() && bench.wants("conv4-step"));
    }

    #[test]
    fn quantiles_lie_between_the_times_around_them() {
        let times = Times::new(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!((times.median(), times.quartiles()), (2.5, (1.75, 3.25)));
    }
}

//! The harness of every fuzz target: good files, changed in ways that a seed decides, are fed to a reader.
#![allow(dead_code, reason = "each test binary uses some of it")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail where it stands, and says what it did"
)]

use std::fmt::Display;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use hyp_data::Random;

/// Inputs of a normal test run.
const INPUTS: usize = 2_000;
/// The longest that one small input may take.
const LONGEST: Duration = Duration::from_secs(20);
/// The most memory that the whole process may ever have held, all readers together.
const MEMORY: u64 = 2 << 30;

fn inputs() -> usize {
    std::env::var("HYP_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(INPUTS)
}

/// Words that stand for much or for nothing, at every width.
const EDGES: [u64; 12] =
    [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, u64::MAX / 2, u64::MAX];

/// Changes some bytes: flips, edges, pieces cut out, repeated, moved or taken from another good file.
pub(crate) fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let length = bytes.len();
        if length == 0 {
            break;
        }
        // Headers decide most: half of all changes fall into the first 64 bytes.
        let at = if random.below(2) == 0 { random.below(length.min(64)) } else { random.below(length) };
        let piece = at..(at + 1 + random.below(16)).min(length);
        match random.below(9) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => {
                let edge = EDGES[random.below(EDGES.len())];
                let width = [1, 2, 4, 8][random.below(4)].min(length - at);
                let word = if random.below(2) == 0 {
                    edge.to_le_bytes()
                } else {
                    (edge << (64 - 8 * width)).to_be_bytes()
                };
                bytes[at..at + width].copy_from_slice(&word[..width]);
            }
            3 => bytes.truncate(at),
            4 => {
                bytes.drain(piece);
            }
            5 => {
                let again: Vec<u8> = bytes[piece].to_vec();
                for _ in 0..=random.below(3) {
                    bytes.splice(at..at, again.iter().copied());
                }
            }
            6 => {
                let other = &seeds[random.below(seeds.len())];
                if !other.is_empty() {
                    let from = random.below(other.len());
                    let to = (from + 1 + random.below(64)).min(other.len());
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
            }
            7 => bytes[piece].fill([0, 0xFF, b'9', b'\n'][random.below(4)]),
            _ => bytes[piece].reverse(),
        }
    }
    bytes
}

/// Feeds a reader; `read` says whether it took the input for good.
pub(crate) fn feed<E: Display>(name: &str, seeds: &[Vec<u8>], mut read: impl FnMut(&[u8]) -> Result<(), E>) {
    for seed in seeds {
        read(seed).unwrap_or_else(|error| panic!("{name}: a good input is refused: {error}"));
    }
    let (mut good, mut slowest, mut slowest_number) = (0, Duration::ZERO, 0);
    let count = inputs();
    let start = Instant::now();
    for number in 0..count {
        let bytes = mutate(seeds, &mut Random::new(number as u64));
        let mut attempt = || {
            let (begin, busy) = (Instant::now(), time_of_thread());
            let outcome = catch_unwind(AssertUnwindSafe(|| read(&bytes)));
            let took = time_of_thread()
                .zip(busy)
                .map_or(begin.elapsed(), |(after, before)| after.saturating_sub(before));
            (outcome, took)
        };
        let (mut outcome, mut took) = attempt();
        if took >= LONGEST {
            // The process may have been held up; a reader that hangs does so again.
            (outcome, took) = attempt();
        }
        if took > slowest {
            (slowest, slowest_number) = (took, number);
        }
        assert!(took < LONGEST, "{name}: input {number} took {took:?}");
        match outcome {
            Ok(Ok(())) => good += 1,
            Ok(Err(error)) => {
                let text = error.to_string();
                assert!(text.len() < 4096, "{name}: input {number} gives a message of {} bytes", text.len());
            }
            Err(panic) => {
                panic!("{name}: input {number} made the reader panic: {:?}", panic.downcast_ref::<String>())
            }
        }
    }
    let peak = peak_memory();
    println!(
        "{name}: {count} inputs, {good} read, {} refused, slowest {slowest:.1?} (input {slowest_number}), {:.0?} in all, {} MiB at most",
        count - good,
        start.elapsed(),
        peak.map_or("unknown".to_owned(), |bytes| (bytes >> 20).to_string()),
    );
    // Both happen, or the changes would test nothing.
    assert!(good > 0 && good < count, "{name}: {good} of {count} inputs were read");
    assert!(peak.is_none_or(|bytes| bytes < MEMORY), "{name}: {peak:?} bytes were held");
}

/// How long this thread has run, where the system says so: a machine that does other things as well does not count.
fn time_of_thread() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// The most memory that this process has held, where the system says so.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// A folder of its own, in memory where the system has such a place.
pub(crate) fn workplace() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

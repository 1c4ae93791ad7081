//! Mutated pickles and weight files: every one is read or refused, in bounded memory, without a panic.
//!
//! `HYP_FUZZ=1000000` sets the number of inputs; the default is what every run of the tests can afford.

use std::path::Path;

use crate::golden;
use hyp_data::pickle::{
    Pickle, Value,
    numpy::{Array, NUMPY, integer},
};
use hyp_data::torch::TorchFile;

/// Inputs in a plain run of the tests.
const DEFAULT_INPUTS: u64 = 20_000;

/// splitmix64.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}

/// Opcodes and bytes at which lengths and signs turn.
const TELLING: &[u8] = b"\x00\x01\x7f\x80\xff.(0129NKMJGXUTCB]})ltdaesuqrhjcRbQ\
    \x81\x85\x86\x87\x88\x89\x8a\x8c\x8d\x8e\x93\x94\x95\x96\x98";

/// One to four changes, mostly one: a flipped bit, another byte, a piece left out, doubled or taken from another file, an end cut off.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], draws: &mut Draws) {
    for _ in 0..=draws.below(4) * draws.below(2) {
        let (at, length) = (draws.below(bytes.len()), 1 + draws.below(16));
        let end = (at + length).min(bytes.len());
        match draws.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << draws.below(8),
            1 if at < bytes.len() => bytes[at] = TELLING[draws.below(TELLING.len())],
            2 if at < bytes.len() => bytes[at] = draws.below(256) as u8,
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            5 => {
                let from = draws.below(other.len());
                let piece = &other[from..(from + length).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            _ if draws.below(8) == 0 => bytes.truncate(at),
            _ => {}
        }
    }
}

/// Looks at every value to a fixed depth, as a reader of some file would.
fn walk(value: Value<'_>, depth: usize) -> usize {
    let mut seen = value.kind().len() + integer(value).is_some() as usize;
    if let Ok(array) = Array::of(value) {
        seen += array.integers().map_or(0, |integers| integers.len());
    }
    seen += value.as_bytes().map_or(0, |bytes| bytes.len());
    if depth > 0 {
        let call = value.call().map(|call| [Some(call.args), call.state]);
        let inner = call.into_iter().flatten().flatten().chain(value.as_persistent());
        let entries = value.entries().into_iter().flatten().flat_map(|(key, value)| [key, value]);
        for value in value.items().into_iter().flatten().chain(entries).chain(inner).take(64) {
            seen += walk(value, depth - 1);
        }
    }
    seen
}

/// The most memory that this process has had, in KiB, where the system tells.
fn peak_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn every_mutated_input_is_read_or_refused() {
    let inputs = std::env::var("HYP_FUZZ").map_or(DEFAULT_INPUTS, |count| count.parse().unwrap());
    let golden: Vec<(String, Vec<u8>)> = golden().into_iter().collect();
    let before = peak_memory();
    let (mut read, mut refused) = (0_u64, 0_u64);
    for input in 0..inputs {
        let mut draws = Draws(input.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let (name, bytes) = &golden[draws.below(golden.len())];
        let other = &golden[draws.below(golden.len())].1;
        let mut bytes = bytes.clone();
        mutate(&mut bytes, other, &mut draws);
        let outcome = if name.starts_with("pth") {
            TorchFile::parse(bytes, Path::new("w.pth")).is_ok_and(|file| {
                let names: Vec<String> = file.tensors().map(|(name, _)| name.to_owned()).collect();
                names.iter().all(|name| file.bytes(name).is_some())
            })
        } else {
            Pickle::parse(&bytes, NUMPY).is_ok_and(|pickle| walk(pickle.root(), 3) > 0)
        };
        *(if outcome { &mut read } else { &mut refused }) += 1;
    }
    println!("{inputs} mutated inputs: {read} read, {refused} refused");
    // Both happen often, or the mutations would test nothing.
    assert!(read > inputs / 20 && refused > inputs / 20, "{read} read, {refused} refused");
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        // The largest input has 5 KB. Other tests of this binary run beside this one and need at most 350 MB.
        assert!(after < before.max(400_000) + 100_000, "peak memory rose from {before} to {after} KiB");
    }
}

//! Every operation against an obvious form of itself, and every gradient against central differences.
#![expect(clippy::unwrap_used, reason = "a failure in a test is a panic")]

mod conv;
mod dense;
mod difference;
mod pool;

//! Every operation against an obvious form of itself, and every gradient against central differences.
#![expect(clippy::unwrap_used, reason = "a failure in a test is a panic")]

mod ball;
mod composed;
mod conv;
mod dense;
mod device;
mod difference;
mod normalise;
mod pool;
mod scalar;

//! The backbones against PyTorch: counts, features, training steps, and weights by name.
//!
//! `../golden/backbones.json` was written by `../golden/make_backbones.py`; weights and pictures come from the same
//! counter generator on both sides, so the files hold outputs only.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod counts;
mod features;
mod golden;
mod steps;
mod weights;

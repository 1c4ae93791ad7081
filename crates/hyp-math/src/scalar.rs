//! Stable scalar functions.

//! Random points for property tests.

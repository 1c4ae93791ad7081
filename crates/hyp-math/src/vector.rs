//! Sums over slices in f64.

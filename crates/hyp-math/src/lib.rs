//! Hyperbolic geometry on slices: formulas, their gradients, statistics.

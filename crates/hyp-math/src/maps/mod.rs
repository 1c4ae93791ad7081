//! Exponential and logarithmic maps.

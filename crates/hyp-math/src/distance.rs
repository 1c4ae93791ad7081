//! Distances of the Poincaré ball.

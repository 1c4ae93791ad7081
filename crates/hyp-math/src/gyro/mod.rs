//! The gyrovector operations of the Poincaré ball.

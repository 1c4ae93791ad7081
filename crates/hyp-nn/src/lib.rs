//! Hyperbolic and ordinary layers on Candle, with correct gradients and one training loop.

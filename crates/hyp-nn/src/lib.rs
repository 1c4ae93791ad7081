//! Hyperbolic and ordinary layers on Candle, with correct gradients and one training loop.

pub mod backbone;
mod classifier;
pub mod device;
mod error;
mod geometry;
pub mod init;
pub mod layer;
pub mod memory;
pub mod op;
pub mod optim;
mod parameter;
pub mod tape;
pub mod testing;
pub mod train;
pub mod weights;

pub use candle_core;
pub use candle_nn;
pub use classifier::{Classification, Classifier, Labelled, Outputs};
pub use error::{BoxError, Error, Result};
pub use geometry::{Geometry, Head, row_norms};
pub use init::Init;
pub use parameter::{Manifold, Parameter, ParameterStore};

//! Values and gradients: against golden files in 160-digit arithmetic, and of the batched forms against those for one point.
//!
//! One binary for all of them, because each compiles the batched kernels for both scalar types.

mod batch_forms;
mod cases;
mod golden;
mod gradients;
mod products;
mod registry;
mod released;

//! Properties of the operations on random points up to the boundary.

mod finite_gradients;
mod gyro;
mod maps;
mod measure;
mod models;
mod strategy;

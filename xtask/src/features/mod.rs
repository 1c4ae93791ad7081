//! Features of pictures under a published network, computed once and kept in a folder.

mod cache;
mod encoder;
mod weights;

pub(crate) use cache::{Place, extract};
pub(crate) use encoder::Encoder;
pub(crate) use weights::{Weights, published};

//! Features of pictures under a published network, computed once and kept in a folder.

mod bar;
mod cache;
mod encoder;
mod weights;

pub(crate) use bar::{bar, watch};
pub(crate) use cache::{Place, extract};
pub(crate) use encoder::Encoder;
pub(crate) use weights::{Weights, published, refuse_strangers, sha256_of};

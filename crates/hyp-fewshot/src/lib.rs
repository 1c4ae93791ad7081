//! Few-shot classification by prototypes, in hyperbolic space and in flat spaces that differ in nothing else.
//!
//! An episode shows a few pictures of each of some classes (the support) and asks for the class of others (the queries).
//! A [`ProtoNet`] embeds both, averages the support of each class into a prototype and takes minus the distance to each
//! prototype as the logits of a query.
//! [`Geometry`] decides what embedding, average and distance are.
//!
//! Training ([`Training`]) works on tensors; evaluation ([`evaluate`]) embeds every picture once and plays the episodes
//! on plain numbers ([`Frozen`]).

mod compare;
mod embed;
mod episode;
mod error;
mod evaluate;
mod frozen;
mod geometry;
mod protonet;
mod space;
mod training;

pub use compare::{Differing, differing};
pub use embed::{Embeddings, embed};
pub use episode::{EpisodeBatch, EpisodeSource};
pub use error::{Error, Result};
pub use evaluate::{CLOSE, Evaluation, episode_logits, evaluate};
pub use frozen::Frozen;
pub use geometry::{Flat, Geometry};
pub use protonet::{Encoding, EpisodePoints, ProtoNet};
pub use space::Space;
pub use training::{Training, Validation};

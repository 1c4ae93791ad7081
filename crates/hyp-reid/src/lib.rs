//! Person re-identification and other retrieval of identities: who is on this picture, seen by another camera?
//!
//! A query is compared with every entry of a gallery; entries of the query's own identity should come first.
//! [`evaluate`] ranks by a [`Metric`] and measures the rankings by the protocol of the field (Zheng et al., "Scalable
//! person re-identification: a benchmark", ICCV 2015); [`Reranker`] improves them by what the neighbours of an entry
//! have in common.
//! Distances exist a block of queries at a time, never as one large matrix.

mod error;
mod evaluate;
mod inner_product;
mod metric;
mod neighbours;
mod ranking;
mod rerank;
mod set;

pub use error::{Error, Result};
pub use evaluate::{Evaluation, RANKS, evaluate, evaluate_rows};
pub use metric::Metric;
pub use ranking::{QueryScore, score_query, top};
pub use rerank::{Reranker, Reranking};
pub use set::{Set, Tag};

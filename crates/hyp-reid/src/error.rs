//! The one error type of the crate.

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can be wrong with features and their labels.
#[non_exhaustive]
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// Lengths do not belong together.
    #[error(
        "{set}: {features} numbers for {tags} entries of {dim}; give every entry its features and its label"
    )]
    Shape {
        /// Which set.
        set: &'static str,
        /// Numbers given.
        features: usize,
        /// Labels given.
        tags: usize,
        /// Numbers of one entry.
        dim: usize,
    },

    /// Query and gallery were embedded differently.
    #[error("queries of {query} and a gallery of {gallery} dimensions; embed both with one model")]
    Dimensions {
        /// Numbers of a query.
        query: usize,
        /// Numbers of a gallery entry.
        gallery: usize,
    },

    /// A feature is NaN or infinite.
    #[error("{set}: entry {entry} has a feature that is not finite; embed the picture again or leave it out")]
    NotFinite {
        /// Which set.
        set: &'static str,
        /// Its number, from 0.
        entry: usize,
    },

    /// A point has no place in the space of the metric.
    #[error("{set}: entry {entry} {reason}")]
    Outside {
        /// Which set.
        set: &'static str,
        /// Its number, from 0.
        entry: usize,
        /// What is wrong, and what to do.
        reason: &'static str,
    },

    /// Nothing can be measured.
    #[error(
        "none of {queries} queries has a match in the gallery that another camera took; \
         check that identities of both sets are named alike"
    )]
    NoMatch {
        /// Queries given.
        queries: usize,
    },

    /// The settings of a re-ranking make no sense.
    #[error("re-ranking with k1 = {k1}, k2 = {k2}, lambda = {lambda}: k2 must be 1 to k1 and lambda 0 to 1")]
    Reranking {
        /// Neighbours that are reciprocal.
        k1: usize,
        /// Neighbours that are averaged.
        k2: usize,
        /// Share of the original distance.
        lambda: f64,
    },
}

//! What can be wrong with the data or the settings that a person hands to this crate.

use thiserror::Error;

/// An input that has no hyperbolicity, with the place where it is wrong and what to do about it.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// There is nothing to measure.
    #[error("there are no points; give at least one")]
    NoPoints,
    /// The number of values is not the square of the number of points.
    #[error("{found} values are not a {points} × {points} matrix; give the full square matrix, row by row")]
    NotSquare {
        /// Number of points that was asked for.
        points: usize,
        /// Number of values that came.
        found: usize,
    },
    /// A distance is NaN.
    #[error("the distance from point {row} to point {column} is NaN; remove the point or mend the file")]
    NotANumber {
        /// Row of the matrix.
        row: usize,
        /// Column of the matrix.
        column: usize,
    },
    /// A distance is infinite, as between the parts of a disconnected graph, or too large to be added up.
    #[error(
        "the distance from point {row} to point {column} is {}, and sums of such distances overflow; \
         measure each connected part on its own, or rescale",
        figure(*value)
    )]
    Unbounded {
        /// Row of the matrix.
        row: usize,
        /// Column of the matrix.
        column: usize,
        /// The distance found there.
        value: f64,
    },
    /// A distance is below zero.
    #[error(
        "the distance from point {row} to point {column} is {}; \
         distances are not negative: give distances, not similarities",
        figure(*value)
    )]
    Negative {
        /// Row of the matrix.
        row: usize,
        /// Column of the matrix.
        column: usize,
        /// The distance found there.
        value: f64,
    },
    /// A point has a distance from itself.
    #[error("point {row} is at distance {} from itself; set the diagonal to zero", figure(*value))]
    Diagonal {
        /// The point.
        row: usize,
        /// The distance found on the diagonal.
        value: f64,
    },
    /// The two distances between two points differ.
    #[error(
        "the distance from point {row} to point {column} is {} but {} on the way back; \
         average the matrix with its transpose if the two differ by rounding only",
        figure(*upper),
        figure(*lower)
    )]
    Asymmetric {
        /// The smaller index.
        row: usize,
        /// The larger index.
        column: usize,
        /// Value above the diagonal.
        upper: f64,
        /// Value below the diagonal.
        lower: f64,
    },
    /// The number of feature values is not a multiple of the dimension.
    #[error("{found} feature values do not fill rows of {dim}; check the dimension and the end of the file")]
    RaggedFeatures {
        /// Length of one row.
        dim: usize,
        /// Number of values that came.
        found: usize,
    },
    /// A feature is NaN, infinite or so large that its square overflows.
    #[error(
        "feature {column} of point {row} is {}; remove the point, or mend or rescale the features",
        figure(*value)
    )]
    BadFeature {
        /// The point.
        row: usize,
        /// The coordinate.
        column: usize,
        /// The value found there.
        value: f64,
    },
    /// The zero vector has no direction.
    #[error(
        "point {row} is the zero vector, which has no angle to others; remove it or use the Euclidean metric"
    )]
    NoDirection {
        /// The point.
        row: usize,
    },
    /// A point is not inside the Poincaré ball.
    #[error(
        "point {row} has norm {}, outside the open ball of radius {}; \
         project the points first, or give the curvature they were made with",
        figure(*norm),
        figure(*radius)
    )]
    OutsideBall {
        /// The point.
        row: usize,
        /// Its Euclidean norm.
        norm: f64,
        /// Radius of the ball, 1/√c.
        radius: f64,
    },
    /// A sample without replacement is larger than the set.
    #[error("cannot draw {requested} of {available} points without replacement; ask for at most {available}")]
    SampleTooLarge {
        /// Points to draw.
        requested: usize,
        /// Points there are.
        available: usize,
    },
    /// A protocol without draws or without points in a draw.
    #[error("{draws} draws of {size} points measure nothing; ask for at least one draw of one point")]
    EmptyProtocol {
        /// Number of draws.
        draws: usize,
        /// Points in a draw.
        size: usize,
    },
    /// All points coincide, so that δ relative to the diameter has no meaning.
    #[error(
        "all points of draw {draw} coincide, so there is no diameter to compare with; give distinct points"
    )]
    ZeroDiameter {
        /// The draw.
        draw: usize,
    },
}

/// All digits of a number, with an exponent where it would be long without.
fn figure(value: f64) -> String {
    let readable = value == 0.0 || (1e-4..1e6).contains(&value.abs());
    if readable || !value.is_finite() { value.to_string() } else { format!("{value:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_are_short() {
        let text = DeltaError::Unbounded { row: 1, column: 2, value: 1e308 }.to_string();
        assert!(text.contains("is 1e308, and"), "{text}");
        let text = DeltaError::BadFeature { row: 1, column: 2, value: f64::INFINITY }.to_string();
        assert!(text.contains("is inf; remove"), "{text}");
        assert_eq!([0.0, -0.25, 12.0, 2e-300].map(figure), ["0", "-0.25", "12", "2e-300"]);
    }
}

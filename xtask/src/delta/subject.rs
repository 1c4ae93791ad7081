//! What is measured: rows of features with a metric, or a matrix of distances.

use anyhow::{Result, bail};
use hyp_delta::exact::{
    Go, Interval, Limits, Work, delta_all_bases_of_features_within, delta_all_bases_within,
    delta_at_base_within, delta_of_features_within,
};
use hyp_delta::maxmin::Isa;
use hyp_delta::metric::Rows;
use hyp_delta::{DistanceMatrix, Metric, Protocol, SampledHyperbolicity, sample};

use super::outlier::Outlier;
use super::read::{NEAR, Table, Values};

/// Points with distances.
pub(crate) enum Subject {
    /// Rows of features.
    Features {
        /// The rows.
        table: Table,
        /// How they are compared.
        metric: Metric,
    },
    /// All distances.
    Distances(DistanceMatrix),
}

const GB: f64 = 1e9;

impl Subject {
    /// A checked matrix of distances, given as a square or, as SciPy's `pdist` does, as its half above the diagonal.
    pub(crate) fn of_distances(table: Table) -> Result<Self> {
        let table = match table.condensed() {
            Some(points) => table.squared(points),
            None => table,
        };
        if table.rows != table.columns {
            bail!(
                "{} rows of {} numbers are no matrix of distances; give a square one, or features without `--distances`",
                table.rows,
                table.columns
            );
        }
        let (points, single) = (table.rows, matches!(table.values, Values::Single(_)));
        let mut values = table.values.into_doubles();
        if single {
            symmetric_in_single(points, &mut values);
        }
        without_diagonal(points, &mut values);
        Ok(Self::Distances(DistanceMatrix::new(points, values)?))
    }

    pub(crate) fn points(&self) -> usize {
        match self {
            Self::Features { table, .. } => table.rows,
            Self::Distances(matrix) => matrix.points(),
        }
    }

    /// Numbers of a row of features.
    pub(crate) fn dim(&self) -> Option<usize> {
        match self {
            Self::Features { table, .. } => Some(table.columns),
            Self::Distances(_) => None,
        }
    }

    /// How rows of features are compared.
    pub(crate) fn metric(&self) -> Option<Metric> {
        match self {
            Self::Features { metric, .. } => Some(*metric),
            Self::Distances(_) => None,
        }
    }

    /// The norms of so many rows of features, spread evenly over all; none where only distances are known.
    pub(crate) fn norms(&self, count: usize) -> Vec<f64> {
        let Self::Features { table, .. } = self else { return Vec::new() };
        let norm = |row: usize| {
            let of = |column| table.values.get(row * table.columns + column).powi(2);
            (0..table.columns).map(of).sum::<f64>().sqrt()
        };
        (0..count).map(|place| norm(place * table.rows / count)).collect()
    }

    /// Whether fewer than four of the points differ: such a space is a tree, whatever it is.
    pub(crate) fn is_small(&self) -> bool {
        let same = |i: usize, j: usize| match self {
            Self::Features { table, .. } => {
                let at = |row: usize, column| table.values.get(row * table.columns + column);
                (0..table.columns).all(|column| at(i, column) == at(j, column))
            }
            Self::Distances(matrix) => matrix.get(i, j) == 0.0,
        };
        let mut different: Vec<usize> = Vec::new();
        for point in 0..self.points() {
            if different.iter().all(|&other| !same(point, other)) {
                different.push(point);
                if different.len() == 4 {
                    return false;
                }
            }
        }
        true
    }

    /// Calls `take` with the distance of two points.
    fn with_distance<T>(&self, take: impl FnOnce(&(dyn Fn(usize, usize) -> f64 + Sync)) -> T) -> Result<T> {
        Ok(match self {
            Self::Features { table, metric } => {
                let rows = match &table.values {
                    Values::Single(values) => Rows::new(values, table.columns, *metric)?,
                    Values::Double(values) => Rows::new(values, table.columns, *metric)?,
                };
                take(&|i, j| rows.distance(i, j))
            }
            Self::Distances(matrix) => take(&|i, j| matrix.get(i, j)),
        })
    }

    /// The point on which the diameter of all points hangs, which is between the given pair.
    pub(crate) fn outlier(&self, pair: (usize, usize)) -> Result<Option<Outlier>> {
        let all: Vec<usize> = (0..self.points()).collect();
        self.with_distance(|distance| Outlier::of(distance, &all, pair))
    }

    /// The points on which the diameters of draws hang, one for each draw whose does.
    pub(crate) fn outliers(&self, found: &SampledHyperbolicity) -> Result<Vec<Outlier>> {
        let chosen = found.protocol.indices(self.points())?;
        self.with_distance(|distance| {
            let of = |(draw, chosen): (&hyp_delta::Hyperbolicity, &Vec<usize>)| {
                Outlier::of(distance, chosen, draw.diameter_pair)
            };
            found.draws.iter().zip(&chosen).filter_map(of).collect()
        })
    }

    /// A distance that no two points exceed, after one look at each.
    pub(crate) fn diameter_at_most(&self) -> Result<f64> {
        if let Self::Distances(matrix) = self {
            return Ok(matrix.diameter().0);
        }
        if self.metric() == Some(Metric::Cosine) {
            return Ok(2.0);
        }
        self.with_distance(|distance| {
            let far = (0..self.points()).map(|point| distance(0, point)).fold(0.0, f64::max);
            // By way of the first point.
            2.0 * far * (1.0 + 1e-9)
        })
    }

    /// What δ_rel of such points never exceeds: 1 where the triangle inequality holds, else 2, because four distances
    /// are between nothing and the diameter.
    pub(crate) fn delta_rel_at_most(&self) -> f64 {
        match self {
            Self::Features { metric, .. } if *metric != Metric::Cosine => 1.0,
            _ => 2.0,
        }
    }

    /// One line on what it is.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Features { table, metric } => {
                let metric = match metric {
                    Metric::Poincare(c) => format!("Poincaré distances at c = {}", c.get()),
                    other => format!("{other:?} distances"),
                };
                format!("{} points of {} dimensions, {metric}", table.rows, table.columns)
            }
            Self::Distances(matrix) => format!("a matrix of distances between {} points", matrix.points()),
        }
    }

    /// What a search may take, in GB where a limit is set, else of the free memory. Says what does not fit.
    pub(crate) fn limits<'a>(&self, all_bases: bool, limit: Option<f64>, go: Go<'a>) -> Limits<'a> {
        let limits = Limits::while_told(go);
        let points = self.points() as f64;
        // What is there already counts where a person set the limit.
        let (held, copies, per_pair) = match self {
            // The copies, of eight bytes a number: the rows, those of them that differ, and what is multiplied, or the
            // same in another order. For each pair levels of two bytes, or distances of eight and levels.
            Self::Features { table, .. } => {
                let numbers = points * table.columns as f64;
                let size = if matches!(table.values, Values::Single(_)) { 4.0 } else { 8.0 };
                (size * numbers, 24.0 * numbers, if all_bases { 12.5 } else { 2.2 })
            }
            Self::Distances(_) => (8.0 * points * points, 0.0, if all_bases { 4.5 } else { 2.2 }),
        };
        let room = match (limit, free_memory()) {
            (Some(limit), _) => limit * GB - held - copies,
            (None, Some(free)) => 0.75 * free - copies,
            (None, None) => return limits,
        };
        let needed = per_pair * points * points;
        if needed > room {
            let instead = if all_bases {
                let fits = (room.max(0.0) / per_pair).sqrt() as usize;
                format!(
                    "δ at one base point and twice that, which gives an interval; up to {fits} points fit, and a larger \
                     --memory holds more"
                )
            } else {
                "a part exactly, all pairs by bounds, which gives an interval".to_owned()
            };
            println!(
                "the pairs of {} points need about {:.2} GB and {:.2} are left of what is allowed: {instead}",
                self.points(),
                needed / GB,
                room.max(0.0) / GB
            );
        }
        limits.memory(room)
    }

    /// δ at a base point, or an interval.
    pub(crate) fn at_base(&self, base: usize, limits: Limits<'_>, isa: Isa) -> Result<(Interval, Work)> {
        Ok(match self {
            Self::Features { table, metric } => match &table.values {
                Values::Single(values) => {
                    delta_of_features_within(values, table.columns, *metric, base, limits, isa)?
                }
                Values::Double(values) => {
                    delta_of_features_within(values, table.columns, *metric, base, limits, isa)?
                }
            },
            Self::Distances(matrix) => delta_at_base_within(matrix, base, limits, isa),
        })
    }

    /// δ over all base points, or an interval.
    pub(crate) fn all_bases(&self, limits: Limits<'_>, isa: Isa) -> Result<(Interval, Work)> {
        Ok(match self {
            Self::Features { table, metric } => match &table.values {
                Values::Single(values) => {
                    delta_all_bases_of_features_within(values, table.columns, *metric, limits, isa)?
                }
                Values::Double(values) => {
                    delta_all_bases_of_features_within(values, table.columns, *metric, limits, isa)?
                }
            },
            Self::Distances(matrix) => delta_all_bases_within(matrix, limits, isa),
        })
    }

    /// The estimate from repeated samples, for as long as `goes_on` says so before each but the first.
    pub(crate) fn sample(
        &self,
        protocol: &Protocol,
        goes_on: &dyn Fn(usize) -> bool,
    ) -> Result<SampledHyperbolicity> {
        Ok(match self {
            Self::Features { table, metric } => match &table.values {
                Values::Single(values) => {
                    sample::estimate_features_while(values, table.columns, *metric, protocol, goes_on)?
                }
                Values::Double(values) => {
                    sample::estimate_features_while(values, table.columns, *metric, protocol, goes_on)?
                }
            },
            Self::Distances(matrix) => sample::estimate_matrix_while(matrix, protocol, goes_on)?,
        })
    }
}

/// Makes the two halves of a matrix equal where they differ by the rounding of `f32` alone.
fn symmetric_in_single(points: usize, values: &mut [f64]) {
    for i in 0..points {
        for j in i + 1..points {
            let (upper, lower) = (values[i * points + j], values[j * points + i]);
            if (upper - lower).abs() <= 2.0 * f64::from(f32::EPSILON) * upper.abs() {
                values[j * points + i] = upper;
            }
        }
    }
}

/// Takes a diagonal that is zero but for rounding for zero, and says so.
fn without_diagonal(points: usize, values: &mut [f64]) {
    let own = (0..points).map(|i| values[i * points + i].abs()).fold(0.0, f64::max);
    let most = values.iter().copied().fold(0.0, f64::max);
    if own > 0.0 && own <= NEAR * most {
        eprintln!("the diagonal, up to {own:e}, is taken for zero");
        for i in 0..points {
            values[i * points + i] = 0.0;
        }
    }
}

/// Bytes that the system can still give; none where it does not say.
fn free_memory() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kilobytes| kilobytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_than_four_different_points_are_few() {
        let of = |values: &[f64]| {
            let table = Table { rows: values.len(), columns: 1, values: Values::Double(values.to_vec()) };
            Subject::Features { table, metric: Metric::Euclidean }.is_small()
        };
        assert!(of(&[1.0, 2.0, 3.0]) && of(&[1.0, 2.0, 1.0, 2.0, 3.0, 3.0]));
        assert!(!of(&[1.0, 2.0, 1.0, 3.0, 4.0]));
        let matrix = DistanceMatrix::from_fn(5, |i, j| f64::from(u8::from(i % 2 != j % 2))).unwrap();
        assert!(Subject::Distances(matrix).is_small());
    }

    /// What bounds the diameter holds every distance, whatever the metric.
    #[test]
    fn no_distance_is_above_the_bound() {
        let values: Vec<f64> = (0..120).map(|v| 0.3 * (f64::from(v) * 0.7).sin()).collect();
        for metric in [Metric::Euclidean, Metric::Cosine, Metric::Angular] {
            let matrix = DistanceMatrix::from_features(&values, 3, metric).unwrap();
            let table = Table { rows: 40, columns: 3, values: Values::Double(values.clone()) };
            let most = Subject::Features { table, metric }.diameter_at_most().unwrap();
            assert!(matrix.diameter().0 <= most, "{metric:?}");
        }
    }

    #[test]
    fn a_diagonal_of_rounding_is_taken_for_zero() {
        let mut values = vec![1e-4, 1.0, 1.0, -1e-5];
        without_diagonal(2, &mut values);
        assert_eq!(values, [0.0, 1.0, 1.0, 0.0]);
        let mut values = vec![0.5, 1.0, 1.0, 0.0];
        without_diagonal(2, &mut values);
        assert_eq!(values[0], 0.5);
    }
}

//! What is measured: rows of features with a metric, or a matrix of distances.

use anyhow::{Result, bail};
use hyp_delta::exact::{
    Go, Interval, Limits, Work, delta_all_bases_of_features_within, delta_all_bases_within,
    delta_at_base_within, delta_of_features_within,
};
use hyp_delta::maxmin::Isa;
use hyp_delta::{DistanceMatrix, Metric, Protocol, SampledHyperbolicity, sample};

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
    /// A checked matrix of distances.
    pub(crate) fn of_distances(table: Table) -> Result<Self> {
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

    /// What a search may take, in GB where a limit is set, else of the free memory. Says what does not fit; refuses δ over
    /// all base points where its pairs do not.
    pub(crate) fn limits<'a>(&self, all_bases: bool, limit: Option<f64>, go: Go<'a>) -> Result<Limits<'a>> {
        let limits = Limits::while_told(go);
        let points = self.points() as f64;
        // What is there already counts where a person set the limit.
        let (held, per_pair) = match self {
            // Rows in `f64`, and in `f32` for the matrix product; levels of two bytes, or distances of eight and levels.
            Self::Features { table, .. } => {
                (12.0 * points * table.columns as f64, if all_bases { 12.5 } else { 2.2 })
            }
            Self::Distances(_) => (8.0 * points * points, if all_bases { 4.5 } else { 2.2 }),
        };
        let room = match (limit, free_memory()) {
            (Some(limit), _) => limit * GB - held,
            (None, Some(free)) if matches!(self, Self::Features { .. }) => 0.75 * free - held,
            (None, Some(free)) => 0.75 * free,
            (None, None) => return Ok(limits),
        };
        let needed = per_pair * points * points;
        if needed > room {
            let fits = (room.max(0.0) / per_pair).sqrt() as usize;
            let what = format!(
                "the pairs of {} points need about {:.1} GB and {:.1} are left of what is allowed",
                self.points(),
                needed / GB,
                room.max(0.0) / GB
            );
            if all_bases {
                bail!(
                    "{what}; up to {fits} points fit: take --protocol khrulkov2020, raise --memory, or give fewer rows"
                );
            }
            println!("{what}: a part exactly, all pairs by bounds, which gives an interval");
        }
        Ok(limits.memory(room))
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

    /// The estimate from repeated samples.
    pub(crate) fn sample(&self, protocol: &Protocol) -> Result<SampledHyperbolicity> {
        Ok(match self {
            Self::Features { table, metric } => match &table.values {
                Values::Single(values) => {
                    sample::estimate_features(values, table.columns, *metric, protocol)?
                }
                Values::Double(values) => {
                    sample::estimate_features(values, table.columns, *metric, protocol)?
                }
            },
            Self::Distances(matrix) => sample::estimate_matrix(matrix, protocol)?,
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
    fn too_little_memory_says_how_many_points_fit() {
        let table = Table { rows: 100_000, columns: 1, values: Values::Single(Vec::new()) };
        let subject = Subject::Features { table, metric: Metric::Euclidean };
        let go = |_| true;
        assert!(subject.limits(false, Some(5.5), &go).is_ok());
        let error = subject.limits(true, Some(5.0012), &go).err().unwrap().to_string();
        assert!(error.contains("125.0 GB") && error.contains("up to 20000 points"), "{error}");
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

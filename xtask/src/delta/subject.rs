//! What is measured: rows of features with a metric, or a matrix of distances.

use anyhow::{Result, bail};
use hyp_delta::exact::{
    Go, Interval, Work, delta_all_bases_within, delta_at_base_within, delta_of_features_streamed,
    delta_of_features_within,
};
use hyp_delta::maxmin::Isa;
use hyp_delta::{DistanceMatrix, Metric, Protocol, SampledHyperbolicity, sample};

use super::read::{Table, Values};

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

    /// Nothing where all pairs fit in memory; else, of features at one base point, how many points' pairs do. Refuses
    /// what can only be computed from all pairs, and says how many points fit.
    pub(crate) fn fits(&self, all_bases: bool, limit: Option<f64>) -> Result<Option<usize>> {
        let points = self.points() as f64;
        let in_levels = matches!(self, Self::Features { metric: Metric::Euclidean | Metric::Cosine, .. });
        // Levels of two bytes; distances of eight; both kinds of 16-bit rows for all bases.
        let per_pair = match (in_levels, all_bases) {
            (true, false) => 2.2,
            (_, false) => 10.5,
            (_, true) => 12.5,
        };
        let Some(limit) = limit.or_else(|| Some(0.75 * free_memory()? / GB)) else { return Ok(None) };
        let needed = per_pair * points * points / GB;
        if needed <= limit {
            return Ok(None);
        }
        let fits = (limit * GB / per_pair).sqrt() as usize;
        let what = format!("{} points need about {needed:.1} GB and {limit:.1} are allowed", self.points());
        if all_bases || !matches!(self, Self::Features { .. }) {
            bail!(
                "{what}; up to {fits} points fit: take --protocol khrulkov2020, raise --memory, or give fewer rows"
            );
        }
        println!("{what}: {fits} points exactly, all pairs by bounds, which gives an interval");
        Ok(Some(fits))
    }

    /// An interval for δ at a base point in memory for the pairs of some points.
    pub(crate) fn streamed(
        &self,
        base: usize,
        kept: usize,
        go: Go<'_>,
        isa: Isa,
    ) -> Result<(Interval, Work)> {
        let Self::Features { table, metric } = self else { bail!("only features are streamed") };
        let dim = table.columns;
        Ok(match &table.values {
            Values::Single(values) => delta_of_features_streamed(values, dim, *metric, base, kept, go, isa)?,
            Values::Double(values) => delta_of_features_streamed(values, dim, *metric, base, kept, go, isa)?,
        })
    }

    /// δ at a base point, or an interval.
    pub(crate) fn at_base(&self, base: usize, go: Go<'_>, isa: Isa) -> Result<(Interval, Work)> {
        Ok(match self {
            Self::Features { table, metric } => match &table.values {
                Values::Single(values) => {
                    delta_of_features_within(values, table.columns, *metric, base, go, isa)?
                }
                Values::Double(values) => {
                    delta_of_features_within(values, table.columns, *metric, base, go, isa)?
                }
            },
            Self::Distances(matrix) => delta_at_base_within(matrix, base, go, isa),
        })
    }

    /// δ over all base points, or an interval.
    pub(crate) fn all_bases(&self, go: Go<'_>, isa: Isa) -> Result<(Interval, Work)> {
        Ok(match self {
            Self::Features { table, metric } => {
                let matrix = match &table.values {
                    Values::Single(values) => DistanceMatrix::from_features(values, table.columns, *metric)?,
                    Values::Double(values) => DistanceMatrix::from_features(values, table.columns, *metric)?,
                };
                delta_all_bases_within(&matrix, go, isa)
            }
            Self::Distances(matrix) => delta_all_bases_within(matrix, go, isa),
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
        assert_eq!(subject.fits(false, Some(5.5)).unwrap(), Some(50_000));
        assert_eq!(subject.fits(false, Some(22.1)).unwrap(), None);
        let error = subject.fits(true, Some(5.0)).unwrap_err().to_string();
        assert!(error.contains("125.0 GB") && error.contains("up to 20000 points"), "{error}");
    }
}

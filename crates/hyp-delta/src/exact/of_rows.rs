//! δ of features at a base point, by whatever fits in the memory and the time there is.

use super::best::Found;
use super::distinct::Distinct;
use super::features::{RowsAtBase, Unmade, finest_of, levels_of};
use super::outline::outline;
use super::pruned::GoesOn;
use super::report::{Interval, Limits, Method, Status, Work};
use super::seed::spread;
use super::ways::{self, FEW, LEAST_RANGE, TWO_BYTES};
use super::{Diameter, Outcome, delta_at_base_within, order};
use crate::distance::DistanceMatrix;
use crate::error::DeltaError;
use crate::estimate::Hyperbolicity;
use crate::maxmin::Isa;
use crate::metric::{Metric, Rows};

/// Bytes for each pair of points of a distance matrix with levels of two bytes.
const MATRIX: f64 = DOUBLES + TWO_BYTES;
/// Those of the matrix alone.
const DOUBLES: f64 = 8.0;
/// Points that are measured where there is no time for all.
const GLIMPSE: usize = 500;
/// By how much a distance can be off by rounding, relative to itself, with room to spare.
const ROUNDING: f64 = 1e-9;

/// An interval for δ of rows.
pub(super) fn of_rows(
    rows: &Rows,
    base: usize,
    limits: Limits<'_>,
    isa: Isa,
) -> Result<(Interval, Work), DeltaError> {
    let points = rows.points();
    assert!(base < points, "there is no base point {base} among {points} points");
    assert!(isa.is_available(), "the processor has no {isa:?}");
    if points < 4 {
        return Ok(delta_at_base_within(&DistanceMatrix::from_rows(rows)?, base, limits, isa));
    }
    if let Some(distinct) = Distinct::of_rows(rows, base) {
        let (interval, work) = of_distinct(&distinct.rows(rows), distinct.base(), limits, isa)?;
        return Ok((distinct.of_all(interval), work));
    }
    of_distinct(rows, base, limits, isa)
}

/// At least four rows, whether some coincide or not.
fn of_distinct(
    rows: &Rows,
    base: usize,
    limits: Limits<'_>,
    isa: Isa,
) -> Result<(Interval, Work), DeltaError> {
    let points = rows.points();
    if !limits.hold(points, TWO_BYTES) {
        return streamed(rows, base, TWO_BYTES, limits, isa);
    }
    match search_rows(rows, base, limits, isa) {
        Ok(((found, work, at_most), diameter)) => {
            let at_least = found.at(base, diameter, points);
            return Ok((Interval { at_least, at_most, diameter_at_most: diameter.0 }, work));
        }
        Err(Unmade::Stopped) => return glimpse(rows, base, isa),
        Err(Unmade::Unsure) => {}
    }
    if !limits.hold(points, MATRIX) {
        return streamed(rows, base, MATRIX, limits, isa);
    }
    let Some(distances) = distances(rows, base, limits)? else { return glimpse(rows, base, isa) };
    Ok(delta_at_base_within(&distances, base, limits.beside(points, DOUBLES), isa))
}

/// The distance matrix, if there is time for it.
pub(super) fn distances(
    rows: &Rows,
    base: usize,
    limits: Limits<'_>,
) -> Result<Option<DistanceMatrix>, DeltaError> {
    let at_most = Unseen::of(rows, base).excess;
    DistanceMatrix::from_rows_while(rows, &|done| (limits.go)(Status { at_least: 0.0, at_most, done }))
}

/// The best triple of features and their diameter, by levels without distances.
fn search_rows(
    rows: &Rows,
    base: usize,
    limits: Limits<'_>,
    isa: Isa,
) -> Result<(Outcome, Diameter), Unmade> {
    let source = RowsAtBase::new(rows, base);
    let points = rows.points();
    let at_most = Unseen::of(rows, base).excess;
    if at_most < LEAST_RANGE {
        return Err(Unmade::Unsure);
    }
    let goes_on = |done| (limits.go)(Status { at_least: 0.0, at_most, done });
    if points <= FEW {
        let (levels, diameter) = levels_of::<u8>(&source, (0..points).collect(), &goes_on, isa)?;
        let done = ways::few(&levels, None, &source, 0.0, limits, isa).ok_or(Unmade::Unsure)?;
        return Ok((done, diameter));
    }
    let order = order::spatial_order(&source, points);
    let (levels, diameter) = levels_of::<u16>(&source, order, &goes_on, isa)?;
    let finest = |goes_on: GoesOn<'_>| finest_of(&source, &levels, goes_on, isa);
    Ok((ways::many(&levels, Some(&finest), &source, 0.0, limits, isa).ok_or(Unmade::Unsure)?, diameter))
}

/// What is certain of pairs that nobody has looked at.
struct Unseen {
    /// No triple exceeds this.
    excess: f64,
    /// No distance exceeds this.
    distance: f64,
}

impl Unseen {
    /// No product of a metric exceeds the distance of either point from the base, and none is negative; no distance
    /// exceeds twice the largest from the base. 1 − cos is none, but at most 2.
    fn of(rows: &Rows, base: usize) -> Self {
        let far = (0..rows.points()).map(|i| rows.distance(base, i)).fold(0.0, f64::max) * (1.0 + ROUNDING);
        match rows.metric() {
            Metric::Cosine => Self { excess: 2.0 * (1.0 + ROUNDING), distance: 2.0 * (1.0 + ROUNDING) },
            _ => Self { excess: far, distance: 2.0 * far },
        }
    }
}

/// δ of a part of the rows, as a lower bound for all.
fn of_part(
    rows: &Rows,
    base: usize,
    kept: usize,
    limits: Limits<'_>,
    isa: Isa,
) -> Result<(Hyperbolicity, Work), DeltaError> {
    let mut chosen = vec![base];
    chosen.extend(spread(rows.points(), kept).into_iter().filter(|&p| p != base));
    let (of_part, work) = of_rows(&rows.subset(&chosen), 0, limits, isa)?;
    let found = of_part.at_least;
    let whole = Hyperbolicity {
        base,
        points: rows.points(),
        witness: found.witness.map(|triple| triple.map(|p| chosen[p])),
        diameter_pair: (chosen[found.diameter_pair.0], chosen[found.diameter_pair.1]),
        ..found
    };
    Ok((whole, work))
}

/// What a few points show, and what is certain of all without looking.
pub(super) fn glimpse(rows: &Rows, base: usize, isa: Isa) -> Result<(Interval, Work), DeltaError> {
    let (at_least, work) = of_part(rows, base, GLIMPSE, Limits::NONE, isa)?;
    let unseen = Unseen::of(rows, base);
    let interval = Interval {
        at_most: unseen.excess.max(at_least.delta),
        diameter_at_most: unseen.distance.max(at_least.diameter),
        at_least,
    };
    Ok((interval, Work { method: Method::Part, ..work }))
}

/// δ of as many points as may be held with so many bytes for each pair, and bounds from all pairs.
fn streamed(
    rows: &Rows,
    base: usize,
    per_pair: f64,
    limits: Limits<'_>,
    isa: Isa,
) -> Result<(Interval, Work), DeltaError> {
    let unseen = Unseen::of(rows, base);
    // What bounds the part does not bound all.
    let go = |status| (limits.go)(Status { at_most: unseen.excess, ..status });
    // One less, for the base point.
    let kept = limits.points(per_pair) - 1;
    let (mut at_least, work) = of_part(rows, base, kept, limits.asking(&go), isa)?;
    let start = Found { value: at_least.delta, triple: at_least.witness.unwrap_or([usize::MAX; 3]) };
    let source = RowsAtBase::new(rows, base);
    let at_most = unseen.excess.max(at_least.delta);
    let bounds = outline(&source, rows.points(), start, at_most, limits.go, isa);
    if bounds.found.value > at_least.delta {
        (at_least.delta, at_least.witness) = (bounds.found.value, Some(bounds.found.triple));
    }
    let diameter_at_most = match bounds.diameter {
        Some((diameter, pair)) => {
            (at_least.diameter, at_least.diameter_pair) = (diameter, pair);
            diameter
        }
        None => unseen.distance.max(at_least.diameter),
    };
    let work = Work { method: Method::Streamed, refined: work.refined + bounds.refined, ..work };
    Ok((Interval { at_most: bounds.at_most, at_least, diameter_at_most }, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::delta_of_features;
    use crate::exact::delta_of_features_within;
    use crate::exact::source::{MatrixAtBase, Source as _};
    use hyp_math::Curvature;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn ball() -> Metric {
        Metric::Poincare(Curvature::new(0.3).unwrap())
    }

    /// Whatever the memory and whenever it stops, the interval holds what the whole search finds.
    #[test]
    fn the_interval_holds_the_value_whatever_the_limits() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        for (points, dim) in [(5, 1), (40, 2), (333, 3), (600, 16)] {
            let rows: Vec<f64> = (0..points * dim).map(|_| 0.4 * random.random::<f64>() + 0.05).collect();
            for metric in [Metric::Euclidean, Metric::Cosine, Metric::Angular, ball()] {
                let base = points / 3;
                let exact = delta_of_features(&rows, dim, metric, base).unwrap();
                let space = DistanceMatrix::from_features(&rows, dim, metric).unwrap();
                let source = MatrixAtBase { distances: &space, base };
                for memory in [0.0, 20_000.0, 500_000.0, f64::INFINITY] {
                    for stop in [0, 1, 7, usize::MAX] {
                        let asked = std::sync::atomic::AtomicUsize::new(0);
                        let go = |status: Status| {
                            assert!(
                                status.at_least <= exact.delta && exact.delta <= status.at_most,
                                "{status:?}"
                            );
                            asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < stop
                        };
                        let limits = Limits::while_told(&go).memory(memory);
                        let (interval, work) =
                            delta_of_features_within(&rows, dim, metric, base, limits, Isa::detect())
                                .unwrap();
                        let found = &interval.at_least;
                        let told =
                            format!("{metric:?} {points} {memory} {stop} {interval:?} {work:?} {exact:?}");
                        assert!(found.delta <= exact.delta && exact.delta <= interval.at_most, "{told}");
                        assert!(found.diameter <= exact.diameter, "{told}");
                        assert!(exact.diameter <= interval.diameter_at_most, "{told}");
                        assert!(interval.at_most.is_finite() && (found.base, found.points) == (base, points));
                        // Points on a line have one direction, or two.
                        let relative = exact.delta_rel().unwrap_or(0.0);
                        let (least, most) = interval.delta_rel().unwrap_or_default();
                        assert!(least <= relative && relative <= most, "{told}");
                        if stop == usize::MAX {
                            assert_eq!(interval.diameter_at_most, exact.diameter, "{told}");
                            if memory == f64::INFINITY {
                                assert_eq!((found, interval.at_most), (&exact, exact.delta));
                            }
                        }
                        if let Some(triple) = found.witness {
                            assert_eq!(source.excess(triple), found.delta, "{told}");
                        }
                    }
                }
            }
        }
    }
}

//! Scores of a detector: AUROC, AUPR and false-positive rate at a true-positive rate, exact under ties.
//!
//! A detector calls an item positive when its score is at or above a threshold; items of equal score are called together.

use super::{StatsError, error::check};

/// Items of one score: how many are positive, how many negative.
struct Group {
    positive: usize,
    negative: usize,
}

/// The area under the ROC curve: the chance that a positive scores above a negative, ties counting one half.
///
/// **Domain.** `0 ≤ AUROC ≤ 1`; a detector that knows nothing has 0.5. Swapping the samples gives `1 − AUROC`.
///
/// # Errors
/// If a sample is empty or holds a non-finite value.
///
/// # Examples
/// ```
/// use hyp_math::stats::auroc;
/// // Of four pairs, three are in order and one is a tie.
/// assert_eq!(auroc(&[2.0, 3.0], &[1.0, 2.0])?, 0.875);
/// # Ok::<(), hyp_math::stats::StatsError>(())
/// ```
pub fn auroc(positive: &[f64], negative: &[f64]) -> Result<f64, StatsError> {
    // Twice the number of pairs in order, so that it stays whole.
    let mut twice = 0_u128;
    let mut positives_above = 0_u128;
    for group in groups_from_highest(positive, negative)? {
        let (p, n) = (group.positive as u128, group.negative as u128);
        twice += n * (2 * positives_above + p);
        positives_above += p;
    }
    Ok(twice as f64 / (2.0 * positive.len() as f64 * negative.len() as f64))
}

/// The area under the precision–recall curve for the positives, as average precision.
///
/// $$ \mathrm{AP} = \sum_i (R_i - R_{i-1})\, P_i $$
///
/// over the distinct scores from the highest down; no interpolation between points, which would be optimistic.
///
/// # Errors
/// If a sample is empty or holds a non-finite value.
///
/// # Examples
/// ```
/// use hyp_math::stats::aupr;
/// // Ranked + − +: recall reaches ½ at precision 1 and 1 at precision ⅔.
/// assert!((aupr(&[3.0, 1.0], &[2.0])? - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-15);
/// # Ok::<(), hyp_math::stats::StatsError>(())
/// ```
pub fn aupr(positive: &[f64], negative: &[f64]) -> Result<f64, StatsError> {
    let (mut hits, mut called, mut area) = (0, 0, 0.0);
    for group in groups_from_highest(positive, negative)? {
        hits += group.positive;
        called += group.positive + group.negative;
        area += group.positive as f64 * hits as f64 / called as f64;
    }
    Ok(area / positive.len() as f64)
}

/// The area under the precision–recall curve for the *negatives*, ranked from the lowest score up.
///
/// The other way round of [`aupr`]: with out-of-domain items as positives this is the AUPR of the in-domain ones.
///
/// # Errors
/// If a sample is empty or holds a non-finite value.
pub fn aupr_negative(positive: &[f64], negative: &[f64]) -> Result<f64, StatsError> {
    let mut groups = groups_from_highest(positive, negative)?;
    groups.reverse();
    let (mut hits, mut called, mut area) = (0, 0, 0.0);
    for group in groups {
        hits += group.negative;
        called += group.positive + group.negative;
        area += group.negative as f64 * hits as f64 / called as f64;
    }
    Ok(area / negative.len() as f64)
}

/// The false-positive rate at the highest threshold whose true-positive rate is at least `tpr`.
///
/// # Errors
/// If a sample is empty or holds a non-finite value.
///
/// # Panics
/// If `tpr` is outside `(0, 1]`.
pub fn fpr_at_tpr(positive: &[f64], negative: &[f64], tpr: f64) -> Result<f64, StatsError> {
    assert!(tpr > 0.0 && tpr <= 1.0, "a true-positive rate to reach lies in (0, 1], got {tpr}");
    // The smallest count with count / len ≥ tpr; the division is the very one a reader would make.
    let reached = |hits: usize| hits as f64 / positive.len() as f64 >= tpr;
    let (mut hits, mut false_alarms) = (0, 0);
    for group in groups_from_highest(positive, negative)? {
        hits += group.positive;
        false_alarms += group.negative;
        if reached(hits) {
            break;
        }
    }
    Ok(false_alarms as f64 / negative.len() as f64)
}

/// The false-positive rate at 95 % true-positive rate, "FPR95"; lower is better.
///
/// # Errors
/// If a sample is empty or holds a non-finite value.
///
/// # Examples
/// ```
/// use hyp_math::stats::fpr_at_95_tpr;
/// // The lowest positive ties with one of two negatives and takes it along.
/// assert_eq!(fpr_at_95_tpr(&[1.0, 2.0], &[1.0, 0.0])?, 0.5);
/// # Ok::<(), hyp_math::stats::StatsError>(())
/// ```
pub fn fpr_at_95_tpr(positive: &[f64], negative: &[f64]) -> Result<f64, StatsError> {
    fpr_at_tpr(positive, negative, 0.95)
}

fn groups_from_highest(positive: &[f64], negative: &[f64]) -> Result<Vec<Group>, StatsError> {
    check("the positive scores", positive, 1)?;
    check("the negative scores", negative, 1)?;
    // Adding zero turns −0 into +0, so that the total order puts equal scores side by side.
    let mut items: Vec<(f64, bool)> = positive
        .iter()
        .map(|&score| (score + 0.0, true))
        .chain(negative.iter().map(|&score| (score + 0.0, false)))
        .collect();
    items.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    Ok(items
        .chunk_by(|a, b| a.0 == b.0)
        .map(|group| {
            let positive = group.iter().filter(|item| item.1).count();
            Group { positive, negative: group.len() - positive }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(step: usize) -> (Vec<f64>, Vec<f64>) {
        let positive = (0..31).map(|i| ((i * step) % 13) as f64 + 2.0).collect();
        let negative = (0..19).map(|i| ((i * (step + 5)) % 9) as f64).collect();
        (positive, negative)
    }

    #[test]
    fn auroc_counts_pairs() {
        for step in 1..30 {
            let (positive, negative) = samples(step);
            let mut pairs = 0.0;
            for p in &positive {
                for n in &negative {
                    pairs += if p > n { 1.0 } else { f64::from(u8::from(p == n)) / 2.0 };
                }
            }
            let want = pairs / (positive.len() * negative.len()) as f64;
            assert!((auroc(&positive, &negative).unwrap() - want).abs() < 1e-15, "step {step}");
            let swapped = auroc(&negative, &positive).unwrap();
            assert!((swapped + want - 1.0).abs() < 1e-15, "swapped, step {step}");
        }
    }

    #[test]
    fn perfect_and_ignorant_detectors() {
        assert_eq!(auroc(&[2.0, 3.0], &[0.0, 1.0]).unwrap(), 1.0);
        assert_eq!(aupr(&[2.0, 3.0], &[0.0, 1.0]).unwrap(), 1.0);
        assert_eq!(aupr_negative(&[2.0, 3.0], &[0.0, 1.0]).unwrap(), 1.0);
        assert_eq!(fpr_at_95_tpr(&[2.0, 3.0], &[0.0, 1.0]).unwrap(), 0.0);
        // One score for all: one half, and precision is the share of the class.
        assert_eq!(auroc(&[1.0; 3], &[1.0; 5]).unwrap(), 0.5);
        assert_eq!(aupr(&[1.0; 3], &[1.0; 5]).unwrap(), 0.375);
        assert_eq!(aupr_negative(&[1.0; 3], &[1.0; 5]).unwrap(), 0.625);
        assert_eq!(fpr_at_95_tpr(&[1.0; 3], &[1.0; 5]).unwrap(), 1.0);
    }

    #[test]
    fn aupr_of_the_negatives_is_aupr_of_swapped_and_negated_scores() {
        for step in 1..20 {
            let (positive, negative) = samples(step);
            let negated = |v: &[f64]| v.iter().map(|x| -x).collect::<Vec<_>>();
            let want = aupr(&negated(&negative), &negated(&positive)).unwrap();
            assert_eq!(aupr_negative(&positive, &negative).unwrap(), want, "step {step}");
        }
    }

    #[test]
    fn twenty_positives_reach_95_percent_with_nineteen() {
        let positive: Vec<f64> = (1..=20).map(f64::from).collect();
        // Two negatives lie at or above 2, the lowest score still needed; the third lies below.
        assert_eq!(fpr_at_95_tpr(&positive, &[25.0, 2.0, 1.5, 0.0]).unwrap(), 0.5);
        assert_eq!(fpr_at_tpr(&positive, &[25.0, 2.0, 1.5, 0.0], 1.0).unwrap(), 0.75);
    }

    #[test]
    fn signed_zeros_are_one_score() {
        assert_eq!(auroc(&[0.0], &[-0.0]).unwrap(), 0.5);
        assert_eq!(fpr_at_95_tpr(&[0.0], &[-0.0]).unwrap(), 1.0);
    }
}

//! The verdict: a function of our value, the printed value and a tolerance fixed before the run.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::paper::Paper;
use super::{PaperValue, Row, Scale};

/// What a comparison with the paper says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// Within the tolerance plus both intervals.
    Match,
    /// Our value is larger than that.
    Above,
    /// Our value is smaller than that.
    Below,
    /// The two values do not measure the same thing.
    NotComparable,
    /// Nothing was measured.
    NotRun,
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Match => "match",
            Self::Above => "above",
            Self::Below => "below",
            Self::NotComparable => "not-comparable",
            Self::NotRun => "not-run",
        })
    }
}

/// A verdict with what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judgement {
    /// The printed value.
    pub(crate) paper: Option<PaperValue>,
    /// Ours minus the paper's.
    pub(crate) delta: Option<f64>,
    /// What the comparison says.
    pub(crate) verdict: Verdict,
    /// Why it is not a comparison.
    pub(crate) reason: Option<String>,
}

/// Compares a measured row with the printed values.
pub(crate) fn judge(row: &Row, scale: Scale, paper: Option<&Paper>) -> Judgement {
    let printed = paper.and_then(|paper| paper.value(&row.id, &row.metric));
    let Some((paper, value)) = paper.zip(printed) else {
        let reason = Some("the paper prints no such value".to_owned());
        return Judgement { paper: None, delta: None, verdict: Verdict::NotComparable, reason };
    };
    let delta = row.ours.mean - value.mean;
    let not_comparable = |reason: String| Judgement {
        paper: Some(value.clone()),
        delta: Some(delta),
        verdict: Verdict::NotComparable,
        reason: Some(reason),
    };
    if value.unconfirmed {
        return not_comparable("the printed value is unconfirmed".to_owned());
    }
    if let Some(reason) = &row.not_comparable {
        return not_comparable(reason.clone());
    }
    if scale != Scale::Full {
        return not_comparable(format!("{scale} scale"));
    }
    let Some(tolerance) = paper.tolerance.get(&row.metric) else {
        return not_comparable(format!("docs/paper/{}.toml sets no tolerance for {}", paper.id, row.metric));
    };
    let slack = tolerance + value.interval() + row.ours.ci95.unwrap_or(0.0);
    let verdict = if delta.abs() <= slack {
        Verdict::Match
    } else if delta > 0.0 {
        Verdict::Above
    } else {
        Verdict::Below
    };
    Judgement { paper: Some(value.clone()), delta: Some(delta), verdict, reason: None }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Ours, Paper, Row, Scale};
    use super::{Verdict, judge};
    use crate::metric::Direction;

    fn paper() -> Paper {
        let text = "schema = 1\nid = \"t\"\ntitle = \"T\"\nsource = \"S\"\nstatus = \"confirmed\"\n\
                    [tolerance]\naccuracy = 1.0\n[[cell]]\nrow = \"a\"\nmetric = \"accuracy\"\nmean = 50.0\nci95 = 0.5\n";
        Paper::parse(text).unwrap()
    }

    /// A measured row of the metric `accuracy` with seed 0.
    pub(in crate::record) fn row(id: &str, mean: f64, ci95: Option<f64>) -> Row {
        Row {
            id: id.to_owned(),
            metric: "accuracy".to_owned(),
            unit: "percent".to_owned(),
            direction: Direction::Higher,
            ours: Ours { mean, ci95, std: None, seeds: vec![0], per_seed: vec![mean], episodes: None },
            paper: None,
            delta: None,
            verdict: Verdict::NotRun,
            reason: None,
            not_comparable: None,
            config_sha256: String::new(),
            runs: vec![0],
            wall_s: 0.0,
        }
    }

    #[test]
    fn the_slack_is_tolerance_plus_both_intervals() {
        let verdict = |mean, ci95| judge(&row("a", mean, ci95), Scale::Full, Some(&paper())).verdict;
        assert_eq!(verdict(51.5, None), Verdict::Match);
        assert_eq!(verdict(51.75, None), Verdict::Above);
        assert_eq!(verdict(51.75, Some(0.25)), Verdict::Match);
        assert_eq!(verdict(48.25, None), Verdict::Below);
    }

    #[test]
    fn smaller_scales_and_deviations_are_not_compared() {
        let paper = paper();
        assert_eq!(
            judge(&row("a", 50.0, None), Scale::Reduced, Some(&paper)).verdict,
            Verdict::NotComparable
        );
        let deviating = Row { not_comparable: Some("sampling unknown".to_owned()), ..row("a", 50.0, None) };
        let judgement = judge(&deviating, Scale::Full, Some(&paper));
        assert_eq!(judgement.verdict, Verdict::NotComparable);
        assert_eq!(judgement.reason.as_deref(), Some("sampling unknown"));
        assert_eq!(judge(&row("b", 50.0, None), Scale::Full, Some(&paper)).paper, None);
    }

    #[test]
    fn a_value_that_was_only_remembered_gives_no_verdict() {
        let paper = Paper { status: super::super::paper::Status::Unconfirmed, ..paper() };
        assert_eq!(judge(&row("a", 50.0, None), Scale::Full, Some(&paper)).verdict, Verdict::NotComparable);
    }

    #[test]
    fn a_cell_speaks_for_the_rows_below_it() {
        let judgement = judge(&row("a/uniform/n400", 50.0, None), Scale::Full, Some(&paper()));
        assert_eq!(judgement.verdict, Verdict::Match);
        assert_eq!(judge(&row("ab", 50.0, None), Scale::Full, Some(&paper())).paper, None);
    }
}

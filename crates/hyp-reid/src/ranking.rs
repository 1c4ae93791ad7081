//! The ranking of one query, and what is measured of it.

use crate::Tag;

/// What is measured of one query's ranking.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct QueryScore {
    /// The place of the first match, from 1.
    pub first: usize,
    /// Matches in the gallery.
    pub matches: usize,
    /// The mean over the matches of the precision up to each.
    pub average_precision: f64,
    /// The same if equal distances fell out as badly as they can.
    pub worst_average_precision: f64,
    /// Matches divided by the place of the last one: how much must be looked through to find all.
    pub inverse_negative_penalty: f64,
}

/// Measures the ranking of a gallery by its distances from one query, nearest first.
///
/// Entries of the same identity and camera are left out of the ranking. Equal distances are ranked by their place in
/// the gallery. With the ranks r₁ < … < r_m of the m matches,
///
/// $$ \mathrm{AP} = \frac1m \sum_{i=1}^m \frac{i}{r_i}, \qquad \mathrm{INP} = \frac{m}{r_m} $$
///
/// **Source.** AP as the reference evaluations of the field compute it (no interpolation); INP from Ye et al., "Deep
/// learning for person re-identification: a survey and outlook", TPAMI 2021.
/// **Shapes.** `distances` and `gallery` have one element per entry.
/// **Numerics.** The gallery is not sorted: an entry only counts against the matches that it is nearer than, so that
/// the work is one comparison for most entries.
///
/// The result is `None` if nothing matches.
///
/// # Panics
/// If the lengths differ.
///
/// # Examples
/// ```
/// use hyp_reid::{Tag, score_query};
/// let tag = |identity, camera| Tag { identity, camera };
/// let gallery = [tag(1, 0), tag(2, 1), tag(1, 1), tag(1, 2)]; // the first one is the query's own camera
/// let score = score_query(&[0.0, 0.1, 0.2, 0.3], tag(1, 0), &gallery).unwrap();
/// assert_eq!((score.first, score.matches), (2, 2)); // behind the stranger
/// assert!((score.average_precision - (1.0 / 2.0 + 2.0 / 3.0) / 2.0).abs() < 1e-15);
/// assert!((score.inverse_negative_penalty - 2.0 / 3.0).abs() < 1e-15);
/// ```
pub fn score_query(distances: &[f32], query: Tag, gallery: &[Tag]) -> Option<QueryScore> {
    assert_eq!(distances.len(), gallery.len(), "one distance per entry of the gallery");
    let of_identity = || gallery.iter().enumerate().filter(|(_, tag)| tag.identity == query.identity);
    let mut matches: Vec<(f32, usize)> =
        of_identity().filter(|(_, tag)| tag.is_match_for(query)).map(|(at, _)| (distances[at], at)).collect();
    matches.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let farthest = matches.last()?.0;
    // Entries before match i, and those that could be before it because they are as near.
    let mut before = vec![0_usize; matches.len()];
    let mut as_near = vec![0_usize; matches.len()];
    for (at, distance) in distances.iter().enumerate() {
        if *distance > farthest || gallery[at].identity == query.identity {
            continue;
        }
        let overtaken = matches.partition_point(|m| m.0 < *distance || (m.0 == *distance && m.1 < at));
        if let Some(count) = before.get_mut(overtaken) {
            *count += 1;
        }
        as_near[matches.partition_point(|m| m.0 < *distance)] += 1;
    }
    let average = |strangers: &[usize]| {
        let (mut passed, mut total) = (0, 0.0);
        for (i, count) in strangers.iter().enumerate() {
            passed += count;
            total += (i + 1) as f64 / (i + 1 + passed) as f64;
        }
        total / strangers.len() as f64
    };
    let all = matches.len();
    Some(QueryScore {
        first: 1 + before[0],
        matches: all,
        average_precision: average(&before),
        worst_average_precision: average(&as_near),
        inverse_negative_penalty: all as f64 / (all + before.iter().sum::<usize>()) as f64,
    })
}

/// The `count` nearest entries, nearest first, equal distances by their place; those that `keep` refuses are left out.
///
/// # Examples
/// ```
/// assert_eq!(hyp_reid::top(&[0.3, 0.1, 0.1, 0.0], 2, |entry| entry != 3), [1, 2]);
/// ```
pub fn top(distances: &[f32], count: usize, keep: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..distances.len()).filter(|entry| keep(*entry)).collect();
    let nearer = |a: &usize, b: &usize| distances[*a].total_cmp(&distances[*b]).then(a.cmp(b));
    if count < order.len() {
        order.select_nth_unstable_by(count, nearer);
        order.truncate(count);
    }
    order.sort_unstable_by(nearer);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(identity: u32, camera: u32) -> Tag {
        Tag { identity, camera }
    }

    /// Ranking: stranger, match, junk, stranger, match, worked by hand.
    #[test]
    fn a_ranking_worked_by_hand() {
        let gallery = [tag(7, 1), tag(1, 1), tag(1, 0), tag(8, 1), tag(1, 2)];
        let score = score_query(&[0.1, 0.2, 0.3, 0.4, 0.5], tag(1, 0), &gallery).unwrap();
        assert_eq!(
            score,
            QueryScore {
                first: 2,
                matches: 2,
                average_precision: 0.5, // (1/2 + 2/4)/2
                worst_average_precision: 0.5,
                inverse_negative_penalty: 0.5, // 2 matches, the last at place 4
            }
        );
    }

    #[test]
    fn ties_fall_by_place_and_the_worst_case_is_told() {
        let gallery = [tag(1, 1), tag(2, 1), tag(3, 1)];
        let score = score_query(&[0.5; 3], tag(1, 0), &gallery).unwrap();
        assert_eq!((score.first, score.average_precision), (1, 1.0));
        assert!((score.worst_average_precision - 1.0 / 3.0).abs() < 1e-15);
        let last = score_query(&[0.5; 3], tag(3, 0), &gallery).unwrap();
        assert_eq!(last.first, 3);
        assert!((last.average_precision - 1.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn nothing_to_find_is_no_score() {
        assert_eq!(score_query(&[0.0, 0.1], tag(1, 0), &[tag(1, 0), tag(2, 1)]), None);
        assert_eq!(score_query(&[], tag(1, 0), &[]), None);
    }

    #[test]
    fn the_nearest_come_in_order() {
        assert_eq!(top(&[3.0, 1.0, 2.0, 1.0], 3, |_| true), [1, 3, 2]);
        assert_eq!(top(&[3.0, 1.0], 9, |_| true), [1, 0]);
        assert!(top(&[3.0, 1.0], 0, |_| true).is_empty());
    }
}

//! What must hold of any ranking, on random sets.

use hyp_math::Curvature;
use hyp_reid::{Metric, Set, Tag, evaluate, evaluate_rows, score_query, top};
use proptest::prelude::*;

const DIM: usize = 3;

fn tags(n: usize) -> impl Strategy<Value = Vec<Tag>> {
    let tag = (0_u32..4, 0_u32..3).prop_map(|(identity, camera)| Tag { identity, camera });
    prop::collection::vec(tag, n)
}

/// Points in the unit ball, of which many are equally far apart.
fn points(n: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec((-4_i8..=4).prop_map(|v| f32::from(v) / 8.0 + 0.03125), DIM * n)
}

fn set(most: usize) -> impl Strategy<Value = (Vec<f32>, Vec<Tag>)> {
    (1..=most).prop_flat_map(|n| (points(n), tags(n)))
}

/// Distances and labels of one gallery, and a query.
fn ranking(most: usize) -> impl Strategy<Value = (Vec<f32>, Vec<Tag>, Tag)> {
    let distances = |n| prop::collection::vec((0_u8..12).prop_map(|v| f32::from(v) / 8.0), n);
    let query = (0_u32..4, 0_u32..3).prop_map(|(identity, camera)| Tag { identity, camera });
    (1..=most).prop_flat_map(move |n| (distances(n), tags(n), query.clone()))
}

fn metrics() -> [Metric; 5] {
    let c = |c| Curvature::new(c).expect("a positive number");
    [
        Metric::Euclidean,
        Metric::Cosine,
        Metric::Hyperbolic(c(1e-5)),
        Metric::Hyperbolic(c(1.0)),
        Metric::Lorentz(c(0.3)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The protocol leaves pictures of the query's person by the query's camera out: near or far, they change nothing.
    #[test]
    fn what_is_left_out_changes_nothing((mut distances, mut gallery, query) in ranking(30), near in 0_u8..12) {
        let before = score_query(&distances, query, &gallery);
        distances.push(f32::from(near) / 8.0);
        gallery.push(query);
        prop_assert_eq!(score_query(&distances, query, &gallery), before);
    }

    /// Strangers behind the last match change nothing; one before the first match makes every measure worse.
    #[test]
    fn strangers_count_only_before_a_match((mut distances, mut gallery, query) in ranking(30)) {
        let stranger = Tag { identity: 9, camera: 0 };
        let Some(before) = score_query(&distances, query, &gallery) else { return Ok(()) };
        distances.push(100.0);
        gallery.push(stranger);
        prop_assert_eq!(score_query(&distances, query, &gallery), Some(before));
        distances.push(-1.0);
        gallery.push(stranger);
        let worse = score_query(&distances, query, &gallery).expect("the matches are still there");
        prop_assert_eq!(worse.first, before.first + 1);
        prop_assert!(worse.average_precision < before.average_precision);
        prop_assert!(worse.worst_average_precision < before.worst_average_precision);
        prop_assert!(worse.inverse_negative_penalty < before.inverse_negative_penalty);
    }

    /// Measures are shares in (0, 1], and ties can only be worse than they fell.
    #[test]
    fn measures_stay_in_their_bounds((distances, gallery, query) in ranking(30)) {
        let Some(score) = score_query(&distances, query, &gallery) else { return Ok(()) };
        for share in [score.average_precision, score.worst_average_precision, score.inverse_negative_penalty] {
            prop_assert!(share > 0.0 && share <= 1.0, "{score:?}");
        }
        prop_assert!(score.worst_average_precision <= score.average_precision + 1e-15, "{score:?}");
        prop_assert!(score.first >= 1 && score.matches >= 1, "{score:?}");
    }

    /// A ranking is one of order: any rising function of the distances gives the same measures.
    #[test]
    fn a_rising_function_of_the_distances_changes_nothing((distances, gallery, query) in ranking(30)) {
        let risen: Vec<f32> = distances.iter().map(|d| d * d * 3.0 + 1.0).collect();
        prop_assert_eq!(score_query(&risen, query, &gallery), score_query(&distances, query, &gallery));
    }

    #[test]
    fn the_nearest_are_the_start_of_a_full_sort((distances, gallery, query) in ranking(40), count in 0_usize..45) {
        let keep = |entry: usize| !gallery[entry].is_junk_for(query);
        let mut want: Vec<usize> = (0..distances.len()).filter(|entry| keep(*entry)).collect();
        want.sort_by(|a, b| distances[*a].total_cmp(&distances[*b]).then(a.cmp(b)));
        want.truncate(count);
        prop_assert_eq!(top(&distances, count, keep), want);
    }

    /// For every metric, the measures are those of the distances that are handed out, which are those of single pairs
    /// whatever else is in the set.
    #[test]
    fn measures_are_those_of_the_distances_of_every_metric((query, query_tags) in set(6), (gallery, gallery_tags) in set(40)) {
        let q = Set::queries(&query, &query_tags, DIM).expect("finite");
        let g = Set::gallery(&gallery, &gallery_tags, DIM).expect("finite");
        for metric in metrics() {
            let mut rows = Vec::new();
            evaluate_rows(&q, &g, metric, |_, row| row.to_vec(), |row| rows.push(row)).expect("points of the ball");
            for (n, row) in rows.iter().enumerate() {
                let one = Set::queries(&query[n * DIM..(n + 1) * DIM], &query_tags[n..=n], DIM).expect("finite");
                let mut alone = Vec::new();
                evaluate_rows(&one, &g, metric, |_, row| row.to_vec(), |row| alone = row).expect("points of the ball");
                prop_assert_eq!(&alone, row);
            }
            let scores: Vec<_> = rows.iter().zip(&query_tags).map(|(row, tag)| score_query(row, *tag, &gallery_tags)).collect();
            let found: Vec<f64> = scores.iter().flatten().map(|score| score.average_precision).collect();
            match evaluate(&q, &g, metric) {
                Ok(all) => {
                    prop_assert!((all.map - found.iter().sum::<f64>() / found.len() as f64).abs() < 1e-12);
                    prop_assert_eq!((all.queries, all.without_match), (found.len(), query_tags.len() - found.len()));
                    prop_assert!(all.cmc.is_sorted() && all.worst_map <= all.map + 1e-15);
                }
                Err(error) => prop_assert!(found.is_empty(), "{error}"),
            }
        }
    }
}

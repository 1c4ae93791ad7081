//! Rankings and re-rankings against naive forms that sort and store everything.

use hyp_math::Curvature;
use hyp_reid::{Evaluation, Metric, RANKS, Reranker, Reranking, Set, Tag, evaluate, evaluate_rows};
use proptest::prelude::*;

/// Distances of all pairs, from the formulas.
fn distances(query: &[f32], gallery: &[f32], dim: usize, metric: Metric) -> Vec<Vec<f64>> {
    let norm = |x: &[f32]| x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
    let apart = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    let pair = |x: &[f32], y: &[f32]| match metric {
        Metric::Euclidean => apart(x, y).sqrt(),
        Metric::Cosine => {
            let dot: f64 = x.iter().zip(y).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            1.0 - dot / (norm(x) * norm(y)).sqrt()
        }
        Metric::Lorentz(_) => unreachable!("compared with the ball instead"),
        Metric::Hyperbolic(c) => {
            let c = c.get();
            let gaps = (1.0 - c * norm(x)) * (1.0 - c * norm(y));
            (1.0 + 2.0 * c * apart(x, y) / gaps).acosh() / c.sqrt()
        }
    };
    query.chunks(dim).map(|x| gallery.chunks(dim).map(|y| pair(x, y)).collect()).collect()
}

/// CMC at the ranks, mAP, worst mAP, mINP and queries with a match, by sorting the whole gallery.
fn naive(rows: &[Vec<f64>], query: &[Tag], gallery: &[Tag]) -> Option<Evaluation> {
    let (mut cmc, mut map, mut worst, mut minp, mut queries) = ([0.0; RANKS.len()], 0.0, 0.0, 0.0, 0);
    for (row, tag) in rows.iter().zip(query) {
        let kept = |g: &usize| !(gallery[*g].identity == tag.identity && gallery[*g].camera == tag.camera);
        let mut order: Vec<usize> = (0..gallery.len()).filter(kept).collect();
        let hit = |g: &usize| gallery[*g].identity == tag.identity;
        let precision = |order: &[usize]| {
            let places: Vec<usize> = (0..order.len()).filter(|place| hit(&order[*place])).collect();
            places.iter().enumerate().map(|(i, place)| (i + 1) as f64 / (place + 1) as f64).sum::<f64>()
                / places.len() as f64
        };
        order.sort_by(|a, b| row[*a].total_cmp(&row[*b]).then(a.cmp(b)));
        let places: Vec<usize> = (0..order.len()).filter(|place| hit(&order[*place])).collect();
        let (Some(first), Some(last)) = (places.first(), places.last()) else { continue };
        queries += 1;
        for (share, k) in cmc.iter_mut().zip(RANKS) {
            *share += f64::from(u8::from(*first < k));
        }
        map += precision(&order);
        minp += places.len() as f64 / (last + 1) as f64;
        order.sort_by(|a, b| row[*a].total_cmp(&row[*b]).then(hit(a).cmp(&hit(b))));
        worst += precision(&order);
    }
    let share = |total: f64| total / f64::from(queries);
    (queries > 0).then(|| Evaluation {
        cmc: cmc.map(share),
        map: share(map),
        worst_map: share(worst),
        minp: share(minp),
        queries: queries as usize,
        without_match: query.len() - queries as usize,
    })
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-12
}

fn same(a: &Evaluation, b: &Evaluation) -> bool {
    a.cmc.iter().zip(&b.cmc).all(|(a, b)| close(*a, *b))
        && close(a.map, b.map)
        && close(a.worst_map, b.worst_map)
        && close(a.minp, b.minp)
        && (a.queries, a.without_match) == (b.queries, b.without_match)
}

/// Points on a coarse grid inside the unit ball, so that equal distances are frequent and exactly equal.
fn points(n: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec((-3_i8..=3).prop_map(|v| f32::from(v) / 8.0 + 0.0625), 2 * n)
}

fn tags(n: usize) -> impl Strategy<Value = Vec<Tag>> {
    let tag = (0_u32..4, 0_u32..3).prop_map(|(identity, camera)| Tag { identity, camera });
    prop::collection::vec(tag, n)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Ties, distractors (identity 3 is never asked for) and queries without a match included.
    #[test]
    fn measures_equal_those_of_a_full_sort(
        (query, gallery) in (1_usize..6, 1_usize..40).prop_flat_map(|(q, g)| {
            let asked = tags(q).prop_map(|tags| tags.into_iter().map(|t| Tag { identity: t.identity % 3, ..t }).collect::<Vec<_>>());
            ((points(q), asked), (points(g), tags(g)))
        })
    ) {
        let q = Set::queries(&query.0, &query.1, 2).unwrap();
        let g = Set::gallery(&gallery.0, &gallery.1, 2).unwrap();
        let rows = distances(&query.0, &gallery.0, 2, Metric::Euclidean);
        let found = evaluate(&q, &g, Metric::Euclidean).ok();
        match (found, naive(&rows, &query.1, &gallery.1)) {
            (Some(found), Some(want)) => prop_assert!(same(&found, &want), "{found:?} {want:?}"),
            (found, want) => prop_assert_eq!(found, want),
        }
    }
}

/// A pseudo-random number in −½ … ½ for each place, without a generator.
fn scatter(n: usize, step: f64) -> Vec<f32> {
    (0..n).map(|i| (((i as f64 + 1.0) * step).sin() * 43758.547).fract() as f32 * 0.5).collect()
}

fn people(n: usize, cameras: u32, identities: u32) -> Vec<Tag> {
    (0..n as u32).map(|i| Tag { identity: i % identities, camera: (i / identities) % cameras }).collect()
}

#[test]
fn every_metric_ranks_as_its_formula_does() {
    let (query, gallery) = (scatter(12 * 5, 1.7), scatter(90 * 5, 0.9));
    let (query_tags, gallery_tags) = (people(12, 2, 6), people(90, 3, 7));
    let q = Set::queries(&query, &query_tags, 5).unwrap();
    let g = Set::gallery(&gallery, &gallery_tags, 5).unwrap();
    let mut seen = Vec::new();
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Hyperbolic(Curvature::new(0.7).unwrap())] {
        let want = naive(&distances(&query, &gallery, 5, metric), &query_tags, &gallery_tags).unwrap();
        let found = evaluate(&q, &g, metric).unwrap();
        assert!(same(&found, &want), "{metric:?}: {found:?} {want:?}");
        seen.push(found.map);
    }
    assert!(seen[0] != seen[1], "the metrics rank these points differently");
}

/// The re-ranking with every pair in one matrix, step by step as the paper has it.
fn naive_rerank(
    all: &[f32],
    dim: usize,
    queries: usize,
    metric: Metric,
    settings: Reranking,
) -> Vec<Vec<f64>> {
    let n = all.len() / dim;
    let Reranking { k1, k2, lambda } = settings;
    // From single precision, as the product ranks, so that near-ties fall alike.
    let raw = distances(all, all, dim, metric);
    let normal: Vec<Vec<f64>> = raw
        .iter()
        .map(|row| {
            let largest = row.iter().copied().fold(0.0, f64::max).powi(2);
            row.iter().map(|d| d * d / largest).collect()
        })
        .collect();
    let order: Vec<Vec<usize>> = raw
        .iter()
        .map(|row| {
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by(|a, b| row[*a].total_cmp(&row[*b]).then(a.cmp(b)));
            order
        })
        .collect();
    let reciprocal = |i: usize, k: usize| -> Vec<usize> {
        order[i][..k.min(n)].iter().copied().filter(|j| order[*j][..k.min(n)].contains(&i)).collect()
    };
    let mut v = vec![vec![0.0; n]; n];
    for i in 0..n {
        let base = reciprocal(i, k1 + 1);
        let mut members = base.clone();
        for j in &base {
            let more = reciprocal(*j, (k1 as f64 / 2.0).round_ties_even() as usize + 1);
            let common = more.iter().filter(|m| base.contains(m)).count();
            if common as f64 > 2.0 / 3.0 * more.len() as f64 {
                members.extend(more);
            }
        }
        members.sort_unstable();
        members.dedup();
        let total: f64 = members.iter().map(|m| (-normal[i][*m]).exp()).sum();
        for m in members {
            v[i][m] = (-normal[i][m]).exp() / total;
        }
    }
    let averaged: Vec<Vec<f64>> = (0..n)
        .map(|i| (0..n).map(|k| order[i][..k2].iter().map(|j| v[*j][k]).sum::<f64>() / k2 as f64).collect())
        .collect();
    (0..queries)
        .map(|i| {
            (queries..n)
                .map(|j| {
                    let shared: f64 = averaged[i].iter().zip(&averaged[j]).map(|(a, b)| a.min(*b)).sum();
                    (1.0 - lambda) * (1.0 - shared / (2.0 - shared)) + lambda * normal[i][j]
                })
                .collect()
        })
        .collect()
}

#[test]
fn sparse_re_ranking_equals_the_dense_one() {
    let (queries, dim) = (9, 4);
    let all = scatter(70 * dim, 2.3);
    let (query, gallery) = all.split_at(queries * dim);
    let (query_tags, gallery_tags) = (people(queries, 2, 5), people(70 - queries, 3, 5));
    let q = Set::queries(query, &query_tags, dim).unwrap();
    let g = Set::gallery(gallery, &gallery_tags, dim).unwrap();
    let settings = Reranking { k1: 9, k2: 4, lambda: 0.3 };
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Hyperbolic(Curvature::new(0.5).unwrap())] {
        let reranker = Reranker::new(&q, &g, metric, settings).unwrap();
        let want = naive_rerank(&all, dim, queries, metric, settings);
        let original = distances(query, gallery, dim, metric);
        for (i, want) in want.iter().enumerate() {
            let row: Vec<f32> = original[i].iter().map(|d| *d as f32).collect();
            let got = reranker.row(i, &row);
            // Weights and distances are kept in f32, whose rounding is 6e-8 of values up to 1.
            let worst = got.iter().zip(want).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-6, "{metric:?}: query {i} differs by {worst}");
        }
        let found = reranker.evaluate(&q, &g, metric).unwrap();
        let plain = evaluate(&q, &g, metric).unwrap();
        assert_eq!(found.queries, plain.queries);
        assert!(found.map != plain.map, "re-ranking changes something");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Any settings, any number of entries: with coordinates that leave no two distances equal.
    #[test]
    fn sparse_re_ranking_equals_the_dense_one_on_random_sets(
        all in (12_usize..40).prop_flat_map(|n| prop::collection::vec(-0.5_f32..0.5, 3 * n)),
        (k1, k2) in (1_usize..9).prop_flat_map(|k1| (Just(k1), 1..=k1)),
        lambda in 0.0_f64..=1.0,
    ) {
        let (dim, queries) = (3, 4);
        let (query, gallery) = all.split_at(queries * dim);
        let (query_tags, gallery_tags) = (people(queries, 2, 5), people(gallery.len() / dim, 3, 5));
        let q = Set::queries(query, &query_tags, dim).unwrap();
        let g = Set::gallery(gallery, &gallery_tags, dim).unwrap();
        let settings = Reranking { k1, k2, lambda };
        for metric in [Metric::Euclidean, Metric::Hyperbolic(Curvature::new(0.9).unwrap())] {
            let reranker = Reranker::new(&q, &g, metric, settings).unwrap();
            let want = naive_rerank(&all, dim, queries, metric, settings);
            let original = distances(query, gallery, dim, metric);
            for (i, want) in want.iter().enumerate() {
                let row: Vec<f32> = original[i].iter().map(|d| *d as f32).collect();
                for (a, b) in reranker.row(i, &row).iter().zip(want) {
                    // As above: weights and distances are kept in f32.
                    prop_assert!((f64::from(*a) - b).abs() < 1e-6, "{metric:?}: {a} and {b}");
                }
            }
        }
    }
}

/// The order of a gallery by the inner products of one query, the largest first, equal ones by place.
fn by_product<T: hyp_math::Real>(metric: Metric, query: &[T], gallery: &[T], dim: usize) -> Vec<usize> {
    let (mut asked, mut stored) = (vec![T::ZERO; dim + 1], vec![T::ZERO; dim + 1]);
    metric.query_vector(query, &mut asked);
    let products: Vec<f64> = gallery
        .chunks(dim)
        .map(|entry| {
            metric.index_vector(entry, &mut stored);
            asked.iter().zip(&stored).map(|(a, s)| a.to_f64() * s.to_f64()).sum()
        })
        .collect();
    let mut order: Vec<usize> = (0..products.len()).collect();
    order.sort_by(|a, b| products[*b].total_cmp(&products[*a]).then(a.cmp(b)));
    order
}

/// From the smallest curvature in use to points whose distance from the origin is 9 in units of the radius.
#[test]
fn the_largest_inner_product_is_the_nearest_entry() {
    let (dim, queries, entries) = (6, 40, 300);
    let curvature = |c: f64| Curvature::new(c).unwrap();
    let cases = [
        (Metric::Euclidean, 3.0),
        (Metric::Cosine, 3.0),
        (Metric::Hyperbolic(Curvature::FLAT), 3.0),
        (Metric::Hyperbolic(curvature(1e-5)), 9.0),
        (Metric::Hyperbolic(curvature(0.05)), 1.6),
        (Metric::Hyperbolic(curvature(1.0)), 0.39),
        (Metric::Lorentz(curvature(1e-5)), 9.0),
        (Metric::Lorentz(curvature(1.0)), 30.0),
    ];
    for (metric, size) in cases {
        let scaled = |n: usize, step: f64| -> Vec<f32> {
            scatter(n * dim, step).into_iter().map(|v| (2.0 * f64::from(v) * size) as f32).collect()
        };
        let (query, gallery) = (scaled(queries, 1.3), scaled(entries, 0.7));
        let none = vec![Tag { identity: 0, camera: 0 }; entries];
        let q = Set::queries(&query, &none[..queries], dim).unwrap();
        let g = Set::gallery(&gallery, &none, dim).unwrap();
        let doubles = |v: &[f32]| v.iter().copied().map(f64::from).collect::<Vec<f64>>();
        let (query_64, gallery_64) = (doubles(&query), doubles(&gallery));
        let each = |at: usize, row: &[f32]| {
            let one = at * dim..(at + 1) * dim;
            let exact = by_product(metric, &query_64[one.clone()], &gallery_64, dim);
            let single = by_product(metric, &query[one], &gallery, dim);
            // Distances that are equal in `f32` have no order of their own.
            let falls = |order: &[usize], by: f32| {
                order.windows(2).map(|pair| row[pair[0]] - row[pair[1]]).fold(0.0, f32::max) > by
            };
            let largest = row.iter().copied().fold(0.0, f32::max);
            assert!(!falls(&exact, largest * f32::EPSILON), "{metric:?}, query {at}, in f64");
            // Rounding the vectors to `f32` moves c times a product by some 1e-7 · cosh² of √c times the radius.
            let radius = gallery.chunks(dim).map(|p| metric.distance_to_origin(p)).fold(0.0, f64::max);
            let c = metric.curvature();
            let moved = 2e-6 * (c.sqrt() * radius).cosh().powi(2);
            assert!(!falls(&single, largest * moved as f32), "{metric:?}, query {at}, in f32");
        };
        evaluate_rows(&q, &g, metric, each, |()| ()).unwrap();
    }
}

#[test]
fn a_product_gives_the_distance_back() {
    for c in [1e-5, 0.05, 1.0] {
        let c = Curvature::new(c).unwrap();
        let (x, y) = ([0.31, -0.42, 0.11], [-0.12, 0.25, 0.4]);
        let (mut asked, mut stored) = ([0.0; 4], [0.0; 4]);
        let metric = Metric::Hyperbolic(c);
        metric.query_vector(&x, &mut asked);
        metric.index_vector(&y, &mut stored);
        let product: f64 = asked.iter().zip(stored).map(|(a, s)| a * s).sum();
        let distance = (-asked[0] - c.get() * product).acosh() / c.sqrt();
        let want: f64 = hyp_math::distance::distance(&x, &y, c);
        // arcosh near 1 loses half the digits at c = 1e-5.
        assert!((distance - want).abs() < 1e-9 / c.get().sqrt().min(1.0), "{distance} and {want}");
        // Minkowski's product of the points on the hyperboloid, the term of the query alone added.
        let minkowski = hyp_math::lorentz::inner(&asked[1..], &stored[1..], c);
        assert!((product - (minkowski - asked[0] / c.get())).abs() < 1e-10 / c.get());
    }
}

#[test]
fn space_parts_rank_as_their_points_in_the_ball() {
    let c = Curvature::new(0.7).unwrap();
    let (query, gallery) = (scatter(12 * 5, 1.7), scatter(90 * 5, 0.9));
    let on_hyperboloid = |points: &[f32]| {
        let mut out = vec![0.0; points.len()];
        points.chunks(5).zip(out.chunks_mut(5)).for_each(|(x, s)| hyp_math::lorentz::from_poincare(x, c, s));
        out
    };
    let (query_tags, gallery_tags) = (people(12, 2, 6), people(90, 3, 7));
    let measured = |query: &[f32], gallery: &[f32], metric: Metric| {
        let (q, g) = (Set::queries(query, &query_tags, 5), Set::gallery(gallery, &gallery_tags, 5));
        evaluate(&q.unwrap(), &g.unwrap(), metric).unwrap()
    };
    let ball = measured(&query, &gallery, Metric::Hyperbolic(c));
    let hyperboloid = measured(&on_hyperboloid(&query), &on_hyperboloid(&gallery), Metric::Lorentz(c));
    assert!(same(&ball, &hyperboloid), "{ball:?} {hyperboloid:?}");
}

#[test]
fn bad_sets_are_refused_with_a_remedy() {
    let tags = [Tag { identity: 0, camera: 0 }; 2];
    let message = |r: hyp_reid::Result<Set<'_>>| r.unwrap_err().to_string();
    assert!(message(Set::queries(&[0.0; 3], &tags, 2)).contains("every entry"));
    assert!(message(Set::gallery(&[0.0, 0.0, f32::NAN, 0.0], &tags, 2)).contains("gallery: entry 1"));
    let (narrow, wide) =
        (Set::queries(&[0.1; 2], &tags, 1).unwrap(), Set::gallery(&[0.1; 4], &tags, 2).unwrap());
    assert!(evaluate(&narrow, &wide, Metric::Euclidean).unwrap_err().to_string().contains("one model"));
    let zero = Set::queries(&[0.0; 4], &tags, 2).unwrap();
    assert!(evaluate(&zero, &wide, Metric::Cosine).unwrap_err().to_string().contains("no direction"));
    let far = Set::queries(&[2.0; 4], &tags, 2).unwrap();
    let ball = Metric::Hyperbolic(Curvature::ONE);
    assert!(evaluate(&far, &wide, ball).unwrap_err().to_string().contains("ball of this curvature"));
    // The same camera only: nothing to find.
    assert!(evaluate(&wide, &wide, ball).unwrap_err().to_string().contains("none of 2 queries"));
    let settings = Reranking { k1: 3, k2: 9, lambda: 0.3 };
    assert!(Reranker::new(&wide, &wide, ball, settings).unwrap_err().to_string().contains("k2 must be"));
}

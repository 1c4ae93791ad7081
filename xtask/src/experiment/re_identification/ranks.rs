//! Pictures of rankings: the query, and the ten entries of the gallery that come first.

use std::path::Path;

use anyhow::Result;
use hyp_data::{Dataset, Item};
use hyp_reid::{QueryScore, Tag, score_query, top};

use super::pictures::Pictures;
use crate::plot::{RankSheet, Tile, Verdict, save_png};

/// Entries of a ranking that are shown.
const TOP: usize = 10;
/// Rankings on a sheet.
const ROWS: usize = 8;

/// The ranking of one query.
pub(super) struct Ranked {
    /// What is measured of it.
    pub(super) score: Option<QueryScore>,
    /// The entries that come first, each with its distance and whether it is a match; the query's own identity by its
    /// own camera is left out.
    first: Vec<(usize, f32, bool)>,
}

impl Ranked {
    pub(super) fn new(distances: &[f32], query: Tag, gallery: &[Tag]) -> Self {
        let first = top(distances, TOP, |entry| !gallery[entry].is_junk_for(query));
        let shown = |entry: usize| (entry, distances[entry], gallery[entry].is_match_for(query));
        Self { score: score_query(distances, query, gallery), first: first.into_iter().map(shown).collect() }
    }
}

/// Draws rankings from all over the queries, `ranks.png`, and those with the least average precision,
/// `ranks_worst.png`.
pub(super) fn draw(ranked: &[Ranked], pictures: &Pictures, folder: &Path) -> Result<()> {
    let mut asked: Vec<(usize, f64)> = ranked
        .iter()
        .enumerate()
        .filter_map(|(query, one)| Some((query, one.score?.average_precision)))
        .collect();
    let shown = ROWS.min(asked.len());
    let spread: Vec<(usize, f64)> = (0..shown).map(|row| asked[row * asked.len() / shown]).collect();
    asked.sort_by(|a, b| a.1.total_cmp(&b.1));
    asked.truncate(shown);
    let sheets = [("ranks", "some queries", spread), ("ranks_worst", "the worst queries", asked)];
    for (name, which, queries) in sheets {
        let row = |(query, precision): &(usize, f64)| row(*query, *precision, &ranked[*query], pictures);
        let rows = queries.iter().map(row).collect::<Result<_>>()?;
        let title = format!("{which} and their first {TOP}: whole frames are right, dashed ones wrong");
        save_png(&RankSheet::new(title, rows)?, &folder.join(format!("{name}.png")))?;
    }
    Ok(())
}

fn row(query: usize, precision: f64, ranked: &Ranked, pictures: &Pictures) -> Result<Vec<Tile>> {
    let asked = Tile {
        image: pictures.query.image(query)?,
        verdict: Verdict::Asked,
        caption: [who(&pictures.query, query), format!("AP {:.1} %", 100.0 * precision)],
    };
    let found = ranked.first.iter().map(|(entry, distance, right)| {
        Ok(Tile {
            image: pictures.gallery.image(*entry)?,
            verdict: if *right { Verdict::Right } else { Verdict::Wrong },
            caption: [who(&pictures.gallery, *entry), format!("{distance:.3}")],
        })
    });
    std::iter::once(Ok(asked)).chain(found).collect()
}

/// Identity and camera of a picture.
fn who(part: &Dataset, position: usize) -> String {
    let index = part.index();
    let Item { identity, camera, .. } = index.items()[position];
    let identity = identity.map_or("nobody", |n| &index.identities()[n as usize]);
    let camera = camera.map_or("", |n| &index.cameras()[n as usize]);
    format!("{identity} {camera}")
}

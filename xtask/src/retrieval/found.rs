//! What a search found: as a table, as remarks, and as pictures in rows.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use hyp_data::Colour;
use hyp_data::source::own;

use super::index::Entries;
use super::labels::Known;
use super::search::Query;
use crate::plot::{Tile, Verdict};

/// One picture of the index.
pub(super) struct Answer {
    pub(super) row: usize,
    pub(super) distance: f32,
}

/// The answers to every query, nearest first.
pub(super) struct Found<'a> {
    pub(super) queries: &'a [Query],
    pub(super) entries: &'a Entries,
    /// What is known of each row of the index.
    pub(super) known: Vec<Known>,
    pub(super) answers: Vec<Vec<Answer>>,
}

impl Found<'_> {
    fn verdict(&self, query: &Query, row: usize) -> Verdict {
        match query.known.same(&self.known[row]) {
            Some(true) => Verdict::Right,
            Some(false) => Verdict::Wrong,
            // Nobody in particular is nobody who is looked for.
            None if query.known.identity.is_some() && self.known[row].camera.is_some() => Verdict::Wrong,
            None => Verdict::Unknown,
        }
    }

    /// A table in Markdown.
    pub(super) fn table(&self) -> String {
        let mut text = "| query | rank | picture | distance | identity or class | camera | |\n\
                        | --- | --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
        for (query, answers) in self.queries.iter().zip(&self.answers) {
            for (at, answer) in answers.iter().enumerate() {
                let known = &self.known[answer.row];
                let remark = match self.verdict(query, answer.row) {
                    Verdict::Right => "right",
                    Verdict::Wrong => "wrong",
                    Verdict::Asked | Verdict::Unknown => "",
                };
                let cell = |name: &Option<String>| name.clone().unwrap_or("—".to_owned());
                let (path, distance) = (&self.entries.paths[answer.row], answer.distance);
                let (identity, camera) = (cell(&known.identity), cell(&known.camera));
                let name = &query.name;
                let _ = writeln!(
                    text,
                    "| {name} | {} | {path} | {distance:.4} | {identity} | {camera} | {remark} |",
                    at + 1
                );
            }
        }
        text
    }

    /// A line for each query of which nothing can be right, or of which nothing is known.
    pub(super) fn notes(&self, entries: &Entries, other_cameras: bool) -> Vec<String> {
        let note = |query: &Query| {
            let Some(identity) = &query.known.identity else {
                return (query.itself.is_none()).then(|| {
                    format!(
                        "{}: it does not say who or what is seen, so answers are neither right nor wrong",
                        query.name
                    )
                });
            };
            let is_match = |row: usize| {
                query.itself != Some(row)
                    && query.known.same(&self.known[row]) == Some(true)
                    && !(other_cameras && query.known.by_one_camera(&self.known[row]))
            };
            if (0..entries.len()).any(is_match) {
                return None;
            }
            let by = if other_cameras { " by another camera" } else { "" };
            Some(format!(
                "{}: the index has no other picture of {identity}{by}, so no answer can be right",
                query.name
            ))
        };
        self.queries.iter().filter_map(note).collect()
    }

    /// A row of pictures for each query; `home` is where those of the index lie.
    pub(super) fn tiles(&self, home: &Path) -> Result<Vec<Vec<Tile>>> {
        let caption = |known: &Known, text: String| {
            let named = [&known.identity, &known.camera];
            let named: Vec<&str> = named.into_iter().flatten().map(String::as_str).collect();
            [named.join(" "), text]
        };
        let mut rows = Vec::with_capacity(self.queries.len());
        for (query, answers) in self.queries.iter().zip(&self.answers) {
            let names: Vec<String> =
                answers.iter().map(|answer| self.entries.paths[answer.row].clone()).collect();
            let moved = || {
                format!(
                    "the pictures of the index are not in {}; name where they are now with `--images DIR`",
                    home.display()
                )
            };
            let pictures = own::pictures(home, &names, Colour::Rgb).with_context(moved)?;
            let mut row = vec![Tile {
                image: query.image.clone(),
                verdict: Verdict::Asked,
                caption: caption(&query.known, "asked".to_owned()),
            }];
            for (at, answer) in answers.iter().enumerate() {
                row.push(Tile {
                    image: pictures.checked_image(at).with_context(moved)?,
                    verdict: self.verdict(query, answer.row),
                    caption: caption(&self.known[answer.row], format!("{:.4}", answer.distance)),
                });
            }
            rows.push(row);
        }
        Ok(rows)
    }
}

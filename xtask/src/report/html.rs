//! `runs/report.html`: the tables and plots on one page that needs no other file.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::{Results, Shown, drawing, reading_order, verdict_words};
use crate::metric;
use crate::record::{Paper, Verdict};
use crate::workspace;

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}\
table{border-collapse:collapse;margin:1rem 0}td,th{border-bottom:1px solid #ddd;padding:.25rem .75rem;text-align:left}\
td.number{text-align:right;font-variant-numeric:tabular-nums}figure{margin:1.5rem 0}\
.match{color:#17692f}.above,.below{color:#a33c00}.stale{color:#777;font-style:italic}svg{max-width:100%;height:auto}";

/// The page.
pub(super) fn page(root: &Path, results: &Results) -> Result<String> {
    let files = workspace::files(root)?;
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Results</title>\
         <style>{STYLE}</style></head><body>\n<h1>Results</h1>\n"
    );
    let mut shown: Vec<&Shown> = results.shown.iter().collect();
    shown.sort_by_key(|shown| (reading_order(&shown.record.id), shown.record.scale));
    for shown in shown {
        let record = &shown.record;
        let _ = writeln!(text, "<h2>{} ({})</h2>\n<p>{}</p>", record.id, record.scale, escape(shown.title()));
        text.push_str("<table><tr><th>row</th><th>metric</th><th>ours</th><th>per seed</th><th>paper</th><th>verdict</th></tr>\n");
        for row in &record.rows {
            let show = |value: f64| metric::format(&row.metric, value);
            let ci95 = row.ours.ci95.map(|ci95| format!(" ± {}", show(ci95))).unwrap_or_default();
            let seeds: Vec<String> = row.ours.per_seed.iter().map(|value| show(*value)).collect();
            let class = if shown.stale(row) { "stale".to_owned() } else { row.verdict.to_string() };
            let _ = writeln!(
                text,
                "<tr><td>{}</td><td>{}</td><td class=\"number\">{}{ci95}</td><td class=\"number\">{}</td>\
                 <td class=\"number\">{}</td><td class=\"{class}\">{}</td></tr>",
                escape(&row.id),
                escape(metric::find(&row.metric).map_or(&row.metric, |metric| metric.words)),
                show(row.ours.mean),
                seeds.join(" "),
                row.paper.as_ref().map(|paper| show(paper.mean)).unwrap_or_default(),
                escape(&verdict_words(shown, row)),
            );
        }
        for row in shown.not_measured() {
            let _ = writeln!(
                text,
                "<tr><td>{}</td><td></td><td></td><td></td><td></td><td>{}</td></tr>",
                escape(row),
                Verdict::NotRun
            );
        }
        text.push_str("</table>\n");
        if let Some(paper) = &shown.paper {
            text.push_str(&cited(paper));
        }
        let plots = files.iter().filter(|file| {
            let name = file.strip_prefix("docs/results/").unwrap_or_default();
            workspace::extension(name) == "svg" && name.split(['.', '-']).next() == Some(record.id.as_str())
        });
        for file in plots {
            let _ = writeln!(
                text,
                "<figure>{}<figcaption>{}</figcaption></figure>",
                drawing(root, file)?,
                escape(file)
            );
        }
    }
    text.push_str("<h2>Not run</h2>\n<ul>\n");
    for line in results.not_run_lines() {
        let _ = writeln!(text, "<li>{}</li>", escape(&line));
    }
    text.push_str("</ul>\n</body></html>\n");
    Ok(text)
}

/// The lines that the paper quotes from other work.
fn cited(paper: &Paper) -> String {
    if paper.cited.is_empty() {
        return String::new();
    }
    let mut text = "<p>Quoted by the paper from other work; none of it was run here.</p>\n\
                    <table><tr><th>method</th><th>network</th><th>1-shot</th><th>5-shot</th></tr>\n"
        .to_owned();
    for line in &paper.cited {
        let [one, five] = [&line.one_shot, &line.five_shot].map(|value| {
            value.as_ref().map(|value| metric::format("accuracy", value.mean)).unwrap_or_default()
        });
        let network = escape(line.backbone.as_deref().unwrap_or_default());
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td>{network}</td><td class=\"number\">{one}</td><td class=\"number\">{five}</td></tr>",
            escape(&line.method)
        );
    }
    text.push_str("</table>\n");
    text
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

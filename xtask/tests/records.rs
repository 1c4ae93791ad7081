//! Every record parses and its verdict recomputes; a stale one is shown as stale; a wrong one is found.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;

use std::path::Path;

use bed::{Bed, run};

const CONFIG: &str = "schema = 1\nid = \"table9\"\ntitle = \"A table\"\nrunner = \"none\"\nseeds = [0, 1]\n\
                      [full]\n[[row]]\nid = \"a\"\ndim = 2\n";
const PAPER: &str = "schema = 1\nid = \"table9\"\ntitle = \"A table\"\nsource = \"Table 9\"\nstatus = \"confirmed\"\n\
                     [tolerance]\naccuracy = 1.0\n[[cell]]\nrow = \"a\"\nmetric = \"accuracy\"\nmean = 90.0\n";

/// A record of one row; its verdict and config hash are filled in by `report`.
fn record(mean: f64, verdict: &str, config_sha256: &str) -> String {
    format!(
        r#"{{ "schema": 1, "id": "table9", "scale": "full", "paper_sha256": null, "deviations": [],
  "runs": [ {{ "code": {{ "commit": "0123456789abcdef", "dirty": false, "rustc": "1", "candle": "1", "features": [] }},
              "host": {{ "cpu": "a processor", "threads": 2, "command": "cargo xtask reproduce table9" }} }} ],
  "data": {{}},
  "rows": [ {{ "id": "a", "metric": "accuracy", "unit": "percent", "direction": "higher",
      "ours": {{ "mean": {mean:?}, "seeds": [0, 1], "per_seed": [{mean:?}, {mean:?}] }},
      "verdict": "{verdict}", "config_sha256": "{config_sha256}", "runs": [0], "wall_s": 1.0 }} ] }}"#
    )
}

fn workspace(record: &str) -> Bed {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    bed.write("docs/experiments/table9.toml", CONFIG);
    bed.write("docs/paper/table9.toml", PAPER);
    bed.write("docs/results/table9.full.json", record);
    bed.write("README.md", "# Title\n\n<!-- results:begin -->\nold\n<!-- results:end -->\n\nafter\n");
    bed
}

/// The hash of the row under the config as it stands, as the program prints it when it is asked.
fn current_hash(bed: &Bed) -> String {
    // A record with a wrong hash is stale; the right one is found by asking for the row of a config that has a runner.
    bed.replace("docs/experiments/table9.toml", "runner = \"none\"", "runner = \"constructions\"");
    let drawing = "drawing = \"geodesics\"\nc = 1.0\n";
    bed.replace("docs/experiments/table9.toml", "dim = 2\n", drawing);
    bed.replace("docs/experiments/table9.toml", "[full]\n", "[smoke]\n[full]\n");
    let (code, text) = run(bed, &["reproduce", "table9", "--print-config"]);
    assert_eq!(code, 0, "{text}");
    let line = text.lines().find(|line| line.starts_with("config_sha256")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

#[test]
fn the_records_of_this_workspace_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = std::process::Command::new(bed::program())
        .args(["report", "--check", "--root"])
        .arg(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn report_judges_and_check_agrees() {
    let bed = workspace(&record(90.5, "above", ""));
    let hash = current_hash(&bed);
    bed.write("docs/results/table9.full.json", &record(90.5, "above", &hash));
    let (code, text) = run(&bed, &["report", "--check"]);
    assert_eq!(code, 1);
    assert!(text.contains("verdict of a accuracy does not recompute"), "{text}");
    let (code, text) = run(&bed, &["report"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("judged anew"), "{text}");
    assert!(bed.read("docs/results/table9.full.json").contains("\"verdict\": \"match\""));
    let readme = bed.read("README.md");
    assert!(readme.contains("| table9 | a | accuracy | 90.50 (2 seeds) | 90.00 | match |"), "{readme}");
    assert!(readme.starts_with("# Title") && readme.ends_with("after\n"), "{readme}");
    assert!(bed.read("runs/report.html").contains("90.50"));
    let (code, text) = run(&bed, &["report", "--check"]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn a_stale_record_is_shown_as_stale_and_without_a_verdict() {
    let bed = workspace(&record(90.5, "match", "of another config"));
    assert_eq!(run(&bed, &["report"]).0, 0);
    for file in ["README.md", "docs/results/README.md"] {
        let text = bed.read(file);
        assert!(text.contains("stale: the config changed since") && !text.contains("| match |"), "{text}");
    }
    assert_eq!(run(&bed, &["report", "--check"]).0, 0, "shown as stale is current");
    bed.replace("README.md", "stale: the config changed since", "match");
    let (code, text) = run(&bed, &["report", "--check"]);
    assert_eq!(code, 1);
    assert!(text.contains("README.md") && text.contains("cargo xtask report"), "{text}");
}

#[test]
fn a_mean_that_was_edited_is_found() {
    let bed = workspace(&record(90.5, "match", ""));
    assert_eq!(run(&bed, &["report"]).0, 0);
    bed.replace("docs/results/table9.full.json", "\"mean\": 90.5", "\"mean\": 90.9");
    let (code, text) = run(&bed, &["report", "--check"]);
    assert_eq!(code, 1);
    assert!(text.contains("is not that of its seeds"), "{text}");
}

#[test]
fn an_interval_that_was_edited_is_found() {
    // Two equal seeds have no spread; a wide interval would turn "above" into "match".
    let wide = record(95.0, "match", "").replace("\"seeds\": [0, 1]", "\"ci95\": 9.0, \"seeds\": [0, 1]");
    let bed = workspace(&wide);
    assert_eq!(run(&bed, &["report"]).0, 0);
    assert!(bed.read("docs/results/table9.full.json").contains("\"verdict\": \"match\""));
    let (code, text) = run(&bed, &["report", "--check"]);
    assert_eq!(code, 1);
    assert!(text.contains("the spread of a accuracy is not that of its seeds"), "{text}");
}

#[test]
fn a_full_record_of_changed_files_is_refused() {
    let bed = workspace(&record(90.5, "match", "").replace("\"dirty\": false", "\"dirty\": true"));
    let (code, text) = run(&bed, &["report", "--check"]);
    assert_eq!(code, 1);
    assert!(text.contains("uncommitted changes"), "{text}");
}

#[test]
fn a_damaged_record_is_named() {
    let bed = workspace("{ \"schema\": 1, ");
    let (code, text) = run(&bed, &["report", "--check"]);
    assert_eq!(code, 1);
    assert!(text.contains("table9.full.json") && text.contains("run again"), "{text}");
}

#[test]
fn a_field_that_no_reader_knows_is_refused() {
    let bed = workspace(&record(90.5, "match", "").replace("\"wall_s\"", "\"walls\": 1, \"wall_s\""));
    let (code, text) = run(&bed, &["report", "--check"]);
    assert_eq!(code, 1);
    assert!(text.contains("walls"), "{text}");
}

#[test]
fn a_table_that_was_never_run_is_said_to_be_so() {
    let bed = workspace(&record(90.5, "match", ""));
    std::fs::remove_file(bed.root().join("docs/results/table9.full.json")).unwrap();
    assert_eq!(run(&bed, &["report"]).0, 0);
    assert!(bed.read("README.md").contains("table9: A table, 1 printed values, verdict not-run"));
}

#[test]
fn a_setting_that_the_scan_does_not_pick_is_found() {
    let scan = "schema = 1\nid = \"scan\"\ntitle = \"A scan\"\nrunner = \"constructions\"\nseeds = [0, 1]\n\
                [smoke]\n[full]\n\
                [[row]]\nid = \"low\"\ndrawing = \"geodesics\"\nc = 0.5\n\
                [[row]]\nid = \"high\"\ndrawing = \"geodesics\"\nc = 2.0\n";
    let bed = workspace(&record(90.5, "match", ""));
    bed.write("docs/experiments/scan.toml", scan);
    let (code, text) = run(&bed, &["reproduce", "scan", "--print-config"]);
    assert_eq!(code, 0, "{text}");
    let hashes: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("config_sha256"))
        .map(|line| line.split('"').nth(1).unwrap())
        .collect();
    let rows = [("low", 80.0, hashes[0]), ("high", 70.0, hashes[1])].map(|(id, mean, hash)| {
        let one: serde_json::Value = serde_json::from_str(&record(mean, "not-comparable", hash)).unwrap();
        let mut row = one["rows"][0].clone();
        row["id"] = id.into();
        row
    });
    let mut whole: serde_json::Value = serde_json::from_str(&record(80.0, "not-comparable", "")).unwrap();
    whole["id"] = "scan".into();
    whole["rows"] = rows.into_iter().collect();
    bed.write("docs/results/scan.full.json", &whole.to_string());
    let choice = "[choice]\nsetting = \"c\"\nfrom = \"scan\"\nmetric = \"accuracy\"\n[full]\n";
    bed.replace("docs/experiments/table9.toml", "[full]\n", choice);
    bed.replace("docs/experiments/table9.toml", "dim = 2\n", "dim = 2\nc = 2.0\n");
    assert_eq!(run(&bed, &["report"]).0, 0);
    let (code, text) = run(&bed, &["report", "--check"]);
    assert_eq!(code, 1);
    assert!(text.contains("docs/experiments/table9.toml") && text.contains("picks c = 0.5"), "{text}");
    assert!(text.contains("1 problem found"), "{text}");
    assert!(bed.read("docs/results/README.md").contains("0.5 (80.00); then 2.0 (70.00)"));
    bed.replace("docs/experiments/table9.toml", "c = 2.0\n", "c = 0.5\n");
    assert_eq!(run(&bed, &["report"]).0, 0);
    let (code, text) = run(&bed, &["report", "--check"]);
    assert_eq!(code, 0, "{text}");
}

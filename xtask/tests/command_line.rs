//! A person's commands, good and bad, end with the right words and exit code.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;

use std::path::Path;
use std::process::Command;

use bed::{Bed, program, run};

/// A workspace with the real configs and printed values, and nothing else.
fn workspace() -> Bed {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for folder in ["docs/experiments", "docs/paper"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            bed.write(&format!("{folder}/{name}"), &std::fs::read_to_string(entry.path()).unwrap());
        }
    }
    bed
}

/// Runs a command that must fail, and expects the words.
fn fails(arguments: &[&str], code: i32, words: &[&str]) {
    let (got, text) = run(&workspace(), arguments);
    assert_eq!(got, code, "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn an_unknown_command_is_a_usage_error() {
    fails(&["reprodce"], 2, &["unrecognized subcommand", "reproduce"]);
}

#[test]
fn no_experiment_is_a_usage_error() {
    fails(&["reproduce"], 2, &["required", "<ID>"]);
}

#[test]
fn an_unknown_experiment_is_answered_with_the_known_ones() {
    fails(&["reproduce", "table99"], 1, &["no experiment table99", "table1", "table3"]);
}

#[test]
fn an_unknown_row_is_answered_with_the_known_ones() {
    let arguments = ["reproduce", "table1", "--scale", "smoke", "--row", "cube"];
    fails(&arguments, 1, &["no row cube", "sphere/geodesic/n100"]);
}

#[test]
fn more_seeds_than_the_config_lists_are_refused() {
    let arguments = ["reproduce", "table1", "--scale", "smoke", "--seeds", "99"];
    fails(&arguments, 1, &["99 are asked for", "add seeds"]);
}

#[test]
fn a_missing_data_root_names_what_runs_without_it() {
    let arguments = ["reproduce", "table3", "--no-record"];
    fails(&arguments, 1, &["MNIST is missing", "--data-root", "HYP_DATA", "--scale smoke", "table1"]);
}

#[test]
fn a_data_root_that_is_no_folder_is_refused() {
    let arguments = ["reproduce", "table3", "--no-record", "--data-root", "nowhere"];
    fails(&arguments, 1, &["nowhere is not a folder", "--scale smoke"]);
}

#[test]
fn an_empty_data_root_is_named_with_what_is_missing() {
    let bed = workspace();
    std::fs::create_dir(bed.root().join("empty")).unwrap();
    let folder = bed.root().join("empty").display().to_string();
    let (code, text) = run(&bed, &["reproduce", "table3", "--no-record", "--data-root", &folder]);
    assert_eq!(code, 1, "{text}");
    for word in ["MNIST is missing", &folder, "--scale smoke", "train-images-idx3-ubyte"] {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
}

#[test]
fn a_truncated_file_is_named() {
    let bed = workspace();
    // Magic number, 60,000 pictures of 28 × 28, and then only a few bytes.
    let mut bytes = vec![0, 0, 8, 3, 0, 0, 0xea, 0x60, 0, 0, 0, 28, 0, 0, 0, 28];
    bytes.extend([7; 100]);
    let folder = bed.root().join("mnist");
    std::fs::create_dir(&folder).unwrap();
    for name in [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ] {
        std::fs::write(folder.join(name), &bytes).unwrap();
    }
    let root = bed.root().display().to_string();
    let (code, text) = run(&bed, &["reproduce", "table3", "--no-record", "--data-root", &root]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("train-images-idx3-ubyte"), "{text}");
    assert!(text.contains("truncated") || text.contains("ends") || text.contains("short"), "{text}");
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn an_unknown_device_is_refused() {
    let arguments = ["reproduce", "table1", "--scale", "smoke", "--device", "tpu"];
    fails(&arguments, 1, &["'tpu'", "cpu"]);
}

/// A CUDA device is known by each of its names.
#[cfg(not(feature = "cuda"))]
#[test]
fn a_program_without_cuda_says_what_is_missing() {
    for device in ["cuda", "cuda:1", "cuda,bf16", "cuda:1,bf16"] {
        let arguments = ["reproduce", "table4", "--scale", "smoke", "--device", device];
        fails(&arguments, 1, &["--features cuda", device]);
    }
}

#[test]
fn a_setting_that_is_read_nowhere_is_an_error() {
    let bed = workspace();
    bed.replace("docs/experiments/table1.toml", "points = 100\n", "points = 100\nponits = 3\n");
    let (code, text) = run(&bed, &["reproduce", "table1", "--scale", "smoke"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("docs/experiments/table1.toml") && text.contains("ponits"), "{text}");
}

#[test]
fn a_full_record_needs_a_committed_tree() {
    // The folder of the test is no checkout, so nothing shows that it is clean.
    fails(&["reproduce", "table1"], 1, &["committed tree", "--no-record"]);
}

#[test]
fn the_config_is_printed_and_nothing_runs() {
    let bed = workspace();
    let arguments = ["reproduce", "table3", "--print-config", "--row", "poincare/n2"];
    let (code, text) = run(&bed, &arguments);
    assert_eq!(code, 0, "{text}");
    for word in ["poincare/n2", "epochs = 10", "adam_lr", "config_sha256"] {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
    assert!(!bed.root().join("runs").exists());
}

#[test]
fn a_smoke_run_ends_with_a_table_a_record_and_a_plot() {
    let bed = workspace();
    let (code, text) = run(&bed, &["reproduce", "table1", "figure3", "--scale", "smoke", "--jobs", "2"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("| tree/uniform-unit/n100 |"), "{text}");
    let record: serde_json::Value = serde_json::from_str(&bed.read("runs/table1.smoke/record.json")).unwrap();
    assert_eq!(record["rows"][0]["verdict"], "not-comparable");
    assert_eq!(record["rows"][0]["ours"]["per_seed"].as_array().unwrap().len(), 3);
    let tree =
        record["rows"].as_array().unwrap().iter().find(|row| row["id"] == "tree/uniform-unit/n100").unwrap();
    assert_eq!(tree["ours"]["mean"], 0.0, "a tree is 0-hyperbolic");
    for plot in ["table1.smoke/table1.svg", "table1.smoke/table1.png", "figure3.smoke/figure3.geodesics.svg"]
    {
        assert!(bed.root().join("runs").join(plot).is_file(), "{plot}");
    }
    assert!(!bed.root().join("docs/results").exists(), "a smoke run proves nothing about the paper");
}

#[test]
fn a_plot_is_not_replaced_by_one_of_fewer_rows_than_its_record() {
    let bed = workspace();
    bed.replace("docs/experiments/table1.toml", "[full]\n", "[reduced]\nall_bases_up_to = 0\n\n[full]\n");
    let reproduce = |row: &str| {
        let (code, text) =
            run(&bed, &["reproduce", "table1", "--scale", "reduced", "--row", row, "--seeds", "1"]);
        assert_eq!(code, 0, "{text}");
        text
    };
    let text = reproduce("disk/euclidean/n100");
    assert!(text.contains("plots: docs/results/table1.reduced"), "{text}");
    let plot = bed.read("docs/results/table1.reduced.svg");
    // The same checkout elsewhere: the record is there, and what its plot was drawn from is not.
    std::fs::remove_dir_all(bed.root().join("runs")).unwrap();
    let text = reproduce("tree/uniform-unit/n100");
    assert!(text.contains("rows of other runs") && text.contains("plots: runs/table1.reduced"), "{text}");
    let record = bed.read("docs/results/table1.reduced.json");
    assert!(record.contains("disk/euclidean/n100") && record.contains("tree/uniform-unit/n100"), "{record}");
    assert_eq!(bed.read("docs/results/table1.reduced.svg"), plot);
    assert!(bed.root().join("runs/table1.reduced/table1.reduced.svg").is_file());
    // What is done is not thrown away by a missing word.
    let again =
        ["reproduce", "table1", "--scale", "reduced", "--row", "tree/uniform-unit/n100", "--seeds", "1"];
    let (code, text) = run(&bed, &again);
    assert!(
        code == 1 && text.contains("holds work of an earlier run") && text.contains("--resume"),
        "{text}"
    );
    let (code, text) = run(&bed, &[&again[..], &["--resume"]].concat());
    assert_eq!(code, 0, "{text}");
    // Of several experiments none is begun where one has work to lose.
    let several = [&["reproduce", "figure3"], &again[1..]].concat();
    bed.replace("docs/experiments/figure3.toml", "[full]\n", "[reduced]\n\n[full]\n");
    let (code, text) = run(&bed, &several);
    assert!(code == 1 && text.contains("table1.reduced holds work"), "{text}");
    assert!(!bed.root().join("runs/figure3.reduced").exists(), "{text}");
    // With all rows at hand, all of them are drawn.
    let text = reproduce("disk/euclidean/n100");
    assert!(text.contains("plots: docs/results/table1.reduced"), "{text}");
    assert_ne!(bed.read("docs/results/table1.reduced.svg"), plot);
}

#[test]
fn the_same_seeds_give_the_same_bits() {
    let value = || {
        let bed = workspace();
        let (code, text) =
            run(&bed, &["reproduce", "table1", "--scale", "smoke", "--row", "disk/euclidean/n100"]);
        assert_eq!(code, 0, "{text}");
        let record: serde_json::Value =
            serde_json::from_str(&bed.read("runs/table1.smoke/record.json")).unwrap();
        record["rows"][0]["ours"]["per_seed"].to_string()
    };
    assert_eq!(value(), value());
}

#[test]
fn every_config_prints_at_every_scale_it_has() {
    let bed = workspace();
    let names = std::fs::read_dir(bed.root().join("docs/experiments")).unwrap();
    for name in names {
        let name = name.unwrap().file_name().into_string().unwrap();
        let id = name.strip_suffix(".toml").unwrap();
        for scale in ["smoke", "full"] {
            let (code, text) = run(&bed, &["reproduce", id, "--print-config", "--scale", scale]);
            assert_eq!(code, 0, "{id} {scale}: {text}");
            assert!(text.contains("config_sha256"), "{id} {scale}: {text}");
        }
    }
}

#[test]
fn help_of_every_command_shows_an_example() {
    for command in ["reproduce", "sweep", "train", "predict", "report", "tidy", "ci", "bench"] {
        let output = Command::new(program()).args([command, "--help"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("Example"), "{command}: {text}");
    }
}

/// 3,368 queries against 15,913 entries: a matrix of all distances alone would be 214 MB.
#[test]
#[cfg(target_os = "linux")]
fn an_evaluation_of_the_size_of_market_1501_stays_small() {
    let key = "reid-evaluation-hyperbolic";
    let (code, text) = run(&workspace(), &["bench", "reid", "--only", key, "--memory"]);
    assert_eq!(code, 0, "{text}");
    let found = text.trim().strip_prefix(key).and_then(|rest| rest.trim().strip_suffix("MB"));
    let megabytes: f64 = found.unwrap_or_else(|| panic!("no number in {text}")).trim().parse().unwrap();
    assert!(megabytes > 0.0 && megabytes < 100.0, "{megabytes} MB above the inputs");
}

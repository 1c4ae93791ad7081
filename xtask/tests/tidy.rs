//! One broken rule at a time: each is reported with its file and what mends it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;

use bed::{Bed, run};

/// A small house in which every rule holds.
fn tidy_house() -> Bed {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n");
    bed.write("crates/hyp-math/Cargo.toml", "[package]\nname = \"hyp-math\"\n");
    bed.write("crates/hyp-math/src/lib.rs", "//! Formulas.\npub mod gyro;\n");
    bed.write("crates/hyp-math/src/gyro.rs", "//! Gyrovectors.\npub fn mobius_add<T>() {}\n");
    bed.write("crates/hyp-math/tests/laws.rs", "//! Laws.\n#[test]\nfn left_cancellation() {}\n");
    bed.write("crates/hyp-data/Cargo.toml", "[package]\nname = \"hyp-data\"\n");
    bed.write("crates/hyp-data/src/lib.rs", "//! Files.\n");
    bed.write("docs/experiments/table3.toml", "schema = 1\nid = \"table3\"\n");
    bed.write("docs/results/table3.histogram.png", "not really a picture");
    bed.write("crates/hyp-data/tests/golden/make_jpegs.py", "# draws cmyk.jpg\n");
    bed.write("crates/hyp-data/tests/golden/cmyk.jpg", "not really a picture");
    bed.write(
        "docs/paper/equations.md",
        "# Equations\n\n| key | paper | formula | function | test |\n|--|--|--|--|--|\n\
         | mobius-add | (6) | x + y | `hyp_math::gyro::mobius_add` | `crates/hyp-math/tests/laws.rs::left_cancellation` |\n",
    );
    bed.write("README.md", "See `crates/hyp-math/src/gyro.rs` and [equations](docs/paper/equations.md).\n");
    bed
}

/// Runs tidy after one change and expects the words in what it says.
fn expect(change: impl FnOnce(&Bed), words: &[&str]) {
    let bed = tidy_house();
    change(&bed);
    let (code, text) = run(&bed, &["tidy"]);
    assert_eq!(code, 1, "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
    assert!(text.contains("1 problem found"), "{text}");
}

#[test]
fn a_tidy_house_passes() {
    let (code, text) = run(&tidy_house(), &["tidy"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("the house is tidy"), "{text}");
}

#[test]
fn a_wrong_edge_is_refused() {
    expect(
        |bed| {
            let manifest =
                "[package]\nname = \"hyp-math\"\n[dev-dependencies]\nhyp-data = { path = \"../hyp-data\" }\n";
            bed.write("crates/hyp-math/Cargo.toml", manifest);
        },
        &["crates/hyp-math/Cargo.toml", "hyp-math may not depend on hyp-data", "lower crate"],
    );
}

#[test]
fn only_one_crate_names_candle() {
    expect(
        |bed| {
            let manifest =
                "[package]\nname = \"hyp-data\"\n[dependencies]\ntensors = { package = \"candle-core\" }\n";
            bed.write("crates/hyp-data/Cargo.toml", manifest);
        },
        &["crates/hyp-data/Cargo.toml", "only hyp-nn may name candle-core", "re-exports"],
    );
}

#[test]
fn an_unknown_crate_is_refused() {
    expect(
        |bed| bed.write("crates/hyp-new/Cargo.toml", "[package]\nname = \"hyp-new\"\n"),
        &["crates/hyp-new/Cargo.toml", "no place in the layering", "edges.rs"],
    );
}

#[test]
fn a_file_opens_with_what_is_in_it() {
    expect(
        |bed| bed.write("crates/hyp-math/src/maps.rs", "pub fn f() {}\n"),
        &["crates/hyp-math/src/maps.rs", "first line", "open it with"],
    );
}

#[test]
fn a_long_file_is_refused_except_in_tests() {
    let long = format!("//! Long.\n{}", "\n".repeat(500));
    expect(
        |bed| {
            bed.write("crates/hyp-math/src/maps.rs", &long);
            bed.write("crates/hyp-math/tests/maps.rs", &long);
        },
        &["crates/hyp-math/src/maps.rs", "501 lines", "split it"],
    );
}

#[test]
fn a_name_says_what_is_in_the_file() {
    expect(
        |bed| bed.write("crates/hyp-math/src/utils.rs", "//! Things.\n"),
        &["crates/hyp-math/src/utils.rs", "name", "after its subject"],
    );
}

#[test]
fn a_path_of_one_machine_is_refused() {
    let path = format!("//! Reads {}someone/data.\n", concat!("/ho", "me/"));
    expect(
        |bed| bed.write("crates/hyp-math/src/maps.rs", &path),
        &["crates/hyp-math/src/maps.rs:1", "one machine", "relative to the workspace"],
    );
}

#[test]
fn a_path_named_in_the_docs_exists() {
    expect(
        |bed| bed.write("README.md", "First line.\nSee `crates/hyp-math/src/gone.rs`.\n"),
        &["README.md:2", "crates/hyp-math/src/gone.rs", "correct the path"],
    );
}

#[test]
fn a_link_in_the_docs_leads_somewhere() {
    expect(
        |bed| bed.write("docs/guide.md", "See [there](paper/gone.md#part).\n"),
        &["docs/guide.md:1", "links to `paper/gone.md`", "correct the link"],
    );
}

#[test]
fn an_equation_names_an_existing_function() {
    expect(
        |bed| bed.replace("docs/paper/equations.md", "mobius_add`", "mobius_addition`"),
        &["docs/paper/equations.md:5", "no function `hyp_math::gyro::mobius_addition`", "write the function"],
    );
}

#[test]
fn an_equation_names_an_existing_test() {
    expect(
        |bed| bed.replace("docs/paper/equations.md", "left_cancellation", "right_cancellation"),
        &["docs/paper/equations.md:5", "laws.rs::right_cancellation", "write the test"],
    );
    expect(
        |bed| bed.replace("crates/hyp-math/tests/laws.rs", "#[test]\n", ""),
        &["docs/paper/equations.md:5", "laws.rs::left_cancellation", "write the test"],
    );
}

#[test]
fn a_picture_outside_the_results_is_refused() {
    expect(
        |bed| bed.write("docs/bird.jpg", "a picture"),
        &["docs/bird.jpg", "no experiment drew", "remove it"],
    );
}

#[test]
fn a_picture_of_a_test_that_could_show_somebody_is_refused() {
    expect(
        |bed| bed.write("crates/hyp-data/tests/golden/cmyk.jpg", &"x".repeat(4097)),
        &["crates/hyp-data/tests/golden/cmyk.jpg", "no experiment drew", "remove it"],
    );
}

#[test]
fn a_picture_among_the_results_bears_the_name_of_an_experiment() {
    expect(
        |bed| bed.write("docs/results/person.png", "a picture"),
        &["docs/results/person.png", "no experiment drew", "remove it"],
    );
}

#[test]
fn a_picture_hidden_in_a_drawing_is_refused() {
    expect(
        |bed| bed.write("docs/results/table3.svg", "<svg><image href=\"data:image/png;base64,\"/></svg>"),
        &["docs/results/table3.svg", "inside an SVG", "lines and text"],
    );
}

#[test]
fn a_large_plot_is_refused() {
    expect(
        |bed| bed.write("docs/results/table3.points.png", &"x".repeat((1 << 20) + 1)),
        &["docs/results/table3.points.png", "1048577 bytes", "fewer points"],
    );
}

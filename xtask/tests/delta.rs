//! `cargo xtask delta` on good and bad files: the right words and exit codes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;

use std::fs::File;
use std::io::Write as _;

use bed::{Bed, run};

/// A little-endian `.npy` of f32.
fn npy(rows: usize, columns: usize, values: &[f32]) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

/// The interval of the line that begins so.
fn bounds(text: &str, start: &str) -> (f64, f64) {
    let line = text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{text}"));
    let (_, rest) = line.split_once('[').unwrap();
    let (least, most) = rest.split_once(']').unwrap().0.split_once(", ").unwrap();
    (least.parse().unwrap(), most.parse().unwrap_or(f64::INFINITY))
}

/// Features of a Gaussian, nearly.
fn normal(count: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 16_777_216.0
    };
    (0..count).map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0).collect()
}

/// Runs `delta` on one file with those bytes.
fn delta(name: &str, bytes: &[u8], options: &[&str]) -> (i32, String) {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    let path = bed.root().join(name);
    std::fs::write(&path, bytes).unwrap();
    let mut arguments = vec!["delta", path.to_str().unwrap()];
    arguments.extend(options);
    let result = run(&bed, &arguments);
    assert!(!result.1.contains("panicked"), "{}", result.1);
    result
}

/// The file is refused, and the words stand in the one line that says why, with the file's name.
fn refused(name: &str, bytes: &[u8], options: &[&str], words: &[&str]) {
    let (code, text) = delta(name, bytes, options);
    let error = text.lines().find(|line| line.starts_with("error:")).unwrap_or_default();
    assert_eq!(code, 1, "{text}");
    for word in words.iter().copied().chain([name]) {
        assert!(error.contains(word), "`{word}` is missing in: {text}");
    }
}

/// The way round a cycle of n points.
fn cycle(n: usize) -> Vec<f32> {
    (0..n * n)
        .map(|at| {
            let gap = (at / n).abs_diff(at % n);
            gap.min(n - gap) as f32
        })
        .collect()
}

#[test]
fn a_cycle_of_distances_is_found_out_and_measured() {
    for options in [&["--brief"][..], &["--brief", "--all-bases"], &["--brief", "--instructions", "portable"]]
    {
        let (code, text) = delta("cycle.npy", &npy(16, 16, &cycle(16)), options);
        assert_eq!(code, 0, "{text}");
        for word in
            ["distances between 16 points", "is 4, exact", "diameter 8", "δ_rel 1.0000", "0.0207", "0.0032"]
        {
            assert!(text.contains(word), "`{word}` is missing in: {text}");
        }
    }
}

#[test]
fn features_get_controls_and_a_plot() {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    let lines: Vec<String> =
        (0..60).map(|i| format!("{},{}\n", (f64::from(i) * 0.7).sin(), (f64::from(i) * 1.3).cos())).collect();
    bed.write("points.csv", &format!("x,y\n{}", lines.concat()));
    let path = bed.root().join("points.csv");
    let (code, text) = run(&bed, &["delta", path.to_str().unwrap(), "--controls", "50"]);
    assert_eq!(code, 0, "{text}");
    for word in [
        "60 points of 2 dimensions, Euclidean",
        "means of 5 draws",
        "random tree",
        "Gaussian of 2 dimensions",
        "→ 50 of your 60 points",
        "no nearer to a tree",
    ] {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
    assert!(bed.read("runs/delta/points.svg").contains("<svg"));
    // All points beside as many: the row of the data is what was measured of them, at the same base point.
    let (code, text) = run(&bed, &["delta", path.to_str().unwrap(), "--base", "3"]);
    let relative = text.lines().find_map(|line| line.strip_prefix("δ_rel ")).unwrap();
    assert!(code == 0 && text.contains("beside spaces of 60 points"), "{text}");
    assert!(text.contains(&format!("  {relative}  → your data\n")), "{text}");
    let poincare = ["delta", path.to_str().unwrap(), "--metric", "poincare", "--c", "0.1", "--brief"];
    let (code, text) = run(&bed, &poincare);
    assert!(code == 0 && text.contains("Poincaré distances at c = 0.1"), "{text}");
}

#[test]
fn a_budget_of_nothing_leaves_an_interval() {
    let n = 2100;
    let values: Vec<f32> =
        (0..n * 3).map(|at| (at as f32 * 0.37).sin() + (at as f32 * 0.011).cos()).collect();
    let (code, text) = delta("many.npy", &npy(n, 3, &values), &["--budget", "0s", "--brief"]);
    assert!(code == 0 && text.contains("the time was over") && text.contains("δ_rel in ["), "{text}");
    assert!(text.contains("diameter at least"), "{text}");
    // No more than is possible, however little was seen.
    let most = text.lines().find(|line| line.starts_with("δ_rel in")).unwrap();
    let most: f64 = most.trim_end_matches(']').rsplit(' ').next().unwrap().parse().unwrap();
    assert!(most <= 1.0, "{text}");
}

/// Spaces that go through the kernels, through `f64` alone, and over all bases stop in time as well, with an interval.
#[test]
fn every_way_stops_in_time() {
    let mut tree = vec![0.0_f32; 300 * 300];
    for (at, value) in tree.iter_mut().enumerate() {
        // A star whose rays have lengths that are no multiples of anything.
        let ray = |point: usize| (point as f32 + 1.0).sqrt();
        let (i, j) = (at / 300, at % 300);
        *value = if i == j { 0.0 } else { ray(i) + ray(j) };
    }
    let features: Vec<f32> = (0..300 * 3).map(|at| 0.3 * (at as f32 * 0.37).sin()).collect();
    let (tree, features) = (npy(300, 300, &tree), npy(300, 3, &features));
    for (name, bytes, options) in [
        ("tree.npy", &tree, &[][..]),
        ("tree.npy", &tree, &["--all-bases"]),
        ("features.npy", &features, &[]),
        ("features.npy", &features, &["--all-bases"]),
        ("features.npy", &features, &["--metric", "poincare"]),
        ("features.npy", &features, &["--metric", "angular", "--all-bases"]),
    ] {
        let all = [options, &["--budget", "0s", "--brief"]].concat();
        let (code, text) = delta(name, bytes, &all);
        assert!(code == 0 && text.contains("lies in [") && text.contains("δ_rel in ["), "{all:?} {text}");
    }
}

#[test]
fn settings_that_nothing_reads_are_refused() {
    let points = npy(9, 2, &(0..18).map(|at| (at as f32).sin()).collect::<Vec<_>>());
    for (options, part) in [
        (&["--c", "0.5"][..], "--metric poincare"),
        (&["--metric", "poincare", "--c", "-1"], "give a finite c ≥ 0"),
        (&["--key", "x"], "leave --key out"),
        (&["--seed", "3", "--brief"], "leave one of them out"),
    ] {
        refused_alone("points.npy", &points, options, part);
    }
    for options in [
        &["--memory", "nan"][..],
        &["--memory", "-1"],
        &["--memory", "0"],
        &["--controls", "3"],
        &["--controls", "9", "--brief"],
        &["--plot", "x", "--brief"],
        &["--protocol", "khrulkov2020", "--memory", "1"],
        &["--protocol", "khrulkov2020", "--base", "1"],
        &["--all-bases", "--base", "1"],
        &["--distances", "--features"],
    ] {
        let (code, text) = delta("points.npy", &points, options);
        assert!(code == 2 && text.contains("error:"), "{options:?} {text}");
    }
}

fn refused_alone(name: &str, bytes: &[u8], options: &[&str], part: &str) {
    let (code, text) = delta(name, bytes, options);
    assert!(code == 1 && text.starts_with("error:") && text.contains(part), "{options:?} {text}");
}

#[test]
fn a_diagonal_of_rounding_asks_what_it_is() {
    let mut values = cycle(12);
    values[13] = 1e-4;
    let matrix = npy(12, 12, &values);
    refused("nearly.npy", &matrix, &["--brief"], &["look like distances", "--distances", "--features"]);
    let (code, text) = delta("nearly.npy", &matrix, &["--brief", "--distances"]);
    assert!(code == 0 && text.contains("taken for zero") && text.contains("is 3, exact"), "{text}");
    let (code, text) = delta("nearly.npy", &matrix, &["--brief", "--features"]);
    assert!(code == 0 && text.contains("12 points of 12 dimensions"), "{text}");
    for at in 0..12 {
        values[at * 13] = 6.0;
    }
    let (code, text) = delta("similar.npy", &npy(12, 12, &values), &["--brief"]);
    assert!(code == 0 && text.contains("similarities have no δ"), "{text}");
}

/// A star is a tree, but for the rounding of its distances.
#[test]
fn a_curvature_without_bounds_is_said_in_words() {
    let rays: Vec<f32> = (0..40).map(|n| (n as f32 + 0.7).sqrt()).collect();
    let values: Vec<f32> =
        (0..1600).map(|at| if at / 40 == at % 40 { 0.0 } else { rays[at / 40] + rays[at % 40] }).collect();
    let (code, text) = delta("star.npy", &npy(40, 40, &values), &["--brief"]);
    let c = text.lines().find(|line| line.starts_with("suggested c")).unwrap_or_default();
    assert!(code == 0 && c.len() < 110 && text.contains("those of a tree"), "{text}");
}

/// As behind `| head -1`.
#[test]
fn a_reader_that_leaves_is_no_panic() {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    let path = bed.root().join("cycle.npy");
    std::fs::write(&path, npy(16, 16, &cycle(16))).unwrap();
    let mut child = std::process::Command::new(bed::program())
        .args(["delta", path.to_str().unwrap(), "--brief", "--root"])
        .arg(bed.root())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(141) && !told.contains("panicked"), "{:?} {told}", output.status);
}

/// Ctrl-C in a long search leaves what is certain by then, and no controls.
#[cfg(unix)]
#[test]
fn an_interrupted_search_leaves_an_interval() {
    use std::io::BufRead as _;

    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    let path = bed.root().join("long.npy");
    // Points of a plane, for which every base point has to be searched.
    let values: Vec<f32> =
        (0..3000 * 2).map(|at| (at as f32 * 0.37).sin() * (at as f32 * 0.011).cos()).collect();
    std::fs::write(&path, npy(3000, 2, &values)).unwrap();
    let mut child = std::process::Command::new(bed::program())
        .args(["delta", path.to_str().unwrap(), "--all-bases", "--root"])
        .arg(bed.root())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    // The search begins after its description.
    let first = lines.next().unwrap().unwrap();
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let text = format!("{first}\n{}", rest.join("\n"));
    assert!(sent.success() && child.wait().unwrap().code() == Some(130), "{text}");
    assert!(text.contains("lies in [") && text.contains("the search was interrupted"), "{text}");
    assert!(!text.contains("a random tree"), "{text}");
}

#[test]
fn an_array_that_does_not_fit_its_checksum_is_refused() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("features.npy", stored).unwrap();
    let values: Vec<f32> = (0..60).map(|n| (n as f32 * 0.7).sin()).collect();
    let array = npy(20, 3, &values);
    archive.write_all(&array).unwrap();
    let whole = archive.finish().unwrap().into_inner();
    let (code, text) = delta("whole.npz", &whole, &["--brief"]);
    assert_eq!(code, 0, "{text}");
    let mut damaged = whole;
    let start = damaged.windows(array.len()).position(|bytes| bytes == array).unwrap();
    damaged[start + array.len() - 9] ^= 1;
    refused("damaged.npz", &damaged, &[], &["features", "damaged", "copy the file again"]);
}

#[test]
fn a_first_line_that_counts_the_columns_is_no_point() {
    let points = "0,1\n0.5,2\n3,1\n4,7\n5,5\n";
    let (code, text) = delta("counted.csv", points.as_bytes(), &["--brief"]);
    assert!(code == 0 && text.contains("4 points") && text.contains("names of the columns"), "{text}");
    // Distances along a line begin so too.
    let (code, text) = delta("line.csv", b"0,1,2,3\n1,0,1,2\n2,1,0,1\n3,2,1,0\n", &["--brief"]);
    assert!(code == 0 && text.contains("4 points"), "{text}");
}

#[test]
fn bad_tables_are_refused_with_what_to_do() {
    refused("nan.csv", b"1,2\n3,NaN\n5,6\n7,8\n", &[], &["line 2, field 2 is NaN", "remove the line"]);
    refused("ragged.csv", b"1,2\n3\n", &[], &["line 2 has 1 fields", "mend"]);
    refused("words.csv", b"1,2\n3,four\n", &[], &["not a number", "remove the column"]);
    refused("empty.npy", b"", &[], &["empty", "write it again"]);
    refused("not.npy", b"hello, world", &[], &["not NumPy's format", "numpy.save"]);
    let parquet = if cfg!(feature = "parquet") { "no whole Parquet" } else { "convert" };
    refused("features.parquet", b"PAR1", &[], &[parquet]);
    let (code, text) = delta("long.csv", b"1,2\n3,4\n", &["--budget", "1e30h"]);
    assert!(code == 2 && text.contains("such as 30s"), "{text}");
    refused("features.xls", b"1", &[], &["not read", ".npy"]);
    refused("features", b"1", &[], &["without an ending", ".npy"]);
    refused("huge.npy", &npy(2, 1, &[f32::MAX, f32::INFINITY]), &[], &["feature 0 of point 1 is inf"]);
    refused("equal.npy", &npy(5, 2, &[1.0; 10]), &[], &["all 5 points coincide", "distinct points"]);
    refused(
        "nan.npy",
        &npy(4, 1, &[1.0, 2.0, f32::NAN, 3.0]),
        &[],
        &["feature 0 of point 2 is NaN", "remove"],
    );
    refused("one.safetensors", b"{}", &[], &["no whole safetensors"]);
    refused("one.npz", b"PK", &[], &["no whole .npz"]);
    refused(
        "out.npy",
        &npy(2, 1, &[0.1, 3.0]),
        &["--metric", "poincare"],
        &["outside the open ball", "project"],
    );
    refused("few.csv", b"1,2\n3,4\n5,9\n", &["--protocol", "khrulkov2020"], &["1000 of 3 points", "--exact"]);
}

#[test]
fn bad_distances_are_refused_with_their_place() {
    let mut values = cycle(6);
    values[1] = 2.0;
    refused("asymmetric.npy", &npy(6, 6, &values), &[], &["point 0 to point 1 is 2 but 1", "transpose"]);
    values[1] = 3e38;
    refused("large.npy", &npy(6, 6, &values), &[], &["e38 but 1 on the way back", "`--features` takes"]);
    refused("tall.npy", &npy(3, 2, &values[..6]), &["--distances"], &["no matrix of distances"]);
}

#[test]
fn two_points_are_a_tree_and_it_says_so() {
    let (code, text) = delta("two.csv", b"1,2\n3,4\n", &["--brief"]);
    assert!(code == 0 && text.contains("any 2 points lie in a tree"), "{text}");
    // Nothing that would say more than that, and nothing beside it.
    for bytes in [&b"1,2\n3,4\n5,9\n"[..], b"1,2\n3,4\n1,2\n3,4\n3,4\n1,2\n"] {
        let (code, text) = delta("few.csv", bytes, &[]);
        assert!(code == 0 && text.contains("points lie in a tree"), "{text}");
        for word in ["suggested c", "δ_rel", "Gaussian", "plot", "nearer"] {
            assert!(!text.contains(word), "`{word}` is in: {text}");
        }
        let options = ["--protocol", "released-code"];
        refused("few.csv", bytes, &options, &["fewer than four different points lie in a tree"]);
    }
    refused("one.csv", b"1,2\n", &["--brief"], &["one point has no distances"]);
}

/// A gigabyte that ends ten bytes early. The file is a hole, so that it takes no room on the disk.
#[test]
fn a_large_file_with_its_tail_cut_off_is_refused_before_it_is_read() {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    let path = bed.root().join("large.npy");
    let head = npy(500_000, 512, &[]);
    std::fs::write(&path, &head).unwrap();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(head.len() as u64 + 500_000 * 512 * 4 - 10)
        .unwrap();
    let (code, text) = run(&bed, &["delta", path.to_str().unwrap()]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("large.npy") && text.contains("cut off") && text.contains("copy it again"),
        "{text}"
    );
}

#[test]
fn too_little_memory_leaves_a_certain_interval() {
    let n = 2100;
    let values: Vec<f32> =
        (0..n * 3).map(|at| (at as f32 * 0.37).sin() + (at as f32 * 0.011).cos()).collect();
    let (code, text) = delta("many.npy", &npy(n, 3, &values), &["--memory", "0.005", "--brief"]);
    assert!(
        code == 0 && text.contains("not all pairs fit in memory") && text.contains("δ_rel in ["),
        "{text}"
    );
    let options = ["--memory", "0.005", "--all-bases", "--brief"];
    let (code, text) = delta("many.npy", &npy(n, 3, &values), &options);
    for word in ["points fit", "δ at one base point, and twice that", "δ_rel in ["] {
        assert!(code == 0 && text.contains(word), "`{word}` is missing in: {text}");
    }
    // Two bytes for each pair are enough for the exact value at a base point, and so for a factor of two.
    let options = ["--memory", "0.02", "--all-bases", "--brief"];
    let (_, text) = delta("many.npy", &npy(n, 3, &values), &options);
    let (least, most) = bounds(&text, "δ over all base points lies in");
    assert!(least > 0.0 && most <= 2.0 * least * (1.0 + 1e-9), "{text}");
}

/// Of a matrix nothing says what dimension its points have, so that no control can give a verdict.
#[test]
fn distances_get_controls_but_no_verdict() {
    let (code, text) = delta("cycle.npy", &npy(40, 40, &cycle(40)), &[]);
    for word in
        ["Gaussian of 3 dimensions", "no verdict", "are a guess", "or 2 where the triangle inequality"]
    {
        assert!(code == 0 && text.contains(word), "`{word}` is missing in: {text}");
    }
    assert!(!text.contains("nearer"), "{text}");
}

/// A c of an interval is an interval, and a tree is spoken of only where nothing but a tree is possible.
#[test]
fn an_interval_suggests_an_interval_of_curvatures() {
    let n = 2100;
    let (code, text) = delta("many.npy", &npy(n, 8, &normal(n * 8)), &["--budget", "0s", "--brief"]);
    let (least, most) = bounds(&text, "δ_rel in");
    let (flat, steep) = bounds(&text, "suggested c");
    assert!(code == 0 && least < most && flat < steep, "{text}");
    // Four places are shown of each.
    let close = |c: f64, relative: f64| (c - (0.144 / relative).powi(2)).abs() <= 1e-3 * (1.0 + c);
    assert!(close(flat, most) && close(steep, least), "{text}");
    let single = npy(n, 2, &(0..2 * n).map(|at| (at / 2) as f32).collect::<Vec<_>>());
    let (_, text) = delta("line.npy", &single, &["--budget", "0s", "--brief"]);
    assert!(text.contains("δ_rel in [") && !text.contains("those of a tree"), "{text}");
}

/// One point thirty times as far out makes δ_rel small, which is no sign of a hierarchy.
#[test]
fn a_diameter_that_hangs_on_one_point_gives_no_verdict() {
    let mut values = normal(600 * 64);
    let (code, text) = delta("normal.npy", &npy(600, 64, &values), &[]);
    assert!(code == 0 && text.contains("no nearer to a tree") && !text.contains("hangs"), "{text}");
    values[77 * 64..78 * 64].iter_mut().for_each(|v| *v *= 30.0);
    let file = npy(600, 64, &values);
    for options in [&[][..], &["--all-bases"]] {
        let (code, text) = delta("outlier.npy", &file, options);
        assert!(code == 0 && text.contains("no verdict: the diameter hangs on point 77"), "{text}");
        assert!(!text.contains("nearer to a tree"), "{text}");
    }
    let (_, text) = delta("outlier.npy", &file, &["--brief"]);
    assert!(text.contains("the diameter hangs on point 77"), "{text}");
    let (_, text) = delta("outlier.npy", &file, &["--protocol", "released-code", "--brief"]);
    assert!(text.contains("draws the diameter hangs on point 77"), "{text}");
}

#[test]
fn points_of_a_line_get_no_verdict() {
    let (code, text) = delta("line.npy", &npy(50, 1, &normal(50)), &[]);
    assert!(code == 0 && text.contains("no verdict: controls of one dimension"), "{text}");
    assert!(!text.contains("nearer"), "{text}");
}

/// Controls and draws end with the budget too, and what was measured is not measured again.
#[test]
fn a_budget_holds_for_controls_and_draws() {
    let file = npy(2000, 16, &normal(2000 * 16));
    let (code, text) = delta("many.npy", &file, &["--budget", "0s"]);
    assert!(code == 0 && text.contains("the time was over before the controls"), "{text}");
    assert!(!text.contains("a random tree") && !text.contains("plot"), "{text}");
    let (code, text) = delta("many.npy", &file, &["--protocol", "khrulkov2020", "--budget", "0s"]);
    assert!(code == 0 && text.contains("of 1 draws of 1000 points"), "{text}");
    assert!(text.contains("the protocol has 10 draws: the time was over"), "{text}");
    let (code, text) = delta("many.npy", &file, &["--protocol", "khrulkov2020", "--budget", "5m", "--brief"]);
    assert!(code == 0 && text.contains("of 10 draws") && text.contains("over all base points is at least"));
}

#[test]
fn the_cosine_and_the_ball_have_controls_of_their_own() {
    let values: Vec<f32> = normal(90 * 6).iter().map(|v| 0.05 * v).collect();
    let file = npy(90, 6, &values);
    let (_, text) = delta("points.npy", &file, &["--metric", "cosine"]);
    assert!(text.contains("by 1 − cos as your data") && text.contains("under the same distances"), "{text}");
    assert!(text.contains("or 2 where the triangle inequality fails"), "{text}");
    let (_, text) = delta("points.npy", &file, &["--metric", "poincare"]);
    assert!(text.contains("your norms in random directions") && text.contains("at most 1)"), "{text}");
}

/// What SciPy's pdist writes is no row of points on a line.
#[test]
fn a_condensed_matrix_asks_what_it_is() {
    let square = cycle(16);
    let half: Vec<f32> = (0..16).flat_map(|i| square[i * 17 + 1..(i + 1) * 16].to_vec()).collect();
    let file = npy(120, 1, &half);
    refused("half.npy", &file, &["--brief"], &["16 points", "pdist", "--distances", "--features"]);
    let (code, text) = delta("half.npy", &file, &["--brief", "--distances"]);
    assert!(code == 0 && text.contains("between 16 points") && text.contains("is 4, exact"), "{text}");
    let (code, text) = delta("half.npy", &file, &["--brief", "--features"]);
    assert!(code == 0 && text.contains("120 points of 1 dimensions"), "{text}");
}

/// Which curve and which level is of one base point, and which of all.
#[test]
fn plots_say_of_which_base_points_they_are() {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    let path = bed.root().join("points.npy");
    std::fs::write(&path, npy(1000, 32, &normal(32_000))).unwrap();
    let path = path.to_str().unwrap();
    for (options, words) in [
        (&["--base", "3"][..], "all points at base point 3, exact"),
        (&["--all-bases"], "all points over all base points, exact"),
        (&["--protocol", "khrulkov2020"], "all points over all base points, at least"),
    ] {
        let (code, text) = run(&bed, &[&["delta", path, "--controls", "60"], options].concat());
        let plot = bed.read("runs/delta/points.svg");
        assert!(code == 0 && plot.contains(words) && plot.contains("at one base point"), "{words} {text}");
    }
}

#[test]
fn a_folder_of_pictures_asks_for_a_network_and_its_weights() {
    let bed = Bed::new();
    bed.write("Cargo.toml", "[workspace]\n");
    let made = hyp_data::source::synthetic::coloured(2, 3, 16, 0);
    hyp_data::source::synthetic::write_folder(&made, &bed.root().join("pictures")).unwrap();
    // Classes play no part, so a picture may lie beside the folders.
    let loose = hyp_data::Image::filled(8, 8, &[1, 2, 3]).to_png();
    std::fs::write(bed.root().join("pictures/loose.png"), loose).unwrap();
    let path = bed.root().join("pictures").display().to_string();
    let (code, text) = run(&bed, &["delta", &path]);
    assert!(code == 1 && text.contains("--encoder"), "{text}");
    let (code, text) = run(&bed, &["delta", &path, "--encoder", "resnet34"]);
    for word in ["7 pictures under resnet34", "fetch resnet34", "licence", "--weights FILE"] {
        assert!(code == 1 && text.contains(word), "`{word}` is missing in: {text}");
    }
    bed.write("wrong.pth", "no weights");
    let weights = bed.root().join("wrong.pth").display().to_string();
    let (code, text) = run(&bed, &["delta", &path, "--encoder", "resnet34", "--weights", &weights]);
    assert!(code == 1 && text.contains("wrong.pth"), "{text}");
}

#[test]
fn table2_says_at_once_what_is_missing() {
    let bed = Bed::of_experiment("table2");
    let (code, text) = run(&bed, &["reproduce", "table2", "--no-record", "--row", "vgg19"]);
    assert_eq!(code, 1, "{text}");
    for name in ["cifar10", "cifar100", "cub", "mini_imagenet", "vgg19"] {
        assert!(text.contains(&format!("cargo xtask fetch {name}")), "`{name}` is missing in: {text}");
    }
    assert!(text.contains("cargo xtask reproduce table2 --scale smoke"), "{text}");
}

#[test]
fn table2_measures_features_that_delta_reads_too() {
    let bed = Bed::of_experiment("table2");
    bed.replace("docs/experiments/table2.toml", "size = 60", "size = 12");
    bed.replace("docs/experiments/table2.toml", "count = 96", "count = 18");
    let row = "efficientnet_lite0/cifar10";
    let options = ["reproduce", "table2", "--scale", "smoke", "--row", row];
    let (code, text) = run(&bed, &options);
    assert_eq!(code, 0, "{text}");
    let record = bed.read("runs/table2.smoke/record.json");
    assert!(
        record.contains("the numbers mean nothing") && record.contains("18 shipped MNIST digits"),
        "{record}"
    );
    let features = format!("runs/table2.smoke/features/{row}/seed0/features.npy");
    let path = bed.root().join(features).display().to_string();
    let (code, text) = run(&bed, &["delta", &path, "--brief"]);
    assert_eq!(code, 0, "{text}");
    let shown = text.lines().find_map(|line| line.strip_prefix("δ_rel ")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let rows = record["rows"].as_array().unwrap();
    let value = |metric: &str| {
        let row = rows.iter().find(|row| row["metric"] == metric).unwrap();
        row["ours"]["mean"].as_f64().unwrap()
    };
    assert_eq!(format!("{:.4}", value("delta_rel_exact")), shown);
    assert!(value("delta_rel") > 0.0 && value("c_printed_exact") > value("c_consistent_exact"));
    // The features are not computed again.
    let written = || std::fs::metadata(&path).unwrap().modified().unwrap();
    let before = written();
    assert_eq!(run(&bed, &options).0, 0);
    assert_eq!(written(), before);
}

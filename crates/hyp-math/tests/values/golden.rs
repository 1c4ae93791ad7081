//! Every operation against golden values in 160-digit arithmetic; the worst errors are the table `docs/numeric-errors.md`.
//!
//! The cases, and what they visit, are described in `tests/golden/make_golden.py`, which writes them.
//! The bars hold for every single case: f32 interface `1e-5` relative, f64 `16 eps (1 + kappa)`.
//! `HYP_BLESS=1 cargo test -p hyp-math --test values` writes the table anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::cases::{self, Case, Stored};
use crate::{registry, released};

/// f32 interface: rounding of the result (6e-8) plus whatever the f64 inside loses; see `docs/numeric-errors.md`.
const BAR_F32: f64 = 1e-5;
/// f64: this many units in the last place of the result, and of every input as far as the case amplifies them.
const BAR_F64_ULPS: f64 = 16.0;
/// A printed figure is stale when the measured one is further away than this factor: mathematical libraries differ
/// between machines in the last bit, the figures are maxima over few cases, and they are printed with one digit.
const STALE_FACTOR: f64 = 3.0;

/// Relative error of `got`: zero must come out as zero, and anything not finite is infinitely wrong.
fn relative(off: f64, size: f64) -> f64 {
    let error = if off == 0.0 { 0.0 } else { off / size };
    if error.is_nan() { f64::INFINITY } else { error }
}

/// `(relative error, condition number)` for each judged quantity: every number of a scalar-valued operation, or the
/// whole vector (norm-wise) of a vector-valued one.
fn errors<T: Stored>(case: &Case, got: &[T]) -> Vec<(f64, f64)> {
    let (want, mut kappa) = (case.expected(), case.condition());
    if kappa.is_empty() {
        // f32 has one bar for all cases, but is judged by the same rule.
        kappa = vec![0.0; if registry::is_scalar(&case.operation) { want.len() } else { 1 }];
    }
    assert_eq!(got.len(), want.len(), "output length of {}", case.show());
    let off: Vec<f64> = got.iter().zip(&want).map(|(g, (high, low))| (g.to_f64() - high) - low).collect();
    if registry::is_scalar(&case.operation) {
        assert_eq!(kappa.len(), want.len(), "condition numbers of {}", case.show());
        return off
            .iter()
            .zip(&want)
            .zip(kappa)
            .map(|((o, w), k)| (relative(o.abs(), w.0.abs()), k))
            .collect();
    }
    assert_eq!(kappa.len(), 1, "condition numbers of {}", case.show());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let off = norm(&mut off.into_iter());
    let size = norm(&mut want.iter().map(|w| w.0));
    vec![(relative(off, size), kappa[0])]
}

/// The worst case so far of one form of one operation in one scalar type.
#[derive(Default)]
struct Worst {
    cases: usize,
    /// Cases beyond the bar.
    broken: usize,
    error: f64,
    /// Error as a share of the bar.
    share: f64,
    /// Largest condition number.
    condition: f64,
    case: String,
}

impl Worst {
    fn see(&mut self, case: &Case, judged: &[(f64, f64)]) {
        let before = self.cases;
        for &(error, kappa) in judged {
            let bar = if case.bits == 32 { BAR_F32 } else { BAR_F64_ULPS * f64::EPSILON * (1.0 + kappa) };
            self.error = self.error.max(error);
            self.condition = self.condition.max(kappa);
            self.broken += usize::from(error > bar);
            if error / bar > self.share {
                self.share = error / bar;
                self.case = format!("error {error:.2e}, kappa {kappa:.1e}, {}", case.show());
            }
        }
        self.cases = before + 1;
    }
}

/// Worst errors by operation: ours in f64 and f32, and the textbook and released forms in f64 and f32.
type Table = BTreeMap<String, [Worst; 4]>;

const OURS: usize = 0;
const RELEASED: usize = 2;

fn measure<T: Stored>(case: &Case, table: &mut Table) {
    let inputs: Vec<Vec<T>> = case.inputs();
    let (operation, c, dim) = (case.operation.as_str(), case.curvature, case.dim);
    let column = usize::from(T::BITS == 32);
    for (name, got) in registry::forms(operation, c, dim, &inputs) {
        table.entry(name).or_default()[OURS + column].see(case, &errors(case, &got));
    }
    if let Some(got) = released::released(operation, c, &inputs) {
        table.entry(operation.to_owned()).or_default()[RELEASED + column].see(case, &errors(case, &got));
    }
}

fn measure_all() -> Table {
    let mut table = Table::new();
    for case in cases::load() {
        match case.bits {
            32 => measure::<f32>(&case, &mut table),
            64 => measure::<f64>(&case, &mut table),
            other => panic!("no scalar of {other} bits"),
        }
    }
    table
}

/// One significant digit, rounded up; at most one unit in the last place counts as "exact".
fn printed(error: f64, bits: usize) -> String {
    let unit = if bits == 32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
    if error <= unit {
        return format!("≤ {unit:.1e}");
    }
    if error >= 1.0 {
        return "no digit".to_owned();
    }
    let exponent = error.log10().floor() as i32;
    let digit = (error / 10f64.powi(exponent)).ceil();
    format!("{:.0e}", digit * 10f64.powi(exponent))
}

/// The number behind a printed figure; the words stand for their ends of the scale.
fn read_back(figure: &str) -> f64 {
    match figure.trim() {
        "no digit" => 1.0,
        other => {
            other.trim_start_matches("≤ ").parse().unwrap_or_else(|_| panic!("unreadable figure {other:?}"))
        }
    }
}

const PREAMBLE: &str = "\
# Numeric errors, measured

Generated by `HYP_BLESS=1 cargo test -p hyp-math --test values`.
The same test without the variable compares this page with what it measures, and fails if a figure is stale or a bar is broken.

Each operation is evaluated on the golden cases of `crates/hyp-math/tests/golden/` and compared with 160-digit arithmetic.
The oracle takes the stored bits of every input, and of c, as exact.
The cases visit radii from 1e-15 to 1 − 1e-7 of the ball's, the origin, near-coincident, coincident and antipodal pairs, c ∈ {0, 1e-5, 1e-2, 1, 10} and dimensions 2, 3, 16 and 128.

- **f64** and **f32** are the worst relative errors over all cases (norm-wise for points and vectors), by the scalar type of the interface; the bar in f32 is 1e-5 for every case.
- **of bar** is the worst error in f64 as a share of the bar, 16 ε (1 + κ), of its own case.
- **κ up to** is the largest condition number among the cases: the relative change of the exact result when single input components, or c, change relatively. A large error beside a small share of the bar belongs to such a case: the middle of a geodesic through the origin from boundary to boundary has no digit that the last bits of its ends do not change.
- **released** is the same operation as the authors' released code computes it, epsilons and clamps included (`hyp_math::reference`), in f64 and f32, for contrast. No bar applies to it; *no digit* means an error of 100 % or more.

Figures are rounded up to one digit.
Mathematical libraries differ in the last bit between machines, so a figure counts as stale only if the measured one differs by more than a factor of three; the bars have no such slack.
The gradients are held to 1e-5 against differences in 160 digits on the same cases (`crates/hyp-math/tests/values/gradients.rs`).
";

fn render(table: &Table) -> String {
    let mut page = PREAMBLE.to_owned();
    page.push_str("\n| operation | cases | κ up to | f64 | of bar | f32 | released f64 | released f32 |\n|--|--|--|--|--|--|--|--|\n");
    for (name, [double, single, released_double, released_single]) in table {
        let released = |w: &Worst, bits| if w.cases == 0 { "–".to_owned() } else { printed(w.error, bits) };
        writeln!(
            page,
            "| `{name}` | {} | {:.0e} | {} | {:.0} % | {} | {} | {} |",
            double.cases + single.cases,
            double.condition,
            printed(double.error, 64),
            (double.share * 100.0).ceil(),
            printed(single.error, 32),
            released(released_double, 64),
            released(released_single, 32),
        )
        .expect("a string takes any text");
    }
    page
}

/// Compares two renderings: all words alike, figures within [`STALE_FACTOR`].
fn differences(committed: &str, measured: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (committed.lines().collect(), measured.lines().collect());
    if old.len() != new.len() {
        return vec![format!("{} lines are committed, {} measured", old.len(), new.len())];
    }
    let same_figure = |a: &str, b: &str| {
        let (a, b) = (a.trim(), b.trim());
        if a == b || a.ends_with('%') && b.ends_with('%') {
            return true; // the share follows from the error, and has its own bar
        }
        if a == "–" || b == "–" {
            return false;
        }
        let ratio = read_back(a) / read_back(b);
        (1.0 / STALE_FACTOR..=STALE_FACTOR).contains(&ratio)
    };
    let same_line = |a: &str, b: &str| {
        if !(a.starts_with("| `") && b.starts_with("| `")) {
            return a == b;
        }
        let (a, b): (Vec<&str>, Vec<&str>) = (a.split('|').collect(), b.split('|').collect());
        a.len() == b.len() && a[..4] == b[..4] && a[4..].iter().zip(&b[4..]).all(|(a, b)| same_figure(a, b))
    };
    old.iter()
        .zip(&new)
        .filter(|(a, b)| !same_line(a, b))
        .map(|(a, b)| format!("committed {a}\nmeasured  {b}"))
        .collect()
}

/// The bars of both scalar types hold for every case of every operation, and the committed table says what is measured.
#[test]
fn every_operation_keeps_its_bar_and_the_table_is_current() {
    let table = measure_all();
    let broken: Vec<String> = table
        .iter()
        .flat_map(|(name, worst)| worst[OURS..RELEASED].iter().map(move |w| (name, w)))
        .filter(|(_, w)| w.share > 1.0)
        .map(|(name, w)| format!("{name}: {} beyond, worst {:.1e} of the bar: {}", w.broken, w.share, w.case))
        .collect();
    assert!(broken.is_empty(), "{} broken bars:\n{}", broken.len(), broken.join("\n"));

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/numeric-errors.md");
    let measured = render(&table);
    if std::env::var_os("HYP_BLESS").is_some_and(|v| v == "1") {
        std::fs::write(&path, measured).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    let stale = differences(&committed, &measured);
    assert!(
        stale.is_empty(),
        "docs/numeric-errors.md is stale, run `HYP_BLESS=1 cargo test -p hyp-math --test values`:\n{}",
        stale.join("\n")
    );
}

/// An operation that is in a golden file but not in the registry would be left out silently.
#[test]
fn no_operation_is_left_out() {
    let seen: BTreeMap<String, Case> =
        cases::load().into_iter().map(|case| (case.operation.clone(), case)).collect();
    let missing: Vec<&String> = seen
        .iter()
        .filter(|(name, case)| {
            let forms = registry::forms(name, case.curvature, case.dim, &case.widened());
            !forms.iter().any(|(form, _)| *form == cases::kernel(name))
        })
        .map(|(name, _)| name)
        .collect();
    assert!(missing.is_empty(), "no batched function for {missing:?}");
}

/// The comparison sees a changed figure, a changed operation and a missing line, and forgives the last bit.
#[test]
fn staleness_is_seen() {
    let line = |figure: &str| format!("| `op` | 10 | 2e7 | {figure} | 5 % | 6e-8 | – | 2e-2 |");
    assert!(differences(&line("3e-15"), &line("3e-15")).is_empty());
    assert!(differences(&line("3e-15"), &line("4e-15")).is_empty());
    assert_eq!(differences(&line("3e-15"), &line("4e-14")).len(), 1);
    assert_eq!(differences(&line("3e-15"), &line("no digit")).len(), 1);
    assert_eq!(differences(&line("3e-15"), &line("3e-15").replace("op", "other")).len(), 1);
    assert_eq!(differences(&line("3e-15"), &line("3e-15").replace("–", "1e-3")).len(), 1);
    assert_eq!(differences(&line("3e-15"), &format!("{0}\n{0}", line("3e-15"))).len(), 1);
}

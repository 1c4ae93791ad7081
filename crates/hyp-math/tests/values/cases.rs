//! Reading the golden files: cases with their inputs and expected values as stored bits.

use std::path::Path;
use std::rc::Rc;

use hyp_math::{Curvature, Real};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    header: Header,
    vectors: Vec<String>,
    cases: Vec<Line>,
}

#[derive(Deserialize)]
struct Header {
    curvatures: Vec<String>,
}

/// One line of a golden file; the letters are explained in the generator.
#[derive(Deserialize)]
struct Line {
    o: String,
    t: u32,
    c: usize,
    d: usize,
    i: Vec<usize>,
    e: String,
    #[serde(default)]
    k: String,
    #[serde(default)]
    g: String,
}

/// One evaluation of one operation.
pub(crate) struct Case {
    /// The operation.
    pub(crate) operation: String,
    /// 32 or 64: the scalar type whose bits the inputs are.
    pub(crate) bits: u32,
    /// The curvature.
    pub(crate) curvature: Curvature,
    /// The dimension of a point.
    pub(crate) dim: usize,
    inputs: Vec<Rc<str>>,
    expected: String,
    condition: String,
    gradient: String,
}

/// What reading needs of a scalar type beyond [`Real`].
pub(crate) trait Stored: Real {
    /// 32 or 64.
    const BITS: u32;
    /// The number with these bits.
    fn from_hex(hex: &str) -> Self;
}

impl Stored for f32 {
    const BITS: u32 = 32;
    fn from_hex(hex: &str) -> Self {
        f32::from_bits(u32::from_str_radix(hex, 16).expect("a golden file is well formed"))
    }
}

impl Stored for f64 {
    const BITS: u32 = 64;
    fn from_hex(hex: &str) -> Self {
        f64::from_bits(u64::from_str_radix(hex, 16).expect("a golden file is well formed"))
    }
}

impl Case {
    /// The inputs in their scalar type.
    pub(crate) fn inputs<T: Stored>(&self) -> Vec<Vec<T>> {
        assert_eq!(self.bits, T::BITS);
        self.inputs.iter().map(|v| v.split_whitespace().map(T::from_hex).collect()).collect()
    }

    /// The inputs in decimal, cut short.
    pub(crate) fn show(&self) -> String {
        let wide: Vec<Vec<f64>> = self.widened();
        let cut = |v: &Vec<f64>| v.iter().take(6).map(|x| format!("{x:e}")).collect::<Vec<_>>().join(" ");
        let inputs = wide.iter().map(cut).collect::<Vec<_>>().join(" | ");
        format!("{} f{} c = {} d = {}: {inputs}", self.operation, self.bits, self.curvature.get(), self.dim)
    }

    /// The inputs as `f64`, whatever their scalar type.
    pub(crate) fn widened(&self) -> Vec<Vec<f64>> {
        if self.bits == 64 {
            return self.inputs();
        }
        self.inputs::<f32>().into_iter().map(|v| v.into_iter().map(f64::from).collect()).collect()
    }

    /// The expected numbers: the nearest `f64` and what it lacks.
    pub(crate) fn expected(&self) -> Vec<(f64, f64)> {
        self.expected
            .split_whitespace()
            .map(|number| {
                let (high, low) = number.split_once(':').unwrap_or((number, "0"));
                (f64::from_hex(high), low.parse().expect("a golden file is well formed"))
            })
            .collect()
    }

    /// The gradient of ⟨cotangent, output⟩ by every component of every input, and, last, by c.
    pub(crate) fn gradient(&self) -> Vec<f64> {
        self.gradient.split_whitespace().map(|g| g.parse().expect("a golden file is well formed")).collect()
    }

    /// The condition numbers: one for each expected number, or one for them all.
    pub(crate) fn condition(&self) -> Vec<f64> {
        self.condition.split_whitespace().map(|k| k.parse().expect("a golden file is well formed")).collect()
    }
}

/// The name of the batched form of an operation; the logits of single pairs are those of the kernel over all pairs.
pub(crate) fn kernel(operation: &str) -> String {
    let name = match operation {
        "mlr_ganea" => "mlr_logits",
        "mlr_unidirectional" => "mlr_logits_unidirectional",
        other => other,
    };
    format!("batch::{}", name.replacen("lorentz_", "lorentz::", 1))
}

/// Every case of every file.
pub(crate) fn load() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases = Vec::new();
    for name in ["ball", "models", "layers"] {
        let path = folder.join(format!("{name}.json"));
        let text = std::fs::read_to_string(&path).expect("a golden file is well formed");
        let file: File = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let curvatures: Vec<Curvature> = file
            .header
            .curvatures
            .iter()
            .map(|hex| Curvature::new(f64::from_hex(hex)).expect("a golden file is well formed"))
            .collect();
        cases.extend(file.cases.into_iter().map(|line| Case {
            operation: line.o,
            bits: line.t,
            curvature: curvatures[line.c],
            dim: line.d,
            inputs: line.i.iter().map(|vector| file.vectors[*vector].as_str().into()).collect(),
            expected: line.e,
            condition: line.k,
            gradient: line.g,
        }));
    }
    for case in cases.iter().filter(|case| case.bits == 64) {
        let components: usize = case.widened().iter().map(Vec::len).sum();
        assert_eq!(case.gradient().len(), components + 1, "gradient of {}", case.show());
    }
    cases
}
